"""Fits of the ladder's rungs, each made once for this folder, and one with a fault in it."""

from functools import cache

import pytest

from harness.data.ladder import full_ladder
from tests.judge.planted import ENGINES, alter, fits, judge


@pytest.fixture(scope="session")
def rungs():
    return {rung.case.id: rung for rung in full_ladder()}


@pytest.fixture(scope="session")
def fitted(r, rungs):
    """Return a function from a rung's id to the rung and its four fits."""

    @cache
    def of(rung):
        return rungs[rung], tuple(fits(rungs[rung], r))

    return of


@pytest.fixture(scope="session")
def judged(fitted):
    """Return a function from a rung's id to its record."""
    return cache(lambda rung: judge(*fitted(rung)))


@pytest.fixture(scope="session")
def slope(fitted):
    """Sleepstudy with correlated slopes: an interior optimum that both engines find."""
    return fitted("sleepstudy/slope/REML")


@pytest.fixture(params=ENGINES)
def engine(request):
    """The engine whose fits are altered; the verdict must not depend on which it is."""
    return request.param


@pytest.fixture
def planted(slope, engine):
    """Return a function from a change to the record with that change in one engine's fits."""
    rung, outcomes = slope
    return lambda change: judge(rung, alter(outcomes, engine, change))
