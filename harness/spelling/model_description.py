"""A model in plain words."""

from __future__ import annotations

from harness.model.expression_text import render_name
from harness.model.model import Model
from harness.model.residual import Residual
from harness.model.structure import STRUCTURES


def in_words(model: Model) -> str:
    """Say what the model is, in a sentence."""
    outcome = render_name(model.formula.outcome)
    fixed = [":".join(render_name(a) for a in t) for t in model.fixed.terms]
    text = f"{outcome} on {', '.join(fixed)}" if fixed else f"the mean of {outcome}"
    if not model.fixed.intercept:
        text += " without an intercept"
    pieces: list[str] = []
    groups: set[tuple[str, ...]] = set()
    for term in model.random:
        effects = ["an intercept"] if term.effects.intercept else []
        effects += [
            "a slope for " + ":".join(render_name(a) for a in t) for t in term.effects.terms
        ]
        how = "" if len(effects) < 2 else "correlated"
        how = STRUCTURES[term.structure].in_words if term.structure else how
        joined = " and ".join(effects) + (f", {how}," if how else "")
        apart = ", uncorrelated with the former" if term.group in groups else ""
        groups.add(term.group)
        vary = "varies" if len(effects) < 2 else "vary"
        pieces.append(f"{joined} that {vary} by {' within '.join(reversed(term.group))}{apart}")
    if model.residual is not None:
        pieces.append(_residuals_in_words(model.residual))
    method = {
        "REML": "restricted maximum likelihood",
        "ML": "maximum likelihood",
        "OLS": "ordinary least squares",
    }[model.criterion]
    pieces += [f"the known part {render_name(node)}" for node in model.formula.offsets]
    if model.formula.weights is not None:
        pieces.append(f"the residual variance divided by {model.formula.weights.name}")
    return f"{text}{'; ' if pieces else ''}{'; '.join(pieces)}; by {method}"


_CORRELATED = {
    "ar1": "correlated by first-order autoregression",
    "car1": "correlated by autoregression in continuous time",
    "cs": "equally correlated",
    "toep": "correlated by their distance",
    "corr": "with any correlations and one variance",
    "us": "with any covariance",
}


def _residuals_in_words(residual: Residual) -> str:
    pieces = []
    if residual.structure:
        order = f" over {residual.position.name}" if residual.position is not None else ""
        group = ":".join(residual.group)
        pieces.append(f"{_CORRELATED[residual.structure]}{order} within {group}")
    pieces += [f"with a variance for each {':'.join(columns)}" for columns in residual.strata]
    return f"residuals {' and '.join(pieces)}"
