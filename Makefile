# Perennial. `make` lists the targets; every target installs what it needs first.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
SAM := .venv/bin/sam
SOURCES := $(wildcard perennial functions ec2_trainer local scenarios layers bench tests conftest.py)

export SAM_CLI_TELEMETRY := 0

.PHONY: help install build run up down test lint unit integration e2e invoke deploy bench bench-peers bench-quality bench-reliability bench-concurrency lock clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

install: .venv/.installed .engine/.installed ## Python environments, from locked requirements
	@:

.venv/.installed: requirements/dev.txt requirements/bootstrap.txt requirements/install.sh pyproject.toml .python-version
	@requirements/install.sh dev

.engine/.installed: requirements/engine.txt requirements/bootstrap.txt requirements/install.sh .python-version
	@requirements/install.sh engine

build: .venv/.installed ## build functions and layers
	@$(SAM) build

run: install ## the whole loop on the embedded AWS, as a story
	@$(PYTHON) -m local.story

up: install ## start the embedded AWS with the stack deployed
	@$(PYTHON) -m local up

down: .venv/.installed ## stop it
	@$(PYTHON) -m local down

test: lint ## everything: lint, unit, integration, end to end
	@$(PYTHON) -m pytest --numprocesses 2

lint: install ## ruff, mypy, cfn-lint, sam validate
	@.venv/bin/ruff check $(SOURCES)
	@.venv/bin/ruff format --check $(SOURCES)
	@.venv/bin/mypy $(SOURCES)
	@.venv/bin/cfn-lint template.yaml
	@$(SAM) validate --lint

unit: .venv/.installed ## unit tests and doctests
	@$(PYTHON) -m pytest --numprocesses 2 perennial tests/unit

integration: install ## tests with moto or an engine process
	@$(PYTHON) -m pytest --numprocesses 2 tests/integration

e2e: install ## tests on the stack deployed to the embedded AWS
	@$(PYTHON) -m pytest tests/e2e

invoke: install ## one function with one event: make invoke FUNCTION=Decide EVENT=events/decide.json
	@$(PYTHON) -m local.invoke $(FUNCTION) $(EVENT)

deploy: build ## to your AWS account, by samconfig.toml
	@$(SAM) deploy

bench: install ## sizes, imports, the story, the speed of drift detection, of assembly and of evaluation
	@$(PYTHON) -m bench

bench-peers: .venv/.installed ## the tools that benchmarks compare with, each in an environment of its own
	@bench/install_peers.sh

bench-quality: install ## false alarms and power of drift detection and of evaluation, to docs/
	@$(PYTHON) -m bench.quality
	@$(PYTHON) -m bench.evaluation_trials

bench-reliability: install ## runs with faults at random moments, about half an hour, to docs/reliability.md
	@$(PYTHON) -m bench.reliability

bench-concurrency: install ## fifty runs at once for one model and for fifty, to docs/concurrency.md
	@$(PYTHON) -m bench.concurrency

lock: .venv/.installed ## recompile the locked requirements
	@requirements/lock.sh $(CURDIR)/.venv/bin/uv --upgrade

clean: ## remove everything that was installed or built
	rm -rf .venv .engine .bootstrap .aws-sam .perennial .hypothesis out
