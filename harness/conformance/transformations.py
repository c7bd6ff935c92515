"""The same case in other words: units, order of rows and levels, labels, centring.

A :class:`Twin` holds the transformed case and the way back: what an engine says of the twin, put in
the words of the case. For a correct engine the two fits are then the same. A function returns the
reason as text where the case cannot be transformed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.conformance.once_per_case import once_per_case
from harness.engines.engine import Coefficient, Fit, RandomTerm
from harness.model.case import Case
from harness.model.design import Design, RandomDesign
from harness.model.formula import Name, names_in
from harness.model.model import Model, column_of
from harness.model.structure import STRUCTURES
from harness.model.table import Column, FactorColumn, NumericColumn, Table

Array = NDArray[np.float64]
Moved = Literal["units", "order", "other"]
"""What a relation changes, for the cause when an engine's answer changes with it."""

UNIT = 1024.0
"""A change of units that rounds nothing: kilograms for grams, nearly."""


@dataclass(frozen=True)
class Twin:
    """A case that a correct engine fits equally well.

    Attributes
    ----------
    case : Case
    back : function
        From a fit of ``case`` to the same fit in the words of the original.
    words : str
        What was changed, for a sentence: ``"the outcome in other units"``.
    """

    case: Case
    back: Callable[[Fit], Fit]
    words: str
    moved: Moved = "other"


@once_per_case
def outcome_rescaled(case: Case) -> Twin | str:
    """Take ``y / 1024 + b``: estimates follow, tests do not change."""
    outcome = case.model.formula.outcome
    if not isinstance(outcome, Name):
        return "the outcome is a function of columns"
    if case.model.formula.offsets:
        return "an offset is in the units of the outcome"
    column = column_of(case.table, outcome)
    assert isinstance(column, NumericColumn)
    design, a = case.design, 1.0 / UNIT
    ones = _ones(design)
    spread = float(np.std(design.y))
    b = a * _power_of_two(4.0 * spread) if ones is not None else 0.0
    table = _with(case.table, NumericColumn(column.name, a * column.values + b))
    n, p = design.x.shape
    terms = n - p if case.model.criterion == "REML" else n

    def back(fit: Fit) -> Fit:
        def row(j: int, c: Coefficient) -> Coefficient:
            if j != ones or b == 0.0:
                return _scaled(c, a)
            moved = _scaled(msgspec.structs.replace(c, estimate=c.estimate - b), a)
            return msgspec.structs.replace(moved, statistic=None, p=None)

        return msgspec.structs.replace(
            fit,
            coefficients=tuple(row(j, c) for j, c in enumerate(fit.coefficients)),
            random=tuple(_in_units(term, a) for term in fit.random),
            residual_variance=fit.residual_variance / a**2,
            loglik=None if fit.loglik is None else fit.loglik + terms * math.log(a),
            fitted=tuple((v - b) / a for v in fit.fitted),
            residuals=tuple(v / a for v in fit.residuals),
        )

    words = f"the outcome divided by 1024{', with another origin' if b else ''}"
    return Twin(_twin(case, table=table), back, words, "units")


@once_per_case
def predictor_rescaled(case: Case) -> Twin | str:
    """Take ``1024 x + d``, or without d where the model does not allow another origin."""
    column = _plain_predictor(case.model, case.table)
    if column is None:
        return "no predictor is a plain numeric column"
    spread = float(np.nanstd(column.values))
    if spread == 0.0:
        return f"{column.name} is constant"
    moved = _predictor_moved(case, column, UNIT, UNIT * _power_of_two(spread))
    if not isinstance(moved, Twin):
        return _predictor_moved(case, column, UNIT, 0.0)
    return moved


@once_per_case
def slope_recentred(case: Case) -> Twin | str:
    """Take ``x`` from another origin where its random slope is correlated with the intercept."""
    correlated = {
        atom.name
        for term in case.model.random
        if term.effects.intercept
        for effect in term.effects.terms
        for atom in effect
        if isinstance(atom, Name)
    }
    if not correlated:
        return "no random slope is correlated with an intercept"
    column = _plain_predictor(case.model, case.table, among=correlated)
    if column is None:
        return "the random slope is not that of a plain numeric column"
    mean = float(np.nanmean(column.values))
    spread = float(np.nanstd(column.values))
    # To the mean; from there, where the predictor is centred already, a standard deviation away.
    shift = -mean if abs(mean) > 0.1 * spread else _power_of_two(spread)
    return _predictor_moved(case, column, 1.0, shift)


