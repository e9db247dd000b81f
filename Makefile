# Everything a person types in a checkout. `make` alone lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# One answer for every Python and platform, with hashes, and no word about where it was found.
LOCK    = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' $(LOCKFLAGS)

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types imports docstrings reference docs bench bench-kafka torture lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ found=$$($(PYTHON) --version 2>/dev/null) || found="no $(PYTHON)"; \
		echo "dateline needs Python 3.11 or newer; found $$found. Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: $(BIN)/python requirements.lock pyproject.toml
	@echo "installing from requirements.lock …"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "installing from requirements-dev.lock …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime ## file a real story and watch it: start here
	@$(BIN)/dateline demo

test: $(VENV)/.dev ## run every test that this machine can run
	@$(BIN)/python -m pytest

check: format lint types imports docstrings reference test ## all that CI runs

format: $(VENV)/.dev ## is the code formatted
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## does ruff find fault
	@$(BIN)/ruff check .

types: $(VENV)/.dev ## does mypy find fault
	@$(BIN)/mypy

imports: $(VENV)/.dev ## do imports keep to the floors
	@$(BIN)/lint-imports

docstrings: $(VENV)/.dev ## does every test say its rule
	@$(BIN)/interrogate --quiet tests

reference: $(VENV)/.dev ## is the generated reference current
	@$(BIN)/python -m dateline.reference --check

docs: $(VENV)/.dev ## write the generated reference
	@$(BIN)/python -m dateline.reference

bench: $(VENV)/.dev ## measure beside the peer and the limit
	@$(BIN)/python -m benchmarks

bench-kafka: $(VENV)/.dev ## measure a log on Kafka beside the library it uses
	@$(BIN)/python -m benchmarks.kafka

torture: $(VENV)/.dev ## the long programmes: crashes, power cuts, full disks
	@$(BIN)/python -m pytest -m torture --timeout 3600

lock: $(VENV)/.dev ## renew the hash-pinned locks; LOCKFLAGS=--upgrade for newer versions
	@$(LOCK) --group build pyproject.toml --output-file requirements.lock
	@$(LOCK) --group build --group dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock

clean: ## remove what make made
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
