"""MixedLM's equations, computed anew, give MixedLM's own numbers."""

import numpy as np
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.referee.mixedlm_equations import mixedlm_equations
from tests.judge.mixedlm_fits import data


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("cov", [[[0.9, 0.1], [0.1, 0.05]], [[1e4, -50.0], [-50.0, 0.3]]])
def test_the_log_likelihood_is_mixedlms_to_rounding(reml, cov):
    frame = data("sleepstudy")
    criterion = "REML" if reml else "ML"
    case = own_rung(
        "s", Dataset("s", frame, ""), "Reaction ~ Days + (Days | Subject)", criterion
    ).case
    relative = np.array(cov)
    model = MixedLM.from_formula("Reaction ~ Days", frame, groups="Subject", re_formula="Days")
    model.reml, model.cov_pen, model.fe_pen = reml, None, None
    params = MixedLMParams.from_components(fe_params=np.zeros(2), cov_re=relative)
    theirs = model.loglike(params, profile_fe=True)
    ours = mixedlm_equations(case.design).loglik([relative * 650.0], 650.0, reml=reml)
    # A sum of 180 squares and 18 determinants: some tens of units in the last place.
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_crossed_factors_have_the_log_likelihood_of_variance_components():
    frame = data("Penicillin")
    case = own_rung(
        "p", Dataset("p", frame, ""), "diameter ~ 1 + (1 | plate) + (1 | sample)", "REML"
    ).case
    model = MixedLM.from_formula(
        "diameter ~ 1",
        frame.assign(one=1),
        groups="one",
        re_formula="0",
        vc_formula={"plate": "0 + C(plate)", "sample": "0 + C(sample)"},
    )
    model.reml, model.cov_pen, model.fe_pen = True, None, None
    params = MixedLMParams.from_components(
        fe_params=np.zeros(1), cov_re=np.zeros((0, 0)), vcomp=np.array([2.4, 12.0])
    )
    theirs = model.loglike(params, profile_fe=True)
    ours = mixedlm_equations(case.design).loglik(
        [np.array([[2.4 * 0.3]]), np.array([[12.0 * 0.3]])], 0.3, reml=True
    )
    assert ours == pytest.approx(theirs, rel=1e-12)
