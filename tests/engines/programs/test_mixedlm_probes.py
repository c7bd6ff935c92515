"""The program of other versions of statsmodels finds out what the engine of this one does."""

import sys

import pytest

from harness.data.recipes.shapes import Recipe, build
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from tests.judge.fact_cases import case_of, judged, six_groups_of_five

VERSIONS = ("statsmodels-0.14", "statsmodels-0.13")
COMMAND = (sys.executable, str(environments.program(VERSIONS[0]).path))
"""The program with the statsmodels of this environment."""


def fitted(name, command, case):
    engine = CommandEngine(name, command)
    try:
        return engine.fit(case, "default")
    finally:
        engine.close()


def compared(case, fit):
    return judged(case, fit, RefereeEngine().fit(case, "default"))[0]


@pytest.mark.slow
def test_a_gradient_of_the_wrong_sign_is_named_of_any_version():
    case = case_of(six_groups_of_five(7), "y ~ x + (x | g)")
    fit = fitted("another", COMMAND, case)
    here = StatsmodelsEngine().fit(case, "default")
    assert fit.probes == here.probes
    assert list(fit.probes) == ["score-sign"]
    verdict = compared(case, fit)
    assert (verdict.verdict, verdict.blamed) == ("WRONG_OPTIMUM", ("another",))
    assert verdict.causes[:2] == ("sm-score-sign", "stopped-short")
    # Where the optimizer arrived nothing is probed that speaks of its gradient.
    well = case_of(six_groups_of_five(1), "y ~ x + (1 | g)")
    assert fitted("another", COMMAND, well).probes == {}


@pytest.mark.slow
def test_a_covariance_that_could_not_be_inverted_is_named_of_any_version():
    recipe = Recipe(
        shape="slope-only",
        criterion="ML",
        sizes=(8, 1, 2, 4, 9, 20, 4, 8, 16, 5),
        ratios=(0.0,),
        effect=0.5,
        digits=6,
        y_offset=10,
        seed=791729696,
    )
    case = build(recipe).case
    failure, here = fitted("another", COMMAND, case), StatsmodelsEngine().fit(case, "default")
    assert (failure.reason, failure.probes) == (here.reason, here.probes)
    verdict = compared(case, failure)
    assert (verdict.verdict, verdict.blamed) == ("FAILED", ("another",))
    assert verdict.causes == ("sm-singular-covariance",)


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_the_versions_before_have_the_fault(name):
    if not environments.installed(name):
        pytest.skip(f"{name} is not installed here")
    case = case_of(six_groups_of_five(7), "y ~ x + (x | g)")
    fit = fitted(name, environments.command(name), case)
    assert compared(case, fit).causes[:2] == ("sm-score-sign", "stopped-short")
