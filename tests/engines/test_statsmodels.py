"""The statsmodels engine: the case's own order, every message, nothing on stderr, repeatable."""

from functools import cache

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.base.resources import fixture
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood

ENGINE = StatsmodelsEngine()


def read(name):
    return pd.read_csv(fixture("data", f"{name}.csv"))


def simulated():
    """Crossed and nested groups, a factor with effects that vary; variances well above zero."""
    rng = np.random.default_rng(12)
    n = 360
    frame = pd.DataFrame(
        {
            "a": np.repeat(np.arange(12), 30),
            "b": np.tile(np.repeat(np.arange(3), 10), 12),
            "c": np.tile(np.arange(10), 36),
            "f": rng.choice(["lo", "mid", "hi"], n),
            "x": rng.normal(size=n),
        }
    )
    slopes = rng.normal(size=(12, 4)) * [1.5, 1.0, 0.8, 1.2]
    frame["y"] = slopes[frame.a, 0] + slopes[frame.a, 1] * frame.x + rng.normal(size=n)
    frame["y"] += slopes[frame.a, 2] * (frame.f == "lo") + slopes[frame.a, 3] * (frame.f == "mid")
    frame["y"] += 2 * rng.normal(size=36)[frame.a * 3 + frame.b] + rng.normal(size=10)[frame.c]
    return frame


FRAME = simulated()


def case_of(text, criterion="REML", frame=FRAME):
    model = parse_model(text, criterion)
    return Case(text, model, bind(model, frame))


@cache
def default_fit(text):
    case = case_of(text)
    return case, ENGINE.fit(case, "default")


def psi(fit):
    return [np.array(term.covariance) for term in fit.random]


AGREEING = [
    "y ~ x + (1 | a)",
    "y ~ x + (x | a)",
    "y ~ x + (0 + x | a)",
    "y ~ x + (x || a)",
    "y ~ x + (x || a) + (1 | a:b)",
    "y ~ x + f + (f | a)",
    "y ~ f + (0 + f | a)",
    "y ~ f*x + (1 | a/b)",
    "y ~ x + (x | a) + (1 | a:b)",
    "y ~ x + (1 | a) + (0 + x | a:b)",
    "y ~ x + (1 | a) + (1 | c)",
    "y ~ x + (1 | a) + (1 | a:b) + (1 | c)",
    "y ~ x + (1 | a) + (0 + x | c)",
]


