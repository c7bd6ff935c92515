"""The same data under another model, and the same model on data written otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial, reduce

import pandas as pd

from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.expression_text import render_name, term_text
from harness.model.formula import Bar, Binary, Call, Formula, Name, Node, Number, names_in
from harness.model.level_order import as_numbers, locale_key
from harness.model.model import Model, bind, parse_model, split_bar
from harness.model.residual import Residual
from harness.model.structure import STRUCTURES
from harness.model.table import FactorColumn, Order, label_of, own_order
from harness.model.terms import Terms
from harness.spelling.lme4_spelling import lme4_formula


def factors_of(case: Case) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """Return the columns that are factors, and the order of their levels."""
    factors = {
        c.name: c.levels
        for c in case.table.columns
        if isinstance(c, FactorColumn) and not c.name.startswith("factor(")
    }
    return set(factors), factors


def preparation(rung: Rung) -> tuple[str, str]:
    """Write the lines in R and in Python that make factors as the case has them.

    Those are columns of numbers that an option made a factor (in the formula ``factor()`` says so),
    and factors whose levels R and Python would not put in the case's order by themselves.
    """
    wanted = {name.name for name in rung.case.model.names() if not name.as_factor}
    coded = {n.name for part in _predictors(rung.case.model) for n in names_in(part)}
    r, python = [], []
    for column in rung.case.table.columns:
        if not isinstance(column, FactorColumn) or column.name not in wanted:
            continue
        series = rung.data.frame[column.name]
        here, there = f"data[[{r_text(column.name)}]]", f"data[{column.name!r}]"
        own, kind = own_order(series)
        levels = column.levels if column.name in coded else own
        if column.missing.any() and kind != "numbers":  # read.csv keeps a blank as a level
            r.append(f'{here}[{here} %in% ""] <- NA')
        if made := _factor_in_r(here, levels, own, kind):
            r.append(f"{here} <- {made}")
        if levels != own:
            values = {label_of(v): v for v in series.dropna().unique().tolist()}
            keys = [values.get(level, level) for level in levels]
            python.append(f"{there} = {there}.astype(pd.CategoricalDtype({keys!r}))")
        elif kind == "numbers":
            python.append(f"{there} = {there}.astype('category')")
    return "\n".join(r), "\n".join(python)


def _predictors(model: Model) -> list[Node | None]:
    return [model.formula.fixed, *(bar.effects for bar in model.formula.bars)]


def _factor_in_r(here: str, levels: tuple[str, ...], own: tuple[str, ...], kind: Order) -> str:
    """Write the factor with these levels in their order; empty where R makes it by itself.

    R's table may come from a file, where numbers are numbers whatever they are here, or not.
    """
    texts = tuple(sorted(levels))
    if kind == "other" and set(levels) <= {"False", "True"}:
        logical = ", ".join(map(str.upper, levels))
        return "" if levels == texts else f"factor(as.logical({here}), levels = c({logical}))"
    values = as_numbers(levels)
    if values is not None:
        if values == sorted(values) and (kind == "numbers" or levels == texts):
            return f"factor({here})"
        found = here if kind == "numbers" else f"as.character({here})"
        return f"factor(as.numeric({found}), levels = c({', '.join(levels)}))"
    anywhere = texts == tuple(sorted(levels, key=locale_key))
    if levels == (own if kind == "other" else texts) and anywhere:
        return ""
    return f"factor({here}, levels = c({', '.join(map(r_text, levels))}))"


def r_text(text: str) -> str:
    """Write a text as R code."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def with_formula(rung: Rung, formula: Formula) -> Rung:
    """Return the rung with another formula on the same data.

    Raises
    ------
    BadInput
        When it cannot be parsed or bound.
    """
    criterion, residual = rung.case.model.criterion, rung.case.model.residual
    text = lme4_formula(Model(formula, criterion))
    own = "" if residual is None else residual.text()
    return _bound(rung, parse_model(text, "REML" if criterion == "OLS" else criterion, own))


def uncorrelated_residuals(rung: Rung) -> Rung:
    """Return the rung with residuals that are independent; they keep their variances by strata."""
    model = rung.case.model
    own = model.residual
    assert own is not None
    strata = own.strata
    if own.structure == "us" and own.position is not None:
        strata = ((own.position.name,), *strata)
    left = Residual("", None, (), strata) if strata else None
    criterion = model.criterion if model.random or left is not None else "OLS"
    return _bound(rung, replace(model, residual=left, criterion=criterion))


def _bound(
    rung: Rung, model: Model, frame: pd.DataFrame | None = None, factors: Iterable[str] = ()
) -> Rung:
    known, levels = factors_of(rung.case)
    used = {name.name for name in model.names()}
    data = rung.data if frame is None else replace(rung.data, source=frame)
    table = bind(
        model,
        data.frame,
        factors=(known & used) | set(factors),
        levels={k: v for k, v in levels.items() if k in used},
    )
    case = Case(rung.case.id, model, table)
    names = case.design.x_names
    focus = rung.focus if rung.focus in names else names[min(1, len(names) - 1)]
    return replace(rung, case=case, data=data, focus=focus)


