# Everything a user runs. Each target sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DAY_SECONDS ?= 60
UV_VERSION := 0.13.9
SETUP := $(VENV)/.ready
CHECKED := analytics ingest orchestration companies tests bench

export DAGSTER_DISABLE_TELEMETRY := true
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-unit lint format ui bench docs lock clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(SETUP): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) from requirements.lock (a few minutes the first time, offline afterwards)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(SETUP) ## Install everything into .venv from the lock file

run: $(SETUP) ## Build and publish the embedded demo company
	@$(BIN)/tradewind run

demo: $(SETUP) ## Keep the demo's world up and let a day pass every DAY_SECONDS (60)
	@exec $(BIN)/python -m companies.demo.servers.world --day-seconds $(DAY_SECONDS)

test: $(SETUP) ## Run all tests
	$(BIN)/python -m pytest

test-unit: $(SETUP) ## Run the unit tests only (under a minute)
	$(BIN)/python -m pytest tests/unit

lint: $(SETUP) ## Check style, types and SQL with the commands that CI uses
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy & types=$$!; \
	TRADEWIND_WAREHOUSE_FILE=:memory: $(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests/reconciliation; \
	sql=$$?; wait $$types && exit $$sql

format: $(SETUP) ## Rewrite Python and SQL in the house style
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)
	TRADEWIND_WAREHOUSE_FILE=:memory: $(BIN)/sqlfluff fix --processes 2 dbt_project/models dbt_project/tests/reconciliation

ui: $(SETUP) ## Open Dagster on 127.0.0.1 with the assets, checks, schedules and sensor
	$(BIN)/tradewind ui

bench: $(SETUP) ## Measure speed and memory; rewrites bench/RESULTS.md
	$(BIN)/python -m bench

docs: $(SETUP) ## Regenerate the documentation that is generated
	$(BIN)/python -m ingest.specification > docs/entities.md
	$(BIN)/python -m orchestration.table_docs > docs/tables.md
	$(BIN)/tradewind run
	$(BIN)/python -m orchestration.question_docs > docs/questions.md

lock: $(SETUP) ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --universal \
		--python-version 3.11 --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock

clean: ## Remove the environment, the state and everything generated
	rm -rf $(VENV) .tradewind companies/demo/data dbt_project/target dbt_project/logs *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache
