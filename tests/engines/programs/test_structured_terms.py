"""glmmTMB and nlme with structures of random terms and weights: the referee's numbers."""

import numpy as np
import pytest

from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Failure, Fit
from harness.engines.guard import guarded
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.judge import judge
from harness.model.case import Case
from harness.model.model import bind, parse_model
from tests.referee.structured_cases import repeats

pytestmark = [pytest.mark.r, pytest.mark.slow]


@pytest.fixture(scope="module", params=["glmmtmb", "nlme"])
def program(request):
    if not environments.installed(request.param):
        pytest.skip(f"{request.param} is not installed here")
    engine = CommandEngine(request.param, environments.command(request.param))
    yield engine
    engine.close()


def case_of(formula, criterion="REML", seed=0):
    frame = repeats(seed, subjects=20)
    frame["w"] = np.exp(np.random.default_rng(seed).normal(size=len(frame)))
    model = parse_model(formula, criterion)
    return Case("case", model, bind(model, frame))


def right(engine, case):
    judged = judge(case, [engine, RefereeEngine()], ("default",))
    fit, judgement = judged.outcome(engine.name), judged.judgement(engine.name)
    assert isinstance(fit, Fit), fit
    assert judgement.verdict == "RIGHT", judgement
    assert abs(judgement.audit.loglik_error) < 1e-6
    if "diag(1 + x" in case.model.formula.text:
        # The variance of x is zero but for 2e-9: both spellings are told the same.
        plain = case_of(
            case.model.formula.text.replace("diag(1 + x |", "(x ||"), case.model.criterion
        )
        twin = judge(plain, [engine, RefereeEngine()], ("default",)).judgement(engine.name)
        told = [(s.quantity, s.item, s.truth) for s in judgement.statements if s.quantity == "se"]
        assert told == [
            (s.quantity, s.item, s.truth) for s in twin.statements if s.quantity == "se"
        ]
        assert {truth for _, _, truth in told} <= {"true", "not determined"}
        return fit
    assert {s.truth for s in judgement.statements} <= {"true", "not judged", "rounding"}
    return fit


def unsupported(program, case):
    failure = guarded(program, case, "default")()
    assert (type(failure), failure.reason) == (Failure, "unsupported")


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize(
    "term",
    [
        "diag(0 + f | s)",
        "diag(1 + x | s)",
        "homdiag(0 + f | s)",
        "homcs(0 + f | s)",
        "cs(0 + f | s)",
        "ar1(0 + f | s)",
        "homcs(0 + f | s) + (1 | g)",
    ],
)
def test_it_is_at_the_optimum_and_every_number_is_true(program, term, criterion):
    case = case_of(f"y ~ x + {term}", criterion)
    if case.model.structured.structure not in (*program.structures, "diag") or (
        program.name == "nlme" and "g)" in term
    ):
        unsupported(program, case)
        return
    right(program, case)


@pytest.mark.parametrize("term", ["cs(0 + f | s)", "ar1(0 + f | s)", "homcs(0 + f | s)"])
@pytest.mark.parametrize("part", ["x + offset(w)", "poly(x, 2)", "C(f, contr.sum)"])
def test_the_levels_of_a_structured_term_stay_levels_beside_functions_and_codings(
    program, part, term
):
    case = case_of(f"y ~ {part} + {term}")
    if case.model.structured.structure in program.structures:
        right(program, case)
    else:
        unsupported(program, case)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_weights_are_divisors_of_the_residual_variance(program, criterion):
    fit = right(program, case_of("y ~ x + (1 | s) + weights(w)", criterion))
    best = RefereeEngine().fit(case_of("y ~ x + (1 | s) + weights(w)", criterion), "default")
    assert fit.residual_variance == pytest.approx(best.residual_variance, rel=1e-4)


@pytest.mark.parametrize("term", ["diag(0 + f | s)", "diag(1 + x | s)"])
def test_uncorrelated_effects_are_terms_for_engines_without_structures(r, term):
    case = case_of(f"y ~ x + {term}", seed=3)
    for engine in (Lme4Engine(r), StatsmodelsEngine()):
        found = guarded(engine, case, "tight")()
        assert isinstance(found, Fit), found
        assert [len(t.names) for t in found.random] == [len(case.design.random[0].names)]
        assert found.random[0].levels == case.design.random[0].levels
        best = RefereeEngine().fit(case, "default")
        assert found.loglik == pytest.approx(best.loglik, abs=1e-5)
        assert np.array(found.random[0].effects) == pytest.approx(
            np.array(best.random[0].effects), abs=1e-2
        )


def test_other_structures_are_said_to_be_lacking(r):
    case = case_of("y ~ x + cs(0 + f | s)")
    judged = judge(case, [Lme4Engine(r), RefereeEngine()], ("default",))
    judgement = judged.judgement("lme4")
    assert (judgement.verdict, judgement.causes) == ("UNSUPPORTED", ("no-random-structure",))
    assert "version 2.0" in judged.outcome("lme4").text
