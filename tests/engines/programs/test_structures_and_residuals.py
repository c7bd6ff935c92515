"""nlme with structured random terms beside a residual covariance: the referee's numbers."""

import pytest

from harness.data.datasets import load_dataset
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Fit
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge
from harness.model.case import Case
from harness.model.model import bind, parse_model
from tests.referee.joined_cases import visited

pytestmark = [pytest.mark.r, pytest.mark.slow]

DATA = [
    ("Orthodont", "distance ~ age * Sex + diag(1 + age | Subject)", "ar1(age | Subject)"),
    ("Orthodont", "distance ~ age * Sex + diag(1 + age | Subject)", "het(Sex)"),
    ("BodyWeight", "weight ~ Time * Diet + diag(1 + Time | Rat)", "car1(Time | Rat)"),
    ("BodyWeight", "weight ~ Time * Diet + homdiag(1 + Time | Rat)", "car1(Time | Rat)"),
    ("Oxboys", "height ~ age + diag(1 + age | Subject)", "ar1(Occasion | Subject)"),
    ("Oxboys", "height ~ age + homcs(1 + age | Subject)", "ar1(Occasion | Subject)"),
]
GENERATED = [
    ("diag(0 + f | s)", "ar1(visit | s)"),
    ("homdiag(0 + f | s)", "car1(time | s)"),
    ("homcs(0 + f | s)", "ar1(visit | s)"),
    ("homcs(0 + f | s)", "het(sex)"),
    ("diag(1 + x | s)", "cs(1 | s) + het(sex)"),
    ("homcs(0 + f | s)", "ar1(visit | s) + het(sex)"),
]


@pytest.fixture(scope="module")
def nlme():
    if not environments.installed("nlme"):
        pytest.skip("nlme is not installed here")
    engine = CommandEngine("nlme", environments.command("nlme"))
    yield engine
    engine.close()


def gap_of(engine, frame, formula, residual, criterion):
    """By how much nlme's likelihood at its point is not what it states, and is not the best."""
    model = parse_model(formula, criterion, residual)
    case = Case("case", model, bind(model, frame))
    judged = judge(case, [engine, RefereeEngine()], ("default",))
    assert judged.judgement("referee").verdict == "RIGHT"
    fit, judgement = judged.outcome("nlme"), judged.judgement("nlme")
    if "homcs(1 + age" in formula and criterion == "ML":
        # At a correlation of one nlme's own optimizer gives up, and says so.
        assert "false convergence" in fit.text
        return 0.0
    assert isinstance(fit, Fit), fit
    assert abs(judgement.audit.loglik_error) < 1e-6
    wrong = {s.truth for s in judgement.statements} - {
        *("true", "not judged", "rounding", "not determined"),
    }
    assert judgement.verdict in ("RIGHT", "WRONG_OPTIMUM"), judgement
    assert judgement.verdict == "WRONG_OPTIMUM" or not wrong
    return judgement.audit.gap


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize(("name", "formula", "residual"), DATA)
def test_on_real_data_it_is_at_the_optimum(nlme, name, formula, residual, criterion):
    gap = gap_of(nlme, load_dataset(name).frame, formula, residual, criterion)
    assert gap < 2e-4


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("term", "residual"), GENERATED)
def test_on_generated_data_it_is_never_above_the_optimum(nlme, term, residual, seed):
    frame = visited(seed, subjects=20)
    gap = gap_of(nlme, frame, f"y ~ x + {term}", residual, ("REML", "ML")[seed])
    assert gap > -1e-6
