# make demo    a model of your own in a few minutes, from nothing
# make dial    two minutes of training, and a problem that only a deep mode answers
# make test    the whole everyday suite
PYTHON ?= python3
VENV   ?= .venv
# More words for pip, such as the index of a smaller build of torch.
PIP_FLAGS ?=

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CORPUS    := sample_corpora/fables.txt
# The tests are many and small: one thread each, several processes. They start Python often, so what is
# compiled is kept, also where the environment says otherwise. Some wait for other processes. On a machine that is
# too busy for that, they fail by chance, so what failed runs a second time, alone. What fails twice has failed.
PYTEST    := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo dial test test-slow check format screenshots clean

help:
	@echo "make setup        environment in $(VENV), with the tested versions"
	@echo "make demo         two minutes of training, then a passage by the new model"
	@echo "make dial         two minutes of training, then a problem at every depth"
	@echo "make test         the everyday test suite"
	@echo "make test-slow    the long proofs"
	@echo "make check        lint, format, types, import contracts"
	@echo "make format       put the code in the agreed shape"
	@echo "make screenshots  the pictures of the full-screen application, from real trainings"
	@echo "make clean        remove the environment and what the tools left (never runs/)"

setup: $(INSTALLED)
	@echo "Ready. Type next:  $(BIN)/rlm train $(CORPUS) --minutes 2"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rlm needs Python 3.11 or later; choose one with: make setup PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/rlm train $(CORPUS) --minutes 2 --fresh
	@echo
	$(BIN)/rlm generate -p "One morning" --max-tokens 400
	@echo
	@echo "Type next:  $(BIN)/rlm chat"

dial: $(INSTALLED)
	$(BIN)/rlm train --task chains --minutes 2

test: $(INSTALLED)
	$(PYTEST) -n auto --maxprocesses 4 --dist worksteal || \
		{ echo "Again, one after another: what failed."; $(PYTEST) --last-failed --last-failed-no-failures none; }

test-slow: $(INSTALLED)
	$(PYTEST) -m slow

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(INSTALLED)
	$(BIN)/python docs/make_screenshots.py

clean:
	rm -rf $(VENV) .ci-venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
