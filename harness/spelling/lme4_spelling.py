"""A model in lme4's spelling, for the engine to run and for a person to read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce

from harness.model.expression_text import R_TO_RUN, Language, R, render
from harness.model.formula import Bar, Binary, Name, Node, Number, names_in
from harness.model.model import Model, split_bar
from harness.model.structure import STRUCTURES
from harness.model.terms import Terms
from harness.spelling.patsy_language import (
    NotExpressible,
)

_SYNTACTIC = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*")


def lme4_formula(
    model: Model, names: Mapping[str, str] | None = None, language: Language = R
) -> str:
    """Return the formula in R's syntax.

    Parameters
    ----------
    names : mapping, optional
        From table column to the name to write, as ``Table.alias``. Factor columns are factors in
        the data already, so ``factor()`` is not written then. Without it the user's names are
        written, in backticks where R needs them.
    """
    name = partial(r_name, names)
    outcome = render(model.formula.outcome, name, language)
    fixed = model.formula.fixed
    parts = [] if fixed is None else [render(fixed, name, language)]
    parts += lme4_bars(model, names, language)
    parts += [f"offset({render(node, name, language)})" for node in model.formula.offsets]
    if model.formula.weights is not None:
        parts.append(f"weights({name(model.formula.weights)})")
    return f"{outcome} ~ {' + '.join(parts)}"


def lme4_bars(
    model: Model, names: Mapping[str, str] | None = None, language: Language = R
) -> list[str]:
    """Return the random part in R's syntax, bar by bar; see :func:`lme4_formula`."""
    name = partial(r_name, names)

    def group_name(node: Name) -> str:
        return name(node) if names is not None else quote_name(node.name)

    return [_bar(bar, name, group_name, language) for bar in model.formula.bars]


def r_name(names: Mapping[str, str] | None, node: Name) -> str:
    """Return how R writes a column: by its own name, or as ``names`` calls it."""
    if names is not None:
        both = f"factor({node.name})"
        return names[both] if node.as_factor and both in names else names[node.name]
    return f"factor({quote_name(node.name)})" if node.as_factor else quote_name(node.name)


def effects_text(effects: Terms, name: Callable[[Name], str]) -> str:
    """Return the effects of a random-effects term in R's syntax: ``1 + x``, ``0 + x``."""
    pieces = [_product(term) for term in effects.terms]
    intercept: Node = Number("01"[effects.intercept])
    return render(reduce(partial(Binary, "+"), pieces, intercept), name, R)


def model_text(model: Model) -> str:
    """Return the formula as lme4 writes it, with the residual covariance where there is one."""
    formula = lme4_formula(model)
    return formula if model.residual is None else f"{formula}, residual {model.residual.text()}"


def _bar(
    bar: Bar,
    name: Callable[[Name], str],
    group_name: Callable[[Name], str],
    language: Language,
) -> str:
    effects = render(bar.effects, name, language)
    group = render(bar.group, group_name, R, tight=True)
    return f"{bar.structure}({effects} {'||' if bar.double else '|'} {group})"


def r_call(model: Model) -> str:
    """Return the R call of lme4, or of ``lm``, that fits the model.

    Structures of random terms are written as its version 2.0 reads them.

    Raises
    ------
    NotExpressible
        For a residual covariance.
    """
    if model.residual is not None:
        raise NotExpressible("lme4 has no residual covariance")
    bars = tuple(part for bar in model.formula.bars for part in _readable(bar))
    readable = replace(model, formula=replace(model.formula, bars=bars, weights=None))
    formula = lme4_formula(readable, language=R_TO_RUN)
    for name, structure in STRUCTURES.items():
        own, homogeneous = structure.lme4
        if homogeneous:
            formula = re.sub(
                rf"(?<![\w.]){name}(\((?:[^()|]|\([^()]*\))*\|[^()]*)\)",
                rf"{own}\1, hom = {homogeneous})",
                formula,
            )
    weights = model.formula.weights
    more = "" if weights is None else f", weights = {quote_name(weights.name)}"
    if model.criterion == "OLS":
        return f"lm({formula}, data{more})"
    reml = "TRUE" if model.criterion == "REML" else "FALSE"
    return f"lmerTest::lmer({formula}, data, REML = {reml}{more})"


def _readable(bar: Bar) -> list[Bar]:
    """Take ``(x || g)`` apart where lme4 cannot: it loses the backticks of a group's name."""
    if not bar.double or all(quote_name(n.name) == n.name for n in names_in(bar.group)):
        return [bar]
    parts = []
    for term in split_bar(bar):
        pieces = [_product(t) for t in term.effects.terms]
        intercept: Node = Number("01"[term.effects.intercept])
        effects = reduce(partial(Binary, "+"), pieces, intercept)
        group = _product(tuple(Name(g, as_factor=True) for g in term.group))
        parts.append(Bar(effects, group, double=False))
    return parts


def _product(factors: tuple[Node, ...]) -> Node:
    return reduce(partial(Binary, ":"), factors)


def quote_name(name: str) -> str:
    """Write a column name as R does, in backticks where it is not a syntactic name."""
    if _SYNTACTIC.fullmatch(name) and name not in _R_RESERVED:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


_R_RESERVED = frozenset(
    {
        "if",
        "else",
        "repeat",
        "while",
        "function",
        "for",
        "next",
        "break",
        "in",
        "TRUE",
        "FALSE",
        "NULL",
        "Inf",
        "NaN",
        "...",
        "NA",
        "NA_integer_",
        "NA_real_",
        "NA_complex_",
        "NA_character_",
    }
)