def _predictor_moved(case: Case, column: NumericColumn, c: float, d: float) -> Twin | str:
    table = _with(case.table, NumericColumn(column.name, c * column.values + d))
    twin = _twin(case, table=table)
    fixed = _change_of_basis(case.design.x, twin.design.x, c, d)
    random = [
        _change_of_basis(before.z, after.z, c, d)
        for before, after in zip(case.design.random, twin.design.random, strict=True)
    ]
    if fixed is None or any(change is None for change in random):
        return f"another origin of {column.name} is another model"
    changes = [change for change in random if change is not None]
    pairs = zip(case.model.random, changes, strict=True)
    if any(not _keeps_structure(term.structure, change) for term, change in pairs):
        return f"in other units of {column.name} the covariance matrix has another structure"
    basis = fixed
    log_volume = float(np.linalg.slogdet(basis)[1]) if case.model.criterion == "REML" else 0.0
    kept = [j for j in range(len(basis)) if np.count_nonzero(basis[j]) == 1 and basis[j, j] != 0.0]

    def back(fit: Fit) -> Fit:
        if len(fit.coefficients) != len(basis) or len(fit.random) != len(changes):
            return fit
        estimates = basis @ np.array([row.estimate for row in fit.coefficients])
        rows = tuple(
            msgspec.structs.replace(
                row,
                estimate=float(estimates[j]),
                se=None if row.se is None or j not in kept else row.se * float(basis[j, j]),
                # The test of an intercept is one of another hypothesis at another origin.
                df=row.df if j in kept else None,
                statistic=row.statistic if j in kept else None,
                p=row.p if j in kept else None,
            )
            for j, row in enumerate(fit.coefficients)
        )
        return msgspec.structs.replace(
            fit,
            coefficients=rows,
            random=tuple(_in_basis(t, m) for t, m in zip(fit.random, changes, strict=True)),
            loglik=None if fit.loglik is None else fit.loglik + log_volume,
        )

    scaled = f"{column.name} times {c:g}" if c != 1.0 else column.name
    words = f"{scaled}{' from another origin' if d else ''}"
    return Twin(twin, back, words, "units")


def _keeps_structure(structure: str, change: Array) -> bool:
    """Whether effects in another basis have a covariance matrix of the same structure."""
    if not structure:
        return True
    diagonal = np.diag(change)
    if np.abs(change - np.diag(diagonal)).max() > 0.0 or not (diagonal > 0.0).all():
        return False
    return not STRUCTURES[structure].one_variance or bool(np.ptp(diagonal) == 0.0)


def _change_of_basis(before: Array, after: Array, c: float, d: float) -> Array | None:
    """Return T with ``after = before T``; None when ``after`` spans another space.

    A column of ``after`` is one of ``before`` as it was, or c times it plus d times another.
    """
    q = before.shape[1]
    basis = np.eye(q)
    for j in range(q):
        if np.array_equal(after[:, j], before[:, j]):
            continue
        basis[j, j] = c
        rest = after[:, j] - c * before[:, j]
        size = float(np.abs(after[:, j]).max())
        if d == 0.0 or float(np.abs(rest).max()) <= 1e-13 * size:
            continue
        apart = [float(np.abs(rest - d * before[:, k]).max()) for k in range(q)]
        partner = int(np.argmin(apart))
        if partner == j or apart[partner] > 1e-12 * size:
            return None
        basis[partner, j] = d
    return basis


def _in_basis(term: RandomTerm, change: Array) -> RandomTerm:
    """Return a term in the effects ``z`` of which it has ``z T``: ``u = T u'``."""
    if not np.isfinite(np.array(term.covariance)).all():
        return term
    covariance = change @ np.array(term.covariance) @ change.T
    factor = None
    if term.factor is not None:
        # T L' is not triangular; its QR factor is, and squares nothing.
        factor = np.asarray(np.linalg.qr((change @ np.array(term.factor)).T, mode="r")).T
    return msgspec.structs.replace(
        term,
        covariance=_rows(covariance),
        factor=None if factor is None else _rows(factor),
        effects=None if term.effects is None else _rows(np.array(term.effects) @ change.T),
    )


@once_per_case
def rows_shuffled(case: Case) -> Twin | str:
    """Put the rows in another order."""
    n = case.table.n_rows
    order = np.random.default_rng(n).permutation(n)
    if n < 3 or np.array_equal(order, np.arange(n)):
        return "too few rows"
    residual = case.model.residual
    if residual is not None and residual.position is None and residual.structure not in ("", "cs"):
        return "the visits of a group are its rows in their order"
    columns: list[Column] = []
    for column in case.table.columns:
        if isinstance(column, NumericColumn):
            columns.append(NumericColumn(column.name, column.values[order]))
        else:
            columns.append(FactorColumn(column.name, column.codes[order], column.levels))
    twin = _twin(case, table=Table(tuple(columns)))
    # Position of each row of the case among the rows of the twin.
    positions = np.argsort(order[twin.design.rows])

    def back(fit: Fit) -> Fit:
        if len(fit.fitted) != len(positions):
            return fit
        return msgspec.structs.replace(
            fit,
            fitted=tuple(np.array(fit.fitted)[positions].tolist()),
            residuals=tuple(np.array(fit.residuals)[positions].tolist()),
        )

    return Twin(twin, back, "the rows in another order", "order")


@once_per_case
def groups_relabelled(case: Case) -> Twin | str:
    """Give groups other labels, which sort the other way round; their order stays."""

    def relabelled(column: FactorColumn) -> FactorColumn:
        count = len(column.levels)
        labels = tuple(f"{_letters(count - 1 - k)} {k}" for k in range(count))
        return FactorColumn(column.name, column.codes, labels)

    return _relevelled(case, relabelled, "the groups with other labels")


