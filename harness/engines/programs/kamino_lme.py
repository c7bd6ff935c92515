"""kamino-lme (Python): one grouping factor with slopes, or several with intercepts."""

from __future__ import annotations

import kamino
import numpy as np
from conversation import Refused, Unsupported, converse, with_intercepts
from kamino.errors import ModelSpecificationError, UnsupportedFormulaError

DEFINITIONS = {
    "loglik": "full",
    "aic": "not stated",
    "bic": "not stated",
    "se": "gls",
    "df": "satterthwaite",
    "statistic": "estimate/se",
    "p": "t",
    "variance": "data-units",
    "residual_variance": "m",
}


def fit(request):
    """Fit by ``kamino.lmer`` as a user gets it, and ask for Satterthwaite's tests."""
    if not request.random:
        raise Unsupported("it fits models with random effects only")
    data = request.frame()
    try:
        found = kamino.lmer(with_intercepts(request.formula), data, reml=request.reml)
    except UnsupportedFormulaError as error:
        raise Unsupported(str(error)) from error
    except ModelSpecificationError as error:
        raise Refused(str(error)) from error
    tests, messages = tested(found, data)
    kept = found.fixed_names
    return {
        "fitter": "kamino.lmer",
        "n_obs": len(found.fitted_values),
        "coefficients": request.coefficients(
            kept,
            found.beta,
            np.sqrt(np.diag(found.beta_covariance)),
            [getattr(tests.get(name), "denominator_df", None) for name in kept],
            [getattr(tests.get(name), "statistic", None) for name in kept],
            [getattr(tests.get(name), "p_value", None) for name in kept],
        ),
        "dropped": [request.own_name(name) for name in found.dropped_fixed_names],
        "random": request.terms_of(blocks(found)),
        "residual_variance": found.sigma2,
        "loglik": found.log_likelihood,
        "fitted": found.fitted_values,
        "residuals": found.residuals,
        "converged": found.diagnostics.converged,
        "singular": found.diagnostics.boundary,
        "settings": [f"optimizer {found.diagnostics.optimizer}"],
        "messages": messages,
    }


def tested(found, data):
    """Return its tests by coefficient, and why there is none; there are none at a boundary."""
    try:
        rows = found.postfit(inference="satterthwaite", data=data).tidy()
    except kamino.errors.KaminoError as error:
        return {}, [{"kind": "error", "text": f"satterthwaite: {error}"}]
    lacking = sorted({row.message for row in rows if not row.available})
    messages = [{"kind": "message", "text": text} for text in lacking]
    return {row.label: row for row in rows if row.available}, messages


def blocks(found):
    """Yield what it has for its random-effects terms, from one matrix of all of them."""
    terms = [(t.group_name, t.random_coefficient_names, t.group_levels) for t in found.random_terms]
    terms = terms or [(found.group_name, found.random_coefficient_names, found.group_levels)]
    first = modes = 0
    for group, names, levels in terms:
        q, k = len(names), len(levels)
        yield {
            "group": group,
            "names": names,
            "covariance": found.random_covariance[first : first + q, first : first + q],
            "levels": levels,
            "effects": found.random_effects[modes : modes + k * q].reshape(k, q),
        }
        first, modes = first + q, modes + k * q


if __name__ == "__main__":
    converse(
        fit,
        name="kamino-lme",
        packages=["kamino-lme", "formulae", "numpy", "scipy", "pandas"],
        definitions=DEFINITIONS,
    )
