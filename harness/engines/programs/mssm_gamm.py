"""mssm's GAMM (Python with C++): random intercepts and slopes without covariances, by REML."""

from __future__ import annotations

import numpy as np
import pandas as pd
from conversation import Refused, Unsupported, converse
from mssm.models import GAMM, Formula, Gaussian, i, l, lhs, ri, rs

DEFINITIONS = {
    "loglik": "full",
    "se": "gls",
    # Its t tests have the rows less all coefficients, random ones too, as degrees of freedom, and
    # are printed with three decimals.
    "df": "not stated",
    "statistic": "not stated",
    "p": "not stated",
    "aic": "not stated",
    "bic": "not stated",
    "variance": "data-units",
    "residual_variance": "m",
}


def fit(request):
    """Fit a Gaussian GAMM of parametric terms and random effects."""
    if request.criterion == "ML":
        raise Unsupported("it estimates variances by REML only")
    if any(len(term.effects) > 1 for term in request.random):
        raise Unsupported("its random effects have no covariances")
    data = pd.DataFrame({"y": request.y})
    fixed = [i()] if request.intercept else []
    for j, (name, column) in enumerate(zip(request.fixed, request.x, strict=True)):
        data[f"x{j}"] = column
        if name != "Intercept":
            fixed.append(l([f"x{j}"]))
    random = []
    for j, term in enumerate(request.random):
        # Its levels are in the order of their labels.
        data[f"g{j}"] = [f"{code:09d}" for code in term.codes]
        data[f"g{j}"] = data[f"g{j}"].astype(object)
        data[f"z{j}"] = term.z[0]
        random.append(ri(f"g{j}") if term.effects == ["Intercept"] else rs([f"z{j}", f"g{j}"]))
    try:
        model = GAMM(Formula(lhs("y"), fixed + random, data=data), Gaussian())
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(str(error)) from error
    model.fit(progress_bar=False)
    coefficients, scale = model.get_pars()
    coefficients = np.asarray(coefficients).ravel()
    p = len(fixed)
    dropped = [j for j in model.info.dropped if j < p] if model.info.dropped is not None else []
    kept = [j for j in range(p) if j not in dropped]
    errors = np.sqrt(np.diag((model.lvi[:, :p].T @ model.lvi[:, :p]).toarray()) * scale)
    df = len(data) - model.formulas[0].n_coef
    names = ["Intercept"] * request.intercept + [n for n in request.fixed if n != "Intercept"]
    fitted = np.asarray(model.preds[0]).ravel()
    return {
        "fitter": "mssm.GAMM",
        "coefficients": request.coefficients(
            [names[j] for j in kept], coefficients[kept], errors[kept], [df] * len(kept)
        ),
        "dropped": [names[j] for j in dropped],
        "random": [
            {
                "group": term.group,
                "names": term.effects,
                # The penalty is the ratio of the residual variance to that of the effects.
                "covariance": [[scale / penalty.lam]],
                "levels": term.levels,
                "effects": np.reshape(model.get_pars(term=p + j)[0], (-1, 1)),
            }
            for j, (term, penalty) in enumerate(
                zip(request.random, penalties(model, p), strict=True)
            )
        ],
        "residual_variance": scale,
        # That of a linear model is at the unbiased residual variance, and so not at its maximum.
        "loglik": model.get_reml() if request.random else None,
        "fitted": fitted,
        "residuals": np.asarray(request.y) - fitted,
        "converged": model.info.code == 0,
        "definitions": {} if request.random else {"loglik": "not stated"},
        "settings": [f"Fellner-Schall updates {model.info.lambda_updates}"],
    }


def penalties(model, first):
    """Return the penalties of the random terms, in the order of the terms."""
    found = {penalty.term: penalty for penalty in model.overall_penalties or []}
    return [found[term] for term in sorted(found) if term >= first]


if __name__ == "__main__":
    converse(
        fit,
        name="mssm",
        packages=["mssm", "numpy", "scipy", "pandas"],
        definitions=DEFINITIONS,
        wants=("design",),
    )
