"""mixedlm (Python with a Rust core): lme4's formulas."""

from __future__ import annotations

import re

import mixedlm
import numpy as np
from conversation import Unsupported, converse, rows_of

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
    """Fit by ``mixedlm.lmer`` as a user gets it, and ask for the tables that it makes."""
    mixed = bool(request.random)
    try:
        formula = mixedlm.parse_formula(request.formula)
    except ValueError as error:
        raise Unsupported(str(error)) from error
    found = mixedlm.lmer(formula, request.frame(), REML=request.criterion != "ML")
    table = found.tidy()
    whole = found.glance().iloc[0]
    return {
        "fitter": "mixedlm.lmer",
        "n_obs": whole["nobs"],
        "coefficients": rows_of(
            table["term"],
            *(table[c] for c in ("estimate", "std.error", "df", "statistic", "p.value")),
        ),
        # Its names number the levels of a factor: its columns tell what they are.
        "dropped": dropped(request, list(table["term"])),
        "x": found.matrices.X.T,
        "random": request.terms_of(blocks(found)),
        "residual_variance": found.sigma**2,
        # Without random effects it states the REML criterion, which is not that of a linear model.
        "loglik": whole["log_lik"] if mixed else None,
        "aic": whole["AIC"] if mixed else None,
        "bic": whole["BIC"] if mixed else None,
        "df_residual": whole["df_residual"],
        "fitted": found.fitted(),
        "residuals": found.residuals(),
        "converged": found.converged,
        "singular": found.isSingular() if mixed else None,
        "settings": [f"optimizer {found.optimizer}"] if mixed else ["closed form"],
        "definitions": {} if mixed else {"df": "residual", "loglik": "not stated"},
    }


def dropped(request, names):
    """Return the columns of the model that its table has not; it numbers levels, ``v3.1``."""

    def labelled(hit):
        levels = request.columns[hit[1]].levels
        return f"{hit[1]}[T.{levels[int(hit[2])]}]"

    if len(names) == len(request.fixed):
        return []
    kept = {request.own_name(re.sub(r"\b(v\d+)\.(\d+)\b", labelled, name)) for name in names}
    return [name for name in request.fixed if name not in kept]


def blocks(found):
    """Yield what it has for its random-effects terms."""
    structures = found.matrices.random_structures
    modes = found.ranef()
    for structure, part in zip(structures, found.VarCorr().groups.values(), strict=True):
        effects = modes[structure.grouping_factor]
        yield {
            "group": structure.grouping_factor,
            "names": structure.term_names,
            "covariance": part.cov,
            "levels": [str(level) for level in structure.level_map],
            "effects": np.column_stack([effects[name] for name in structure.term_names]),
        }


if __name__ == "__main__":
    converse(fit, name="mixedlm", packages=["mixedlm", "numpy", "scipy"], definitions=DEFINITIONS)
