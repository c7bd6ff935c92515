"""Printed numbers as text: what rounds to them and what does not."""

import math

import pytest

from harness.data.ladder import every_rung, full_ladder
from harness.data.printed_numbers import half_unit, notebook_numbers, rounds_to, tutorial_numbers
from harness.engines.referee_engine import RefereeEngine
from harness.judge.case_record import printed_value
from tests.tutorial_models import MODELS


@pytest.mark.parametrize(
    ("text", "half"),
    [("0.232", 0.0005), ("-2.5", 0.05), ("177", 0.5), ("3.26e-06", 5e-9), ("0.0010", 0.00005)],
)
def test_the_last_printed_place_says_how_much_is_known(text, half):
    assert half_unit(text) == pytest.approx(half, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "text", "yes"),
    [
        (0.23249, "0.232", True),
        (0.2325, "0.232", True),
        (0.2325, "0.233", True),
        (0.23251, "0.232", False),
        (0.2314, "0.232", False),
        (-0.23249, "-0.232", True),
        (0.232, "-0.232", False),
        (3.264e-6, "3.26e-06", True),
        (3.266e-6, "3.26e-06", False),
        (0.00096, "0.0010", True),
        (0.00094, "0.0010", False),
        (math.nan, "0.232", False),
        (math.inf, "0.232", False),
    ],
)
def test_a_value_matches_when_it_is_printed_so(value, text, yes):
    assert rounds_to(value, text) is yes


@pytest.mark.parametrize("title", MODELS)
def test_every_rung_of_the_tutorial_has_its_row_of_the_final_table(title):
    numbers = tutorial_numbers(title)
    own = {n.quantity for n in numbers if n.engine == "statsmodels"}
    assert {"table.RMSE", "table.Coef", "table.Stat", "table.Pval"} <= own
    for number in numbers:
        assert math.isfinite(float(number.text))


def test_lmertests_numbers_are_of_the_two_mixed_models():
    have = [t for t in MODELS if any(n.source == "lmerTest 3.1-3" for n in tutorial_numbers(t))]
    assert have == ["LMM-Inter", "LMM-Full"]


def test_a_notebooks_model_has_numbers_only_where_it_prints_some():
    assert notebook_numbers("no_such_model") == ()
    assert {n.source for n in notebook_numbers("dietox_slope")} == {"notebook"}


def test_nlmes_numbers_are_of_rungs_and_the_referee_has_those_that_it_defines_alike():
    """Its df, t and p are by nlme's own rule and are compared in a run with nlme."""
    alike = {"loglik", "estimate", "se", "variance", "residual"}
    seen, off = 0, []
    for rung in every_rung():
        for number in rung.printed:
            if number.source != "nlme":
                continue
            assert number.engine == "nlme"
            if number.quantity in alike:
                fit = RefereeEngine().fit(rung.case, "default")
                value = printed_value(fit, number.quantity, number.item)
                seen += 1
                if not rounds_to(value, number.text):
                    off.append((rung.case.id, number.quantity, number.item))
                    assert value == pytest.approx(float(number.text), rel=2e-5)
    assert seen > 35
    # There nlme prints 6.6407 for 6.64063: it stops 1e-5 away in this standard error.
    assert off == [("formula/oats-ordered/REML", "se", "Intercept")]


def test_rungs_by_ml_carry_no_numbers_of_reml():
    for rung in full_ladder():
        if rung.case.model.criterion == "ML":
            assert rung.printed == ()
