"""A case as it is sent to an engine in another process, under names that mean the same anywhere.

Columns are called ``v1``, ``v2``, ... (:attr:`harness.model.table.Table.alias`), in the table, in
the formula and in the names of the design: a column called ``C``, ``x y`` or ``I`` is a word of
some formula language. Labels of levels stay as they are.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Setting
from harness.engines.protocol import (
    Cell,
    Factor,
    FitRequest,
    Numbers,
    SentDesign,
    SentDesignTerm,
    SentModel,
    SentResidual,
    SentTable,
    SentTerm,
    Started,
)
from harness.model.case import Case
from harness.model.expression_text import render_name
from harness.model.model import parse_model
from harness.model.table import FactorColumn, NumericColumn, Table
from harness.spelling.lme4_spelling import lme4_formula


def sent_case(case: Case, rows: str) -> Case:
    """Return the case under alias names, with the rows that are sent.

    Its design has the columns and terms of the case's own, in the same order, under other names.

    Parameters
    ----------
    rows : {"complete", "all"}
    """
    written = case.in_columns
    table = written.table
    residual = written.model.residual
    model = parse_model(
        lme4_formula(written.model, table.alias),
        case.model.criterion,
        "" if residual is None else residual.text(table.alias),
    )
    if rows == "complete":
        table = _without_unused_levels(table.rows(table.complete))
    alias = written.table.alias
    columns = tuple(replace(column, name=alias[column.name]) for column in table.columns)
    return Case(case.id, model, replace(table, columns=columns))


def fit_request(sent: Case, setting: Setting, number: int, program: Started) -> FitRequest:
    """Return the message that asks for a fit of what :func:`sent_case` returned."""
    design = sent.design
    return FitRequest(
        id=number,
        setting=setting if setting in program.settings else "default",
        criterion=sent.model.criterion,
        table=SentTable(sent.table.n_rows, tuple(map(_column, sent.table.columns))),
        formula=lme4_formula(sent.model.without_weights),
        weights=None if sent.model.formula.weights is None else sent.model.formula.weights.name,
        model=SentModel(
            outcome=render_name(sent.model.formula.outcome),
            intercept=sent.model.fixed.intercept,
            fixed=design.x_names,
            random=tuple(
                SentTerm(term.group, model_term.group, term.names, term.structure)
                for term, model_term in zip(design.random, sent.model.random, strict=True)
            ),
            residual=_residual(sent),
        ),
        design=None
        if "design" not in program.wants
        else SentDesign(
            y=tuple(design.y.tolist()),
            x=_columns(design.x),
            random=tuple(
                SentDesignTerm(_columns(term.z), tuple(term.codes.tolist()), term.levels)
                for term in design.random
            ),
        ),
    )


def _residual(sent: Case) -> SentResidual | None:
    own = sent.design.residual
    if own is None or sent.model.residual is None:
        return None
    return SentResidual(
        structure=own.structure,
        text=sent.model.residual.text(),
        group=tuple(own.group.tolist()),
        position=tuple(own.position.tolist()),
        strata=tuple(tuple(codes.tolist()) for codes in own.strata),
        parameters=own.names,
    )


def _without_unused_levels(table: Table) -> Table:
    columns: list[NumericColumn | FactorColumn] = []
    for column in table.columns:
        if isinstance(column, FactorColumn):
            present, codes = np.unique(column.codes, return_inverse=True)
            levels = tuple(column.levels[k] for k in present)
            columns.append(replace(column, codes=codes.astype(np.int32), levels=levels))
        else:
            columns.append(column)
    return replace(table, columns=tuple(columns))


def _column(column: NumericColumn | FactorColumn) -> Numbers | Factor:
    if isinstance(column, FactorColumn):
        return Factor(column.name, column.levels, tuple(column.codes.tolist()))
    values: tuple[Cell, ...] = tuple(column.values.tolist())
    if column.missing.any():
        values = tuple(None if v is None or math.isnan(v) else v for v in values)
    return Numbers(column.name, values)


def _columns(matrix: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.T.tolist()))
