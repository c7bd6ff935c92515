"""Planted numbers: those of another definition are named, false ones are not excused."""

import math

import pytest
from msgspec.structs import replace

from harness.data.datasets import load_dataset
from harness.judge.definition_notes import definition_notes
from tests.judge.planted import (
    ENGINES,
    OTHER,
    alter,
    coefficients,
    covariance,
    fits,
    judge,
    outside,
    rung_of,
    said,
)

pytestmark = pytest.mark.r


def test_a_standard_error_under_another_definition_than_the_references_is_no_difference(r):
    """Litters of 2 to 18 pups: the joint Hessian's standard errors are others."""
    rung = rung_of(load_dataset("RatPupWeight").frame, "weight ~ Lsize + (1 | Litter)")
    record = judge(rung, fits(rung, r))
    assert said(record)[:2] == ("AGREE", ())
    assert outside(record) == set()
    stated = record.judgement("statsmodels").statement("se", "Lsize")
    assert (stated.definition, stated.truth) == ("joint-hessian", "true")
    notes = {n.item: n for n in definition_notes(record, "statsmodels") if n.quantity == "se"}
    # 1e-3 is the default tolerance of standard errors.
    assert notes["Lsize"].like_for_like == pytest.approx(notes["Lsize"].reference, rel=1e-3)
    assert notes["Lsize"].value == stated.value


def test_a_standard_error_is_held_to_the_definition_that_its_engine_declares(planted, engine):
    record = planted(coefficients(se=lambda c: 1.1 * c.se))
    assert said(record)[:2] == ("FALSE_STATEMENT", (engine,))
    stated = record.judgement(engine).statement("se", "Days")
    assert (stated.truth, stated.declared) == ("false", stated.definition)
    assert stated.value == pytest.approx(1.1 * stated.right, rel=1e-3)
    assert record.judgement(OTHER[engine]).verdict == "RIGHT"
    # What the referee has at statsmodels' point is compared, not what statsmodels prints.
    assert ("se" in outside(record)) == (engine == "lme4")


def test_a_false_number_is_not_explained_by_the_cause_of_another(r):
    """lmerTest's df in small units are false for a named reason; a planted SE is not."""
    frame = load_dataset("sleepstudy").frame.assign(y=lambda d: d["Reaction"] * 1e-7)
    rung = rung_of(frame, "y ~ Days + (Days | Subject)")
    outcomes = fits(rung, r)
    known = judge(rung, outcomes).comparison("statsmodels")
    assert (known.verdict, known.unexplained) == ("FALSE_STATEMENT", False)
    wrong = coefficients(se=lambda c: 1.1 * c.se, statistic=lambda c: None, p=lambda c: None)
    both_false = judge(rung, alter(outcomes, "lme4", wrong)).comparison("statsmodels")
    assert "lmertest-units" in both_false.causes
    assert both_false.unexplained
    assert "standard error" in both_false.sentence
    assert both_false.sentence.endswith("for no known reason.")


def test_an_engine_at_the_optimum_with_a_false_number_is_not_called_short_of_it(slope):
    rung, outcomes = slope
    outcomes = alter(outcomes, "statsmodels", covariance(lambda psi: 1.3 * psi))
    outcomes = alter(outcomes, "lme4", coefficients(df=lambda c: 0.5 * c.df))
    found = judge(rung, outcomes).comparison("statsmodels")
    assert (found.verdict, found.blamed) == ("WRONG_OPTIMUM", ("statsmodels",))
    assert found.sentence.startswith("lme4 is at the optimum, though not every number")


def test_a_constant_left_out_without_a_declaration_is_a_definition(planted, engine):
    constant = math.log(2 * math.pi)  # p / 2 log 2 pi, p = 2
    record = planted(
        lambda fit: replace(fit, loglik=fit.loglik - constant, aic=None, bic=None, definitions={})
    )
    assert said(record) == ("DEFINITION", (engine,), ("criterion-constant",))
    stated = record.judgement(engine).statement("loglik")
    assert (stated.declared, stated.definition) == ("", "minus p/2 log 2 pi")
    assert stated.truth == "true"


def test_variances_in_params_stand_beside_those_of_the_reference(slope):
    record = judge(*slope)
    notes = {n.item: n for n in definition_notes(record, "statsmodels") if n.quantity == "variance"}
    own, other = record.fit("statsmodels"), record.fit("lme4")
    note = notes["Subject: Days"]
    assert note.reference == other.random[0].covariance[1][1]
    assert note.like_for_like == own.random[0].covariance[1][1]
    assert note.value == pytest.approx(note.like_for_like / own.residual_variance, rel=1e-14)


def test_a_number_that_is_true_under_another_definition_than_the_declared_is_named(slope):
    rung, outcomes = slope
    n_minus_p = 178
    record = judge(rung, alter(outcomes, "lme4", coefficients(df=lambda c: float(n_minus_p))))
    stated = record.judgement("lme4").statement("df", "Days")
    assert (stated.declared, stated.definition) == ("satterthwaite", "residual")
    assert stated.truth == "other definition"
    assert "residual-df" in record.judgement("lme4").causes


@pytest.mark.parametrize(
    ("rung", "share", "cause"),
    [
        ("sleepstudy/slope/ML", 180 / 178, "se-adjusted-sigma"),
        ("sleepstudy/slope/REML", 178 / 180, "se-divided-by-n"),
    ],
)
def test_standard_errors_times_a_function_of_n_and_p_are_named(fitted, rung, share, cause):
    """nlme's standard errors under ML, and those of a residual variance divided by n."""
    chosen, outcomes = fitted(rung)
    others = coefficients(
        se=lambda c: math.sqrt(share) * c.se, statistic=lambda c: None, p=lambda c: None
    )
    judgement = judge(chosen, alter(outcomes, "lme4", others)).judgement("lme4")
    assert judgement.statement("se", "Days").truth == "other definition"
    assert cause in judgement.causes
    assert judgement.verdict == "RIGHT"


def test_where_no_definition_is_declared_all_are_tried_and_the_one_that_fits_is_named(slope):
    rung, outcomes = slope
    silent = [replace(fit, definitions={}) for fit in outcomes]
    record = judge(rung, silent)
    found = {
        engine: {s.quantity: s.definition for s in record.judgement(engine).statements}
        for engine in ENGINES
    }
    assert {s.truth for j in record.judgements for s in j.statements} == {"true"}
    # The data are balanced: the joint Hessian gives the same standard errors as GLS, to 1e-6.
    assert found["lme4"]["se"] == "gls"
    assert (found["statsmodels"]["df"], found["lme4"]["df"]) == ("none", "satterthwaite")
    assert found["statsmodels"]["variance_se"] == "packed-hessian"
    assert found["statsmodels"]["variance"] == "scaled"
    assert found["statsmodels"]["aic"] == "nan-under-reml"


@pytest.mark.parametrize("column", ["df", "p"])
def test_lmertests_numbers_are_checked_and_no_cause_is_assumed(slope, column):
    """Halved df at a residual SD of 26 are not a matter of units."""
    rung, outcomes = slope
    change = coefficients(**{column: lambda c: 0.5 * getattr(c, column)})
    record = judge(rung, alter(outcomes, "lme4", change))
    assert said(record) == ("FALSE_STATEMENT", ("lme4",), ())
    assert record.comparisons[0].unexplained
    assert outside(record) == {column}
