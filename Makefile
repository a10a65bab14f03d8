# The two that matter: `make demo` shows mailhaul at work, `make test` runs everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The tests of one module stay together: they share servers. Many wait: three processes on two cores.
ON_ALL_CORES := --numprocesses $(shell expr $$(nproc) + $$(nproc) / 2) --dist loadscope

# Python 3.12 and 3.13, where they are installed; a name on the PATH need not work (pyenv).
NEWER := $(foreach python,python3.12 python3.13,$(firstword $(foreach path,\
  $(python) $(wildcard $(HOME)/.pyenv/versions/*/bin/$(python)),$(shell $(path) -c "print('$(path)')" 2>/dev/null))))
UNIT_TESTS := tests/protocols tests/public tests/runtimes
SPHINX := $(BIN)/sphinx-build --fail-on-warning --keep-going --jobs 2

.PHONY: newest-python other-pythons demo test check docs check-types check-more-types check-style check-pages states real-servers corpus matrix soak fuzz package roots bench bench-machines comparison mutate coverage clean

demo: $(VENV)/.base
	$(BIN)/python -m mailhaul.apps.demo

test: check newest-python real-servers
	$(BIN)/pytest $(ON_ALL_CORES)

# The tests of the library with the newest Python that this machine has, and with each newer one.
newest-python: $(foreach path,$(lastword $(NEWER)),.venv-$(notdir $(path))/.tested)
other-pythons: $(foreach path,$(NEWER),.venv-$(notdir $(path))/.tested)

check: $(VENV)/.dev
	$(MAKE) --no-print-directory --jobs 2 check-types check-more-types check-style check-pages

check-types:
	$(BIN)/mypy

check-more-types:
	$(BIN)/pyright --pythonpath $(BIN)/python

check-style:
	$(BIN)/ruff format --check
	$(BIN)/ruff check

check-pages:
	$(BIN)/python docs/states.py --check
	$(BIN)/python docs/options.py --check
	$(BIN)/python docs/completions.py --check
	$(BIN)/python docs/api.py --check
	$(BIN)/pytest tests/docs/test_contents.py
	$(SPHINX) --quiet docs build/docs

# The pages under docs as HTML, into build/docs; a link that leads nowhere is an error.
docs: $(VENV)/.dev
	$(SPHINX) docs build/docs
	@echo "Open build/docs/index.html in a browser."

# The state diagrams, the option reference and the reference of the library under docs/, and the
# completions under contrib/, printed from the code itself.
states: $(VENV)/.dev
	$(BIN)/python docs/states.py
	$(BIN)/python docs/options.py
	$(BIN)/python docs/completions.py
	$(BIN)/python docs/api.py

# Dovecot, Exim, Mailutils, OpenSSH, fetchmail and other clients, for the tests with real programs.
real-servers:
	sh tests/real/install.sh

# Every message of a folder (files, a Maildir, or a mailbox file) from Dovecot by every way out:
# `make corpus DIR=...`; what may change is in docs/corpus.md.
corpus: $(VENV)/.dev real-servers
	$(BIN)/python -m tests.real.corpus_run $(DIR)

# The conformance suites against every server and client that install.sh gets, into
# docs/conformance; half an hour at most. `make matrix PEERS=dovecot` runs one, PEERS=client all
# clients.
matrix: $(VENV)/.dev
	sh tests/real/install.sh matrix
	$(BIN)/python -m tests.matrix $(PEERS)

# The long figures: a million polls in virtual time (tests/soak), then every test at full length.
soak: $(VENV)/.dev real-servers other-pythons
	$(BIN)/python -m tests.soak
	MAILHAUL_SOAK=1 $(BIN)/pytest $(ON_ALL_CORES)

# Coverage-guided fuzzing of what reads a peer's bytes (fuzz/README.md): all targets, or
# `make fuzz TARGET=imap_client SECONDS=1800`.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m fuzz $(TARGET) --seconds $(or $(SECONDS),60)

# What is shipped, into dist: sdist, wheel and the Debian packages, which are built in a clean root
# of Debian (root is needed). `make package SUITE=trixie` builds them for Debian 13.
package: $(VENV)/.dev
	$(BIN)/python -m build --outdir dist
	command -v debootstrap >/dev/null || (apt-get -q update && apt-get -q -y install debootstrap)
	$(BIN)/python -m tests.roots deb $(or $(SUITE),bookworm)
	$(BIN)/python -m tests.roots install $(or $(SUITE),bookworm)

# `make demo` and `make test` in a fresh clone in a clean root of Debian, as `make package` makes
# it: half an hour, and root is needed. `make roots SUITE=trixie` takes Debian 13.
roots: $(VENV)/.base
	command -v debootstrap >/dev/null || (apt-get -q update && apt-get -q -y install debootstrap)
	$(BIN)/python -m tests.roots run $(or $(SUITE),bookworm) "make demo && make test"

# How fast mailhaul is beside other programs, into docs/speed.md: `make bench`, one scenario by
# `make bench SCENARIO=S6`, and in two minutes, only printed, by `make bench QUICK=1`.
bench: $(VENV)/.dev
	sh tests/real/install.sh bench
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(SCENARIO)

# What mailhaul and other programs do in the same trouble, into docs/comparison.md; `make
# comparison TOOL=fdm` runs one program and prints.
comparison: $(VENV)/.dev
	sh tests/real/install.sh comparison
	$(BIN)/python -m tests.comparison $(TOOL)

# How fast the protocol machines are (docs/speed.md).
bench-machines: $(VENV)/.base
	$(BIN)/python -m bench.machines

# Mutants of the protocol machines that no test notices; half an hour.
mutate: $(VENV)/.mutate
	mkdir -p mutants && echo '*' >mutants/.gitignore
	$(BIN)/mutmut run
	$(BIN)/mutmut results

# Branches of the protocol machines that their own tests reach.
coverage: $(VENV)/.dev
	$(BIN)/pytest tests/protocols --ignore=tests/protocols/test_fuzz_regressions.py \
	  --ignore=tests/protocols/test_bench.py \
	  --cov=mailhaul.protocols --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=95

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || \
	  (rm -rf $(VENV) && apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV))

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.base

.venv-%/.tested: pyproject.toml FORCE
	test -x $(@D)/bin/python || $(filter %$*,$(NEWER)) -m venv $(@D)
	$(@D)/bin/pip install --quiet --editable '.[test]'
	$(@D)/bin/pytest $(ON_ALL_CORES) $(UNIT_TESTS)

FORCE:

$(VENV)/.fuzz $(VENV)/.mutate: $(VENV)/.%: pyproject.toml $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[dev,$*]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* .fuzz mutants build .mypy_cache .ruff_cache .pytest_cache .hypothesis
