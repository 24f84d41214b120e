# agentlog: `make` lists the targets; `make demo` and `make test` set up all they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cksum pyproject.toml | cut -d' ' -f1)

.PHONY: help setup demo test check format bench bench-queue model clean
.PHONY: browser simulate damage kill kill-postgres ambiguous fencing errno drill planted fuzz power-cut coverage kill-workers

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

browser: setup  ## the report in a real Chromium: light and dark, wide and narrow
	$(BIN)/python -m pytest -m browser tests/browser

format: setup  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

model: setup  ## each noun against a plain model, thousands of operations: EXAMPLES=… DSN=…
	AGENTLOG_TEST_EXAMPLES=$(EXAMPLES) AGENTLOG_TEST_STEPS=50 AGENTLOG_TEST_DSN=$(DSN) \
	    $(BIN)/python -m pytest -rP --timeout 0 tests/agentlog/test_*_model.py

bench: setup  ## every benchmark, each with a baseline measured in the same run
	$(BIN)/python -m benchmarks

bench-queue: setup  ## claims against pgqueuer and procrastinate, their cost, leases: BACKLOG=…
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[bench]'
	$(BIN)/python -m benchmarks queue_rates queue_cost queue_leases

# Reliability: long runs, each prints its seed (docs/reliability.md). Defaults are the published sizes.
SEED     ?= $(shell $(PYTHON) -c 'import random; print(random.randrange(2**32))')
STATES   ?= 1000000
EXAMPLES ?= 100
RELIABLE := $(BIN)/python -m tests.reliability

simulate: setup  ## crashes of simulated machines: SEED=… STATES=…
	$(RELIABLE).simulate --seed $(SEED) --states $(STATES)

damage: setup  ## every bit flipped, every truncation, every kind of damage repaired
	$(RELIABLE).damage --seed $(SEED)

kill: setup  ## kill -9 of real processes, at random and at every system call
	$(RELIABLE).kill --seed $(SEED)

kill-postgres: setup  ## kill -9, stop, pause and restart of Postgres under load
	$(RELIABLE).kill_postgres --seed $(SEED)

kill-workers: setup  ## kill -9 of workers under load: nothing lost, nothing done twice
	$(RELIABLE).workers --seed $(SEED)

ambiguous: setup  ## connections cut around COMMIT
	$(RELIABLE).ambiguous --seed $(SEED)

fencing: setup  ## several writers, hosts, forks, paused writers, clocks; histories checked
	$(RELIABLE).fencing --seed $(SEED)

errno: setup  ## every call of the log's I/O fails in every way
	$(RELIABLE).errno_matrix --seed $(SEED)

drill: setup  ## restore either copy from the other at a million events
	$(RELIABLE).drill --seed $(SEED)

planted: setup  ## bugs planted one at a time: each must be found
	$(RELIABLE).planted --seed $(SEED)

fuzz: setup  ## decoders and recovery under atheris (Linux)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[fuzz]'
	$(RELIABLE).fuzz --seed $(SEED)

power-cut: setup  ## real file systems on a disk that loses power (root; FUSE and loop devices)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[power-cut]'
	$(RELIABLE).power_cut --seed $(SEED)

coverage: setup  ## branch coverage of eventlog
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup --cov --cov-report=term-missing:skip-covered

clean:  ## remove what was built and installed; data directories stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
