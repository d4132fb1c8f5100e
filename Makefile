# What one does with a checkout; each target is a line that calls a tool.
# On plain Debian with Python 3.11 or later: make setup && make demo

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench brokers brokers-stop

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP)  ## the environment, with .venv/bin/fedbridge

$(STAMP): pyproject.toml
	@.ci/venv $(PYTHON)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,dev]'
	@touch $@

demo: setup  ## the story on real brokers
	$(BIN)/fedbridge demo

# Three at a time, each with brokers of its own, since much of the time goes by waiting for brokers to notice things.
test: setup  ## the whole suite, on real brokers that it starts and stops
	$(BIN)/python -m pytest -n 3 --dist loadfile

check: setup  ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## the speed of the relay beside its peers', on every leg or on LEG=kafka-amqp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m tests.bench $(if $(LEG),--leg $(LEG))

brokers: setup  ## real brokers in the background: eval "$(make -s brokers)"
	@$(BIN)/fedbridge demo --brokers-only

brokers-stop: setup  ## ends what `make brokers` and `fedbridge demo --keep` left up
	@$(BIN)/fedbridge demo --stop
