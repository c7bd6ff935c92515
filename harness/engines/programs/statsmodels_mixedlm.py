"""statsmodels' MixedLM, in the versions before the one that the harness itself runs on."""

from __future__ import annotations

import re
import time
import warnings

import numpy as np
import statsmodels.formula.api as smf
from conversation import Unsupported, converse, rows_of
from mixedlm_probes import recorded_points, score_probe, singular_covariance_probe
from statsmodels.regression.mixed_linear_model import MixedLMParams

DEFINITIONS = {
    "loglik": "full",
    "se": "joint-hessian",
    "df": "none",
    "statistic": "estimate/se",
    "p": "normal",
    "variance": "data-units",
    "residual_variance": "m",
}

SINGULAR_WORDS = ("boundary of the parameter space", "covariance is singular")
"""There is no flag for a singular fit; these warnings are what is said of it."""


class Layout:
    """How MixedLM can express the terms of a model: the terms of one grouping factor, and scalars.

    Attributes
    ----------
    top : Term or None
        The term with the factor within which all others lie; None where they are crossed.
    main : list of Term
        Those whose effects are in ``re_formula``.
    scalars : list of Term
        Those that are variance components.
    diagonal : bool
        Whether the effects of ``main`` have no covariances.
    """

    def __init__(self, terms):
        self.top = next((t for t in sorted(terms, key=width) if all_within(terms, t)), None)
        inside = [t for t in terms if self.top is not None and t.codes == self.top.codes]
        below = [t for t in terms if t not in inside]
        wide = [t for t in inside if len(t.effects) > 1]
        self.diagonal = len(inside) > 1 and not wide
        if len(wide) > 1 or any(len(t.effects) > 1 for t in below):
            raise Unsupported("MixedLM has one unstructured covariance matrix, for one group")
        self.main = inside if self.diagonal else (wide or inside)[:1]
        self.scalars = [t for t in terms if t not in self.main]


def width(term):
    """Return how many factors make a group."""
    return len(term.factors)


def all_within(terms, outer):
    """Whether every level of every term has rows of one level of ``outer`` only."""
    return all(len(set(zip(t.codes, outer.codes, strict=True))) == len(t.levels) for t in terms)


def fit(request):
    """Fit by the formula interface as a user gets it."""
    began = time.perf_counter()
    formula, _ = request.formula_parts("np.")
    frame = request.frame()
    if not request.random:
        return linear(smf.ols(formula, frame).fit())
    layout = Layout(request.random)
    effects, components = [], {}
    for i, term in enumerate(request.random):
        # Codes as text: of a categorical MixedLM makes a column for every level in every group.
        frame[f"r{i}"] = [str(code) for code in term.codes]
        for j, column in enumerate(term.z):
            frame[f"z{i}_{j}"] = column
        if term in layout.main:
            effects += [f"z{i}_{j}" for j in range(len(term.z))]
        elif layout.top is not None and term.codes == layout.top.codes:
            components[f"r{i}"] = f"0 + z{i}_0"
        else:
            only = term.effects == ["Intercept"]
            components[f"r{i}"] = f"0 + C(r{i})" if only else f"0 + C(r{i}):z{i}_0"
    groups = np.ones(len(frame), dtype=int) if layout.top is None else np.array(layout.top.codes)
    model = smf.mixedlm(
        formula,
        frame,
        groups=groups,
        re_formula="0 + " + " + ".join(effects) if effects else None,
        vc_formula=components or None,
    )
    arguments = {"reml": request.reml}
    if layout.diagonal:
        free = np.ones(model.k_fe), np.eye(model.k_re), np.ones(model.k_vc)
        arguments["free"] = MixedLMParams.from_components(*free[:2], vcomp=free[2])
    last = recorded_points(model)
    try:
        found = model.fit(**arguments)
    except Exception as error:
        error.probes = singular_covariance_probe(error)
        raise
    stated = mixed(request, layout, found)
    stated["seconds"] = time.perf_counter() - began
    # What is probed is no part of the fit: neither its time nor its warnings are MixedLM's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stated["probes"] = score_probe(model, last)
    return stated


