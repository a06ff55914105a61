# Every target sets up what it needs first; `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup dev test check fix schema schema-check bench demo lock reset clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with the locked packages (done by every other target)
	@$(PYTHON) deploy/bootstrap.py

dev: setup ## Run the whole platform here, with demo data; Ctrl-C stops it
	@$(BIN)/edtech local up

# Three processes keep two cores busy: one of them often waits for a journey's news to spread.
test: setup ## Run all tests on services of their own, beside a running `make dev`
	@$(BIN)/edtech local prepare
	@$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

check: setup ## Format, lint, types, import contracts, schema and migrations are in order
	@$(BIN)/edtech local prepare
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/edtech schema drift
	$(BIN)/edtech local drift

fix: setup ## Format and mend what can be mended automatically
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .
	$(BIN)/ruff check .

schema: setup ## Write SDL, supergraph and event schemas to schema/
	@$(BIN)/edtech local prepare
	@$(BIN)/edtech schema export

schema-check: setup ## Say whether the schema's changes break anybody
	@$(BIN)/edtech local prepare
	@$(BIN)/edtech schema check $(ARGS)

demo: setup ## Walk the journey of a tutor and a student through the router
	@$(BIN)/edtech demo

bench: setup ## Measure, beside hand-written endpoints; prints ratios
	@$(BIN)/edtech bench $(ARGS)

lock: setup ## Write the lock files anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet --upgrade -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet --upgrade -c requirements/runtime.txt -o requirements/dev.txt

reset: ## Remove the data of `make dev`; tools and packages stay
	@if [ -x $(BIN)/edtech ]; then $(BIN)/edtech local reset; else echo "Nothing to reset."; fi

clean: reset ## Remove everything that was installed or generated here, too
	rm -rf .venv .local gateway/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
