"""mixedlm-rs (Rust behind statsmodels' interface): one grouping factor, one covariance matrix."""

from __future__ import annotations

import mixedlm_rs
import numpy as np
from conversation import Unsupported, converse, rows_of

DEFINITIONS = {
    "loglik": "full",
    "se": "gls",
    "df": "none",
    "statistic": "estimate/se",
    "p": "normal",
    "variance": "data-units",
    "residual_variance": "m",
}


def fit(request):
    """Fit by ``mixedlm_rs.mixedlm`` as a user gets it."""
    if len(request.random) != 1:
        raise Unsupported("it has one random-effects term, with one unstructured covariance matrix")
    (term,) = request.random
    formula, _ = request.formula_parts("np.")
    frame = request.frame()
    effects = [f"z{i}" for i in range(len(term.effects))]
    for name, column in zip(effects, term.z, strict=True):
        frame[name] = column
    groups = np.array(term.levels, dtype=object)[term.codes]
    found = mixedlm_rs.mixedlm(
        formula, frame, groups=groups, re_formula="0 + " + " + ".join(effects)
    ).fit(reml=request.reml)
    p = len(found.fe_params)
    criteria = "nan-under-reml" if request.reml else "2k-variances-counted"
    modes = found.random_effects
    return {
        "fitter": "mixedlm_rs.MixedLM",
        "n_obs": found.nobs,
        "coefficients": rows_of(
            found.fe_params_labelled.index,
            found.fe_params,
            found.bse_fe,
            [np.inf] * p,
            found.tvalues[:p],
            found.pvalues[:p],
        ),
        "x": np.asarray(found.model.exog).T,
        "random": [
            {
                "group": term.group,
                "names": term.effects,
                "covariance": found.cov_re,
                "levels": term.levels,
                "effects": [np.asarray(modes[level]) for level in term.levels],
            }
        ],
        "residual_variance": found.scale,
        "loglik": found.llf,
        "aic": found.aic,
        "bic": found.bic,
        "fitted": found.fittedvalues,
        "residuals": found.resid,
        "converged": found.converged,
        "singular": found.singular,
        "definitions": {"aic": criteria, "bic": criteria},
    }


if __name__ == "__main__":
    converse(
        fit,
        name="mixedlm-rs",
        packages=["mixedlm-rs", "patsy", "numpy", "scipy", "pandas"],
        definitions=DEFINITIONS,
        wants=("design",),
    )
