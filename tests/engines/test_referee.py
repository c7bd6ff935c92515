"""The referee as an engine."""

import numpy as np
import pytest

from harness.data.ladder import full_ladder
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine

RUNGS = {rung.case.id: rung.case for rung in full_ladder()}


@pytest.mark.r
@pytest.mark.parametrize(
    "rung",
    ["sleepstudy/slope/REML", "sleepstudy/uncorrelated/ML", "pastes/REML", "penicillin/ML"],
)
def test_it_gives_the_random_effects_and_fitted_values_of_a_tight_lme4_fit(r, rung):
    ours = RefereeEngine().fit(RUNGS[rung], "tight")
    theirs = Lme4Engine(r).fit(RUNGS[rung], "tight")
    assert isinstance(ours, Fit)
    assert isinstance(theirs, Fit)
    # lme4's tight optimum is good to about 1e-7 in theta; conditional modes move as much.
    for mine, own in zip(ours.random, theirs.random, strict=True):
        size = np.abs(own.effects).max()
        np.testing.assert_allclose(mine.effects, own.effects, rtol=0, atol=1e-6 * size)
    np.testing.assert_allclose(ours.fitted, theirs.fitted, rtol=1e-6)
    assert abs(ours.loglik - theirs.loglik) < 1e-8


def test_a_linear_model_has_its_maximum_likelihood_log_likelihood_and_n_minus_p_df():
    case = RUNGS["tutorial/ancova-inter"]
    fit = RefereeEngine().fit(case, "default")
    assert isinstance(fit, Fit)
    n, p = case.design.x.shape
    rss = sum(e * e for e in fit.residuals)
    assert fit.loglik == pytest.approx(-0.5 * n * (np.log(2 * np.pi * rss / n) + 1), rel=1e-12)
    assert [c.df for c in fit.coefficients] == pytest.approx([n - p] * p, rel=1e-12)


def test_aliased_fixed_effects_are_refused_by_name():
    from harness.data.datasets import load_dataset
    from harness.model.case import Case
    from harness.model.model import bind, parse_model

    model = parse_model("Reaction ~ Days + I(2 * Days) + (1 | Subject)")
    frame = load_dataset("sleepstudy").frame
    outcome = RefereeEngine().fit(Case("aliased", model, bind(model, frame)), "default")
    assert isinstance(outcome, Failure)
    assert outcome.reason == "refused"
    assert "I(2 * Days)" in outcome.text
