"""A model as a call of nlme's ``gls`` or ``lme``, for what lme4 and MixedLM cannot say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial, reduce
from itertools import pairwise

from harness.model.expression_text import R_IN_NLME, render
from harness.model.formula import Binary, Call
from harness.model.model import Model, RandomTerm
from harness.model.residual import Residual
from harness.spelling.lme4_spelling import lme4_formula, quote_name, r_name
from harness.spelling.patsy_language import NotExpressible

_CLASSES = {
    "ar1": "corAR1",
    "car1": "corCAR1",
    "cs": "corCompSymm",
    "corr": "corSymm",
    "us": "corSymm",
}


_BLOCKS = {"": "pdLogChol", "diag": "pdDiag", "homdiag": "pdIdent", "homcs": "pdCompSymm"}


def nlme_call(model: Model) -> str:
    """Return the R call that fits the model.

    Raises
    ------
    NotExpressible
        Where nlme has no such model, or the formula does not tell how its groups are nested.
    """
    residual = model.residual
    if model.criterion == "OLS":
        raise NotExpressible("there are no random effects and no residual covariance")
    if residual is not None and residual.structure == "toep":
        raise NotExpressible("it has no Toeplitz correlation")
    if residual is not None and residual.structure == "us" and residual.position is None:
        raise NotExpressible("variances by the place in the group have no column")
    groups = tuple(dict.fromkeys(term.group for term in model.random))
    if any(outer != inner[: len(outer)] for outer, inner in pairwise(groups)):
        raise NotExpressible("its groups are nested in the order in which they stand")
    formula = model.formula
    outcome = formula.outcome
    if formula.offsets:  # lme has none; less its offset the outcome has the same model
        outcome = Call("I", reduce(partial(Binary, "-"), formula.offsets, outcome))
    bare = replace(formula, outcome=outcome, bars=(), offsets=(), weights=None)
    fixed = lme4_formula(replace(model, formula=bare), language=R_IN_NLME)
    if fixed.endswith("~ "):
        fixed += "1"
    parts = [fixed, "data"]
    if groups:
        parts.append(f"random = {_random(model, groups)}")
    if residual is not None and residual.structure:
        inside = groups[-1] if groups else residual.group
        if inside != residual.group[: len(inside)]:
            raise NotExpressible("residual groups have to lie within those of the random effects")
        parts.append(f"correlation = nlme::{nlme_correlation(residual)}")
    variances = [] if residual is None else _variances(residual)
    if formula.weights is not None:
        variances.insert(0, f"nlme::varFixed(~ 1 / {quote_name(formula.weights.name)})")
    if variances:
        joined = ", ".join(variances)
        joined = joined if len(variances) == 1 else f"nlme::varComb({joined})"
        parts.append(f"weights = {joined}")
    parts.append(f'method = "{model.criterion}"')
    return f"nlme::{'lme' if groups else 'gls'}({', '.join(parts)})"


def _random(model: Model, groups: tuple[tuple[str, ...], ...]) -> str:
    blocks = {group: [t for t in model.random if t.group == group] for group in groups}
    whole = {group[-1]: " + ".join(map(_effects, terms)) for group, terms in blocks.items()}
    structured = model.structured is not None
    if len(groups) == 1 and len(blocks[groups[0]]) == 1 and not structured:
        return f"~ {_effects(blocks[groups[0]][0])} | {':'.join(map(quote_name, groups[0]))}"
    if all(len(terms) == 1 for terms in blocks.values()) and not structured:
        inner = ", ".join(f"{quote_name(g)} = ~ {text}" for g, text in whole.items())
        return f"list({inner})"
    pieces = []
    for group, terms in blocks.items():
        listed = ", ".join(f"nlme::{_class(term)}(~ {_effects(term)})" for term in terms)
        block = f"nlme::pdBlocked(list({listed}))" if len(terms) > 1 else listed
        pieces.append(f"{quote_name(group[-1])} = {block}")
    return f"list({', '.join(pieces)})"


def _class(term: RandomTerm) -> str:
    if term.structure not in _BLOCKS:
        raise NotExpressible(f"it has no class of covariance matrices for {term.structure}()")
    return _BLOCKS[term.structure]


def _effects(term: RandomTerm) -> str:
    written = [
        ":".join(render(atom, partial(r_name, None), R_IN_NLME) for atom in product)
        for product in term.effects.terms
    ]
    return " + ".join(["1" if term.effects.intercept else "0", *written])


def takes_a_factor(residual: Residual) -> bool:
    """Whether nlme is given the visits by the numbers of a factor's levels."""
    position = residual.position
    return (
        position is not None
        and residual.structure != "cs"
        and (residual.structure in ("corr", "us") or position.as_factor)
    )


def nlme_correlation(residual: Residual) -> str:
    """Return the constructor of nlme for a correlation of the residuals."""
    at = "1"
    if residual.position is not None and residual.structure != "cs":
        name = quote_name(residual.position.name)
        # The visits of corSymm are 1, 2, ...; those of corAR1 whole numbers. An expression is
        # evaluated in each group by itself, where factor() would close the group's gaps.
        at = f"as.integer({name})" if takes_a_factor(residual) else name
    group = "/".join(map(quote_name, residual.group))
    return f"{_CLASSES[residual.structure]}(form = ~ {at} | {group})"


def _variances(residual: Residual) -> list[str]:
    strata = [" * ".join(map(quote_name, columns)) for columns in residual.strata]
    if residual.structure == "us":
        assert residual.position is not None
        strata.insert(0, quote_name(residual.position.name))
    return [f"nlme::varIdent(form = ~ 1 | {text})" for text in strata]
