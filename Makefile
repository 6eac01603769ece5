# Every target sets up its own private environment in .venv; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test check docs tamper forget faults bench bench-quick bench-peers bench-page profile load soak laws fuzz simulate reference lock clean

BIN := .venv/bin
DATA ?= ../shared/data
MINUTES ?= 5
KILLS ?= 200
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed  ## a small company's year, told on a fresh log
	@$(BIN)/lifecircle demo

test: .venv/installed  ## the whole test suite, on SQLite and on a PostgreSQL of its own
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: .venv/installed  ## lint, format, types, the direction of imports, and whether changed kinds are compatible
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m docs.generate.schemas

docs: .venv/installed  ## write docs/reference from the code, and what the other pages show from running them
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m tests.docs.sessions

tamper: .venv/installed  ## change every bit of a small sealed log, and look whether it is found, to build/tamper.json
	@$(BIN)/python -m tests.audit.tamper

forget: .venv/installed  ## tell of people, forget them, and search all that is left for them, to build/forget.json
	@$(BIN)/python -m tests.privacy.forget

faults: .venv/installed  ## kills, cut connections, full disks, clocks that jump, to build/faults.json; KILLS=200 of each victim
	@PYTHONPATH=adapters/http/client $(BIN)/python -m tests.faults "$(KILLS)"

bench: .venv/installed  ## speed against the stock library and the machine's limits, to build/bench.json; an hour
	@$(BIN)/python -m tests.benchmarks

bench-quick: .venv/installed  ## has something become slower since the last release? under two minutes
	@$(BIN)/python -m tests.benchmarks.quick

bench-peers: .venv/installed  ## against other event stores, which are fetched into build/peers
	@$(BIN)/python -m tests.benchmarks --fetch-peers umadb_append_64_x emmett_append_8_x

bench-page: .venv/installed  ## the results in build/ as the table of docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks.page

profile: .venv/installed  ## where the time of an append, an import and a rebuild goes, to docs/benchmarks
	@$(BIN)/python -m tests.benchmarks.profiles

load: .venv/installed  ## the service under load, beside the engine and the stock library behind one, to build/load.json
	@$(BIN)/python -m tests.load

soak: .venv/installed  ## whether the service's memory stays as it is, to build/soak.json: make soak MINUTES=60
	@$(BIN)/python -m tests.load.soak "$(MINUTES)"

laws: .venv/installed  ## the laws of identity on long histories, to build/laws.json: make laws MINUTES=10
	@$(BIN)/python -m tests.identity "$(MINUTES)"

fuzz: .venv/installed  ## a hostile caller of the whole contract, to build/fuzz.json: make fuzz MINUTES=60
	@$(BIN)/python -m tests.http.fuzz "$(MINUTES)"

simulate: .venv/installed  ## answers against the truth of 10,000 simulated customers, to build/simulation.json
	@$(BIN)/python -m tests.simulator

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
