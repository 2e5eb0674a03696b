# Everything a developer or an operator needs, on a machine with Python >= 3.11, Java >= 17 and
# Maven. What is missing is set up first; a second run finds it there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv jars kinesis chromium promtool demo test chaos chaos-audio chaos-bridge chaos-day lint format bench clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(INSTALLED)  ## the virtual environment, exactly as requirements.lock says

$(INSTALLED): requirements.lock pyproject.toml infra/make-venv
	@infra/make-venv "$(PYTHON)" "$(VENV)"
	@touch $@

jars: $(INSTALLED)  ## Kafka's jars, by Maven
	@$(BIN)/python -m infra.kafka

kinesis: $(INSTALLED)  ## kinesis-local, by npm: the emulator for everything about shards
	@infra/need npm npm
	@$(BIN)/python -m infra.kinesis_local

chromium:
	@infra/need chromium chromium chromium-browser google-chrome

promtool:  # only the tests of the alarms need it; without it they are skipped, which fails in CI
	@infra/get-promtool .local/promtool || [ "$$CI" != 1 ]

demo: $(INSTALLED)  ## the whole pipeline here, with simulated calls; ARGS=--exit checks and stops
	@$(BIN)/flexcapture demo $(ARGS)

test: $(INSTALLED) jars kinesis chromium promtool  ## every test; ARGS goes to pytest
	$(BIN)/python -m pytest $(ARGS)

chaos: $(INSTALLED) jars  ## 500 calls while processes are killed and Twilio stumbles; ARGS=--help
	$(BIN)/python -m tests.chaos $(ARGS)

chaos-audio: $(INSTALLED) jars  ## 200 calls, every frame looked for, while gateway, recorder and broker are killed
	$(BIN)/python -m tests.chaos.audio $(ARGS)

chaos-bridge: $(INSTALLED) jars kinesis  ## 100,000 events, shards that change, bridges killed; ARGS=--help
	$(BIN)/python -m tests.chaos_bridge $(ARGS)

chaos-day: $(INSTALLED) jars  ## a day of log time: gateways cut off and killed, every frame looked for; ARGS=--help
	$(BIN)/python -m tests.chaos_day $(ARGS)

lint: $(INSTALLED)  ## ruff, mypy, import-linter, plain English
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.wording

format: $(INSTALLED)  ## what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) jars  ## the benchmarks, each with its baseline of the same run
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## removes what make set up; recordings and state directories stay
	rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
