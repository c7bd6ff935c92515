"""Diagnoses of the documented examples, each made once for this folder."""

from functools import cache

import pytest

from harness.diagnose.examples import example_rung, load_examples, run_script
from harness.diagnose.pipeline import diagnose
from harness.diagnose.user_engines import Opened, in_order
from harness.engines.lme4 import Lme4Engine
from harness.engines.mixedlm_evaluations import Evaluations
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine


@pytest.fixture(scope="session")
def ready(r):
    """Return a function from engine names to engines that are open."""

    here = {
        "statsmodels": StatsmodelsEngine,
        "referee": RefereeEngine,
        "lme4": lambda: Lme4Engine(r),
    }

    def of(engines=("statsmodels", "lme4")):
        names = engines if len(engines) > 1 else (*engines, "referee")
        running = in_order([here[name]() for name in names])
        session = r if "lme4" in engines else None
        return Opened(tuple(engines), running, session, evaluations=Evaluations())

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
