"""How near two optima have to be follows from what rounding leaves of the deviance."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from harness.conformance.judged_pair import judge_pair
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.engines.referee_engine import RefereeEngine
from harness.judge.causes.same_point import rounding_of


def cases_of(size):
    """Six groups whose slopes are so many residual standard deviations; rows in nine orders."""
    r = np.random.default_rng(3)
    g = np.repeat(np.arange(6), 32)
    x = r.normal(size=192)
    y = size * r.normal(size=6)[g] * x + r.normal(size=192)
    frame = pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g]})
    for seed in range(9):
        mixed = frame.sample(frac=1.0, random_state=seed) if seed else frame
        data = Dataset("drawn", mixed.reset_index(drop=True), "")
        yield own_rung("case", data, "y ~ x + (0 + x | g)", "ML").case


def mixedlm_deviance(case, fit):
    """-2 log-likelihood by MixedLM's formula, which takes V^-1 c from a difference."""
    model = MixedLM.from_formula("y ~ x", case.table.frame(), groups="g", re_formula="0 + x")
    relative = np.array(fit.random[0].covariance) / fit.residual_variance
    beta = np.array([row.estimate for row in fit.coefficients])
    params = MixedLMParams.from_components(fe_params=beta, cov_re=relative)
    model.reml, model.cov_pen, model.fe_pen = False, None, None
    return -2.0 * model.loglike(params, profile_fe=True)


@pytest.mark.parametrize("size", [1.0, 30.0, 1000.0, 3000.0])
def test_the_order_of_rows_moves_a_deviance_by_no_more_than_is_said_of_rounding(size):
    cases = list(cases_of(size))
    fit = RefereeEngine().fit(cases[0], "tight")
    audit = judge_pair(cases[0], fit, fit).view.audit
    said = rounding_of(cases[0].design, fit, audit)
    found = [mixedlm_deviance(case, fit) for case in cases]
    seen = max(found) - min(found)
    assert seen <= said
    # A bound that holds for any order is not reached by nine, but is no hundred times too large.
    assert said <= 1e-11 + 100.0 * seen
