# `make report` and `make test` are all that most people need; both set up first.

bin := .venv/bin

# Workers take tests from each other, so that one long file does not hold up the end.
workers := -n $(or $(JOBS),2) --dist worksteal
fast := not study and not r and not browser and not slow and not install

# Without compiled files every process compiles all it imports again, which takes ten seconds.
unexport PYTHONDONTWRITEBYTECODE

# Ready engines that install from PyPI; those in R need their packages there.
boarded := statsmodels-0.13 statsmodels-0.14 glmm mixedlm mixedlm-rs kamino-lme lme-python \
	interlace-lme pymer4 pymixef mssm

.PHONY: help setup setup-test setup-dev report tutorial scoreboard test test-fast lint wheel clean

help:
	@echo 'make report     set up, fit the ladder in Python and in R, write reports/parity.html'
	@echo 'make tutorial   set up, run docs/tutorial/tutorial.md, write reports/tutorial.html'
	@echo 'make scoreboard ten more engines, each in its own environment, beside statsmodels and lme4'
	@echo 'make test       set up and run the tests       (ARGS="-k name" goes to pytest)'
	@echo 'make test-fast  the tests that need a minute and neither R nor a browser'
	@echo '                (JOBS=4 for more processes than two, here and with make test)'
	@echo 'make lint       set up, then ruff, mypy and codespell'
	@echo 'make wheel      set up, then build dist/*.whl'
	@echo 'make setup      only the set-up: R and its packages, and .venv'
	@echo 'make clean      remove .venv and everything built'

setup:
	@./setup.sh

setup-test:
	@./setup.sh --test

setup-dev:
	@./setup.sh --dev

report: setup
	@$(bin)/lmm-parity report $(ARGS)

tutorial: setup-test
	@$(bin)/python docs/tutorial/render.py docs/tutorial/tutorial.md reports/tutorial.html

scoreboard: setup
	@$(bin)/lmm-parity engine install $(boarded)
	@$(bin)/lmm-parity scoreboard --engine statsmodels --engine lme4 \
		$(foreach name,$(boarded),--engine $(name)) --out reports/scoreboard --timeout 30 $(ARGS)

test: setup-test
	@$(bin)/python -m pytest $(workers) $(ARGS)

# Without the set-up, which takes its time and asks for R.
test-fast:
	@test -x $(bin)/python || { echo 'make test-fast: run make setup-test first' >&2; exit 3; }
	@$(bin)/python -m pytest -q $(workers) -m '$(fast)' $(ARGS)

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
