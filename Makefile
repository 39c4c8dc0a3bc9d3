# Everything runs in .venv/, made from .ci/locks/dev.txt when it is not there or no longer fits.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help environment demo test check style types imports spelling bench fuzz budgets soak powercut package lock clean

# PYTHON=python3.12 picks the interpreter; ARGS="..." goes to the command behind a target.
PYTHON ?=
ARGS ?=
export PYTHON

help: ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | \
	  while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

environment: ## make .venv/ as the lock says
	@.ci/environment

demo: environment ## a whole simulated lighting cabinet for 30 s; ARGS="--outage 10s --kill"
	@.venv/bin/mayak demo lighting --for 30s $(ARGS)

test: environment ## run the tests; ARGS="-k modbus"
	@.ci/system-packages $(if $(filter true,$(CI)),--required)
	@.venv/bin/python -m pytest -n 2 $(ARGS)

check: environment ## style, types, who imports whom, spelling; all of them, also after one failed
	@$(MAKE) --no-print-directory --keep-going style types imports spelling

style:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
types:
	.venv/bin/mypy
imports:
	.venv/bin/lint-imports
spelling:
	.venv/bin/codespell

powercut: environment ## cut the power at every write of the real agent, the rooms, the files; ARGS="--seed 7 --lives 6"
	@.ci/system-packages gcc mosquitto
	@.venv/bin/python -m tests.powercut $(ARGS)

package: environment ## build the wheel, install it alone, run it
	@.ci/package

bench: environment ## measure the figures the README names; ARGS="--quick", "--only wire", "--plot plots"
	@.venv/bin/mayak bench $(ARGS)

soak: environment ## kill everything at random, 1,000 times; ARGS="--kills 200 --seed 7"
	@.venv/bin/python -m tests.soak $(ARGS)

fuzz: environment ## feed every decoder with what atheris thinks of; ARGS="mbus --runs 1000000"
	@.venv/bin/python -m tests.fuzz --runs 200000 $(ARGS)

budgets: environment ## measure single rooms against budgets of their own (tests/bench)
	@.venv/bin/python -m pytest tests/bench -m bench -q $(ARGS)

lock: environment ## resolve again, within what pyproject.toml allows
	@.ci/lock

clean: ## remove what can be made again
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
