# Every chore has a name. `make help` lists them.
# The first of these that really runs and is new enough.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
BIN := .venv/bin
PYTEST := LABELGATE_REQUIRE_SDKS=1 $(BIN)/python -m pytest

.PHONY: test-labelstudio help venv sdks demo demo-once test format lint types imports sdl test-delivery bench bench-reads equivalence clean test-clients
.DEFAULT_GOAL := help

help:  ## list the chores
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 20

.venv/ready-run: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "labelgate needs Python 3.11 or newer on the PATH, or PYTHON=/path/to/it"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/ready-dev: .venv/ready-run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The platforms' own SDKs live apart: the Kili SDK needs an older graphql-core than Strawberry does.
.venv-sdks/ready: tests/sdks/constraints.txt
	test -x .venv-sdks/bin/pip || $(PYTHON) -m venv .venv-sdks || { rm -rf .venv-sdks; exit 1; }
	.venv-sdks/bin/python -m pip install --quiet --disable-pip-version-check -r tests/sdks/constraints.txt
	.venv-sdks/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv-sdks/kili-26.2.0 kili==26.2.0
	mkdir -p .venv-sdks/src
	.venv-sdks/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary scaleapi --dest .venv-sdks/src scaleapi==2.18.4
	tar -xzf .venv-sdks/src/scaleapi-2.18.4.tar.gz -C .venv-sdks/src
	@touch $@

venv: .venv/ready-dev  ## the virtual environment with everything for development
sdks: .venv-sdks/ready  ## the platforms' own SDKs, against which the sandboxes are tested

demo: .venv/ready-run  ## show the main job on sample data and serve GraphiQL until Ctrl-C
	@$(BIN)/labelgate demo

demo-once: .venv/ready-run  ## the same, ending after the summary
	@$(BIN)/labelgate demo --once

test: .venv/ready-dev .venv-sdks/ready  ## every check: format, lint, types, import contracts, tests, docs, SDL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -n 2 --dist loadfile -q

format: .venv/ready-dev  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/ready-dev  ## ruff alone
	$(BIN)/ruff check .

types: .venv/ready-dev  ## mypy alone
	$(BIN)/mypy

imports: .venv/ready-dev  ## the import contracts alone
	$(BIN)/lint-imports

sdl: .venv/ready-run  ## write schema/schema.graphql from the code
	$(BIN)/labelgate schema > schema/schema.graphql.new && mv schema/schema.graphql.new schema/schema.graphql

tests/clients/.ready: tests/clients/package.json
	cd tests/clients && npm install --no-audit --no-fund --no-package-lock --silent
	test -x tests/clients/.venv/bin/python || $(PYTHON) -m venv tests/clients/.venv
	tests/clients/.venv/bin/python -m pip install --quiet --disable-pip-version-check 'gql[aiohttp,websockets]==4.0.0' ariadne-codegen==0.19.0
	@touch $@

test-labelstudio: .venv/ready-dev  ## Label Studio itself: install it apart, start it on loopback, run the shared claims (long)
	$(BIN)/python tests/connectors/labelstudio/real_server.py

test-clients: .venv/ready-dev tests/clients/.ready  ## real GraphQL clients and the HTTP audit suite against a served gateway (needs node)
	$(BIN)/python -m pytest -q tests/clients

test-delivery: .venv/ready-dev  ## 1,000 verdicts a platform under faults and kills (long)
	LABELGATE_VERDICTS=1000 $(BIN)/python -m pytest -q tests/gateway/test_delivery.py

equivalence: .venv/ready-dev  ## compiled against ordinary execution, 2,400 generated operations (minutes)
	LABELGATE_EQUIVALENCE=2400 $(BIN)/python -m pytest tests/compiled -q -s

bench: .venv/ready-dev  ## measure (long; not part of test)
	$(BIN)/python -m benchmarks.ingest

bench-reads: .venv/ready-dev  ## CPU time of the read queries against baselines
	$(BIN)/python -m benchmarks.reads

clean:  ## remove what was installed and the demo's data
	rm -rf .venv .venv-sdks .labelgate .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
