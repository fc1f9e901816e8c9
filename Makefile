# What a person and the checks on every change run. `make` lists the targets.

VENV   := .venv
EXTRAS := mpi,graph,mseed3,cloud,xarray,dev
PYTHON ?=
OUT    ?= demo-out

BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Two stamps: the demo needs less than the tests do, and a fresh machine waits less.
CORE := $(VENV)/.installed-core
FULL := $(VENV)/.installed-full

.DEFAULT_GOAL := help
.PHONY: help install demo test bench-engine bench-elements bench-headline bench-peers soak check format docs clean distclean
.NOTPARALLEL:
.SUFFIXES:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | \
	while IFS=@ read -r target text; do printf '%-21s %s\n' "$$target" "$$text"; done

install: $(FULL) ## make .venv and install the suite with every extra

demo: $(CORE) ## correlate a synthetic network and draw its record section
	$(BIN)/xcorr-app demo --out $(OUT)

test: $(FULL) ## run the tests
	@tools/get-graphviz
	$(BIN)/python -m pytest

bench-elements: $(FULL) ## time the elements beside the plain obspy and numpy chain
	$(BIN)/python -m benchmarks.elements

bench-engine: $(FULL) ## time the engine beside its predecessors (installs them; QUICK=1: small)
	$(BIN)/python -m benchmarks.engine $(if $(QUICK),--quick)

bench-headline: $(FULL) ## the correlation job of 2015 beside a bare kernel (20 GB; QUICK=1: small)
	$(BIN)/python -m benchmarks.headline $(if $(QUICK),--quick)

bench-peers: $(FULL) ## one job by MSNoise, NoisePy and us (installs them; QUICK=1: small)
	$(BIN)/python -m benchmarks.peers $(if $(QUICK),--quick)

soak: $(FULL) ## a million items, and a hundred runs with a worker killed
	$(BIN)/python -m benchmarks.engine.soak

check: $(FULL) ## lint, format check and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(FULL) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(FULL) ## write the tables and pictures in docs/ from the code
	$(BIN)/python tools/draw_pes.py
	$(BIN)/python tools/write_tables.py

clean: ## remove what builds, tests and the demo leave
	rm -rf build dist demo-out *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## the same, and the virtual environment
	rm -rf $(VENV)

$(BIN)/python:
	@PYTHON='$(PYTHON)' tools/make-venv $(VENV)

# matplotlib lists the system's fonts at its first import: done here, not in the demo.
$(CORE): pyproject.toml $(BIN)/python
	@echo "installing dispel4py-seismo into $(VENV) (a minute or two)"
	@$(PIP) install --editable .
	@$(BIN)/python -c 'import matplotlib.font_manager'
	@touch $@

$(FULL): pyproject.toml $(BIN)/python
	@echo "installing dispel4py-seismo[$(EXTRAS)] into $(VENV) (a minute or two)"
	@$(PIP) install --editable '.[$(EXTRAS)]'
	@$(BIN)/python -c 'import matplotlib.font_manager'
	@touch $(CORE) $@
