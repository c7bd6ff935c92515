"""A model in the columns of its design, for programs without its functions or codings.

``y ~ poly(x, 2) + C(f, contr.sum) + (1 | g)`` is ``y ~ c1 + c2 + c3 + c4 + (1 | g)`` when the
columns are there. The design is the same, number for number and in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.model.formula import Bar, Binary, Call, Formula, Name, Node, Number, names_in, nodes_in
from harness.model.functions import FUNCTIONS
from harness.model.model import Model, RandomTerm, column_of
from harness.model.table import Column, FactorColumn, NumericColumn, Table

Array = NDArray[np.float64]


def has_own_columns(model: Model) -> bool:
    """Whether a model has functions of whole columns, codings or an offset.

    Of functions programs have other versions under the same names, or none. An offset is taken
    from the outcome, which is the same model.
    """
    return bool(model.formula.offsets) or any(
        (isinstance(node, Call) and FUNCTIONS[node.function].of_data)
        or (isinstance(node, Name) and node.coding is not None)
        for part in model.parts()
        for node in nodes_in(part)
    )


def in_columns(model: Model, table: Table, design: Design) -> tuple[Model, Table]:
    """Return the model of a table that has the columns of the design, and that table."""
    made = _Columns(table, design)
    weights = model.formula.weights
    if weights is not None:
        made.keep(column_of(table, weights))
    outcome = model.formula.outcome
    if model.formula.offsets:
        outcome = made.node("outcome less offset", design.y)
    elif any(isinstance(n, Call) and FUNCTIONS[n.function].of_data for n in nodes_in(outcome)):
        outcome = made.node("outcome", design.y)
    else:
        for name in names_in(outcome):
            made.keep(column_of(table, name))
    fixed = _sum(made, model.fixed.intercept, design.x_names, design.x)
    bars = []
    for term, own in zip(model.random, design.random, strict=True):
        effects = _levels(made, term)
        if effects is None:
            effects = _sum(made, term.effects.intercept, own.names, own.z)
        groups: list[Node] = []
        for group in term.group:
            name = Name(group, as_factor=True)
            made.keep(column_of(table, name))
            groups.append(name)
        group_node = reduce(lambda a, b: Binary(":", a, b), groups)
        bars.append(Bar(effects, group_node, double=False, structure=term.structure))
    if model.residual is not None:
        for name in model.residual.names():
            made.keep(column_of(table, name))
    written = Formula(model.formula.text, outcome, fixed, tuple(bars), (), weights)
    return Model(written, model.criterion, model.residual), replace(
        table, columns=tuple(made.columns)
    )


def _levels(made: _Columns, term: RandomTerm) -> Node | None:
    """Write ``0 + f`` of an autoregression as it is; None where it is something else.

    glmmTMB takes the levels of one factor for visits, and no columns.
    """
    if (
        term.structure not in ("ar1", "hetar1")
        or term.effects.intercept
        or len(term.effects.terms) != 1
    ):
        return None
    match term.effects.terms[0]:
        case (Name(coding=None) as name,):
            column = column_of(made.table, name)
            if isinstance(column, FactorColumn):
                made.keep(column)
                return Binary("+", Number("0"), name)
    return None


class _Columns:
    """Columns of a table as they are added."""

    def __init__(self, table: Table, design: Design) -> None:
        self.table, self.design = table, design
        self.taken = set(table.names)
        self.columns: list[Column] = []
        self._known: list[tuple[str, str, Array]] = []

    def keep(self, column: Column) -> None:
        if column.name not in {c.name for c in self.columns}:
            self.columns.append(column)

    def node(self, label: str, values: Array) -> Name:
        """Return the name of a column with these values in the complete rows."""
        if label in self.table.names:
            own = self.table[label]
            if isinstance(own, NumericColumn) and np.array_equal(
                own.values[self.design.rows], values
            ):
                self.keep(own)
                return Name(label)
        for known, name, same in self._known:
            if known == label and np.array_equal(same, values):
                return Name(name)
        name = label
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        everywhere = np.full(self.table.n_rows, np.nan)
        everywhere[self.design.rows] = values
        self.columns.append(NumericColumn(name, everywhere))
        self._known.append((label, name, values))
        return Name(name)


def _sum(made: _Columns, intercept: bool, names: tuple[str, ...], values: Array) -> Node:
    """Write columns as a sum; the first is the intercept where there is one."""
    start: Node = Number("1" if intercept else "0")
    rest: Iterator[Node] = (
        made.node(name, column)
        for name, column in zip(names[intercept:], values.T[intercept:], strict=True)
    )
    return reduce(lambda a, b: Binary("+", a, b), rest, start)
