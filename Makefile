# One command for each thing a person does here; `make` alone lists them.

PY := .venv/bin/python
NODE := $(PY) -m config.setup.node
PYTEST := $(PY) -m pytest
# Without make's own jobs, which it can't reach through Python.
CARGO := MAKEFLAGS= $(PY) -m config.setup.native
UV_COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup run check test test-long lint fix types contracts wire pages-types pages-lint pages-test unit \
	native native-lint native-test bench-peers wheels lock clean

help:
	@echo 'make run [PUBLIC=name-or-address]   set up what is missing and start a server'
	@echo 'make setup       only set up'
	@echo 'make native      build the native plane now, and say what is missing if it cannot be built'
	@echo 'make check       lint, types, import contracts, unit tests, page tests, cargo tests (no browser)'
	@echo 'make test        everything above and the browser tests'
	@echo 'make test-long   what takes longer: fuzzing, endurance'
	@echo 'make bench-peers as root on Debian: install what zvonok bench plane compares with (Janus)'
	@echo 'make fix         format, and mend what the linter can mend'
	@echo 'make wheels      wheels with the native plane for x86-64 and arm64, into dist/'
	@echo 'make lock        renew requirements*.lock'
	@echo 'make clean       remove what was set up and built (paths.var keeps lessons: it stays)'

.PHONY: ready ready-check ready-test
ready:
	@config/setup/venv.sh
	@$(PY) -m config.setup run
ready-check:
	@config/setup/venv.sh
	@$(PY) -m config.setup check
ready-test:
	@config/setup/venv.sh
	@$(PY) -m config.setup test

setup: ready
	@echo 'Set up. Start with: make run'

native:
	@config/setup/venv.sh
	@$(PY) -m config.setup native

run: ready
	@exec .venv/bin/zvonok serve $(if $(PUBLIC),--public '$(PUBLIC)')

# The static checks run side by side; each one's output stays together.
STATIC := native-test pages-lint pages-test lint types contracts wire pages-types
# Without browsers the tests bear company, and half of them wait for real time: four processes on two cores.
UNIT := $(PYTEST) -q -n $(shell echo $$(( $$(nproc) * 2 ))) --dist worksteal -m "not browser and not netns and not long and not load and not spare"
# These only compute, and get what the browsers leave of the processors.
SPARE := nice -n 19 $(PYTEST) -q -m "spare and not long"
check: ready-check
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going $(STATIC)
	@status=0; $(UNIT) || status=1; $(SPARE) || status=1; exit $$status

test: ready-test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going $(STATIC)
	@status=0; $(UNIT) || status=1; \
	$(SPARE) & spare=$$!; \
	$(PYTEST) -q -n 2 --dist loadfile -m "(browser or netns or load) and not (alone or long)" || status=1; \
	wait $$spare || status=1; \
	$(PYTEST) -q -m "alone and not long" || status=1; \
	$(PY) -m config.setup.browser verdict || status=1; exit $$status

# The browsers meet the native plane in make test, the reference one here.
test-long: ready-test
	@status=0; $(PYTEST) -m long --timeout 3600 || status=1; \
	ZVONOK_PLANE=reference $(PYTEST) -q -m "browser and not long" || status=1; exit $$status

lint:
	@echo 'Lint' && .venv/bin/ruff check --quiet && .venv/bin/ruff format --quiet --check

types:
	@echo 'Types' && .venv/bin/mypy --no-error-summary
	@said=$$($(PY) -m mypy.stubtest sfu.plane._native --mypy-config-file pyproject.toml) || { echo "$$said"; exit 1; }

contracts:
	@echo 'Import contracts' && said=$$(.venv/bin/lint-imports --no-cache --no-logo) || { echo "$$said"; exit 1; }

wire:
	@echo 'Generated wire types' && $(PY) -m signaling.schema --check

pages-types:
	@echo 'Types of the pages' && NO_COLOR=1 $(NODE) npm run --silent types

pages-lint:
	@echo 'Lint of the pages' && NO_COLOR=1 $(NODE) npm run --silent lint

pages-test:
	@echo 'Tests of the pages' && NO_COLOR=1 $(NODE) npm run --silent test

native-lint:
	@echo 'Lint of the native plane' && $(CARGO) fmt --check && \
		$(CARGO) clippy --quiet --release --locked --all-targets -- -D warnings

# By what set-up built, as far as it goes: the same folder and profile. Without the module for Python, which can't
# be linked into tests.
native-test: native-lint
	@echo 'Tests of the native plane' && $(CARGO) test --quiet --release --locked --no-default-features --lib

unit: ready-check
	@$(UNIT)

bench-peers:
	@loadtest/bench/peers.sh

fix:
	@.venv/bin/ruff check --quiet --fix; .venv/bin/ruff format --quiet; $(CARGO) fmt

wheels: ready-check
	@$(PY) -m config.setup.wheels

lock: ready-check
	@$(UV_COMPILE) --upgrade pyproject.toml --group dev -o requirements-dev.lock
	@$(UV_COMPILE) --upgrade pyproject.toml --group build -c requirements-dev.lock -o requirements.lock
	@$(UV_COMPILE) --upgrade --group pyproject.toml:node -o requirements-node.lock
	@$(UV_COMPILE) --upgrade --group pyproject.toml:wheels -o requirements-wheels.lock

clean:
	rm -rf .venv web/node_modules web/dist var/cache build dist sfu/plane/_native.abi3.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
