# make demo   a real 12-lead ECG encoded, scored and drawn
# make test   the tests, but for those that are marked slow, which make slow runs
# Both create the environment first, in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
OUT ?= out

.PHONY: demo test slow lint bench man checkpoint recall dev clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt "setuptools>=77"
	# torch alone first: asked for by another package, a resolver may choose another build of it.
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e ".[test]"
	touch $@

$(VENV)/.dev: $(VENV)/.ready
	$(PIP) install -c constraints.txt -e ".[dev]"
	touch $@

dev: $(VENV)/.dev

demo: $(VENV)/.ready
	@PATH="$(abspath $(BIN)):$$PATH" sh bench/demo.sh $(OUT)

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p .typecheck/medpipe
	for floor in cli core formats; do ln -sfn ../../$$floor .typecheck/medpipe/$$floor; done
	MYPYPATH=.typecheck $(BIN)/mypy --namespace-packages --explicit-package-bases -p medpipe
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py

man: $(VENV)/.ready
	$(BIN)/python man/generate.py
	$(BIN)/python completions/generate.py

# Needs the recordings that MEDPIPE_DATA points to; a quarter of an hour on two cores. What it writes to
# $(OUT)/checkpoint, but for the folder `runs`, is what core/ecg/default holds.
checkpoint: $(VENV)/.dev
	$(BIN)/python -m medpipe.core.ecg.train_default --out $(OUT)/checkpoint --resume
	$(BIN)/python -m medpipe.core.ecg.evaluate --model $(OUT)/checkpoint \
	    --synonyms tests/data/synonyms.tsv --json $(OUT)/checkpoint/runs/metrics.json
	$(BIN)/python -m medpipe.core.ecg.model_card --model $(OUT)/checkpoint --metrics $(OUT)/checkpoint/runs/metrics.json

# A small vision-language model on which a cache's budgets show, with questions for it: some minutes on a core.
recall: $(VENV)/.ready
	$(BIN)/python -m medpipe.core.kv.train_recall --out $(OUT)/recall --resume

clean:
	rm -rf $(OUT) build dist .typecheck
