.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
CHOSEN := $(RECIPE)
RECIPE ?= recipes/demo.yaml
TASKS ?=
SET ?=
SEEDS ?=
ARMS ?=
PARTS ?=
DEVICE ?=
THREADS ?=
FOLDER ?=
RUNS ?=
STAT := $(VENV)/bin/stat-train
comma := ,
DEMO_ARMS := $(if $(filter all,$(CONTROLS)),'arms=[random$(comma)balanced$(comma)hard$(comma)stat-sel]')

.PHONY: help setup demo test smoke lint label answer audit agreement diagnose profile rewrite synthesize select sft grpo evaluate benchmark warmup adaptmi arms pilot pilot-variations study study-tables keys check-server clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  RECIPE=recipes/mine.yaml chooses a recipe, SET='sft.epochs=2' overrides parts of it."

setup: $(VENV)/ready ## make the virtual environment .venv and install everything into it

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[train,report,dev]'
	@touch $@

demo: setup ## run recipes/demo.yaml from data to evidence (CONTROLS=all: with all controls)
	$(STAT) run recipes/demo.yaml $(DEMO_ARMS) $(SET)

adaptmi: setup ## run recipes/adaptmi.yaml: exemplars by skill beside other prompts, no training
	$(STAT) adaptmi recipes/adaptmi.yaml $(SET)

arms: setup ## run recipes/arms.yaml: the method and every control, arm by arm (hours on two cores)
	$(STAT) run recipes/arms.yaml $(SET)

test: setup ## run the tests
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto

smoke: setup ## run recipes/smoke.yaml: everything at its smallest
	$(STAT) run recipes/smoke.yaml $(SET)

lint: setup ## check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

label: setup ## label the questions of RECIPE with skills
answer: setup ## let the student answer the validation split
diagnose: setup ## name the skills that its difficult answers lack
audit: setup ## label a sample twice: can the teacher's labels be trusted?
agreement: setup ## compare the ways to find difficult questions with graded answers
profile: setup ## build and show the Missing-Skill-Profile
rewrite: setup ## let the teacher reword the solutions of the arms that train on rewrites
synthesize: setup ## let the teacher write the pairs of the arms of new questions
select: setup ## draw the training set of each arm
sft: setup ## train the student on each of them
grpo: RECIPE = $(or $(CHOSEN),recipes/grpo.yaml)
grpo: setup ## train the arms of RECIPE further by GRPO (default: recipes/grpo.yaml)
evaluate: setup ## score the start and each arm
label answer audit agreement diagnose profile rewrite synthesize select sft grpo evaluate:
	$(STAT) $@ $(RECIPE) $(SET)

benchmark: setup ## score RECIPE's arms, or a model, on benchmarks: TASKS=amc23,my_task.yaml
	$(STAT) benchmark $(RECIPE) $(if $(TASKS),--tasks $(TASKS)) $(SET)

warmup: setup ## make the demo's starting point again (data/arithmetic/warmup)
	$(VENV)/bin/python studies/warmup.py

pilot: setup ## the pilot of docs/results.md; SEEDS='1 2 3', resumable
	$(VENV)/bin/python studies/pilot.py run --seeds $(or $(SEEDS),1 2 3)
	$(VENV)/bin/python studies/pilot.py table

pilot-variations: setup ## one thing varied at a time, scored on development; SEEDS='3', resumable
	$(VENV)/bin/python studies/pilot.py vary --seeds $(or $(SEEDS),1 2 3)
	$(VENV)/bin/python studies/pilot.py variations

study: setup ## the study of docs/study.md, resumable; PARTS, SEEDS, ARMS, DEVICE, THREADS, FOLDER, RUNS choose
	$(VENV)/bin/python -m studies.study run $(if $(PARTS),--parts $(PARTS)) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(ARMS),--arms $(ARMS)) $(if $(DEVICE),--device $(DEVICE)) $(if $(FOLDER),--folder $(FOLDER)) \
		$(if $(RUNS),--runs $(RUNS)) $(if $(THREADS),--threads $(THREADS)) $(if $(SET),--set $(SET))

study-tables: setup ## redraw every table and picture of docs/study.md from docs/study/*.jsonl
	$(VENV)/bin/python -m studies.study tables

keys: setup ## write docs/keys.md anew: every key of a recipe
	$(STAT) keys --markdown > docs/keys.md

check-server: setup ## the metacognition path against a real server (xllamacpp, SmolLM2) on 50 questions of MATH
	$(VENV)/bin/python benchmarks/check_server.py

clean: ## remove caches and build leftovers (runs/ and .venv stay)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