# One with three effects is enough: its six tight runs take seconds.
@pytest.mark.r
@pytest.mark.parametrize("text", [text for text in AGREEING if "(f | a)" not in text])
def test_tight_fits_agree_with_lme4_term_by_term_and_level_by_level(r, text):
    """MixedLM's line search gives up 4e-6 short in log-likelihood with three effects (0 + f | a).

    A log-likelihood short by that leaves parameters short by its square root of their own SE: 2e-3
    at worst, measured 1e-4.
    """
    case = case_of(text)
    ours, theirs = ENGINE.fit(case, "tight"), Lme4Engine(r).fit(case, "tight")
    assert isinstance(ours, Fit)
    assert isinstance(theirs, Fit)
    assert ours.loglik == pytest.approx(theirs.loglik, abs=1e-5)
    for one, other in zip(ours.coefficients, theirs.coefficients, strict=True):
        assert one.name == other.name
        assert abs(one.estimate - other.estimate) < 1e-4 * other.se
    for one, other in zip(ours.random, theirs.random, strict=True):
        assert (one.group, one.names, one.levels) == (other.group, other.names, other.levels)
        size = ours.residual_variance
        assert np.array(one.covariance) == pytest.approx(
            np.array(other.covariance), rel=1e-3, abs=1e-3 * size
        )
        assert np.array(one.effects) == pytest.approx(np.array(other.effects), abs=1e-3)
    assert ours.fitted == pytest.approx(theirs.fitted, abs=5e-4)
    assert ours.residuals == pytest.approx(theirs.residuals, abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("text", AGREEING)
def test_the_covariance_is_in_the_order_of_the_design(text):
    """The referee, at the engine's Psi in the design's order, finds the engine's own likelihood."""
    case, fit = default_fit(text)
    likelihood = Likelihood(case.design, reml=True)
    theta = likelihood.theta([p / fit.residual_variance for p in psi(fit)])
    deviance = likelihood.at(theta).deviance(np.sqrt(fit.residual_variance))
    assert -deviance / 2 == pytest.approx(fit.loglik, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("text", AGREEING)
def test_fitted_values_are_x_beta_plus_the_random_effects(text):
    case, fit = default_fit(text)
    fitted = case.design.x @ [c.estimate for c in fit.coefficients]
    for design, term in zip(case.design.random, fit.random, strict=True):
        fitted += (design.z * np.array(term.effects)[design.codes]).sum(1)
    # REML's beta and the effects solve the same equations; 1e-6 is the default optimizer's gap.
    assert fit.fitted == pytest.approx(fitted, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["default", "tight"])
def test_a_fit_repeats_bit_for_bit(setting):
    case = case_of("y ~ x + (x | a) + (1 | a:b)")
    first, second = ENGINE.fit(case, setting), ENGINE.fit(case, setting)
    assert msgspec.structs.replace(first, seconds=0.0) == msgspec.structs.replace(
        second, seconds=0.0
    )


@pytest.mark.slow
def test_an_ml_fit_leaves_an_earlier_reml_fit_as_it_was():
    """MixedLM's fit() changes its model, and llf is read from the model."""
    reml, ml = case_of("y ~ x + (x | a)"), case_of("y ~ x + (x | a)", "ML")
    before = ENGINE.fit(reml, "default")
    other = ENGINE.fit(ml, "default")
    after = ENGINE.fit(reml, "default")
    assert before.loglik == after.loglik
    assert other.loglik > before.loglik + 1.0


def test_warnings_are_in_the_fit_and_not_on_stderr(capfd):
    case = case_of("score ~ edu + (edu | classroom)", frame=read("score_parentedu_byclass"))
    fit = ENGINE.fit(case, "default")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert any(message.category == "ConvergenceWarning" for message in fit.messages)
    texts = [message.text for message in fit.messages]
    assert len(texts) == len(set(texts))


def test_a_singular_fit_is_known_by_what_statsmodels_says_of_it():
    case = case_of("score ~ edu + (edu | classroom)", frame=read("score_parentedu_byclass"))
    assert ENGINE.fit(case, "default").singular is True
    clear = case_of("Reaction ~ Days + (Days | Subject)", frame=read("sleepstudy"))
    assert ENGINE.fit(clear, "default").singular is False


@pytest.mark.slow
def test_no_variance_between_batches_is_no_crash():
    for setting in ("default", "tight"):
        fit = ENGINE.fit(case_of("Yield ~ 1 + (1 | Batch)", frame=read("Dyestuff2")), setting)
        assert isinstance(fit, Fit | Failure)
        assert psi(fit)[0][0, 0] == pytest.approx(0.0, abs=1e-2)


def test_aliased_fixed_effects_are_a_failure_with_statsmodels_own_words():
    frame = FRAME.assign(twice=2 * FRAME.x)
    failed = ENGINE.fit(case_of("y ~ x + twice + (1 | a)", frame=frame), "default")
    assert isinstance(failed, Failure)
    assert failed.reason == "error"
    assert "LinAlgError" in failed.text or "ingular" in failed.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("y ~ x + (x | a) + (x | c)", "several correlated effects"),
        ("y ~ x + (x | a/b)", "several correlated effects"),
        ("y ~ x + (0 + f | a) + (x | a)", "one unstructured covariance matrix per model"),
    ],
)
def test_what_cannot_be_expressed_is_unsupported_with_the_reason(text, reason):
    case = case_of(text)
    assert reason in ENGINE.unsupported(case)
    failed = ENGINE.fit(case, "default")
    assert isinstance(failed, Failure)
    assert failed.reason == "unsupported"
    assert failed.text == ENGINE.unsupported(case)


