# Everything one does with this repository. `make` alone lists it. Needs make, Python 3.11 or later and a package index.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PROGRAM := $(VENV)/.program
TOOLS := $(VENV)/.tools
N ?= 1000
LINTERS := '$(BIN)/ruff check .' '$(BIN)/ruff format --check .' $(BIN)/mypy '$(BIN)/lint-imports --no-cache'
# Where this is set, every one of the many processes that a test or a demo starts would compile the whole program again.
unexport PYTHONDONTWRITEBYTECODE
# Whole processes again and again, or every example of a fuzzer: part of `make check`, so that `make test` stays short.
# The longest come first: at the end, one of them would keep one process busy and the other waiting.
LONG := tests/journeys tests/cli/test_journey.py tests/browser tests/matrix tests/migrations/test_upgrade.py \
  tests/local/test_up.py tests/bench tests/billing/test_year.py tests/platform_api/test_overload.py tests/backup \
  tests/local/test_backup.py tests/worker tests/testkit tests/providers/styles tests/wire tests/docs/test_stories.py \
  tests/docs/test_provider_story.py tests/payments/test_pay_interrupted.py tests/providers/redis/test_program.py \
  tests/billing/test_close_interrupted.py tests/billing/test_properties.py tests/cli/test_provider_test.py \
  tests/cli/test_provider_proxy.py tests/providers/postgres/test_program.py tests/providers/postgres/test_quota.py \
  tests/payouts/test_payouts_interrupted.py tests/payouts/test_books.py tests/local/test_yesterday.py \
  tests/addons/test_handover.py tests/addons/test_suspension_races.py tests/addons/test_trials.py \
  tests/events/test_deliver.py tests/partner_api/test_addons_admin.py tests/payments/test_dunning_late.py \
  tests/platform_api/test_dunning.py tests/security/test_everybody.py tests/security/test_strangers.py \
  tests/security/test_forms.py tests/addons/test_races.py tests/oauth/test_locked_out.py
FAULTS := $(wildcard tests/chaos/*kill_points.py) tests/chaos/test_machine.py
PYTEST_ARGS ?= -n 2 --dist loadfile --durations=10 --durations-min=5
LONG_ARGS ?= -n 3 --dist loadfile --durations=20 --durations-min=20

.PHONY: help setup program demo up test check lint tools bench docs screenshots chaos begun faults long clean

help: ## this list
	@echo 'make <target>:'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

setup: $(TOOLS) ## make .venv with everything in it; again only when the dependencies change
	@:

program: $(PROGRAM)
	@:

demo: program ## start everything on this machine and run the whole story; ONCE=1 stops after it
	@$(BIN)/python -m broker.local.demo $(if $(filter-out 0 no,$(ONCE)),--once)

up: program ## start everything on this machine, in the foreground
	@$(BIN)/broker up

test: setup tools ## run the tests, but for the long ones of `make check`
	@$(BIN)/python -m pytest $(PYTEST_ARGS) --ignore=tests/chaos $(LONG:%=--ignore=%)

check: begun faults long test ## what CI runs: linters, types, import rules, faults, all tests

# What keeps one processor busy, beside what waits for the network.
begun: setup
	@$(BIN)/python -m scripts.side_by_side $(LINTERS) scripts/optional-tools

# Three at a time on two processors: a third of their time, these tests wait for processes and pages.
long: setup tools
	@$(BIN)/python -m pytest $(LONG_ARGS) --no-loadscope-reorder $(LONG)

faults: setup
	@$(BIN)/python -m pytest -n 2 --dist load $(FAULTS)
	@$(BIN)/python -m pytest tests/chaos $(FAULTS:%=--ignore=%)

chaos: setup ## kill processes at random under N operations (1000) and check that every promise holds
	@CHAOS_OPERATIONS=$(N) $(BIN)/python -m pytest -q tests/chaos/test_chaos.py

lint: setup ## ruff, mypy, import rules
	@$(BIN)/python -m scripts.side_by_side $(LINTERS)

tools:
	@scripts/optional-tools

bench: setup ## measure provisions, reads, usage and closing beside the floors of this machine
	@$(BIN)/python -m tests.bench

docs: program ## write docs/reference anew from the code
	@$(BIN)/python -m scripts.reference

screenshots: setup ## pictures of the pages, light and dark, wide and narrow, in .cache/screenshots
	@$(BIN)/python -m tests.browser.screenshots

clean: ## remove .venv and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The program alone is a third of what the tests and linters need, so that `make demo` does not wait for those.
$(PROGRAM): pyproject.toml constraints.txt
	@scripts/install .
	@touch $@

$(TOOLS): pyproject.toml constraints.txt
	@scripts/install '.[dev]'
	@touch $(PROGRAM) $@
