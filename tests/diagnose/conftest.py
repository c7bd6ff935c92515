"""Diagnoses of the documented examples, each made once for this folder."""

from functools import cache

import pytest

from harness.diagnose.examples import example_rung, load_examples, run_script
from harness.diagnose.pipeline import Opened, diagnose
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.rbridge import RSession


@pytest.fixture(scope="session")
def r_all():
    """R with the script for all optimizers."""
    with RSession(timeout=60, extra_scripts=("all_fit.R",)) as session:
        yield session


@pytest.fixture(scope="session")
def ready(r_all):
    """Return a function from engine names to engines that are open."""

    def of(engines=("statsmodels", "lme4")):
        if "lme4" not in engines:
            return Opened(engines, (StatsmodelsEngine(), RefereeEngine()), None)
        first = StatsmodelsEngine() if "statsmodels" in engines else RefereeEngine()
        return Opened(engines, (first, Lme4Engine(r_all)), r_all)

    return of


@pytest.fixture(scope="session")
def diagnosed(ready):
    """Return a function from an example's name to its diagnosis, without the table of runs."""

    @cache
    def of(name):
        if load_examples()[name].script:
            return run_script(name)
        return diagnose(example_rung(name), ready(load_examples()[name].engines), quick=True)

    return of
