# The two that matter: `make demo` shows mailhaul at work, `make test` runs everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check states real-servers soak clean

demo: $(VENV)/.base
	$(BIN)/python -m mailhaul.apps.demo

test: check real-servers
	$(BIN)/pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pytest tests/test_floors.py
	$(BIN)/python docs/states.py --check

# The state diagrams under docs/, printed from the machines themselves.
states: $(VENV)/.dev
	$(BIN)/python docs/states.py

# Dovecot, Exim, OpenSSH and fetchmail, for the tests that talk to real programs.
real-servers:
	sh tests/real/install.sh

# The long figures.
soak: $(VENV)/.dev real-servers
	MAILHAUL_SOAK=1 $(BIN)/pytest

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || \
	  (rm -rf $(VENV) && apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV))

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
