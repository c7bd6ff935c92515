"""Design matrices of a case: y, X, and per random-effects term Z with its grouping factor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import formulaic
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.model.arithmetic import columns, number
from harness.model.coding import coding_columns
from harness.model.expression_text import render_name
from harness.model.formula import Call, Name
from harness.model.functions import FUNCTIONS
from harness.model.group_levels import grouping
from harness.model.model import Model, column_of
from harness.model.residual_design import ResidualDesign, build_residual
from harness.model.structure import require_effects
from harness.model.table import FactorColumn, Table
from harness.model.terms import Atom, Terms

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RandomDesign:
    """One random-effects term on the rows used.

    Attributes
    ----------
    group : str
        Grouping factor, ``"batch:cask"`` for an interaction of factors.
    names : tuple of str, length q
        Effects, ``("Intercept", "Days")``.
    z : (n, q) array
        Their values.
    codes : (n,) int32 array
        Index into ``levels`` of each row's group.
    levels : tuple of str, length k
        Levels that occur in the rows used, in the factor's order.
    structure : str
        Of the covariance matrix, a key of :data:`harness.model.structure.STRUCTURES`; empty where
        that is any.
    """

    group: str
    names: tuple[str, ...]
    z: Array
    codes: NDArray[np.int32]
    levels: tuple[str, ...]
    structure: str = ""

    @property
    def width(self) -> int:
        """How many random effects it has: for each level q."""
        return len(self.levels) * len(self.names)

    def columns(self, values: Array) -> Array:
        """Return (n, k c) columns with the c values of a row in those of its level, else zero."""
        out = np.zeros((len(self.codes), len(self.levels), values.shape[1]))
        out[np.arange(len(self.codes)), self.codes] = values
        return out.reshape(len(self.codes), -1)


@dataclass(frozen=True, eq=False)
class Design:
    """What the likelihood of a case depends on.

    Attributes
    ----------
    y : (n,) array
        The outcome, less the offset where there is one: fitted values are compared without it.
    x : (n, p) array
        Fixed-effects columns, treatment coding where the formula names no other, column names in
        ``x_names``.
    random : tuple of RandomDesign
        Terms in the order of the formula, ``||`` and ``/`` already taken apart.
    rows : (n,) int array
        Which rows of the table are used.
    residual : ResidualDesign or None
        Covariance of the residuals; None where they are independent with one variance.
    weights : (n,) array or None
        The residual variance of a row is s2 / w.
    offset : (n,) array or None
    """

    y: Array
    x: Array
    x_names: tuple[str, ...]
    random: tuple[RandomDesign, ...]
    rows: NDArray[np.intp]
    residual: ResidualDesign | None = None
    weights: Array | None = None
    offset: Array | None = None

    @property
    def width(self) -> int:
        """How many random effects there are."""
        return sum(term.width for term in self.random)

    def whitened(self) -> Design:
        """Return the design with rows times the roots of their weights, whose residuals are alike.

        Its log-likelihood is less than that of this one by half the sum of log w.
        """
        if self.weights is None:
            return self
        root = np.sqrt(self.weights)
        random = tuple(replace(term, z=term.z * root[:, None]) for term in self.random)
        return replace(self, y=self.y * root, x=self.x * root[:, None], random=random, weights=None)


def build_design(model: Model, table: Table) -> Design:
    """Evaluate a model on the complete rows of its table.

    Factors get treatment coding with the first level as reference, as in R, or the coding that the
    formula names; formulaic decides which factor of an interaction needs its full set of
    indicators. Checked against ``lme4::lFormula``.

    Raises
    ------
    BadInput
        For arithmetic that gives a non-finite value, a factor used in arithmetic, or a function
        that has no columns of these values.
    """
    rows = np.flatnonzero(table.complete)
    used = table.rows(table.complete)
    y = number(model.formula.outcome, table, "the outcome")
    names, x = _matrix(model.fixed, table)
    random = []
    for term in model.random:
        effects, z = _matrix(term.effects, table)
        codes, levels = grouping(term.group, used)
        require_effects(term.structure, effects)
        group = ":".join(term.group)
        random.append(RandomDesign(group, effects, z, codes, levels, term.structure))
    formula = model.formula
    offset = weights = None
    if formula.offsets:
        offset = np.sum([number(n, table, "the offset") for n in formula.offsets], axis=0)
        y = y - offset
    if formula.weights is not None:
        weights = number(formula.weights, table, "the weight")
    residual = None if model.residual is None else build_residual(model.residual, used)
    return Design(y, x, names, tuple(random), rows, residual, weights, offset)


@dataclass(frozen=True)
class _Levels:
    """A factor in the complete rows: which level each row has, and its columns."""

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    coded: Array

    def values(self, which: str, k: int) -> Array:
        """Return column k of its coding, or the indicator of level k."""
        matrix = self.coded[:, k - 1] if which else np.eye(len(self.coded))[:, k]
        return np.asarray(matrix[self.codes])

    def suffix(self, which: str, k: int) -> str:
        """Name the same column."""
        return self.names[len(self.coded) + k - 1 if which else k]


def _matrix(terms: Terms, table: Table) -> tuple[tuple[str, ...], Array]:
    """Columns of a linear predictor and their names, ``f[T.b]:x``."""
    atoms = list(dict.fromkeys(atom for term in terms.terms for atom in term))
    parts: dict[Atom, list[str]] = {}
    values: dict[str, Array | _Levels] = {}
    labels: dict[str, str] = {}
    for atom in atoms:
        found = _columns_of(atom, table)
        parts[atom] = [f"a{len(values) + i}" for i in range(len(found))]
        for short, (label, column) in zip(parts[atom], found, strict=True):
            values[short], labels[short] = column, label
    wanted = [
        tuple(choice[::-1])
        for term in terms.terms
        # The columns of the first variable run fastest, as in R.
        for choice in product(*(parts[atom] for atom in reversed(term)))
    ]
    levels = {short: len(v.coded) for short, v in values.items() if isinstance(v, _Levels)}
    text = " + ".join(["1" if terms.intercept else "0", *map(":".join, wanted)])
    coded = _coded(text, tuple(levels.items())) if levels else None
    names, matrix = [], []
    for made in _plain(terms, wanted) if coded is None else coded:
        name, value = [], np.ones(int(table.complete.sum()))
        for short, which, k in made:
            part = values[short]
            if isinstance(part, _Levels):
                name.append(labels[short] + part.suffix(which, k))
                value = value * part.values(which, k)
            else:
                name.append(labels[short])
                value = value * part
        names.append(":".join(name) or "Intercept")
        matrix.append(value)
    if not matrix:
        return (), np.empty((int(table.complete.sum()), 0))
    return tuple(names), np.column_stack(matrix)


def _columns_of(atom: Atom, table: Table) -> list[tuple[str, Array | _Levels]]:
    """Return the columns of a variable, each with its name; a factor is one of them."""
    label = render_name(atom)
    if isinstance(atom, Name):
        column = column_of(table, atom)
        if isinstance(column, FactorColumn):
            # Levels without a row are dropped, as lm and lmer do.
            present, codes = np.unique(column.codes[table.complete], return_inverse=True)
            levels = tuple(column.levels[k] for k in present)
            suffixes, coded = coding_columns(atom.coding, atom.name, levels)
            names = (*(f"[{level}]" for level in levels), *suffixes)
            return [(label, _Levels(codes, names, coded))]
    if isinstance(atom, Call) and FUNCTIONS[atom.function].several:
        found = columns(atom, table)
        if found.shape[1] > 1:
            return [(f"{label}{i}", column) for i, column in enumerate(found.T, 1)]
        return [(label, found[:, 0])]
    return [(label, number(atom, table, label))]


_Column = tuple[tuple[str, str, int], ...]
"""A column of a matrix: per variable its alias, ``"T."`` for a column of its coding or ``""`` for
the indicator of a level, and which; the empty tuple is the intercept."""


def _plain(terms: Terms, wanted: Sequence[tuple[str, ...]]) -> list[_Column]:
    """Products of numbers: without factors there is no coding to decide."""
    return [*([()] if terms.intercept else []), *(tuple((a, "", 0) for a in t) for t in wanted)]


@lru_cache(maxsize=1024)
def _coded(text: str, levels: tuple[tuple[str, int], ...]) -> tuple[_Column, ...]:
    """Have formulaic decide which factor of a term has a coding and which its indicators.

    That depends on the formula and on the numbers of levels alone.
    """
    counts: Mapping[str, int] = dict(levels)
    frame = pd.DataFrame(
        {
            name: pd.Categorical.from_codes([0], categories=list(range(counts[name])))
            if name in counts
            else np.ones(1)
            for name in sorted(set(re.findall(r"a\d+", text)))
        }
    )
    matrix = formulaic.Formula(text).get_model_matrix(frame, ensure_full_rank=True)
    return tuple(
        tuple((a, which, int(k or 0)) for a, which, k in _PIECE.findall(str(name)))
        for name in matrix.columns
    )


_PIECE = re.compile(r"(a\d+)(?:\[(T\.)?(\d+)\])?")
