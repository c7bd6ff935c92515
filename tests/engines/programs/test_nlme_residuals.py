"""nlme's gls and lme with residual covariances: every number is the referee's at nlme's point."""

import io

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.data.datasets import load_dataset
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Failure, Fit
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge, judge_outcomes
from harness.model.case import Case
from harness.model.model import bind, parse_model
from tests.referee.residual_cases import visits

pytestmark = [pytest.mark.r, pytest.mark.slow]


@pytest.fixture(scope="module")
def nlme():
    if not environments.installed("nlme"):
        pytest.skip("nlme is not installed here")
    engine = CommandEngine("nlme", environments.command("nlme"))
    yield engine
    engine.close()


def case_of(formula, residual, frame, criterion="REML"):
    model = parse_model(formula, criterion, residual)
    return Case("case", model, bind(model, frame))


def rat_pups():
    frame = load_dataset("RatPupWeight").frame.copy()
    frame["treated"] = np.where(frame["Treatment"] == "Control", "no", "yes")
    return frame


def sleep():
    return load_dataset("sleepstudy").frame


FRAMES = {"visits": lambda: visits(3, subjects=25, times=4), "sleep": sleep, "rat pups": rat_pups}


@pytest.mark.parametrize(
    ("data", "formula", "residual", "criterion"),
    [
        ("sleep", "Reaction ~ Days", "ar1(Days | Subject)", "REML"),
        ("sleep", "Reaction ~ Days + (1 | Subject)", "ar1(Days | Subject)", "ML"),
        ("rat pups", "weight ~ Treatment + sex + Lsize + (1 | Litter)", "het(treated)", "REML"),
        ("rat pups", "weight ~ Treatment + sex + Lsize + (1 | Litter)", "het(treated)", "ML"),
        ("visits", "y ~ x", "cs(1 | s) + het(sex)", "ML"),
        ("visits", "y ~ x", "car1(time | s)", "REML"),
        ("visits", "y ~ x", "corr(visit | s)", "REML"),
        ("visits", "y ~ x", "us(visit | s)", "ML"),
        ("visits", "y ~ x", "het(sex) + het(visit)", "REML"),
    ],
)
def test_it_is_at_the_optimum_and_every_number_is_true(nlme, data, formula, residual, criterion):
    case = case_of(formula, residual, FRAMES[data](), criterion)
    judged = judge(case, [nlme, RefereeEngine()], ("default",))
    fit = judged.outcome("nlme")
    assert isinstance(fit, Fit), fit
    judgement = judged.judgement("nlme")
    assert judgement.verdict == "RIGHT", judgement
    # Both evaluate the same function: what differs is rounding.
    assert abs(judgement.audit.loglik_error) < 1e-8
    assert {s.truth for s in judgement.statements} <= {"true", "not judged"}
    best = dict(judged.outcome("referee").residual)
    # What nlme's optimizer leaves; the likelihood is flat at its maximum.
    assert dict(fit.residual) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize(
    ("formula", "residual", "criterion"),
    [
        ("y ~ x", "ar1(visit | s)", "REML"),
        ("y ~ x", "cs(1 | s) + het(sex)", "ML"),
        ("y ~ x", "us(visit | s)", "REML"),
        ("y ~ x + (1 | s)", "ar1(visit | s)", "ML"),
        ("y ~ x + (1 | s)", "het(sex) + het(visit)", "REML"),
    ],
)
def test_with_weights_too_every_number_is_true(nlme, formula, residual, criterion):
    frame = visits(3, subjects=25, times=4)
    frame["w"] = np.exp(np.random.default_rng(1).uniform(-1.5, 1.5, len(frame)))
    case = case_of(f"{formula} + weights(w)", residual, frame, criterion)
    judged = judge(case, [nlme, RefereeEngine()], ("default",))
    fit, judgement = judged.outcome("nlme"), judged.judgement("nlme")
    assert isinstance(fit, Fit), fit
    assert judgement.verdict == "RIGHT", judgement
    assert abs(judgement.audit.loglik_error) < 1e-8
    assert {s.truth for s in judgement.statements} <= {"true", "not judged"}
    best = dict(judged.outcome("referee").residual)
    assert dict(fit.residual) == pytest.approx(best, abs=1e-3)
    plain = case_of(formula, residual, frame, criterion)
    assert abs(RefereeEngine().fit(plain, "default").loglik - fit.loglik) > 0.1


