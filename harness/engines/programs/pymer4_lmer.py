"""pymer4 0.8 (Python, lme4 and lmerTest through rpy2): ``Lmer``, as a data frame's user has it."""

from __future__ import annotations

import re

import numpy as np
from conversation import Unsupported, converse
from pymer4.models import Lmer

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

COLUMNS = ("Estimate", "SE", "DF", "T-stat", "P-val")


def fit(request):
    """Fit by ``Lmer(formula, data).fit()``."""
    if not request.random:
        raise Unsupported("Lmer fits models with random effects only")
    found = Lmer(request.formula, data=request.frame())
    found.fit(REML=request.reml, summarize=False, no_warnings=True)
    said = [text for entry in found.warnings for text in np.atleast_1d(entry)]
    table = found.coefs
    # Where lmerTest has no df its table has neither them nor p.
    columns = [table[name] if name in table else [None] * len(table) for name in COLUMNS]
    return {
        # What Lmer calls: what is known of that function is known of it.
        "fitter": "lmerTest::lmer",
        "n_obs": len(found.residuals),
        "coefficients": request.coefficients(table.index, *columns),
        "random": request.terms_of(blocks(found)),
        "residual_variance": found.ranef_var.loc["Residual", "Var"],
        "loglik": found.logLike,
        "aic": found.AIC,
        "bic": found.BIC,
        "fitted": np.asarray(found.fits),
        "residuals": found.residuals,
        "converged": not any("converge" in text for text in said),
        "singular": any("singular" in text for text in said),
        "messages": [{"kind": "warning", "text": str(text)} for text in said],
    }


def blocks(found):
    """Yield what it has for its terms: variances, correlations, and the modes of a group's terms.

    R numbers terms of one group, ``g`` and ``g.1``, and keeps their modes in one table.
    """
    variances = found.ranef_var.drop(index="Residual")
    groups = [re.sub(r"\.\d+$", "", name) for name in variances.index]
    tables = found.ranef if isinstance(found.ranef, list) else [found.ranef]
    modes = dict(zip(dict.fromkeys(groups), tables, strict=True))
    seen = dict.fromkeys(modes, 0)
    for term in dict.fromkeys(variances.index):
        group = groups[list(variances.index).index(term)]
        own = variances.loc[[term]]
        names = list(own["Name"])
        psi = np.diag(own["Var"].astype(float))
        if found.ranef_corr is not None:
            for a, b, r in found.ranef_corr.loc[found.ranef_corr.index == term].to_numpy():
                i, j = names.index(a), names.index(b)
                # Where a variance is zero the correlation is NaN in R, and empty here.
                psi[i, j] = psi[j, i] = (r or 0.0) * np.sqrt(psi[i, i] * psi[j, j])
        first = seen[group]
        seen[group] += len(names)
        table = modes[group].iloc[:, first : seen[group]]
        yield {
            "group": group,
            "names": names,
            "covariance": psi,
            "levels": list(table.index),
            "effects": table.to_numpy().tolist(),
        }


if __name__ == "__main__":
    converse(
        fit,
        name="pymer4",
        packages=["pymer4", "rpy2", "pandas", "numpy"],
        definitions=DEFINITIONS,
    )