@once_per_case
def groups_reordered(case: Case) -> Twin | str:
    """Reverse the levels of the grouping factors, each row in its group as before."""

    def reordered(column: FactorColumn) -> FactorColumn:
        last = len(column.levels) - 1
        codes = np.where(column.missing, column.codes, last - column.codes).astype(np.int32)
        return FactorColumn(column.name, codes, column.levels[::-1])

    return _relevelled(case, reordered, "the groups in reverse order")


def _relevelled(
    case: Case, change: Callable[[FactorColumn], FactorColumn], words: str
) -> Twin | str:
    columns = _group_only(case)
    if not columns:
        return "every grouping factor is also a predictor"
    table = case.table
    for column in columns:
        table = _with(table, change(column))
    twin = _twin(case, table=table)
    names = [
        _labels_of(before, after)
        for before, after in zip(case.design.random, twin.design.random, strict=True)
    ]

    def back(fit: Fit) -> Fit:
        if len(fit.random) != len(names):
            return fit
        return msgspec.structs.replace(
            fit,
            random=tuple(
                _with_levels(term, wanted.levels, known)
                for term, wanted, known in zip(fit.random, case.design.random, names, strict=True)
            ),
        )

    return Twin(twin, back, words, "order")


def _labels_of(before: RandomDesign, after: RandomDesign) -> dict[str, str]:
    """Label of each level of ``after`` in ``before``: both have the same rows."""
    first = {int(code): row for row, code in reversed(list(enumerate(after.codes)))}
    return {
        after.levels[code]: before.levels[int(before.codes[row])] for code, row in first.items()
    }


def _with_levels(term: RandomTerm, levels: Sequence[str], known: Mapping[str, str]) -> RandomTerm:
    """Return a term with its levels named and ordered as in the case."""
    if set(term.levels) != set(known):
        return term
    place = {known[label]: k for k, label in enumerate(term.levels)}
    effects = term.effects
    if effects is not None:
        effects = tuple(effects[place[label]] for label in levels)
    return msgspec.structs.replace(term, levels=tuple(levels), effects=effects)


def _letters(k: int) -> str:
    """``aa``, ``ab``, ...: sorts as the numbers do."""
    return chr(97 + k // 676 % 26) + chr(97 + k // 26 % 26) + chr(97 + k % 26)


def _group_only(case: Case) -> list[FactorColumn]:
    """Return grouping factors whose levels occur in no predictor."""
    formula = case.model.formula
    predictors = {
        _column_name(case.table, n)
        for node in (formula.fixed, *(bar.effects for bar in formula.bars))
        for n in names_in(node)
    }
    groups = dict.fromkeys(
        _column_name(case.table, n) for bar in formula.bars for n in names_in(bar.group)
    )
    columns = (case.table[name] for name in groups if name not in predictors)
    return [column for column in columns if isinstance(column, FactorColumn)]


def _column_name(table: Table, name: Name) -> str:
    return column_of(table, name).name


def _plain_predictor(
    model: Model, table: Table, among: set[str] | None = None
) -> NumericColumn | None:
    """Return the first numeric predictor that is in no function or arithmetic."""
    everywhere = [model.fixed, *(term.effects for term in model.random)]
    atoms = [atom for terms in everywhere for term in terms.terms for atom in term]
    inside = {n.name for a in atoms if not isinstance(a, Name) for n in names_in(a)}
    known = [model.formula.outcome, *model.formula.offsets, model.formula.weights]
    inside |= {n.name for part in known for n in names_in(part)}
    for atom in atoms:
        if isinstance(atom, Name) and atom.name not in inside:
            column = column_of(table, atom)
            if isinstance(column, NumericColumn) and (among is None or atom.name in among):
                return column
    return None


def _ones(design: Design) -> int | None:
    """Return the column of ones of X, if it has one."""
    constant = np.flatnonzero((design.x == 1.0).all(axis=0))
    return int(constant[0]) if len(constant) else None


def _power_of_two(value: float) -> float:
    return 2.0 ** round(math.log2(value)) if value > 0.0 else 1.0


def _scaled(row: Coefficient, a: float) -> Coefficient:
    se = None if row.se is None else row.se / a
    return msgspec.structs.replace(row, estimate=row.estimate / a, se=se)


def _in_units(term: RandomTerm, a: float) -> RandomTerm:
    effects = None if term.effects is None else _rows(np.array(term.effects) / a)
    covariance = _rows(np.array(term.covariance) / a**2)
    return msgspec.structs.replace(term, covariance=covariance, effects=effects)


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _with(table: Table, column: Column) -> Table:
    """Return the table with one column replaced."""
    return Table(tuple(column if c.name == column.name else c for c in table.columns))


def _twin(case: Case, *, table: Table | None = None, model: Model | None = None) -> Case:
    return replace(case, table=table or case.table, model=model or case.model)