def test_the_book_has_these_numbers_for_rat_pups(nlme):
    """West, Welch and Galecki 2014, chapter 3, by lme of nlme 3.1."""
    formula = "weight ~ Treatment + sex + Lsize + (1 | Litter)"
    case = case_of(formula, "het(treated)", rat_pups())
    for engine in (nlme, RefereeEngine()):
        fit = engine.fit(case, "default")
        assert fit.loglik == pytest.approx(-178.1392, abs=5e-5)
        assert fit.random[0].covariance[0][0] == pytest.approx(0.0989967, rel=2e-5)
        assert fit.residual_variance == pytest.approx(0.2646407, rel=2e-5)
        assert dict(fit.residual)["sd ratio yes"] == pytest.approx(0.5889108, rel=2e-5)
        printed = {
            "Treatment[T.High]": (-0.8622677, 0.18293359),
            "Treatment[T.Low]": (-0.4336625, 0.15226167),
            "Lsize": (-0.1306805, None),
        }
        for name, (estimate, se) in printed.items():
            row = fit.coefficient(name)
            assert row.estimate == pytest.approx(estimate, rel=2e-5)
            assert se is None or row.se == pytest.approx(se, rel=2e-5)


def test_a_search_that_begins_where_the_likelihood_is_flat_is_found_and_named(nlme):
    frame = visits(3, subjects=25, times=4).assign(week=lambda f: 2 * f["visit"])
    judged = judge(case_of("y ~ x", "ar1(week | s)", frame), [nlme, RefereeEngine()], ("default",))
    assert dict(judged.outcome("nlme").residual)["rho"] == pytest.approx(0.0, abs=1e-6)
    judgement = judged.judgement("nlme")
    assert judgement.verdict == "WRONG_OPTIMUM"
    assert "zero-correlation-start" in judgement.causes


def test_what_it_does_not_have_is_unsupported(nlme):
    frame = visits(3, subjects=25, times=4)
    toeplitz = nlme.fit(case_of("y ~ x", "toep(visit | s)", frame), "default")
    assert isinstance(toeplitz, Failure)
    assert toeplitz.reason == "unsupported"
    assert toeplitz.text == "it has no residual covariance toep()"
    across = nlme.fit(case_of("y ~ x + (1 | visit)", "ar1(visit | s)", frame), "default")
    assert across.reason == "unsupported"
    assert "within the groups of every random effect" in across.text


FOUR_GROUPS = """y,x,g,t
46.0,-0.1,g1,0
55.9,0.8,g2,0
-104.5,-0.3,g3,0
-68.3,1.0,g4,0
46.2,-0.1,g1,1
55.1,0.8,g2,1
-104.3,-0.3,g3,1
-68.7,1.0,g4,1
46.5,-0.1,g1,2
-104.4,-0.3,g3,2
-69.6,1.0,g4,2
46.6,-0.1,g1,3
-105.0,-0.3,g3,3
"""


def test_a_limit_of_iterations_is_named_with_a_search_that_reaches_the_optimum(nlme):
    frame = pd.read_csv(io.StringIO(FOUR_GROUPS))
    case = case_of("y ~ x + (1 | g)", "ar1(t | g)", frame)
    failure = nlme.fit(case, "default")
    assert isinstance(failure, Failure)
    assert "iteration limit reached" in failure.text
    judged = judge(case, [nlme, RefereeEngine()], ("default",))
    judgement = judged.judgement("nlme")
    assert (judgement.verdict, judgement.causes) == ("FAILED", ("search-error",))
    (why,) = judgement.evidence
    assert why.texts["search"].startswith("lmeControl(msMaxIter = ")
    assert why.flags["reached"]
    stated = float(failure.probes["search " + why.texts["search"]])
    assert stated == pytest.approx(judged.outcome("referee").loglik, abs=1e-4)
    # A program that states less than that does not reach it.
    short = {probe: str(float(value) - 0.01) for probe, value in failure.probes.items()}
    planted = msgspec.structs.replace(failure, probes=short)
    judged = judge_outcomes(case, [planted, RefereeEngine().fit(case, "default")])
    (why,) = judged.judgement("nlme").evidence
    assert not why.flags["reached"]
    assert why.numbers["short"] == pytest.approx(0.01, abs=1e-4)
