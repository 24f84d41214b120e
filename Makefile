# agentlog: `make` lists the targets; `make demo` and `make test` set up all they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cksum pyproject.toml | cut -d' ' -f1)

.PHONY: help setup demo test check format bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1 \t/' | expand -t 24

setup: $(STAMP)  ## virtual environment with agentlog and its test tools

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "agentlog needs Python 3.11 or newer; this is $$($(PYTHON) --version). Set PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: setup  ## the main job on the bundled sample: import, ask, replay, verify
	$(BIN)/agentlog demo

test: setup  ## the whole test suite (lint, types and import rules included)
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup

check: setup  ## lint, formatting, types, import rules: seconds
	$(BIN)/python -m pytest tests/test_house_rules.py

format: setup  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: setup  ## every benchmark, each with a baseline measured in the same run
	$(BIN)/python -m benchmarks

clean:  ## remove what was built and installed; data directories stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
