# Commands for developers and operators, on a machine with Python >= 3.11, Java >= 17 and Maven.
# Missing parts are set up first, and reused by later runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=
# Tests run in five processes (tests/conftest.py), since most of them wait; make test PROCESSES= runs them in one.
PROCESSES ?= -n 5 --dist loadscope --no-loadscope-reorder

# Python keeps compiled modules: without them each process of a test, and each worker of pytest, would
# compile everything again, which takes longer than many tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv jars kinesis registries chromium haproxy kcat examples promtool demo test chaos chaos-audio chaos-bridge chaos-day chaos-derive chaos-lander chaos-recover mutants lint format bench clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(INSTALLED)  ## create the virtual environment from requirements.lock

$(INSTALLED): requirements.lock pyproject.toml infra/bin/make-venv
	@infra/bin/make-venv "$(PYTHON)" "$(VENV)"
	@touch $@

jars: $(INSTALLED)  ## download Kafka's jars with Maven
	@$(BIN)/python -m infra.local.kafka

kinesis: $(INSTALLED)  ## install kinesis-local with npm: the emulator for tests of shard changes
	@infra/bin/need npm npm
	@$(BIN)/python -m infra.local.kinesis_local

registries: $(INSTALLED)  ## download Apicurio Registry with Maven; without it its tests are skipped, but fail in CI
	@$(BIN)/python -m infra.local.apicurio || [ "$$CI" != 1 ]

chromium:
	@infra/bin/need chromium chromium chromium-browser google-chrome

kcat:  # a test reads topics with it
	@infra/bin/need kcat kcat kafkacat

examples: $(INSTALLED)  ## install what the examples and their tests need (450 MB, once)
	@$(BIN)/python -m tools.examples_environment

haproxy:  # only the tests of the load balancer need it; without it they are skipped, but fail in CI
	@infra/bin/need haproxy haproxy /usr/sbin/haproxy || [ "$$CI" != 1 ]

promtool:  # only the tests of the alarms need it; without it they are skipped, but fail in CI
	@infra/bin/get-promtool .local/promtool || [ "$$CI" != 1 ]

demo: $(INSTALLED)  ## run the whole pipeline here with simulated calls; ARGS=--exit: check the result and stop
	@$(BIN)/flexcapture demo $(ARGS)

test: $(INSTALLED) jars kinesis registries chromium haproxy kcat examples promtool  ## run every test; ARGS: arguments of pytest
	$(BIN)/python -m pytest $(PROCESSES) $(ARGS)

chaos: $(INSTALLED) jars  ## play 500 calls while processes are killed and Twilio fails; ARGS=--help
	$(BIN)/python -m tests.system.chaos $(ARGS)

chaos-audio: $(INSTALLED) jars  ## play 200 calls while gateway, recorder and broker are killed; check every frame
	$(BIN)/python -m tests.system.chaos_audio $(ARGS)

chaos-bridge: $(INSTALLED) jars kinesis  ## bridge 100,000 events while shards change and bridges are killed; ARGS=--help
	$(BIN)/python -m tests.system.chaos_bridge $(ARGS)

chaos-day: $(INSTALLED) jars  ## play a day of log time while gateways are cut off and killed; check every frame; ARGS=--help
	$(BIN)/python -m tests.system.chaos_day $(ARGS)

chaos-derive: $(INSTALLED) jars  ## derive 10,000 calls by a process that is killed; compare with live; ARGS=--help
	$(BIN)/python -m tests.system.chaos_derive $(ARGS)

chaos-lander: $(INSTALLED) jars  ## land 2,000,000 records while two landers are killed; ARGS=--help
	$(BIN)/python -m tests.system.chaos_lander $(ARGS)

chaos-recover: $(INSTALLED) jars  ## play 500 calls of which much is missed; check that all is found and recovered; ARGS=--help
	$(BIN)/python -m tests.system.chaos_recover $(ARGS)

mutants: $(INSTALLED)  ## change the pure cores a bit at a time; show what no test notices; ARGS=--help
	nice -n 19 $(BIN)/python -m tools.mutants $(ARGS)

lint: $(INSTALLED)  ## run ruff, mypy, import-linter, the count of unclear phrases, and check docs/reference
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.wording
	$(BIN)/python -m tools.reference --check

format: $(INSTALLED)  ## apply ruff's automatic fixes and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) jars  ## run the benchmarks, each with a baseline from the same run
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove everything that make has set up; recordings and state directories are kept
	rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