def test_supported_models_have_no_reason():
    assert ENGINE.unsupported(case_of("y ~ x")) is None
    assert all(ENGINE.unsupported(case_of(text)) is None for text in AGREEING)


@pytest.mark.r
@pytest.mark.parametrize(
    "text", ["y ~ x", "y ~ f*x", "log(c + 1) ~ 0 + f", "y ~ I(x^2) + factor(b)"]
)
def test_least_squares_is_that_of_lm(r, text):
    case = case_of(text)
    ours, theirs = ENGINE.fit(case, "default"), Lme4Engine(r).fit(case, "default")
    for one, other in zip(ours.coefficients, theirs.coefficients, strict=True):
        for field in ("estimate", "se", "df", "statistic"):
            assert getattr(one, field) == pytest.approx(getattr(other, field), rel=1e-9, abs=1e-12)
    assert ours.loglik == pytest.approx(theirs.loglik, rel=1e-12)
    assert ours.converged is None
    assert ours.singular is None


def test_incomplete_rows_are_left_out():
    frame = FRAME.assign(x=FRAME.x.where(FRAME.index % 10 > 0))
    fit = ENGINE.fit(case_of("y ~ x + (1 | a)", frame=frame), "default")
    assert fit.n_obs == len(fit.fitted) == 324


def test_p_values_are_those_of_the_normal_distribution():
    fit = ENGINE.fit(case_of("y ~ x + (1 | a)"), "default")
    assert {c.df for c in fit.coefficients} == {float("inf")}


@pytest.mark.slow
def test_columns_of_any_name_can_be_fitted():
    frame = FRAME.rename(columns={"y": "my y", "x": "C", "a": "I", "f": "Q"})
    renamed = ENGINE.fit(case_of("`my y` ~ C*Q + (C | I)", frame=frame), "default")
    plain = ENGINE.fit(case_of("y ~ x*f + (x | a)"), "default")
    assert renamed.loglik == plain.loglik
    assert [c.name for c in renamed.coefficients][:2] == ["Intercept", "C"]


def test_versions_are_stated():
    assert {"statsmodels", "patsy", "numpy", "scipy", "pandas"} <= set(ENGINE.versions())


@pytest.mark.slow
def test_the_formula_engine_of_the_process_changes_nothing_and_is_left_as_it_was():
    import statsmodels.formula

    from harness.data.ladder import full_ladder

    case = next(r.case for r in full_ladder() if r.case.id == "cake/REML")
    options = statsmodels.formula.options
    first = StatsmodelsEngine().fit(case, "default")
    before = options.formula_engine
    options.formula_engine = "formulaic"
    try:
        second = StatsmodelsEngine().fit(case, "default")
        assert options.formula_engine == "formulaic"
    finally:
        options.formula_engine = before
    assert first.native_names == second.native_names
    assert first.coefficients == second.coefficients
    assert first.loglik == second.loglik


def test_probing_adds_no_message_to_what_the_engine_said(monkeypatch):
    import warnings

    from harness.data.ladder import full_ladder
    from harness.engines import statsmodels as engine

    case = next(r.case for r in full_ladder() if r.case.id == "tutorial/lmm-inter/REML")
    quiet = StatsmodelsEngine().fit(case, "default")

    def loud(model, last):
        warnings.warn("the random effects covariance is singular", stacklevel=1)
        return {"score-sign": "planted"}

    monkeypatch.setattr(engine, "score_probe", loud)
    probed = StatsmodelsEngine().fit(case, "default")
    assert probed.probes == {"score-sign": "planted"}
    assert probed.messages == quiet.messages
    assert probed.singular is False