def with_frame(rung: Rung, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Rung:
    """Return the rung on changed data."""
    return _bound(rung, rung.case.model, change(rung.data.frame.copy()))


def as_factor(rung: Rung, column: str) -> Rung:
    """Return the rung with a numeric column read as a factor."""
    return _bound(rung, rung.case.model, factors=[column])


def centred(rung: Rung, columns: dict[str, float]) -> Rung:
    """Return the rung with these columns less the given values."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for name, mean in columns.items():
            frame[name] = frame[name] - mean
        return frame

    return with_frame(rung, change)


def rescaled(rung: Rung, columns: dict[str, float]) -> Rung:
    """Return the rung with these columns divided by the given values."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for name, size in columns.items():
            frame[name] = frame[name] / size
        return frame

    return with_frame(rung, change)


def linear_columns(model: Model) -> set[str]:
    """Return the columns that stand for themselves or in products, not inside a function."""

    def inside(node: Node | None) -> Iterable[str]:
        match node:
            case Call(argument=argument):
                yield from (n.name for n in names_in(argument))
            case Binary(left=left, right=right):
                yield from inside(left)
                yield from inside(right)

    formula = model.formula
    parts = [formula.outcome, formula.fixed, *(b.effects for b in formula.bars)]
    within = {name for part in parts for name in inside(part)}
    return {n.name for n in model.names() if not n.as_factor} - within


def without_effect(rung: Rung, term: int, effects: set[str]) -> Rung:
    """Return the rung without some effects of its random term number ``term``.

    The term itself goes when none of its effects is left; names are those of the design, and a
    factor goes whole.
    """
    bars = _split(rung.case.model)
    bar = bars[term]
    model_term = rung.case.model.random[term]
    intercept = model_term.effects.intercept and "Intercept" not in effects
    gone = {term_text(effect) for effect in effects}
    kept = [t for t in model_term.effects.terms if ":".join(render_name(a) for a in t) not in gone]
    if not intercept and not kept:
        new = bars[:term] + bars[term + 1 :]
    else:
        effects_node = _effects(Terms(intercept, tuple(kept)))
        # One effect has no correlation.
        structure = bar.structure if intercept + len(kept) > 1 else ""
        own = Bar(effects_node, bar.group, double=False, structure=structure)
        new = [*bars[:term], own, *bars[term + 1 :]]
    return with_formula(rung, replace(rung.case.model.formula, bars=tuple(new)))


def uncorrelated(rung: Rung, term: int) -> Rung:
    """Return the rung with the effects of a random term uncorrelated."""
    bars = _split(rung.case.model)
    structure = bars[term].structure
    if structure:
        same = STRUCTURES[structure].one_variance
        bars[term] = replace(bars[term], structure="homdiag" if same else "diag")
    else:
        bars[term] = replace(bars[term], double=True)
    return with_formula(rung, replace(rung.case.model.formula, bars=tuple(bars)))


def nested(rung: Rung, outer: str, inner: str) -> Rung:
    """Return the rung with the terms for ``inner`` as terms for ``outer:inner``."""
    bars = [
        replace(bar, group=_group((outer, inner))) if _named(bar) == (inner,) else bar
        for bar in _split(rung.case.model)
    ]
    return with_formula(rung, replace(rung.case.model.formula, bars=tuple(bars)))


def _named(bar: Bar) -> tuple[str, ...]:
    return tuple(n.name for n in names_in(bar.group))


def without_fixed(rung: Rung, terms: Iterable[str]) -> Rung:
    """Return the rung without some fixed-effects terms, named as in the formula."""
    model = rung.case.model
    gone = set(terms)
    kept = [t for t in model.fixed.terms if ":".join(render_name(a) for a in t) not in gone]
    fixed = _effects(Terms(model.fixed.intercept, tuple(kept)))
    return with_formula(rung, replace(model.formula, fixed=fixed))


def term_of_column(model: Model, column: str) -> str | None:
    """Return the fixed-effects term that a column of the design belongs to."""
    plain = term_text(column)
    for term in model.fixed.terms:
        if ":".join(render_name(a) for a in term) == plain:
            return plain
    return None


def _split(model: Model) -> list[Bar]:
    """One bar for each random term, ``||`` and ``/`` taken apart."""
    out = []
    for bar in model.formula.bars:
        for term in split_bar(bar):
            effects, group = _effects(term.effects), _group(term.group)
            out.append(Bar(effects, group, double=False, structure=term.structure))
    return out


def _effects(terms: Terms) -> Node:
    pieces = [_product(t) for t in terms.terms]
    first: Node = Number("1" if terms.intercept else "0")
    return reduce(partial(Binary, "+"), pieces, first)


def _group(group: tuple[str, ...]) -> Node:
    return _product(tuple(Name(g, as_factor=True) for g in group))


def _product(factors: tuple[Node, ...]) -> Node:
    return reduce(partial(Binary, ":"), factors)
