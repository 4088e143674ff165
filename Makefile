# The same commands on every machine and in CI. They need Python 3.11 or newer, make and a package index;
# all they write stays under .cache/ and results/.

PYTHON ?= python3
VENV ?= .cache/venv
N ?= 10
EXTRAS := aws,azure,gcp,stats,browser
SUITES := unit load e2e distributed router dashboard conformance infra
TIMED := load e2e distributed
PEERS := aiperf genai-bench guidellm

BIN := $(CURDIR)/$(VENV)/bin
INSTALL := "$(BIN)/pip" install --quiet --disable-pip-version-check --constraint constraints.txt
export PATH := $(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
# Temporary files, too, stay in the checkout: pip's, pytest's and the browser's.
export TMPDIR := $(CURDIR)/.cache/tmp
$(shell mkdir -p $(TMPDIR))

# What pytest is given for a suite; empty while the suite has no tests.
files = $(strip $(if $(shell find tests/$1 -name 'test_*.py' 2>/dev/null),tests/$1) $(if $(filter unit,$1),$(wildcard tests/test_*.py)))
some = $(strip $(foreach suite,$1,$(if $(call files,$(suite)),$(suite))))

.DEFAULT_GOAL := help
.NOTPARALLEL: # suites measure time: they must not disturb each other
.PHONY: help demo bench bench-peers dashboard test test-one test-long lint format types contracts constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.core ## half a minute against mock clouds on this machine, scored
	locust --headless --rate 20 -t 30s --warm-up 5s

dashboard: $(VENV)/.core ## the newest run in the browser
	python -m dashboard

test: lint types contracts ## every check and every suite, once
	@for suite in $(call some,$(SUITES)); do $(MAKE) --no-print-directory test-one SUITE=$$suite || exit; done

test-one: $(VENV)/.dev ## one suite in a process of its own: make test-one SUITE=unit
	@test -n "$(call files,$(SUITE))" || { echo 'Error: SUITE=$(SUITE): write one of $(call some,$(SUITES))'; exit 2; }
	pytest $(call files,$(SUITE))

test-long: $(VENV)/.dev ## the suites that meet a clock, N=10 times with another seed each: how often each test holds
	@rm -f .cache/held.txt
	@for i in $$(seq $(N)); do for suite in $(call some,$(TIMED)); do \
	  NEPHOSCOPE_SEED=$$i pytest --quiet -rpfE tests/$$suite | tee -a .cache/held.txt; \
	done; done
	@awk -v n=$(N) -f tests/held.awk .cache/held.txt

lint: $(VENV)/.dev ## style of Python and shell
	ruff check
	ruff format --check
	shellcheck .ci/run

format: $(VENV)/.dev ## let ruff mend what it can
	ruff check --fix
	ruff format

types: $(VENV)/.dev ## mypy, strict
	mypy

contracts: $(VENV)/.dev ## which package may import what
	lint-imports --no-logo --cache-dir .cache/import_linter

constraints: ## resolve every version afresh into constraints.txt
	rm -rf .cache/resolve
	$(PYTHON) -m venv .cache/resolve
	.cache/resolve/bin/pip install --quiet --upgrade pip
	.cache/resolve/bin/pip install --quiet --editable '.[$(EXTRAS)]' --group dev editables
	{ echo '# Every version this project is tested with, build tools included; made by: make constraints'; \
	  .cache/resolve/bin/pip freeze --all --exclude-editable --exclude setuptools; } > constraints.txt

bench: $(VENV)/.dev ## accuracy and cost beside a C reader and stock Locust, on an idle machine: BENCH='--rt'
	python -m tests.bench $(BENCH)

bench-peers: $(VENV)/.dev $(PEERS:%=.cache/peers/%/.made) ## the same beside published load generators (8 GB of packages)
	python -m tests.bench peers $(BENCH)

.cache/peers/%/.made: tests/bench/peers.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check "$$(grep '^$*==' $<)"
	@touch $@

clean: ## remove the environment and all caches; runs stay
	rm -rf .cache

# Pip first: older ones know neither --group nor --build-constraint.
$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit("Error: Python 3.11 or newer is needed; try PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(INSTALL) --upgrade pip
	$(INSTALL) --build-constraint constraints.txt --editable .
	@test -e $(VENV)/.dev || du -sm $(VENV)/lib/python*/site-packages | awk '{ print "core install: " $$1 " MB" }'
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(INSTALL) --build-constraint constraints.txt --editable '.[$(EXTRAS)]' --group dev
	@touch $@
