# What a person and the checks on every change run. `make` lists the targets.

VENV   := .venv
EXTRAS := mpi,graph,notebook,postgresql,mseed3,live,cloud,xarray,spark,redis,storm,dask,dev
PYTHON ?=
OUT    ?= demo-out
JOBS   ?= 3

BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Two stamps: the demo needs less than the tests do, and a fresh machine waits less.
CORE := $(VENV)/.installed-core
FULL := $(VENV)/.installed-full

# An environment of the lowest versions that pyproject.toml allows.
LOWEST := .venv-lowest
LOWEST_EXTRAS := mpi,graph,mseed3,live,cloud,xarray
# Files whose code calls these packages; other tests would only repeat `make test`.
# test_export.py needs packages of developers, which have no lowest version.
LOWEST_TESTS := tests/seismo_pes tests/dispel4py tests/provenance tests/mappings/test_mpi.py \
    tests/xcorr_app/test_workflow.py tests/xcorr_app/test_export_formats.py \
    tests/xcorr_app/test_plot.py tests/misfit_app/test_run.py

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-lowest bench-engine bench-mappings bench-elements bench-headline bench-peers bench-dvv bench-measures bench-misfit bench-provenance bench-live soak soak-live check format docs clean distclean
.NOTPARALLEL:
.SUFFIXES:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | \
	while IFS=@ read -r target text; do printf '%-21s %s\n' "$$target" "$$text"; done

install: $(FULL) ## make .venv and install the suite with every extra

demo: $(CORE) ## correlate a synthetic network and draw its record section
	$(BIN)/xcorr-app demo --out $(OUT)

# The tests start hundreds of processes, and all of them import compiled modules.
test test-lowest: export PYTHONDONTWRITEBYTECODE =
test: $(FULL) ## run the tests (in JOBS=3 processes; failed ones once more, alone)
	@tools/get-programs
	@tools/get-storm $(BIN)/python
	@tools/run-tests $(BIN)/python $(JOBS)

test-all: export DISPEL4PY_TEST_ALL = 1
test-all: test ## the same, with all combinations of parameters (twice the time)

test-lowest: $(LOWEST) ## test readers, signals, HDF5, figures, MPI and more with the lowest versions allowed
	$(LOWEST)/bin/python -m pytest -q -W default -n $(JOBS) --dist loadfile --no-loadscope-reorder \
	    -m 'not alone' --ignore tests/provenance/test_export.py $(LOWEST_TESTS)

bench-elements: $(FULL) ## time the elements beside the plain obspy and numpy chain
	$(BIN)/python -m benchmarks.elements

bench-engine: $(FULL) ## time the engine beside its predecessors (installs them; QUICK=1: small)
	$(BIN)/python -m benchmarks.engine $(if $(QUICK),--quick)

bench-mappings: $(FULL) ## start-up, items, arrays and 4,950 pairs under each mapping (QUICK=1: one round)
	$(BIN)/python -m benchmarks.mappings $(if $(QUICK),--quick)
	$(BIN)/python tools/write_tables.py

bench-provenance: $(FULL) ## the cost of provenance: records, runs, questions (25 GB; QUICK=1: small)
	$(BIN)/python -m benchmarks.provenance $(if $(QUICK),--quick)
	$(BIN)/python tools/write_tables.py

bench-headline: $(FULL) ## the correlation job of 2015 beside a bare kernel (20 GB; QUICK=1: small)
	$(BIN)/python -m benchmarks.headline $(if $(QUICK),--quick)

bench-peers: $(FULL) ## one job by MSNoise, NoisePy and us (installs them; QUICK=1: small)
	$(BIN)/python -m benchmarks.peers $(if $(QUICK),--quick)

bench-dvv: $(FULL) ## velocity changes of all methods for known changes (installs MSNoise; QUICK=1: small)
	$(BIN)/python -m benchmarks.dvv $(if $(QUICK),--quick)

bench-measures: $(FULL) ## measures of misfit beside pyadjoint and obspy (installs pyadjoint; QUICK=1: small)
	$(BIN)/python -m benchmarks.measures $(if $(QUICK),--quick)

bench-misfit: $(FULL) ## misfits of an event beside pyatoa (installs it; QUICK=1: small)
	$(BIN)/python -m benchmarks.misfit $(if $(QUICK),--quick)

bench-live: $(FULL) ## latency and idle load of live runs (QUICK=1: few windows)
	$(BIN)/python -m benchmarks.live $(if $(QUICK),--quick)
	$(BIN)/python tools/write_tables.py

soak: $(FULL) ## a million items, and a hundred runs with a worker killed
	$(BIN)/python -m benchmarks.engine.soak

soak-live: $(FULL) ## a month of a live run at 3600 times real time, with kills (15 minutes)
	$(BIN)/python -m benchmarks.live.soak

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

distclean: clean ## the same, and the virtual environments
	rm -rf $(VENV) $(LOWEST)

$(BIN)/python:
	@PYTHON='$(PYTHON)' tools/make-venv $(VENV)

# matplotlib lists the system's fonts at its first import: done here, not in the demo.
$(LOWEST): pyproject.toml tools/lowest_versions.py $(BIN)/python
	@echo "installing the lowest versions into $(LOWEST) (a minute or two)"
	@PYTHON='$(PYTHON)' tools/make-venv $(LOWEST)
	@$(BIN)/python tools/lowest_versions.py > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install \
	    --constraint $(LOWEST)/constraints.txt --editable '.[$(LOWEST_EXTRAS)]' \
	    pytest pytest-timeout pytest-xdist hypothesis pyasdf
	@touch $(LOWEST)

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
