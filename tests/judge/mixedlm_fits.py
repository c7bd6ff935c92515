"""Fits of MixedLM for tests of what is said of them."""

import warnings

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.base.resources import fixture


def data(name, every=None):
    frame = pd.read_csv(fixture("data", f"{name}.csv"))
    return frame if every is None else frame[np.arange(len(frame)) % 7 != 3].reset_index(drop=True)


def mixed(formula, frame, *, reml=True, free=False, method=None, **options):
    """Fit without the warnings, which are not the subject here, and to ten digits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(formula, frame, **options)
        arguments = {"reml": reml, "method": method}
        if free:
            arguments["free"] = MixedLMParams.from_components(
                fe_params=np.ones(model.k_fe), cov_re=np.eye(model.k_re), vcomp=np.ones(model.k_vc)
            )
        return model.fit(gtol=1e-10, **arguments)


def sleep(**given):
    return mixed("Reaction ~ Days", data("sleepstudy"), groups="Subject", **given)
