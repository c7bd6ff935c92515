"""What is said of a model with a residual covariance."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.engines.engine import Coefficient, Failure, Fit, RandomTerm
from harness.engines.guard import guarded
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.judge import judge, judge_outcomes
from harness.judge.sentence import finding_sentence
from harness.model.case import Case
from harness.model.model import bind, parse_model, require_fittable
from harness.referee.best_point import endless_end, find_optimum
from harness.referee.deviance import NoMaximum
from harness.referee.residual_likelihood import likelihood_of
from tests.referee.residual_cases import visits


def case_of(formula, residual, frame=None, criterion="REML"):
    frame = visits(1, subjects=20) if frame is None else frame
    model = parse_model(formula, criterion, residual)
    return Case("case", model, bind(model, frame))


def test_an_engine_without_residual_covariances_is_not_asked():
    engine = StatsmodelsEngine()
    outcome = guarded(engine, case_of("y ~ x + (1 | s)", "ar1(visit | s)"), "default")()
    assert outcome.reason == "unsupported"
    assert "no residual covariance" in outcome.text
    assert isinstance(guarded(engine, case_of("y ~ x + (1 | s)", ""), "default")(), Fit)


def test_its_verdict_names_who_has_them():
    case = case_of("y ~ x", "ar1(visit | s)")
    judged = judge(case, [StatsmodelsEngine(), RefereeEngine()], ("default",))
    judgement = judged.judgement("statsmodels")
    assert (judgement.verdict, judgement.causes) == ("UNSUPPORTED", ("no-residual-covariance",))
    assert judged.judgement("referee").verdict == "RIGHT"


def test_a_residual_parameter_that_is_wrong_is_a_wrong_optimum():
    case = case_of("y ~ x", "cs(1 | s)")
    right = RefereeEngine().fit(case, "default")
    wrong = msgspec.structs.replace(right, engine="other", residual=(("rho", 0.05),))
    judged = judge_outcomes(case, [wrong, right])
    assert judged.judgement("other").verdict == "WRONG_OPTIMUM"
    assert "residual" in {d.quantity for d in judged.comparison("other").differences}


@pytest.mark.slow
def test_variances_that_a_structure_makes_too_are_not_determined():
    case = case_of("y ~ x + (1 | s)", "cs(1 | s)")
    judged = judge(case, [RefereeEngine()], ("default",))
    judgement = judged.judgement("referee")
    (why,) = [e for e in judgement.evidence if e.cause == "undetermined-variance"]
    assert why.lists["directions"] == (
        "s: Intercept +1, residual variance -1, the residual covariance as well",
    )


@pytest.mark.slow
def test_a_correlation_at_its_bound_is_said_to_be():
    frame = visits(4, subjects=16, times=4, lost=0.0)
    inside = frame["y"] - frame["x"]
    inside -= inside.groupby(frame["s"]).transform("mean")
    between = np.repeat(np.random.default_rng(4).normal(size=16), 4)
    frame["y"] = np.where(frame["sex"] == "f", 1.0, 4.0) * inside + between
    judged = judge(
        case_of("y ~ 1 + (1 | s)", "cs(1 | s) + het(sex)", frame), [RefereeEngine()], ("default",)
    )
    assert judged.judgement("referee").causes == ("residual-bound",)
    best = judged.examination.best
    rho = dict(judged.outcome("referee").residual)["rho"]
    assert rho == pytest.approx(-1.0 / 3.0, abs=1e-6)
    # The likelihood falls from the bound inwards.
    for step in (1e-4, 1e-3):
        theta = best.point.theta + np.array([0.0, step, 0.0])
        assert best.point.likelihood.at(theta).deviance() > best.deviance


def test_a_fit_without_the_residual_parameters_is_judged_all_the_same():
    """As of an engine that left them out unasked."""
    case = case_of("y ~ x", "ar1(visit | s)")
    right = RefereeEngine().fit(case, "default")
    without = msgspec.structs.replace(right, engine="other", residual=())
    judged = judge_outcomes(case, [without, right])
    assert judged.judgement("other").verdict not in ("RIGHT", "AGREE")


def endless_cases():
    """Likelihoods without a maximum: too many correlations, and effects that fit exactly."""
    frame = visits(10, subjects=3, times=6, lost=0.0)
    yield case_of("y ~ x", "us(visit | s)", frame)
    yield case_of("y ~ x", "corr(visit | s)", frame, "ML")
    exact = pd.DataFrame({"g": list("aabbccdd"), "y": np.repeat([1.0, 2.0, 4.0, 7.0], 2)})
    yield case_of("y ~ 1 + (1 | g)", "", exact)


@pytest.mark.parametrize("case", list(endless_cases()), ids=lambda c: c.model.formula.text)
def test_a_fit_where_the_likelihood_has_no_maximum_is_not_right_and_not_unexplained(case):
    """Whatever an engine states, there is nothing that it could be right about."""
    like = case_of("y ~ 1 + (1 | s)", "")
    fit = msgspec.structs.replace(
        RefereeEngine().fit(like, "default"),
        engine="other",
        n_obs=len(case.design.y),
        data_checksum=case.table.checksum(),
        coefficients=tuple(Coefficient(name, 0.0, 1.0) for name in case.design.x_names),
        random=tuple(
            RandomTerm(t.group, t.names, ((1.0,),), t.levels, None) for t in case.design.random
        ),
        residual=tuple(
            (n, 0.1) for n in (case.design.residual.names if case.design.residual else ())
        ),
    )
    refused = RefereeEngine().fit(case, "default")
    assert refused.reason == "refused"
    judged = judge_outcomes(case, [fit, refused])
    assert judged.judgement("other").verdict == "UNDETERMINED"
    assert judged.judgement("other").causes == ("no-maximum",)
    assert judged.judgement("referee").causes == ("no-maximum",)
    two = judge_outcomes(case, [fit, msgspec.structs.replace(fit, engine="another")])
    (one,) = two.comparisons
    assert (one.verdict, one.causes) == ("UNDETERMINED", ("no-maximum",))


def test_a_correlation_that_is_as_good_as_zero_is_a_point_of_the_model():
    """In continuous time its logarithm goes for ever: engines stop at 1e-15, or at zero."""
    frame = visits(3, subjects=20)
    rng = np.random.default_rng(3)
    frame["y"] = frame["x"] + rng.normal(size=len(frame))
    case = case_of("y ~ x", "car1(time | s)", frame)
    right = RefereeEngine().fit(case, "default")
    for rho in (0.0, 1e-300, 1e-15, 1e-9):
        own = msgspec.structs.replace(right, engine="other", residual=(("rho", rho),))
        audit = judge_outcomes(case, [own, right]).judgement("other").audit
        assert audit.certificate != "outside the parameter space"
    outside = msgspec.structs.replace(right, engine="other", residual=(("rho", -0.1),))
    audit = judge_outcomes(case, [outside, right]).judgement("other").audit
    assert audit.certificate == "outside the parameter space"


@pytest.mark.parametrize("text", ["computed gls fit is singular, rank 1", "false convergence (8)"])
def test_a_failure_on_a_model_without_random_effects_is_judged(text):
    case = case_of("y ~ x", "cs(1 | s)")
    no = Failure(engine="other", setting="default", reason="error", text=text)
    judged = judge_outcomes(case, [no, RefereeEngine().fit(case, "default")])
    assert judged.judgement("other").causes == ("engine-error",)


def test_a_continuous_autoregression_that_stayed_where_it_is_nothing_has_that_cause():
    frame = visits(3, subjects=20, times=6, lost=0.0)
    frame["time"] *= 30.0
    model = parse_model("y ~ x", "REML", "car1(time | s)")
    case = Case("case", model, bind(model, frame))
    right = RefereeEngine().fit(case, "default")
    stuck = msgspec.structs.replace(right, engine="stuck", residual=(("rho", 0.2),))
    judgement = judge_outcomes(case, [stuck, right]).judgement("stuck")
    assert judgement.verdict == "WRONG_OPTIMUM"
    assert "zero-correlation-start" in judgement.causes


@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_an_outcome_whose_powers_overflow_is_refused_in_one_line(size):
    frame = visits()
    frame["y"] *= size
    model = parse_model("y ~ x", "REML", "")
    with pytest.raises(BadInput, match="other units"):
        require_fittable(model, bind(model, frame))


def test_a_model_whose_other_criterion_has_no_maximum_is_judged():
    frame = pd.DataFrame(
        {
            "y": [-3.3, 3.6, -2.3, 2.3, 2.9],
            "x": [7.3, 12.8, 6.1, 12.6, 13.6],
            "g": list("ababb"),
            "b": list("pqpqp"),
        }
    )
    case = case_of("y ~ x", "cs(1 | g) + het(b)", frame)
    with pytest.raises(NoMaximum):
        find_optimum(likelihood_of(case.design, reml=False))
    right = RefereeEngine().fit(case, "default")
    residual = ((right.residual[0][0], 0.5), *right.residual[1:])
    wrong = msgspec.structs.replace(right, engine="other", residual=residual)
    assert judge_outcomes(case, [wrong, right]).judgement("other").verdict == "WRONG_OPTIMUM"


@pytest.mark.parametrize(("apart", "open_"), [(2, True), (4, True), (1, False), (3, False)])
def test_either_sign_of_an_autoregression_at_even_distances_is_right_and_said_to_be_open(
    apart, open_
):
    frame = visits(1, subjects=20)
    frame["visit"] *= apart
    case = case_of("y ~ x", "ar1(visit | s)", frame)
    right = RefereeEngine().fit(case, "default")
    ((name, rho),) = right.residual
    other = msgspec.structs.replace(right, engine="other", residual=((name, -rho),))
    judged = judge_outcomes(case, [other, right])
    found = judged.comparison("other")
    assert found.verdict == ("AGREE" if open_ else "WRONG_OPTIMUM")
    assert ("open-sign" in judged.judgement("referee").causes) == open_
    (stated,) = [d for d in found.differences if d.quantity == "residual"]
    assert stated.value == -rho
    if open_:
        (why,) = [e for e in judged.judgement("other").evidence if e.cause == "open-sign"]
        assert why.numbers["rho"] == pytest.approx(abs(rho), rel=1e-9)
        # One visit at an odd distance is enough for the sign.
        moved = frame.copy()
        moved.loc[moved.index[-1], "visit"] += 1
        case = case_of("y ~ x", "ar1(visit | s)", moved)
        judged = judge(case, [RefereeEngine()], ("default",))
        assert "open-sign" not in judged.judgement("referee").causes


def three_largest_groups() -> pd.DataFrame:
    """Three groups of three rows, of which X and a ratio of two deviations fit every mean."""
    return pd.DataFrame(
        {
            "y": [0, -12, 0, 12, 0, 9, -1, 20, -1, -8, 0, -11, 13, 12, 0],
            "x": [-1, 1, 0, -1, 0, -1, 0, -3, -1, -1, 1, -1, 2, 0, 0],
            "g": ["g1", "g2", "g3", "g4", "g5", "g6"] * 2 + ["g1", "g3", "g4"],
            "b": ["1", "2", "1", "2", "1", "2", "1", "2", "1", "2", "1", "2", "2", "2", "1"],
        }
    )


def test_a_search_that_fell_into_the_valley_to_a_singular_covariance_is_named():
    case = case_of("y ~ x", "cs(1 | g) + het(b)", three_largest_groups(), "ML")
    best = find_optimum(likelihood_of(case.design, reml=False))
    end, fall = endless_end(best.point)
    assert end == pytest.approx(-0.5, abs=1e-7)
    # Three contrasts are fitted exactly, each of which gives log(100).
    assert fall == pytest.approx(3 * np.log(100.0), rel=0.02)
    right = RefereeEngine().fit(case, "default")
    ratio = right.residual[1]
    fallen = msgspec.structs.replace(right, engine="other", residual=(("rho", -0.5), ratio))
    judged = judge_outcomes(case, [fallen, right])
    assert judged.judgement("other").verdict == "WRONG_OPTIMUM"
    assert judged.judgement("other").causes == ("endless-correlation",)
    assert judged.judgement("referee").verdict == "RIGHT"
    said = finding_sentence(judged.judgement("other").finding)
    assert "inf" not in said
    assert said.endswith("by what cannot be evaluated, its variances being no covariance matrix.")


def test_no_valley_is_seen_where_groups_are_more_than_parameters():
    case = case_of("y ~ x", "cs(1 | s)")
    assert endless_end(find_optimum(likelihood_of(case.design, reml=True)).point) is None
