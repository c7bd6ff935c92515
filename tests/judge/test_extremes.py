"""What extreme data lead to: vanished or runaway covariances, p values below every number."""

import math

import pytest
from msgspec.structs import replace

from harness.conformance.judged_pair import judge_pair
from harness.conformance.properties import PROPERTIES
from harness.conformance.transformations import predictor_rescaled
from harness.data.recipes.shapes import Recipe, build
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.examination import point_of
from harness.judge.side_by_side import _log_ratio
from harness.referee.deviance import Likelihood


def slope_only(seed):
    """A random slope of a predictor in millionths, without an intercept."""
    recipe = Recipe(
        shape="slope-only",
        sizes=(50, 6),
        ratios=(0.1,),
        x="mixed",
        effect=0.5,
        x_power=6,
        level_order="reversed",
        seed=seed,
    )
    return build(recipe).case


@pytest.fixture(scope="module")
def case():
    return slope_only(3464524148)


def test_statsmodels_infinite_covariance_is_its_zero_one():
    """statsmodels#10239 without a group-constant effect: estimates are those within groups."""
    # With this seed its optimizer ends at a zero variance whichever kernel OpenBLAS takes.
    case = slope_only(2)
    fit = StatsmodelsEngine().fit(case, "default")
    assert fit.random[0].covariance == ((0.0,),)
    assert all(c.estimate != 0.0 for c in fit.coefficients)
    comparison = judge_pair(case, fit, RefereeEngine().fit(case, "default")).comparison
    assert (comparison.verdict, comparison.blamed) == ("WRONG_OPTIMUM", ("statsmodels",))
    assert comparison.causes[0] == "sm-zero-fe"


def test_an_infinite_variance_in_place_of_zero_can_leave_nothing_of_a_fixed_effect():
    """statsmodels' vanished slope variance counts as infinite; then the slope is not determined."""
    rows = build(Recipe(shape="independent", sizes=(3,) * 9, ratios=(1.0, 1.0), seed=1)).case
    right = RefereeEngine().fit(rows, "default")
    intercept, slope = right.random
    inside = replace(intercept, covariance=((-2.0,),), factor=None)
    vanished = replace(slope, covariance=((-0.0,),), factor=None)
    fit = replace(
        right,
        engine="statsmodels-0.14",  # whatever it is called, by its fitter it is MixedLM
        fitter="MixedLM",
        random=(inside, vanished),
        residual_variance=-2.0,
        loglik=math.nan,
    )
    judged = judge_pair(rows, fit, right)
    assert judged.comparison.verdict == "WRONG_OPTIMUM"
    assert judged.comparison.blamed == ("statsmodels-0.14",)
    (why,) = (e for e in judged.comparison.evidence if e.cause == "sm-zero-fe")
    assert why.lists["lost"] == (rows.design.x_names[1],)
    # The same numbers with a slope variance that has not vanished have no such cause.
    kept = replace(slope, covariance=((-1.0,),), factor=None)
    other = judge_pair(rows, replace(fit, random=(inside, kept)), right).comparison
    assert "sm-zero-fe" not in other.causes


def test_a_runaway_variance_is_held_against_the_likelihood_that_is_stated_for_it(case):
    far = predictor_rescaled(case).case
    right = RefereeEngine().fit(far, "default")
    (term,) = right.random
    runaway = replace(term, covariance=((1.0,),), factor=None)
    fit = replace(right, random=(runaway,), loglik=right.loglik - 20.0, converged=True)
    assert point_of(Likelihood(far.design, reml=True), fit) is None
    audit = judge_pair(far, fit, right).view.audit
    assert audit.certificate == "stopped short"
    assert audit.gap == pytest.approx(40.0, abs=1e-6)
    assert audit.converged_true is False
    # One that states no lower log-likelihood is not known to have stopped short.
    claims = replace(fit, loglik=right.loglik)
    assert judge_pair(far, claims, right).view.audit.certificate == ("outside the parameter space")


@pytest.mark.slow
def test_a_slope_in_thousands_of_millions_is_checked_to_the_end():
    """Fits from which rounding leaves no information on a fixed effect have no standard errors."""
    recipe = Recipe(
        shape="slope",
        criterion="ML",
        sizes=(3, 3, 3, 3),
        ratios=(0.1, 0.1),
        x="within",
        effect=0.0,
        x_power=6,
        seed=2926562089,
    )
    outcome = PROPERTIES["metamorphic.x-affine"].check(StatsmodelsEngine(), build(recipe).case)
    assert outcome.status == "fails"
    assert "stopped-short" in outcome.causes


def test_p_values_that_underflow_are_equal():
    assert _log_ratio(0.0, 3e-310) == 0.0
    assert _log_ratio(0.0, 1e-200) > 0.1
    assert math.isnan(_log_ratio(math.nan, 0.0))
    assert math.isnan(_log_ratio(-1.0, 0.5))
