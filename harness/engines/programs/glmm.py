"""glmm (Rust with a Python front): lme4's formulas, on columns without pandas."""

from __future__ import annotations

import glmm
import numpy as np
from conversation import Number, converse, rejection

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


class Categories:
    """A factor as glmm takes it from any library: levels in their order, and codes."""

    def __init__(self, factor):
        self.categories = factor.levels
        self.codes = factor.codes

    def __len__(self):
        return len(self.codes)


def square(vech):
    """Return a covariance matrix from its lower triangle, column by column."""
    q = int((np.sqrt(8 * len(vech) + 1) - 1) / 2)
    matrix = np.zeros((q, q))
    matrix[np.triu_indices(q)] = vech  # rows of the upper triangle are columns of the lower
    return np.triu(matrix) + np.triu(matrix, 1).T


def fit(request):
    """Fit by ``glmm.fit`` as a user gets it."""
    data = {
        name: column.values if isinstance(column, Number) else Categories(column)
        for name, column in request.columns.items()
    }
    mixed = bool(request.random)
    try:
        found = glmm.fit(data, request.formula, reml=request.reml if mixed else None)
    except ValueError as error:  # all that its formula reader and its checks reject
        raise rejection(error) from error
    # The table that its summary prints.
    test = found.summary_object()
    columns = (test.estimate, test.std_error, found.coef_df, test.statistic, test.p_value)
    aliased = [name for name, out in zip(found.names, found.aliased, strict=True) if out]
    return {
        "fitter": "glmm.fit",
        "n_obs": found.nobs,
        "coefficients": request.coefficients(
            [name for name, out in zip(found.names, found.aliased, strict=True) if not out],
            *(column[~found.aliased] for column in columns),
        ),
        "dropped": [request.own_name(name) for name in aliased],
        "random": request.terms_of(blocks(found)),
        "residual_variance": found.dispersion,
        "loglik": found.loglik,
        "aic": found.aic,
        "bic": found.bic,
        "fitted": found.fitted if len(found.fitted) else None,
        "residuals": found.residuals() if len(found.fitted) else None,
        "converged": found.converged,
        "singular": found.singular if mixed else None,
        "settings": ["BFGS" if found.outer_stop else "BOBYQA"] if mixed else ["closed form"],
        "definitions": {} if mixed else {"df": "residual"},
    }


def blocks(found):
    """Yield what it has for its random-effects terms; modes are lacking without convergence."""
    modes = found.ranef_blocks or [{"levels": [], "values": None}] * len(found.re_groups)
    for (group, names), vech, block in zip(found.re_groups, found.varcorr, modes, strict=True):
        yield {
            "group": group,
            "names": names,
            "covariance": square(vech),
            "levels": block["levels"],
            "effects": block["values"],
        }


if __name__ == "__main__":
    converse(fit, name="glmm", packages=["glmm", "numpy"], definitions=DEFINITIONS)
