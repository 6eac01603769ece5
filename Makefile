# Every target sets up its own private environment in .venv; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench laws reference lock clean

BIN := .venv/bin
DATA ?= ../shared/data
MINUTES ?= 5
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed  ## a small company's year, told on a fresh log
	@$(BIN)/lifecircle demo

test: .venv/installed  ## the whole test suite, on SQLite and on a PostgreSQL of its own
	$(BIN)/python -m pytest -n 2

check: .venv/installed  ## lint, format, types, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

docs: .venv/installed  ## write docs/reference from the code, and what the other pages show from running them
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m tests.docs.sessions

bench: .venv/installed  ## speed against the stock library and a bare COPY, to build/bench.json
	@$(BIN)/python -m tests.benchmarks

laws: .venv/installed  ## the laws of identity on long histories, to build/laws.json: make laws MINUTES=10
	@$(BIN)/python -m tests.identity "$(MINUTES)"

reference: .venv/installed  ## the figures of real histories, to build/reference.json: make reference DATA=folder
	@$(BIN)/python -m tests.reference "$(DATA)"

lock: .venv/installed  ## resolve requirements.lock anew from pyproject.toml, to the newest that fit
	$(BIN)/python -m pip install --quiet 'uv>=0.13'
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --python-version 3.11 --universal --upgrade \
		--generate-hashes --no-header --no-emit-index-url --quiet --output-file requirements.lock

clean:  ## remove the environment and everything built
	rm -rf .venv build dist .*_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: requirements.lock pyproject.toml .ci/environment
	@.ci/environment
