"""lme-python (Rust behind Python, on polars): lme4's formulas."""

from __future__ import annotations

import lme_python
import polars
from conversation import Factor, converse, rejection, rows_of

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
    """Fit by ``lmer`` or ``lm`` as a user gets it, with Satterthwaite's df where they are given."""
    data = polars.DataFrame(
        {
            name: column.labels if isinstance(column, Factor) else column.values
            for name, column in request.columns.items()
        }
    )
    # Without a specification the levels are in the order of the alphabet.
    factors = {f.name: lme_python.FactorSpec(f.levels) for f in request.fixed_factors()}
    try:
        if not request.random:
            found = lme_python.lm(request.formula, data, factors=factors)
            return linear(found, data)
        found = lme_python.lmer(request.formula, data, reml=request.reml, factors=factors)
    except ValueError as error:  # the only exception of its Rust code
        raise rejection(error) from error
    messages = []
    try:
        found.with_satterthwaite(data)
    except Exception as error:
        messages.append({"kind": "error", "text": f"with_satterthwaite: {error}"})
    return {
        **stated(found, data),
        "fitter": "lme_python.lmer",
        "coefficients": rows_of(
            found.fixed_names,
            found.coefficients,
            found.beta_se,
            found.satterthwaite_dfs,
            found.beta_t,
            found.satterthwaite_p_values,
        ),
        "random": request.terms_of(blocks(found)),
        "converged": found.converged,
        "settings": [f"{key} {value}" for key, value in (found.diagnostics or {}).items() if value],
        "messages": messages,
    }


def linear(found, data):
    """Return a linear model, of which it states neither df nor p-values."""
    return {
        **stated(found, data),
        "fitter": "lme_python.lm",
        "coefficients": rows_of(
            found.fixed_names, found.coefficients, found.beta_se, None, found.beta_t
        ),
        "settings": ["closed form"],
        "definitions": {"df": "not stated", "p": "not stated"},
    }


def stated(found, data):
    """Return what both kinds of fits state."""
    return {
        "n_obs": found.num_obs,
        "x": list(zip(*found.design_matrix(data), strict=True)),
        "residual_variance": found.sigma2,
        "loglik": found.log_likelihood,
        "aic": found.aic,
        "bic": found.bic,
        "fitted": found.fitted,
        "residuals": found.residuals,
    }


def blocks(found):
    """Yield what it has for its random-effects terms, from lists of elements."""
    elements = [row for row in found.var_corr if row[0] != "Residual"]
    modes = found.ranef or []
    for group in dict.fromkeys(row[0] for row in elements):
        own = {(a, b): value for name, a, b, value, _ in elements if name == group}
        names = [a for a, b in own if a == b]
        effects = {}
        for name, level, effect, value in modes:
            if name == group:
                effects.setdefault(level, {})[effect] = value
        yield {
            "group": group,
            "names": names,
            "covariance": [[own.get((a, b), own.get((b, a), 0.0)) for b in names] for a in names],
            "levels": list(effects),
            "effects": [[row[name] for name in names] for row in effects.values()] or None,
        }


if __name__ == "__main__":
    converse(fit, name="lme-python", packages=["lme-python", "polars"], definitions=DEFINITIONS)
