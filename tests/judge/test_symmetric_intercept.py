"""Compound symmetry by MixedLM's random intercept: the same model, unless rho is negative."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from harness.data.ladder import every_rung
from harness.data.rungs import select
from harness.engines.guard import guarded
from harness.engines.mixedlm_result import as_intercept
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.judge import judge
from harness.model.case import Case
from harness.model.model import bind, parse_model

ENGINES = (StatsmodelsEngine(), RefereeEngine())


def correlated(rho, *, subjects=40, times=4, unit=1.0, seed=1):
    """Rows of subjects with a correlation, some lost; ``w`` is constant in a subject."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky((1.0 - rho) * np.eye(times) + rho)
    frame = pd.DataFrame(
        {
            "s": np.repeat(np.arange(subjects), times),
            "a": np.repeat([f"a{i % 2}" for i in range(subjects)], times),
            "b": np.repeat([f"b{i // 2}" for i in range(subjects)], times),
            "f": np.tile(["u", "v"], subjects * times // 2),
            "x": rng.normal(size=subjects * times),
            "w": np.repeat(rng.normal(size=subjects), times),
        }
    )
    noise = np.concatenate([root @ rng.normal(size=times) for _ in range(subjects)])
    frame["y"] = unit * (1.0 + frame["x"] + noise)
    frame["weight"] = 1.0 + frame.index % 3
    return frame.drop(index=[0, 5, 6])


def case_of(frame, formula="y ~ x + w", residual="cs(1 | s)", criterion="REML"):
    model = parse_model(formula, criterion, residual)
    return Case("case", model, bind(model, frame))


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("residual", ["cs(1 | s)", "cs(1 | a:b)"])
def test_a_positive_correlation_is_fitted_and_right(criterion, residual):
    case = case_of(correlated(0.5), "y ~ scale(x) + w", residual, criterion)
    judged = judge(case, ENGINES, ("default", "tight"))
    assert judged.judgement("statsmodels").verdict == "RIGHT"
    assert judged.comparison("statsmodels").verdict == "AGREE"
    fit, right = judged.outcome("statsmodels"), judged.outcome("referee")
    assert fit.random == ()
    assert fit.singular is None
    assert dict(fit.residual)["rho"] == pytest.approx(dict(right.residual)["rho"], abs=1e-5)
    assert fit.residual_variance == pytest.approx(right.residual_variance, rel=1e-5)
    assert fit.loglik == pytest.approx(right.loglik, abs=1e-7)
    # Its values are those of the fixed effects: the model has no random ones.
    assert np.array(fit.fitted) == pytest.approx(np.array(right.fitted), abs=1e-5)
    assert fit.coefficients[1].df == np.inf


def test_it_is_the_fit_of_the_random_intercept():
    case = case_of(correlated(0.5))
    symmetric = StatsmodelsEngine().fit(case, "default")
    intercept = StatsmodelsEngine().fit(
        case_of(correlated(0.5), "y ~ x + w + (1 | s)", ""), "tight"
    )
    back = as_intercept(symmetric, case)
    assert symmetric.loglik == pytest.approx(intercept.loglik, abs=1e-7)
    assert back.residual_variance == pytest.approx(intercept.residual_variance, rel=1e-5)
    assert back.random[0].covariance[0][0] == pytest.approx(
        intercept.random[0].covariance[0][0], rel=1e-4
    )


@pytest.mark.parametrize("rung", select(every_rung(), ["residual/tutorial-cs"]))
def test_the_tutorials_rung_has_the_likelihood_of_its_random_intercept(rung):
    case = rung.case
    fit = StatsmodelsEngine().fit(case, "default")
    intercept = Case("intercept", case.model.by_random_intercept, case.table)
    assert fit.loglik == pytest.approx(RefereeEngine().fit(intercept, "default").loglik, abs=1e-6)
    assert dict(fit.residual)["rho"] > 0.05


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_a_negative_correlation_is_the_cause_that_is_named(criterion):
    case = case_of(correlated(-0.25), "y ~ x", criterion=criterion)
    judged = judge(case, ENGINES, ("default",))
    judgement, fit = judged.judgement("statsmodels"), judged.outcome("statsmodels")
    assert judgement.verdict == "WRONG_OPTIMUM"
    assert judgement.causes[0] == "no-negative-correlation"
    assert "stopped-short" not in judgement.causes
    why, right = judgement.evidence[0], judged.outcome("referee")
    assert why.numbers["rho"] == dict(fit.residual)["rho"] >= 0.0
    assert why.numbers["best"] == pytest.approx(dict(right.residual)["rho"], abs=1e-6)
    assert dict(right.residual)["rho"] < -0.1
    assert why.numbers["gap"] == pytest.approx(2.0 * (right.loglik - fit.loglik), abs=1e-4)
    none = smf.ols("y ~ x", case.table.frame()).fit().llf if criterion == "ML" else None
    if none is not None:  # the best intercept has no variance
        assert why.numbers["short"] == pytest.approx(2.0 * (none - fit.loglik), abs=1e-6)


def test_what_stops_it_before_zero_is_named_beside():
    """MixedLM's gradient of the wrong sign: the fit is short of the best random intercept too."""
    case = case_of(correlated(-0.9, subjects=60, times=2, seed=2), "y ~ x", criterion="ML")
    judged = judge(case, ENGINES, ("default",))
    judgement = judged.judgement("statsmodels")
    assert judgement.causes == ("no-negative-correlation", "sm-score-sign")
    none = smf.ols("y ~ x", case.table.frame()).fit().llf
    short = 2.0 * (none - judged.outcome("statsmodels").loglik)
    assert short > 1.0
    assert judgement.evidence[0].numbers["short"] == pytest.approx(short, abs=1e-6)


def test_a_search_that_ends_in_an_error_is_judged():
    case = case_of(correlated(0.5))
    judged = judge(case, [StatsmodelsEngine("lbfgs"), RefereeEngine()], ("default",))
    assert judged.outcome("statsmodels").reason == "error"
    assert judged.judgement("statsmodels").causes == ("sm-singular-covariance",)


def test_mixedlms_absolute_warning_is_judged_on_the_intercept():
    case = case_of(correlated(0.5, unit=1e-3))
    judgement = judge(case, ENGINES, ("default",)).judgement("statsmodels")
    assert (judgement.verdict, judgement.causes) == ("RIGHT", ("absolute-boundary-warning",))
    assert judgement.evidence[0].numbers["relative"] == pytest.approx(1.0, abs=0.6)


@pytest.mark.parametrize(
    ("formula", "residual", "why"),
    [
        ("y ~ x", "cs(1 | s) + het(f)", "het() beside it"),
        ("y ~ x + (1 | b)", "cs(1 | s)", "without other random effects"),
        ("y ~ x + weights(weight)", "cs(1 | s)", "no weights"),
        ("y ~ x", "ar1(1 | s)", "no residual covariance"),
        ("y ~ x", "het(f)", "no residual covariance"),
    ],
)
def test_what_no_intercept_is_stays_unsupported(formula, residual, why):
    case = case_of(correlated(0.5), formula, residual)
    outcome = guarded(StatsmodelsEngine(), case, "default")()
    assert outcome.reason == "unsupported"
    assert why in outcome.text
    assert case.by_random_intercept is case


@pytest.mark.parametrize("start", [None, []])
def test_an_empty_start_is_none(start):
    """A diagnosis starts engines from the terms of a point; this model has none."""
    case = case_of(correlated(0.5))
    fit = StatsmodelsEngine("bfgs", start=start).fit(case, "default")
    assert fit.loglik == pytest.approx(RefereeEngine().fit(case, "default").loglik, abs=1e-6)


def test_a_model_without_a_group_of_two_rows_is_refused():
    frame = correlated(0.5).drop_duplicates("s")
    case = replace(case_of(correlated(0.5)), table=case_of(frame).table)
    assert guarded(StatsmodelsEngine(), case, "default")().reason in ("error", "refused")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frame", "formula", "said"),
    [
        (correlated(0.5, unit=1e-3), "y ~ x + w", "agree"),
        (correlated(-0.25), "y ~ x", "a random intercept makes no negative correlation"),
        # The optimizer stops, and another one does not.
        (correlated(0.03, subjects=12, times=6, seed=2), "y ~ x + w", "What to do: statsmodels"),
    ],
    ids=["positive", "negative", "short"],
)
def test_a_diagnosis_says_what_it_comes_to(lmm_parity, tmp_path, frame, formula, said):
    frame.to_csv(tmp_path / "d.csv", index=False)
    engines = ("--engine", "statsmodels", "--engine", "referee")
    residual = ("--residual", "cs(1 | s)", "--factor", "s")
    code, shown, err = lmm_parity("diagnose", tmp_path / "d.csv", formula, *residual, *engines)
    assert code == 0, err
    assert said in " ".join(shown.split())
