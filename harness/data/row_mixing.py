"""Values of the rows of a group mixed with each other, so that a linear mixed model sees no change.

The likelihood depends on the data by sums of products within groups only. An orthogonal matrix that
leaves the vector of ones where it is, applied to outcome and predictors of the rows that have the
same level of every factor, keeps all of these sums, and with them estimates, standard errors,
degrees of freedom and the way of every optimizer; hardly a value stays what it was.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from harness.model.case import Case
from harness.model.formula import Name, Node, names_in
from harness.model.model import Model
from harness.model.table import FactorColumn, NumericColumn, are_codes

Array = NDArray[np.float64]

FEWEST = 3
"""Two rows can only be exchanged."""

MOST = 50
"""Rows mixed at a time."""


def mixed_rows(case: Case, chance: random.Random) -> dict[str, Array]:
    """Return the values of the columns that can be mixed, by name; ``chance`` draws the matrices.

    Those inside functions or products of predictors cannot be, nor codes, nor anything where the
    outcome is an expression. Rows that are left out of the fit get numbers drawn anew.
    """
    table, pinned = case.table, _pinned(case)
    columns = [c for c in table.columns if isinstance(c, NumericColumn) and c.name not in pinned]
    if not any(Name(c.name) == case.model.formula.outcome for c in columns):
        return {}
    draw = np.random.default_rng(chance.getrandbits(64))
    used = table.complete
    values = np.column_stack([c.values for c in columns])
    for block in _blocks(case, pinned):
        if len(block) >= FEWEST:
            values[block] = _matrix(len(block), draw) @ values[block]
    for j, column in enumerate(columns):
        known = column.values[used]
        drawn = known.mean() + known.std() * draw.standard_normal(table.n_rows)
        values[:, j] = np.where(used | column.missing, values[:, j], drawn)
    return {c.name: np.ascontiguousarray(values[:, j]) for j, c in enumerate(columns)}


def _pinned(case: Case) -> set[str]:
    """Return the numeric columns whose values have to stay: the model is not linear in them."""
    numeric = {c.name: c for c in case.table.columns if isinstance(c, NumericColumn)}
    pinned = {name for name, c in numeric.items() if are_codes(c.values[~c.missing])}
    terms = _terms(case.model)
    for atom in (atom for term in terms for atom in term if not isinstance(atom, Name)):
        pinned |= {n.name for n in names_in(atom)}
    for term in terms:
        free = {a.name for a in term if isinstance(a, Name) and not a.as_factor} & set(numeric)
        if len(free - pinned) > 1:
            pinned |= free
    return pinned


def _terms(model: Model) -> list[tuple[Node, ...]]:
    every = [model.fixed, *(term.effects for term in model.random)]
    return [tuple(term) for terms in every for term in terms.terms]


def _blocks(case: Case, pinned: set[str]) -> list[NDArray[np.intp]]:
    """Return the complete rows that are alike in all factors and pinned columns, by at most 50."""
    rows = np.flatnonzero(case.table.complete)
    alike = [
        (c.codes if isinstance(c, FactorColumn) else np.unique(c.values, return_inverse=True)[1])
        for c in case.table.columns
        if isinstance(c, FactorColumn) or c.name in pinned
    ]
    if not alike:
        return list(np.array_split(rows, len(rows) // MOST + 1))
    keys = np.column_stack(alike)[rows]
    block = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(block, kind="stable")
    cuts = np.flatnonzero(np.diff(block[order])) + 1
    groups = np.split(rows[order], cuts)
    return [part for group in groups for part in np.array_split(group, len(group) // MOST + 1)]


def _matrix(m: int, draw: np.random.Generator) -> Array:
    """Return an orthogonal matrix that keeps the vector of ones."""
    ones = np.full((m, 1), m**-0.5)
    basis = np.linalg.qr(np.column_stack([ones, np.eye(m)[:, 1:]]))[0][:, 1:]
    turned = np.linalg.qr(draw.standard_normal((m - 1, m - 1)))[0]
    return np.asarray(ones @ ones.T + basis @ turned @ basis.T)
