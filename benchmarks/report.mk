# The report of the default recipe: against the published one, and against the compact network, after the same
# number of patches of the same data, on 320 held-out events and in other detectors. Two to three hours on two cores.

SEEN := --trainer.max-epochs 4 --data.patches-per-epoch 120000 --data.validation-patches 30000

noise_x2 := --response.raw-noise 5
coherent_noise := --response.coherent-noise 2.5
lifetime_10ms := --response.lifetime-us 10000
gain_minus_10 := --response.gain 0.9
gain_plus_10 := --response.gain 1.1
drift_speed_minus_2 := --response.drift-speed 0.15337
recombination_plus_10 := --response.box-b 0.2332
dead_channels_2 := --response.dead-channels 0.02
DETECTORS := nominal noise_x2 coherent_noise lifetime_10ms gain_minus_10 gain_plus_10 drift_speed_minus_2 \
	recombination_plus_10 dead_channels_2

data/default.h5: | .venv/installed
	$(RUN) data_gen.generate --events 600 --seed 1 --out $@

data/held_out.h5: | .venv/installed
	$(RUN) data_gen.generate --split test --events 320 --seed 2 --out $@

data/variations/%.h5: | .venv/installed
	$(RUN) data_gen.generate --split test --events 30 --seed 77 --planes W --out $@ $($*)

runs/default/calibrated.ckpt runs/compact/calibrated.ckpt: runs/%/calibrated.ckpt: | data/default.h5
	rm -rf runs/$*
	$(RUN) training.fit --config training/configs/$*.yaml

runs/upstream/calibrated.ckpt: | data/default.h5
	rm -rf runs/upstream
	$(RUN) training.fit --config upstream --data.path data/default.h5 $(SEEN)

TRAINED := $(foreach name,default compact upstream,runs/$(name)/calibrated.ckpt)

report: $(TRAINED) data/held_out.h5 $(DETECTORS:%=data/variations/%.h5)  ## the default recipe's report, in hours
	$(RUN) training.evaluate --checkpoint runs/compact/calibrated.ckpt --data data/held_out.h5 --share 0.1 \
		--against runs/default/calibrated.ckpt
	$(RUN) training.evaluate --checkpoint runs/default/calibrated.ckpt --data data/held_out.h5 --share 0.1 \
		--against runs/upstream/calibrated.ckpt --variations data/variations
	cp runs/default/report.html docs/report.html
	cp runs/default/model_card.md docs/model_card.md