def mixed(request, layout, found):
    """Return what a MixedLM result states."""
    messages = []

    def asked(name, read):
        try:
            return read()
        except (ValueError, np.linalg.LinAlgError) as error:
            messages.append(
                {"kind": "error", "text": f"{name}: {error}", "category": type(error).__name__}
            )
            return None

    p = found.k_fe
    modes = asked("random_effects", lambda: found.random_effects)
    fitted = asked("fittedvalues", lambda: np.asarray(found.fittedvalues))
    criteria = "nan-under-reml" if request.reml else "2k-variances-counted"
    return {
        "fitter": "MixedLM",
        "n_obs": int(found.nobs),
        "coefficients": rows_of(
            found.model.exog_names,
            found.fe_params,
            found.bse_fe,
            [np.inf] * p,
            found.tvalues[:p],
            found.pvalues[:p],
        ),
        "x": np.asarray(found.model.exog).T,
        "random": request.terms_of(blocks(request, layout, found, modes)),
        "residual_variance": found.scale,
        "loglik": found.llf,
        "aic": found.aic,
        "bic": found.bic,
        "df_residual": found.df_resid,
        "fitted": fitted,
        "residuals": None if fitted is None else found.model.endog - fitted,
        "converged": found.converged,
        "singular": request.warned(*SINGULAR_WORDS),
        "settings": ["method bfgs, lbfgs, cg in turn", "start at cov_re = I"],
        "definitions": {"aic": criteria, "bic": criteria},
        "messages": messages,
    }


def blocks(request, layout, found, modes):
    """Yield what it has for the terms of the model: ``cov_re``, and each of ``vcomp``."""
    main = [(i, term) for i, term in enumerate(request.random) if term in layout.main]
    if main:
        columns = [f"z{i}_{j}" for i, term in main for j in range(len(term.effects))]
        yield block(
            main[0][1],
            [name for _, term in main for name in term.effects],
            np.asarray(found.cov_re).reshape(found.k_re, found.k_re),
            modes and {code: [row[c] for c in columns] for code, row in modes.items()},
        )
    for i, term in enumerate(request.random):
        if term in layout.scalars:
            place = list(found.model.exog_vc.names).index(f"r{i}")
            psi = [[found.vcomp[place]]]
            yield block(term, term.effects, psi, modes and component_modes(modes, i))


def component_modes(modes, i):
    """Return the modes of a component, by level: an entry of its level's group, or of its group."""
    found = {}
    for group, row in modes.items():
        for name, value in row.items():
            if name.startswith(f"r{i}["):
                level = re.search(rf"C\(r{i}\)\[(?:T\.)?(\d+)\]", name)
                found[int(level[1]) if level else group] = [value]
    return found


def block(term, names, covariance, modes):
    """Return a block with its modes in the order of the levels, where all are there."""
    codes = range(len(term.levels))
    whole = modes is not None and all(code in modes for code in codes)
    return {
        "group": term.group,
        "names": names,
        "covariance": covariance,
        "levels": term.levels,
        "effects": [modes[code] for code in codes] if whole else None,
    }


def linear(found):
    """Return what an OLS result states."""
    n = len(found.params)
    return {
        "fitter": "OLS",
        "n_obs": int(found.nobs),
        "coefficients": rows_of(
            found.model.exog_names,
            found.params,
            found.bse,
            [found.df_resid] * n,
            found.tvalues,
            found.pvalues,
        ),
        "x": np.asarray(found.model.exog).T,
        "residual_variance": found.mse_resid,
        "loglik": found.llf,
        "aic": found.aic,
        "bic": found.bic,
        "df_residual": found.df_resid,
        "fitted": found.fittedvalues,
        "residuals": found.resid,
        "settings": ["closed form"],
        "definitions": {
            "se": "gls",
            "df": "residual",
            "p": "t",
            "aic": "scale-not-counted",
            "bic": "scale-not-counted",
        },
    }


if __name__ == "__main__":
    converse(
        fit,
        name="statsmodels",
        packages=["statsmodels", "patsy", "numpy", "scipy", "pandas"],
        definitions=DEFINITIONS,
        wants=("design",),
    )
