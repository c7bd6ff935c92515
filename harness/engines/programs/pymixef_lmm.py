"""pymixef (Python, scipy): lme4's formulas, on columns without pandas."""

from __future__ import annotations

import re

import numpy as np
import pymixef
from conversation import Number, Refused, Unsupported, converse
from pymixef.errors import FormulaError, ValidationError

DEFINITIONS = {
    "loglik": "full",
    "aic": "not stated",
    "bic": "not stated",
    "se": "gls",
    # It states the covariance matrix of its estimates, and no tests.
    "df": "not stated",
    "statistic": "not stated",
    "p": "not stated",
    "variance": "data-units",
    "residual_variance": "m",
}


SINGULAR = ("COV-SINGULAR-001", "COV-BOUNDARY-001")
"""Warnings of a covariance without full rank, and of a variance that is as good as zero."""


def fit(request):
    """Fit by ``pymixef.fit`` as a user gets it."""
    # It takes levels in the order of their labels: these are codes.
    data = {
        name: column.values if isinstance(column, Number) else [f"L{c:06d}" for c in column.codes]
        for name, column in request.columns.items()
    }
    method = "ml" if request.criterion == "ML" else "reml"
    try:
        found = pymixef.fit(request.formula, data=data, method=method)
    except FormulaError as error:
        raise Unsupported(str(error)) from error
    except ValidationError as error:
        raise Refused(str(error)) from error
    names = list(found.extra["fixed_effect_names"])
    errors = np.sqrt(np.diag(found.extra["fixed_effect_covariance"]))
    mixed = bool(request.random)
    said = [{"kind": "warning", "text": f"{w.code}: {w.message}"} for w in found.warnings]
    return {
        "fitter": "pymixef.fit",
        "n_obs": found.n_observations,
        "coefficients": request.coefficients(
            [labelled(request, name) for name in names],
            [found.parameters[name] for name in names],
            errors,
        ),
        "random": request.terms_of(blocks(request, found)),
        "residual_variance": found.parameters["residual_sd"] ** 2,
        # Without random effects it states the restricted likelihood, which is not a linear model's.
        "loglik": found.log_likelihood if mixed else None,
        "fitted": found.fitted_values,
        "residuals": found.residuals,
        # "warning" is said of singular fits too, whose optimizer ended as it should.
        "converged": {"converged": True, "failed": False}.get(found.convergence.status),
        "singular": any(w.code in SINGULAR for w in found.warnings) if mixed else None,
        "settings": [f"{found.convergence.optimizer_message}"],
        "definitions": {} if mixed else {"loglik": "not stated"},
        "messages": said,
    }


def labelled(request, native):
    """Put the labels of levels back: ``v3[L000001]`` is ``v3[b]``."""
    return re.sub(
        r"(v\d+)\[L(\d{6})\]",
        lambda hit: f"{hit[1]}[{request.columns[hit[1]].levels[int(hit[2])]}]",
        native,
    )


def blocks(request, found):
    """Yield what it has for its random-effects terms: standard deviations and correlations."""
    sds = [re.fullmatch(r"sd\((.*):([^:]*)\)", name) for name in found.parameters]
    for group in dict.fromkeys(hit[1] for hit in sds if hit):
        names = [hit[2] for hit in sds if hit and hit[1] == group]
        sd = np.array([found.parameters[f"sd({group}:{name})"] for name in names])
        psi = np.diag(sd**2)
        for i, a in enumerate(names):
            for j, b in enumerate(names[:i]):
                rho = found.parameters.get(f"corr({group}:{a},{b})", 0.0)
                psi[i, j] = psi[j, i] = rho * sd[i] * sd[j]
        levels, effects = modes(request, found, group, names)
        yield {
            "group": group,
            "names": [labelled(request, name) for name in names],
            "covariance": psi,
            "levels": levels,
            "effects": effects,
        }


def modes(request, found, group, names):
    """Return levels and modes: its keys are ``g[L000000].x``, or ``g:h[['L000000', ...]].x``."""
    factors = group.split(":")
    rows = {}
    for key, value in found.random_effects.items():
        inside, _, name = key.removeprefix(f"{group}[").rpartition("].")
        if key.startswith(f"{group}[") and name in names:
            rows.setdefault(tuple(map(int, re.findall(r"L(\d{6})", inside))), {})[name] = value
    levels = [
        ":".join(request.columns[f].levels[code] for f, code in zip(factors, codes, strict=True))
        for codes in rows
    ]
    if not all(set(row) == set(names) for row in rows.values()):
        return [], None
    return levels, [[row[name] for name in names] for row in rows.values()] or None


if __name__ == "__main__":
    converse(fit, name="pymixef", packages=["pymixef", "numpy", "scipy"], definitions=DEFINITIONS)
