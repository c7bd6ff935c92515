"""interlace-lme (Python, formulaic): crossed and nested random effects, slopes."""

from __future__ import annotations

import interlace
import numpy as np
from conversation import Unsupported, converse, rows_of, with_intercepts

DEFINITIONS = {
    "loglik": "full",
    "aic": "2k-variances-counted",
    "bic": "2k-variances-counted",
    "se": "gls",
    "df": "satterthwaite",
    "statistic": "estimate/se",
    "p": "t",
    "variance": "data-units",
    "residual_variance": "m",
}


def fit(request):
    """Fit by ``interlace.fit`` as a user gets it."""
    formula, bars = request.formula_parts()
    if not request.random:
        raise Unsupported("it has no tests for a linear model; interlace.ols() states estimates")
    if any("[" in effect or ":" in effect for term in request.random for effect in term.effects):
        raise Unsupported("its random slopes are numeric columns")
    data = request.frame()
    # Where lme4 takes the intercept to be there, interlace takes it to be absent.
    random = [with_intercepts(bar) for bar in bars]
    try:
        interlace.parse_random_effects(random)
    except ValueError as error:
        raise Unsupported(str(error)) from error
    found = interlace.fit(formula, data, random=random, method=request.criterion)
    return {
        "fitter": "interlace.fit",
        "n_obs": found.nobs,
        "coefficients": rows_of(
            found.fe_params.index,
            found.fe_params,
            found.fe_bse,
            found.fe_df,
            found.fe_tvalues,
            found.fe_pvalues,
        ),
        "x": found.model.exog.T,
        "random": request.terms_of(blocks(found)),
        "residual_variance": found.scale,
        "loglik": found.llf,
        "aic": found.aic,
        "bic": found.bic,
        "fitted": found.fittedvalues,
        "residuals": found.resid,
        "converged": found.converged,
        "singular": found.is_singular,
        "settings": ["optimizer L-BFGS-B"],
    }


def blocks(found):
    """Yield what it has for its random-effects terms: by group, the last of several."""
    for spec in {spec.group: spec for spec in found._random_specs}.values():
        effects = found.random_effects[spec.group]
        yield {
            "group": spec.group,
            "names": (["Intercept"] if spec.intercept else []) + list(spec.predictors),
            "covariance": np.atleast_2d(found.variance_components[spec.group]),
            "levels": list(effects.index),
            "effects": np.reshape(effects.to_numpy(), (len(effects), -1)),
        }


if __name__ == "__main__":
    converse(
        fit,
        name="interlace-lme",
        packages=["interlace-lme", "formulaic", "numpy", "scipy", "pandas"],
        definitions=DEFINITIONS,
    )
