# Kaohe: `make` lists what can be done. Needs Python 3.11 or newer and make; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test test-unit check bench format generate lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kaohe needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP) ## Install everything into .venv, hash-checked (once; about a minute)

demo: $(STAMP) ## Live KPIs, a frozen month and an explained score (ONCE=1: end by itself)
	$(BIN)/kaohe demo $(if $(ONCE),--once)

up: $(STAMP) ## Start the whole stack on this machine, without Docker
	$(BIN)/kaohe up

down: $(STAMP) ## Stop the stack; the data stays
	$(BIN)/kaohe down

status: $(STAMP) ## Show what runs
	$(BIN)/kaohe status

test: $(STAMP) ## All tests, on a real Kafka and a real PostgreSQL that they start themselves
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not chaos"
	$(BIN)/pytest -q -m chaos

test-unit: $(STAMP) ## Only the tests without I/O (seconds)
	$(BIN)/pytest -q -n 2 --dist loadfile tests/unit

check: $(STAMP) ## Lint, format, types, import arrows, drift of the generated contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check

bench: $(STAMP) ## Throughput and latency beside their limits; writes build/bench.json (ten minutes)
	$(BIN)/python -m tests.bench

format: $(STAMP) ## Let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(STAMP) ## Write JSON Schema and AsyncAPI anew from schemas/
	$(BIN)/python -m schemas.generate

lock: $(STAMP) ## Resolve the lock files anew (hashes, no index address)
	$(BIN)/uv pip compile --quiet pyproject.toml --extra local --generate-hashes --no-header --no-emit-index-url -o requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra local --extra dev --generate-hashes --no-header --no-emit-index-url -o requirements-dev.lock

clean: ## Remove what was built (not the data of `kaohe up`)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
