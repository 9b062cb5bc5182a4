# The report of the recommended recipe, compact: with three seeds, against the published network with a better recipe,
# on all hits of 320 held-out events and in other detectors; and of that network against the published recipe, after the
# same number of patches. Hours on two cores.

SEEN := --trainer.max-epochs 4 --data.patches-per-epoch 120000 --data.validation-patches 30000

noise_x2 := --response.raw-noise 5
coherent_noise := --response.coherent-noise 2.5
lifetime_10ms := --response.lifetime-us 10000
gain_minus_10 := --response.gain 0.9
gain_plus_10 := --response.gain 1.1
drift_speed_minus_2 := --response.drift-speed 0.15337
recombination_plus_10 := --response.box-b 0.2332
dead_channels_2 := --response.dead-channels 0.02
larsoft_delta_rays := --labels.delta-ray-shower 0
DETECTORS := nominal noise_x2 coherent_noise lifetime_10ms gain_minus_10 gain_plus_10 drift_speed_minus_2 \
	recombination_plus_10 dead_channels_2 larsoft_delta_rays

data/default.h5: | .venv/installed
	$(RUN) data_gen.generate --events 600 --seed 1 --out $@

data/held_out.h5: | .venv/installed
	$(RUN) data_gen.generate --split test --events 320 --seed 2 --out $@

data/variations/%.h5: | .venv/installed
	$(RUN) data_gen.generate --split test --events 120 --seed 77 --planes W --out $@ $($*)

runs/default/calibrated.ckpt runs/compact/calibrated.ckpt: runs/%/calibrated.ckpt: | data/default.h5
	rm -rf runs/$*
	$(RUN) training.fit --config training/configs/$*.yaml

runs/compact-%/calibrated.ckpt: | data/default.h5
	rm -rf runs/compact-$*
	$(RUN) training.fit --config compact --seed-everything $* --name compact-$*

runs/compact-int8/calibrated.ckpt: runs/compact/calibrated.ckpt
	rm -rf runs/compact-int8
	$(RUN) training.fit --config qat --model.network compact --model.init-from $< --name compact-int8

runs/upstream/calibrated.ckpt: | data/default.h5
	rm -rf runs/upstream
	$(RUN) training.fit --config upstream --data.path data/default.h5 $(SEEN)

TRAINED := $(foreach name,compact compact-2 compact-3 default upstream,runs/$(name)/calibrated.ckpt)

# Truly natural events, in which scores of the natural scale are to be probabilities.
data/natural.h5: | .venv/installed
	$(RUN) data_gen.generate --config natural --split test --events 240 --seed 3 --out $@

# The last step makes the weights that come along anew.
report: $(TRAINED) runs/compact-int8/calibrated.ckpt data/held_out.h5 data/natural.h5 $(DETECTORS:%=data/variations/%.h5)  ## the recipes' report and the weights that come along, in hours
	$(RUN) training.evaluate --checkpoint runs/compact/calibrated.ckpt --data data/held_out.h5 \
		--against runs/default/calibrated.ckpt --repeats runs --others-share 0.1 --variations data/variations
	$(RUN) training.evaluate --checkpoint runs/default/calibrated.ckpt --data data/held_out.h5 --share 0.1 \
		--against runs/upstream/calibrated.ckpt
	$(RUN) training.evaluate --checkpoint runs/compact/calibrated.ckpt --data data/natural.h5 --share 0.1 \
		--out runs/compact/natural
	$(RUN) training.evaluate --checkpoint runs/default/calibrated.ckpt --data data/natural.h5 --share 0.1 \
		--out runs/default/natural
	cp runs/compact/report.html docs/report.html
	cp runs/compact/model_card.md docs/model_card.md
	$(RUN) training.ship runs/compact runs/compact-int8
