"""The same case as another model: nesting spelled out, a factor of no effect, zero variance.

Functions return a :class:`harness.conformance.transformations.Twin`, or the reason as text where
the case has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.conformance.judged_pair import REFEREE
from harness.conformance.once_per_case import once_per_case
from harness.conformance.transformations import Twin
from harness.engines.engine import Fit
from harness.model.case import Case
from harness.model.formula import Bar, Binary, Formula, Name, Node, Number
from harness.model.model import Criterion, Model, split_bar
from harness.model.table import Column, FactorColumn, NumericColumn, Table
from harness.spelling.lme4_spelling import lme4_formula

Array = NDArray[np.float64]

NULL_ROWS = 400
"""Rows up to which a factor of no effect is added: crossed with others it makes a large block."""


@once_per_case
def nesting_in_full(case: Case) -> Twin | str:
    """Write ``(x | a/b)`` as ``(x | a) + (x | a:b)``."""
    bars: list[Bar] = []
    for bar in case.model.formula.bars:
        groups = dict.fromkeys(term.group for term in split_bar(bar))
        if len(groups) == 1:
            bars.append(bar)
        else:
            bars += [replace(bar, group=_product(group)) for group in groups]
    if len(bars) == len(case.model.formula.bars):
        return "no factor is nested in another by the formula"
    model = _model(case.model, bars)
    # With || the terms come in another order: the effects of one group after those of another.
    order = [model.random.index(term) for term in case.model.random]

    def back(fit: Fit) -> Fit:
        if len(fit.random) != len(order):
            return fit
        return msgspec.structs.replace(fit, random=tuple(fit.random[i] for i in order))

    return Twin(replace(case, model=model), back, "the nested term written as two")


@once_per_case
def nesting_by_labels(case: Case) -> Twin | str:
    """Write ``a:b`` as one factor with a label for each combination."""
    design, table = case.design, case.table
    renamed: dict[str, str] = {}
    bars: list[Bar] = []
    columns: list[Column] = []
    for term, made in zip(case.model.random, design.random, strict=True):
        if len(term.group) == 1:
            continue
        if made.group not in renamed:
            name = new_name(table, "cell", taken=renamed.values())
            renamed[made.group] = name
            codes = np.full(table.n_rows, -1, dtype=np.int32)
            codes[design.rows] = made.codes
            labels = tuple(f"cell {k}" for k in range(len(made.levels)))
            columns.append(FactorColumn(name, codes, labels))
    if not renamed:
        return "no grouping factor is an interaction"
    for bar in case.model.formula.bars:
        for group in dict.fromkeys(term.group for term in split_bar(bar)):
            joined = ":".join(group)
            label = renamed.get(joined)
            node: Node = Name(label, as_factor=True) if label else _product(group)
            bars.append(replace(bar, group=node))
    model = _model(case.model, bars)
    used = {n.name for n in model.names()}
    kept = tuple(c for c in table.columns if c.name in used or c.name.startswith("factor("))
    twin = replace(case, model=model, table=Table((*kept, *columns)))
    if [len(t.levels) for t in twin.design.random] != [len(t.levels) for t in design.random]:
        return "the terms of the model come in another order"

    def back(fit: Fit) -> Fit:
        if len(fit.random) != len(design.random):
            return fit
        return msgspec.structs.replace(
            fit,
            random=tuple(
                msgspec.structs.replace(term, group=made.group, levels=made.levels)
                for term, made in zip(fit.random, design.random, strict=True)
            ),
        )

    return Twin(twin, back, "each combination of the nested factors with a label of its own")


@once_per_case
def null_factor_added(case: Case) -> Twin | str:
    """Add ``(1 | null)`` for a factor whose variance is zero at the best point.

    Pairs of rows with the largest and the smallest residual, within each group where one grouping
    factor contains all others: sums of residuals over a level are then near zero, and the
    likelihood falls when the variance grows.
    """
    design = case.design
    if not design.random:
        return "it has no random effects"
    if len(design.y) > NULL_ROWS:
        return f"more than {NULL_ROWS} rows"
    best = REFEREE.fit(case, "default")
    if not isinstance(best, Fit):
        return f"the referee does not evaluate it: {best.text}"
    top = min(design.random, key=lambda t: len(t.levels))
    nested = all(
        len(np.unique(np.column_stack([t.codes, top.codes]), axis=0)) == len(t.levels)
        for t in design.random
    )
    within = top.codes if nested else np.zeros(len(design.y), dtype=np.int32)
    dealt = _dealt(np.array(best.residuals), within)
    if len(np.unique(dealt)) in (1, len(design.y)):
        return "no group has two rows"
    codes = np.full(case.table.n_rows, -1, dtype=np.int32)
    codes[design.rows] = dealt
    name = new_name(case.table, "null")
    labels = tuple(f"n{k}" for k in range(int(dealt.max()) + 1))
    bar = Bar(Number("1"), Name(name, as_factor=True), double=False)
    model = _model(case.model, [*case.model.formula.bars, bar])
    table = Table((*case.table.columns, FactorColumn(name, codes, labels)))
    twin = replace(case, model=model, table=table)
    again = REFEREE.fit(twin, "default")
    if not isinstance(again, Fit) or again.random[-1].covariance[0][0] > 0.0:
        return "no factor of zero variance was found"

    def back(fit: Fit) -> Fit:
        if len(fit.random) != len(design.random) + 1:
            return fit
        return msgspec.structs.replace(fit, random=fit.random[:-1])

    return Twin(twin, back, "a grouping factor added that has zero variance")


def _dealt(residuals: Array, within: NDArray[np.int32]) -> NDArray[np.int32]:
    """Level of each row: within each group the largest residual with the smallest, and so on."""
    out = np.empty(len(residuals), dtype=np.int32)
    used = 0
    for group in np.unique(within):
        rows = np.flatnonzero(within == group)
        rows = rows[np.argsort(residuals[rows], kind="stable")]
        for k, row in enumerate(rows):
            out[row] = used + min(k, len(rows) - 1 - k)
        used += (len(rows) + 1) // 2
    return out


@dataclass(frozen=True)
class Flat:
    """A case whose best point has no variance but the residual's, and its least-squares answer.

    Attributes
    ----------
    beta : (p,) array
    sigma2 : float
        Residual variance by the criterion's divisor.
    covariance : (p, p) array
        Of ``beta``.
    df : int
        Divisor of the residual variance: n - p by REML, n by ML.
    fitted : (n,) array
    """

    case: Case
    beta: Array
    sigma2: float
    covariance: Array
    df: int
    fitted: Array


@once_per_case
def without_variance(case: Case) -> Flat | str:
    """Take all that the random effects could fit out of the residuals of the outcome.

    The residuals that are left are orthogonal to X and to every column of Z, so that zero
    variances satisfy the first-order conditions, and mixed model and least squares are one.
    """
    if own_residuals(case) or not isinstance(case.model.formula.outcome, Name):
        return "the outcome is a function of columns, or its residuals are not alike"
    design = case.design
    n, p = design.x.shape
    blocks = [design.x]
    for term in design.random:
        if term.width >= n:
            return "there are as many random effects as rows"
        blocks.append(term.columns(term.z))
    left, sizes, _ = np.linalg.svd(np.column_stack(blocks), full_matrices=False)
    left = left[:, sizes > 1e-10 * sizes[0]]
    if left.shape[1] >= n:
        return "the random effects fit every row"
    if left.shape[1] > 500:
        return "more than 500 columns of fixed and random effects"
    residuals = design.y - left @ (left.T @ design.y)
    spread = float(np.std(design.y))
    if not float(np.abs(residuals).max()) > 1e-6 * spread:
        return "the random effects fit every row"
    q, r = np.linalg.qr(design.x)
    y = q @ (q.T @ design.y) + residuals
    column = case.table[case.model.formula.outcome.name]
    assert isinstance(column, NumericColumn)
    values = column.values.copy()
    values[design.rows] = y
    table = Table(
        tuple(
            NumericColumn(c.name, values) if c.name == column.name else c
            for c in case.table.columns
        )
    )
    flat = replace(case, table=table)
    best = REFEREE.fit(flat, "default")
    if not isinstance(best, Fit):
        return f"the referee does not evaluate it: {best.text}"
    if any(np.abs(np.array(t.covariance)).max() > 0.0 for t in best.random):
        return "the best point has a variance that is not zero"
    df = n - p if case.model.criterion == "REML" else n
    coordinates = q.T @ y
    fitted = q @ coordinates
    beta = np.linalg.solve(r, coordinates)
    sigma2 = float(((y - fitted) ** 2).sum()) / df
    inverse = np.linalg.inv(r)
    return Flat(flat, beta, sigma2, sigma2 * inverse @ inverse.T, df, fitted)


@once_per_case
def by_other_criterion(case: Case) -> Case:
    """Put REML for ML and the other way round."""
    other: Criterion = "ML" if case.model.criterion == "REML" else "REML"
    return replace(case, model=replace(case.model, criterion=other))


@once_per_case
def with_constant_twice(case: Case) -> Case | str:
    """Add a predictor that is 1 in every row, beside the intercept."""
    formula = case.model.formula
    if not case.model.fixed.intercept:
        return "the model has no intercept"
    name = new_name(case.table, "one")
    fixed: Node = Name(name)
    if formula.fixed is not None:
        fixed = Binary("+", formula.fixed, fixed)
    model = written(replace(case.model, formula=replace(formula, fixed=fixed)))
    ones = NumericColumn(name, np.ones(case.table.n_rows))
    return replace(case, model=model, table=Table((*case.table.columns, ones)))


def _model(model: Model, bars: Sequence[Bar]) -> Model:
    return written(replace(model, formula=replace(model.formula, bars=tuple(bars))))


def written(model: Model) -> Model:
    """Return the model with its text as its parts say."""
    formula: Formula = replace(model.formula, text=lme4_formula(model))
    return replace(model, formula=formula)


def _product(group: tuple[str, ...]) -> Node:
    names: list[Node] = [Name(g, as_factor=True) for g in group]
    return reduce(partial(Binary, ":"), names)


def own_residuals(case: Case) -> bool:
    """Whether residuals have weights or a covariance, and not independence with one variance."""
    return case.model.residual is not None or case.model.formula.weights is not None


def new_name(table: Table, name: str, taken: Iterable[str] = ()) -> str:
    """Return a name that no column has."""
    used = {*table.names, *taken}
    while name in used:
        name += "_"
    return name
