"""What is known about both engines, through the whole chain from data to verdict."""

import numpy as np
import pandas as pd
import pytest

from harness.data.datasets import load_dataset
from harness.judge.definition_notes import definition_notes
from harness.judge.sentence import sentences
from tests.judge.planted import fits, judge, rung_of

pytestmark = pytest.mark.r

SLEEP = load_dataset("sleepstudy").frame
SLOPE = "Reaction ~ Days + (Days | Subject)"


def own(session, frame, formula, **options):
    rung = rung_of(frame, formula, **options)
    return judge(rung, fits(rung, session))


def audits_of(record):
    return [j.audit for j in record.judgements if j.audit is not None]


def said(record, index=0):
    found = record.comparisons[index]
    return found.verdict, found.blamed, found.causes


@pytest.mark.parametrize(
    "rung",
    [
        "sleepstudy/intercept/REML",
        "sleepstudy/slope/ML",
        "sleepstudy/uncorrelated/REML",
        "dyestuff/REML",
        "pastes/REML",
        "penicillin/ML",
    ],
)
def test_well_determined_models_agree_in_both_settings(judged, rung):
    record = judged(rung)
    assert [said(record), said(record, 1)] == [("AGREE", (), ())] * 2
    assert {a.certificate for a in audits_of(record)} == {"interior optimum"}
    assert all(a.singular_true is not False for a in audits_of(record))


@pytest.mark.parametrize(
    ("rung", "engine", "other"),
    [
        ("dietox/slope/REML", "statsmodels", "lme4"),
        ("sitka/slope/REML", "lme4", "statsmodels"),
    ],
)
def test_either_engine_stops_short_somewhere_and_agrees_when_run_tight(judged, rung, engine, other):
    record = judged(rung)
    verdict = record.comparisons[0]
    assert (verdict.verdict, verdict.blamed) == ("WRONG_OPTIMUM", (engine,))
    assert "stopped-short" in verdict.causes
    assert record.audit(engine).certificate == "stopped short"
    assert record.audit(other).certificate == "interior optimum"
    assert record.comparisons[1].verdict == "AGREE"
    # Both engines' own log-likelihoods say the same: the wrong one is lower.
    assert record.fit(engine).loglik < record.fit(other).loglik - 1e-4


def test_dyestuff2_has_its_optimum_on_the_boundary(judged):
    record = judged("dyestuff2/REML")
    verdict, engines, causes = said(record)
    assert (verdict, engines) == ("AGREE", ())
    assert "true-boundary" in causes
    assert {a.certificate for a in audits_of(record)} == {"boundary optimum"}
    assert record.audit("lme4").ranks == (0,)
    assert record.audit("lme4").dual > 0.0


def test_aliased_columns_are_named(r):
    record = own(r, SLEEP.assign(twice=2 * SLEEP.Days), "Reaction ~ Days + twice + (1 | Subject)")
    assert said(record) == ("FAILED", ("statsmodels",), ("aliased-columns",))
    assert sentences(record.comparisons[0].evidence) == ("combinations of other columns: twice",)
    assert [c.name for c in record.fit("lme4").coefficients] == ["Intercept", "Days"]
    assert record.comparisons[0].differences == ()
    assert "did not evaluate" in record.notes[-1]


def test_one_row_per_group_is_refused_by_lme4_alone(r):
    frame = SLEEP.iloc[::10].reset_index(drop=True).assign(Days=range(18))
    record = own(r, frame, "Reaction ~ Days + (1 | Subject)")
    assert said(record) == ("FAILED", ("lme4",), ("one-row-per-group",))
    assert record.fit("lme4").reason == "refused"
    assert sentences(record.comparisons[0].evidence) == ("Subject: 18 groups in 18 rows",)


def test_as_many_effects_as_rows_are_refused_by_lme4_alone(r):
    record = own(r, SLEEP[SLEEP.Days < 2].reset_index(drop=True), SLOPE)
    assert said(record) == ("FAILED", ("lme4",), ("too-many-effects",))
    assert record.fit("lme4").reason == "refused"
    assert sentences(record.comparisons[0].evidence) == ("Subject: 18 levels x 2 effects, 36 rows",)


