"""Anyone's table and formula as a rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.expression_text import render_name
from harness.model.formula import names_in
from harness.model.model import Criterion, Model, bind, column_of, parse_model
from harness.model.table import FactorColumn, Table
from harness.spelling.lme4_spelling import lme4_formula


def own_rung(
    name: str,
    dataset: Dataset,
    formula: str,
    criterion: Criterion,
    *,
    factors: Sequence[str] = (),
    levels: Mapping[str, tuple[str, ...]] | None = None,
    residual: str = "",
    title: str = "",
    group: str = "",
) -> Rung:
    """Bind a formula to a table; what cannot be fitted at all is refused.

    Parameters
    ----------
    name : str
        Id of the case.
    residual : str
        Residual covariance, see :func:`harness.model.residual.parse_residual`; empty for none.
    factors, levels
        See :func:`harness.model.table.table_from_frame`; only columns of the formula.

    Raises
    ------
    BadInput
        For a formula, column or level that cannot be used, or no row left for a residual variance.
    """
    levels = levels or {}
    model = parse_model(formula, criterion, residual)
    used = {found.name for found in model.names()}
    for column in [*factors, *levels]:
        if column not in used:
            raise BadInput(f"column {column!r} is not in the formula")
    table = bind(model, dataset.frame, factors=factors, levels=levels)
    case = _plain(Case(name, model, table))
    model = case.model
    rows, columns = case.design.x.shape
    if rows <= columns:
        counts = f"{rows} complete row{'s' if rows != 1 else ''} for {columns} fixed effects"
        text = _most_levels(model, table)
        raise BadInput(f"{counts}: nothing is left for a residual variance{text}")
    names = case.design.x_names
    focus = names[1] if len(names) > 1 and names[0] == "Intercept" else names[0]
    notes = (no_bar(model),) if model.criterion == "OLS" else ()
    return Rung(case, title or name, group, focus, dataset, notes=notes)


def frame_rung(
    frame: pd.DataFrame,
    formula: str,
    criterion: Criterion,
    *,
    factors: str | Sequence[str] = (),
    levels: Mapping[str, Sequence[object]] | None = None,
    residual: str = "",
) -> Rung:
    """Bind a formula to a data frame of somebody's session, see :func:`own_rung`."""
    return own_rung(
        "data",
        Dataset("data", frame, "a data frame"),
        formula,
        criterion,
        factors=[factors] if isinstance(factors, str) else factors,
        levels={column: tuple(map(str, order)) for column, order in (levels or {}).items()},
        residual=residual,
    )


def _plain(case: Case) -> Case:
    """Write ``diag(1 + x | g)`` as every program can, ``(1 + x || g)``, where that is the same.

    It is not of a factor, whose levels ``||`` leaves together.
    """
    model = case.model
    if {term.structure for term in model.random} <= {"", "diag"} and model.structured is not None:
        whole = [t.effects.intercept + len(t.effects.terms) for t in model.random]
        if whole == [len(term.names) for term in case.design.random]:
            bars = tuple(
                replace(bar, double=True, structure="") if bar.structure else bar
                for bar in model.formula.bars
            )
            model = replace(model, formula=replace(model.formula, bars=bars))
            residual = "" if model.residual is None else model.residual.text()
            bare = replace(model, residual=None)
            return replace(case, model=parse_model(lme4_formula(bare), model.criterion, residual))
    return case


def no_bar(model: Model) -> str:
    """Say of a formula without random terms what would make one."""
    pairs = [term for term in model.fixed.terms if len(term) == 2]
    text = "The formula has no random term, so this is ordinary least squares."
    if not pairs:
        return f"{text} A random term has a bar, as in (1 | group)."
    one, two = (render_name(part) for part in pairs[0])
    return f"{text} {one}:{two} is an interaction; a random term has a bar, ({one} | {two})."


def _most_levels(model: Model, table: Table) -> str:
    """Name the factor that makes the most columns: often dates, or numbers with units."""
    names = {column_of(table, node).name for node in names_in(model.formula.fixed)}
    found = [table[name] for name in names]
    factors = [c for c in found if isinstance(c, FactorColumn)]
    if not factors:
        return ""
    most = max(factors, key=lambda c: len(c.levels))
    return (
        f"; {most.name!r} is a factor with {len(most.levels)} levels such as {most.levels[0]!r} "
        "(a date or a number with text in it has to be made a number first)"
    )
