# `make run` trains the main experiment on an embedded data set; `make test` checks everything. Both set up .venv first.
# PYTHON=... chooses an interpreter; by default the newest suitable one that is found.

.PHONY: run test lint types unit examples examples-if-changed contract-oldest slow docs bench peers clean help
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
# 3.12 or newer is the main target: XLA on CPU is up to four times faster for our operations with the jax it can have.
PYTHON ?= $(shell scripts/find_python.sh)

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.ready: pyproject.toml scripts/find_python.sh
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) ($(PYTHON))"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --upgrade pip
	@$(PY) -m pip install --quiet --editable ".[dev]"
	@touch $@

run: $(VENV)/.ready ## train every symmetry treatment on the embedded digits graph; about 3 minutes on 2 cores
	$(PY) -m experiments.symmetry --dataset digits

test: lint types unit docs ## lint, types, tests, documentation; examples where what they use has changed
	@$(MAKE) --no-print-directory examples-if-changed
	@$(MAKE) --no-print-directory contract-oldest

lint: $(VENV)/.ready ## ruff, check only
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.ready ## pyright on the package
	$(VENV)/bin/pyright --pythonpath $(PY)

unit: $(VENV)/.ready ## all tests but the long ones, doctests included
	$(PY) -m pytest -n 2 --dist loadgroup -q -m "not slow and not gpu and not experiment and not notebook"

examples: $(VENV)/.ready ## experiments from end to end, and the notebooks
	$(PY) -m pytest -n 2 -q -m "(experiment or notebook) and not slow" tests

# What experiments and notebooks are made of, and since when a change of it counts: BASE=origin/main in a pull request.
EXAMPLES_USE := experiments notebooks tests/experiments tests/notebooks $(addprefix graphattn_jax/,models training data chem)
BASE ?= $(shell git rev-list -1 --before="1 day ago" HEAD 2>/dev/null)

examples-if-changed: # `examples`, unless nothing they use has changed since BASE
	@if [ -n "$(BASE)" ] && git diff --quiet "$(BASE)" -- $(EXAMPLES_USE); \
	then echo "Nothing that experiments and notebooks use has changed since $(BASE): they are not run"; \
	else $(MAKE) --no-print-directory examples; fi

slow: $(VENV)/.ready ## the tests that take minutes each
	$(PY) -m pytest -q -m slow

# The oldest supported pair, Python 3.11 with jax 0.10.2, where that interpreter exists.
contract-oldest: ## the contract tests marked `oldest` on Python 3.11 and jax 0.10.2, if that interpreter is there
	@old=$$(scripts/find_python.sh 3.11); \
	if [ -z "$$old" ]; then echo "Python 3.11 not found: contract tests on the oldest pair are skipped"; exit 0; fi; \
	if [ ! -e .venv-oldest/.ready ]; then \
	  echo "Setting up .venv-oldest with $$($$old --version) and jax 0.10.2"; \
	  $$old -m venv --clear .venv-oldest && .venv-oldest/bin/python -m pip install --quiet --upgrade pip && \
	  .venv-oldest/bin/python -m pip install --quiet --editable ".[test]" "jax==0.10.2" && touch .venv-oldest/.ready || exit 1; \
	fi; \
	.venv-oldest/bin/python -m pytest -n 2 --dist loadgroup -q -m "oldest and not slow and not gpu" tests/contract

peers: ## a second environment with torch and torch-geometric for the benchmarks
	@old=$$(scripts/find_python.sh 3.11); $${old:-$(PYTHON)} -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet "torch==2.13.0" "torch-geometric>=2.8,<3" numpy scipy "rdkit>=2024.9"

bench: $(VENV)/.ready ## benchmarks beside PyTorch Geometric (after `make peers`)
	$(PY) -m experiments.benchmarks --peer-python .venv-peers/bin/python

docs: $(VENV)/.ready ## build the documentation into site/
	$(VENV)/bin/mkdocs build --strict

clean: ## remove environments and caches
	rm -rf $(VENV) .venv-oldest .venv-peers .pytest_cache .ruff_cache .jax_cache site
