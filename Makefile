# From a fresh clone, with make and Python 3.11 or newer: `make demo` to see it, `make test` to check it.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
BENCH_ARGS ?=
PROVE_ARGS ?= --seeds 1000000 --minutes 60
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
BENCHMARKS := $(wildcard benchmarks/[!_]*.py)

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test lint types docs bench prove vectors clean

help:
	@echo "make demo    watch players lose each other and find each other again"
	@echo "make test    lint, types, docs and all tests"
	@echo "make lint    ruff only          make types   mypy only"
	@echo "make docs    build the documentation into site/, warnings are errors"
	@echo "make bench   run the benchmarks"
	@echo "make prove   an hour of games in which anything may fail, and more; can be resumed"
	@echo "make vectors make tests/vectors anew, after a rule of the client has changed"
	@echo "make clean   remove $(VENV) and everything built"

demo: $(VENV)/.demo
	@$(BIN)/reconnect demo

test: lint types docs
	@$(BIN)/python -m pytest -q tests/core --cov --cov-report=term:skip-covered --cov-fail-under=100
	@$(BIN)/python -m pytest --ignore=tests/core $(PYTEST_ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev
	@$(foreach one,$(BENCHMARKS),echo "== $(one)" && $(BIN)/python $(one) $(BENCH_ARGS) &&) true

prove: $(VENV)/.dev
	@$(BIN)/reconnect prove $(PROVE_ARGS)

vectors: $(VENV)/.dev
	@$(BIN)/python -m tests.vectors.generate

clean:
	rm -rf $(VENV) build dist site .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The stamps are newer than pyproject.toml while what it asks for is installed. dev contains demo.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing reconnect and what the demo needs into $(VENV) ..."
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing reconnect and what its tests need into $(VENV) ..."
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.demo $@

define WHICH_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("reconnect needs Python 3.11 or newer and this is %d.%d; "
             "name another: make PYTHON=python3.12" % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("this Python cannot make virtual environments; on Debian and Ubuntu: "
             "sudo apt install python3-venv")
endef
export WHICH_PYTHON

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "there is no '$(PYTHON)' here; reconnect needs \
	Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c "$$WHICH_PYTHON"
	@"$(PYTHON)" -m venv --clear $(VENV)
