# `make report` and `make test` are all that most people need; both set up first.

bin := .venv/bin

.PHONY: help setup setup-test setup-dev report test lint wheel clean

help:
	@echo 'make report   set up, fit the ladder in Python and in R, write reports/parity.html'
	@echo 'make test     set up and run the tests       (ARGS="-k name" goes to pytest)'
	@echo 'make lint     set up, then ruff, mypy and codespell'
	@echo 'make wheel    set up, then build dist/*.whl'
	@echo 'make setup    only the set-up: R and its packages, and .venv'
	@echo 'make clean    remove .venv and everything built'

setup:
	@./setup.sh

setup-test:
	@./setup.sh --test

setup-dev:
	@./setup.sh --dev

report: setup
	@$(bin)/lmm-parity report $(ARGS)

test: setup-test
	@$(bin)/python -m pytest $(ARGS)

lint: setup-dev
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/codespell

wheel: setup-dev
	@$(bin)/python -m build --wheel --no-isolation

clean:
	rm -rf .venv .setup.log build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find harness tests -name __pycache__ -type d -prune -exec rm -rf {} +
