# make help lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
RUN := $(BIN)/python -m
GENERATOR := $(wildcard lartpc/event*.py data_gen/configuration.py data_gen/simulate.py $(addprefix data_gen/,physics/*.py sources/*.py response/*.py production/*.py))
TRAINING := $(filter-out lartpc/drawing/%,$(wildcard lartpc/*.py lartpc/*/*.py training/fit.py training/calibrate.py training/data/*.py training/network/*.py training/run/*.py))
REPORT := training/evaluate.py $(wildcard lartpc/drawing/*.py training/evaluation/*.py training/report/*)
QUICK := training/configs/quick.yaml

.PHONY: help install run try trial test test-long slurm-test image-test lint validate trt-check chart-check bench stack-demo gpu-check publish soak report lock clean
.DELETE_ON_ERROR:

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed  ## both environments: .venv and the embedded server's .server
	@$(RUN) serving.environment

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $@

data/quick.h5: $(GENERATOR) | .venv/installed
	$(RUN) data_gen.generate --events 60 --seed 1 --planes W --out $@

runs/quick/calibrated.ckpt: data/quick.h5 $(TRAINING) $(QUICK) | .venv/installed
	rm -rf runs/quick
	$(RUN) training.fit --config $(QUICK)

runs/quick/metrics.json: runs/quick/calibrated.ckpt $(REPORT)
	$(RUN) training.evaluate --checkpoint $< --data data/quick.h5

run: install runs/quick/metrics.json  ## generate, train, evaluate, export, serve and check, in minutes
	$(RUN) export.triton --precision all --checkpoint runs/quick/calibrated.ckpt --gates gates_quick
	$(RUN) export.check model_repository
	$(RUN) client.parity --local --protocol both
	$(RUN) client.classify data/quick.h5 --out data/quick-scores.h5 --picture runs/quick/event.png

try: install  ## the weights that come along, without a training: exported, served, checked, an event drawn
	$(RUN) export.triton --checkpoint shipped:compact --precision all --repository runs/shipped/models
	$(RUN) export.check runs/shipped/models
	$(RUN) client.parity --local --repository runs/shipped/models --protocol both
	$(RUN) client.classify training/shipped/compact/gate.h5 --model onnx:runs/shipped/models/emtrkmichel_compact_int8 --out runs/shipped/scores.h5 --picture runs/shipped/event.png

trial: install runs/quick/metrics.json  ## after make run: publish, list, verify, roll back, in a folder for trials
	rm -rf trial
	$(RUN) export.triton --precision fp32 --checkpoint runs/quick/best.ckpt --repository trial/models --gates gates_quick
	$(RUN) export.publish trial/models trial/published --trial
	$(RUN) export.triton --precision fp32 --checkpoint runs/quick/calibrated.ckpt --repository trial/models --gates gates_quick
	$(RUN) export.publish trial/models trial/published
	$(RUN) export.registry list trial/published
	$(RUN) export.registry verify trial/published
	$(RUN) export.registry rollback trial/published emtrkmichel_compact_fp32
	$(RUN) client.parity --local --repository trial/published --require-version 1

# a worker that dies ends the run: xdist waits for ever for one that it started anew near the end
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $$(($$(nproc) + 1)) --maxprocesses 4 --max-worker-restart=0

test: install  ## the test suite, with a real Triton; a third of it waits for servers
	$(PYTEST) --dist loadfile

test-long: install  ## the tests that take longest: the documents' commands typed, a release, weights imported
	$(PYTEST) --dist load -m long

slurm-test: install  ## the batch scripts on a real SLURM, two nodes on this machine (Debian: slurm-wlm, munge)
	@PATH="$$PATH:/usr/sbin" command -v slurmctld >/dev/null || { echo 'no SLURM here: apt-get install slurm-wlm munge' >&2; exit 2; }
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slurm tests/sites/test_slurm.py

image-test: install  ## the init image, built by buildah on a Debian of its own (root; Debian: debootstrap, buildah)
	rm -rf runs/image
	$(RUN) export.triton --checkpoint shipped:compact --precision fp32 --repository runs/image/models
	$(RUN) export.publish runs/image/models runs/image/published
	sites/containers/try_build runs/image/published

lint: .venv/installed  ## ruff, mypy, the layers between the packages; workflows and Dockerfiles
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/zizmor --quiet --offline --no-progress .github
	$(BIN)/hadolint sites/containers/Dockerfile

validate: .venv/installed  ## the simulation against tables and formulas, in minutes
	$(RUN) data_gen.validate --quick

.trt/installed: export/engines/tensorrt-rtx-requirements.lock
	$(PYTHON) -m venv --clear .trt
	.trt/bin/pip install --quiet --requirement $<
	@touch $@

trt-check: .venv/installed .trt/installed  ## TensorRT's parser and builder accept what GPUs are served, without a GPU
	$(RUN) export.trt_check

.checkov/installed: serving/cluster/checkov-requirements.lock
	$(PYTHON) -m venv --clear .checkov
	.checkov/bin/pip install --quiet --requirement $<
	@touch $@

chart-check: install .checkov/installed  ## the Helm chart: rendered, schemas, policy, Envoy, rules, metrics, ends
	$(BIN)/pytest -m "long or not long" tests/serving/test_manifests.py tests/serving/test_policy.py tests/serving/test_chart_server.py tests/serving/test_chart_metrics.py tests/serving/test_waiting.py tests/serving/test_canary.py

runs/published/calibrated.ckpt: data/quick.h5 $(TRAINING) $(QUICK) | .venv/installed
	rm -rf runs/published
	$(RUN) training.fit --config $(QUICK) --model.network paper --name published --trainer.max-epochs 1

bench: install runs/published/calibrated.ckpt  ## figures as ratios, printed and kept in benchmarks/results
	$(RUN) benchmarks.generator
	$(RUN) benchmarks.training
	$(RUN) benchmarks.integer_kernels
	$(RUN) benchmarks.serving
	$(RUN) benchmarks.planes
	$(RUN) benchmarks.client
	$(RUN) benchmarks.client_faults
	$(RUN) benchmarks.balancer
	$(RUN) benchmarks.paper

stack-demo: install  ## several Tritons behind Envoy: load, faults, a version switched; a page of it, in minutes
	$(RUN) benchmarks.stack_demo

gpu-check: .venv/installed  ## on a machine with GPUs: training, the graphs served on them, plans
	$(RUN) benchmarks.gpu_check $(GPU_CHECK)

# what make publish takes: a checkpoint, a folder or URL, and where given gates, a repository, requests, options
REQUESTS ?= all
REPOSITORY ?= model_repository
SUMMARY ?= runs/release.md
LIMITS = $(if $(GATES),--gates $(GATES))

ifneq (,$(filter publish,$(MAKECMDGOALS)))
ifeq (,$(and $(CHECKPOINT),$(TARGET)))
$(error make publish CHECKPOINT=runs/NAME/calibrated.ckpt TARGET=FOLDER-OR-URL)
endif
endif

publish: .venv/installed  ## CHECKPOINT=... TARGET=...: export all, gate, check, publish, and write what is there
	$(RUN) export.triton --checkpoint $(CHECKPOINT) --repository $(REPOSITORY) --published $(TARGET) $(LIMITS) --requests $(REQUESTS) --backend all --on-server
	$(RUN) export.check $(REPOSITORY)
	$(RUN) export.publish $(REPOSITORY) $(TARGET) $(LIMITS) $(PUBLISH_OPTIONS)
	$(if $(findstring --dry-run,$(PUBLISH_OPTIONS)),,$(RUN) export.registry list $(TARGET) --markdown $(SUMMARY))

soak: install  ## the tests that take long: a kill at every write of export and publish, each fault of a server
	EVERY_POINT=1 $(BIN)/pytest -m 'long or not long' --timeout=3600 tests/export/test_faults.py tests/client/test_whole_events.py
	$(RUN) benchmarks.client_faults --rounds 100
	$(RUN) benchmarks.balancer --rounds 1 --kills 50

include benchmarks/report.mk

lock: .venv/installed  ## write down the installed versions as the ones to install
	$(BIN)/pip freeze --exclude-editable | sed -E 's/^(torch==[0-9.]+).*/\1/' > requirements.lock

clean:  ## everything that was generated, environments excepted
	rm -rf data runs trial benchmarks/results
	find model_repository -name config.pbtxt -delete
	find model_repository -mindepth 2 -maxdepth 2 -type d -exec rm -rf {} +