def test_two_correlated_terms_on_crossed_factors_are_unsupported_with_the_reason(r):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": np.repeat(range(6), 12), "b": np.tile(range(6), 12)})
    frame["x"] = rng.normal(size=72)
    frame["y"] = frame.x + rng.normal(size=72)
    record = own(r, frame, "y ~ x + (x | a) + (x | b)")
    assert said(record) == ("UNSUPPORTED", ("statsmodels",), ("not-expressible",))
    assert "several correlated effects" in record.comparisons[0].sentence
    assert record.audit("lme4") is not None


@pytest.mark.parametrize(
    ("outcome", "df"),
    # lmerTest's df of Days in FACTS.md's experiment; the right one is 17.
    [(1e-7, 6.37), (1e-8, 0.32)],
)
def test_an_outcome_in_small_units_upsets_lmertests_df(r, outcome, df):
    record = own(r, SLEEP.assign(Reaction=SLEEP.Reaction * outcome), SLOPE)
    assert said(record)[:2] == ("FALSE_STATEMENT", ("lme4",))
    assert said(record)[2][0] == "lmertest-units"
    native = record.fit("lme4").coefficient("Days").df
    assert native == pytest.approx(df, abs=0.005)
    fair = next(c for c in record.audit("lme4").coefficients if c.name == "Days")
    # 17 at the optimum; the default stopping rule leaves 1e-6.
    assert fair.df == pytest.approx(17.0, rel=1e-5)
    assert (
        "below the step of its numerical derivatives"
        in sentences(record.comparisons[0].evidence)[0]
    )


def test_an_outcome_in_large_units_does_not(r):
    record = own(r, SLEEP.assign(Reaction=SLEEP.Reaction * 1e5), SLOPE)
    assert said(record)[0] == "AGREE"


def test_a_predictor_in_large_units_upsets_them_too(r):
    """The slope's theta is 1e-6 then: lmerTest's step of 1e-4 is a hundred times as large."""
    record = own(r, SLEEP.assign(Days=SLEEP.Days * 1e4), SLOPE)
    verdict, _, causes = said(record, 1)
    assert (verdict, causes[0]) == ("FALSE_STATEMENT", "lmertest-units")
    assert "theta" in sentences(record.comparisons[1].evidence)[0]


def test_units_change_neither_digits_nor_verdict_of_the_referee(r, judged):
    plain = judged("sleepstudy/slope/REML")
    moved = own(r, SLEEP.assign(Reaction=SLEEP.Reaction * 1e5), SLOPE)
    for one, other in zip(audits_of(plain), audits_of(moved), strict=True):
        assert one.certificate == other.certificate
        # Optimizers' steps are scale free up to rounding; theta and df repeat to the tolerance
        # of a default stopping rule, a relative 1e-3.
        assert one.theta == pytest.approx(other.theta, rel=1e-3)


def test_rows_with_missing_values_are_left_out_by_both(r):
    frame = SLEEP.copy()
    frame.loc[3, "Reaction"] = np.nan
    frame.loc[50, "Days"] = np.nan
    record = own(r, frame, SLOPE)
    assert said(record)[0] == "AGREE"
    assert [f.n_obs for f in record.fits] == [178] * 4
    assert (record.data.rows, record.data.rows_used) == (180, 178)
    assert len({f.data_checksum for f in record.fits} | {record.data.checksum}) == 1
    complete = own(r, frame.dropna().reset_index(drop=True), SLOPE)
    assert record.fit("lme4").loglik == complete.fit("lme4").loglik
    assert record.fit("statsmodels").loglik == complete.fit("statsmodels").loglik


def test_least_squares_has_a_closed_form(judged):
    record = judged("tutorial/ancova-full")
    assert said(record) == ("AGREE", (), ())
    assert {a.certificate for a in audits_of(record)} == {"closed form"}
    # R counts the residual variance as a parameter of AIC.
    notes = definition_notes(record, "statsmodels")
    assert {n.cause for n in notes} == {"aic-counts-scale"}
    aic = next(n for n in notes if n.quantity == "aic")
    assert aic.reference - aic.value == pytest.approx(2.0, abs=1e-9)


def test_z_for_t_is_told_with_the_p_value_like_for_like(judged):
    record = judged("sleepstudy/slope/REML")
    notes = definition_notes(record, "statsmodels")
    days = next(n for n in notes if (n.cause, n.item) == ("z-for-t", "Days"))
    assert days.value < 1e-9 < days.reference
    # log10 p is held to 1e-2 in the default setting.
    assert np.log10(days.like_for_like) == pytest.approx(np.log10(days.reference), abs=1e-2)
