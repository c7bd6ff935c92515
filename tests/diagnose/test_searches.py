"""The best point of a model is searched for once in a diagnosis; remedies share what is known."""

import numpy as np
import pytest

from harness.data.datasets import load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.examples import example_rung
from harness.diagnose.pipeline import diagnose
from harness.engines.mixedlm_evaluations import Evaluations
from harness.engines.statsmodels import StatsmodelsEngine
from harness.referee.optimum import OptimumSearch

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture
def searched(monkeypatch):
    """Return the likelihoods searched, each by its criterion, its layout and a value."""
    found, begun = [], OptimumSearch._begun

    def counting(search, starts):
        likelihood = search.likelihood
        at_one = likelihood.at(np.ones(len(likelihood.layout))).deviance()
        found.append((likelihood.reml, likelihood.layout, round(at_one, 6)))
        return begun(search, starts)

    monkeypatch.setattr(OptimumSearch, "_begun", counting)
    return found


@pytest.fixture(scope="module")
def sleepstudy():
    return own_rung("sleepstudy", load_dataset("sleepstudy"), SLEEP, "REML")


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "all optimizers"])
def test_a_diagnosis_searches_for_the_optimum_of_its_case_once(sleepstudy, ready, searched, quick):
    found = diagnose(sleepstudy, ready(), quick=quick)
    assert found.agreement == "agree"
    assert bool(found.runs) != quick
    assert len(searched) == 1


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("name", ["true-boundary", "lme4-column-trap"])
def test_no_model_is_searched_twice_by_remedies(ready, searched, name):
    found = diagnose(example_rung(name), ready(), quick=True)
    assert sum(r.kind in ("drop-term", "uncorrelate") for c in found.causes for r in c.remedies)
    assert len(searched) > 1
    assert len(set(searched)) == len(searched)


@pytest.mark.slow
def test_what_mixedlm_has_evaluated_changes_no_number_of_a_later_fit(sleepstudy):
    known = Evaluations()
    StatsmodelsEngine(evaluations=known).fit(sleepstudy.case, "default")
    assert known.saved == 0.0
    again = StatsmodelsEngine("bfgs", evaluations=known).fit(sleepstudy.case, "default")
    alone = StatsmodelsEngine("bfgs").fit(sleepstudy.case, "default")
    assert known.saved > 0.0
    for name in ("loglik", "coefficients", "random", "residual_variance", "messages", "converged"):
        assert getattr(again, name) == getattr(alone, name)
    # Its time is that of a fit that evaluates everything.
    assert again.seconds > 0.3 * alone.seconds


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize(
    ("formula", "residual"),
    [
        (SLEEP, "ar1(Days | Subject)"),
        ("Reaction ~ 1 + ar1(0 + factor(Days) | Subject)", ""),
    ],
    ids=["residual covariance", "structured term"],
)
def test_no_optimizer_is_run_on_a_model_that_its_program_has_not(ready, formula, residual):
    rung = own_rung("sleepstudy", load_dataset("sleepstudy"), formula, "REML", residual=residual)
    assert not [run for run in diagnose(rung, ready()).runs if run.loglik is not None]
