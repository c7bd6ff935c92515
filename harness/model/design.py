"""Design matrices of a case: y, X, and per random-effects term Z with its grouping factor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import formulaic
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.model.expression_text import render_name
from harness.model.formula import Binary, Call, Name, Node, Number, Unary
from harness.model.group_levels import grouping
from harness.model.model import Model, column_of
from harness.model.residual_design import ResidualDesign, build_residual
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
    """

    group: str
    names: tuple[str, ...]
    z: Array
    codes: NDArray[np.int32]
    levels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Design:
    """What the likelihood of a case depends on.

    Attributes
    ----------
    y : (n,) array
    x : (n, p) array
        Fixed-effects columns, treatment coding, column names in ``x_names``.
    random : tuple of RandomDesign
        Terms in the order of the formula, ``||`` and ``/`` already taken apart.
    rows : (n,) int array
        Which rows of the table are used.
    residual : ResidualDesign or None
        Covariance of the residuals; None where they are independent with one variance.
    """

    y: Array
    x: Array
    x_names: tuple[str, ...]
    random: tuple[RandomDesign, ...]
    rows: NDArray[np.intp]
    residual: ResidualDesign | None = None


def build_design(model: Model, table: Table) -> Design:
    """Evaluate a model on the complete rows of its table.

    Factors get treatment coding with the first level as reference, as in R; formulaic decides which
    factor of an interaction needs its full set of indicators. Checked against ``lme4::lFormula``.

    Raises
    ------
    BadInput
        For arithmetic that gives a non-finite value, or a factor used in arithmetic.
    """
    rows = np.flatnonzero(table.complete)
    used = table.rows(table.complete)
    y = _number(model.formula.outcome, used, "the outcome")
    names, x = _matrix(model.fixed, used)
    random = []
    for term in model.random:
        effects, z = _matrix(term.effects, used)
        codes, levels = grouping(term.group, used)
        random.append(RandomDesign(":".join(term.group), effects, z, codes, levels))
    residual = None if model.residual is None else build_residual(model.residual, used)
    return Design(y, x, names, tuple(random), rows, residual)


def _matrix(terms: Terms, table: Table) -> tuple[tuple[str, ...], Array]:
    """Columns of a linear predictor and their names, ``f[T.b]:x``."""
    atoms = list(dict.fromkeys(atom for term in terms.terms for atom in term))
    alias = {atom: f"a{i}" for i, atom in enumerate(atoms)}
    columns: dict[str, Array | pd.Categorical] = {}
    labels: dict[str, tuple[str, tuple[str, ...]]] = {}
    for atom, short in alias.items():
        if isinstance(atom, Name):
            column = column_of(table, atom)
            if isinstance(column, FactorColumn):
                # Levels without a row are dropped, as lm and lmer do.
                present, codes = np.unique(column.codes, return_inverse=True)
                columns[short] = pd.Categorical.from_codes(
                    codes, categories=list(range(len(present)))
                )
                labels[short] = (atom.name, tuple(column.levels[k] for k in present))
                continue
        columns[short] = _number(atom, table, render_name(atom))
        labels[short] = (render_name(atom), ())
    if not any(levels for _, levels in labels.values()):
        return _numeric_matrix(terms, table, {a: columns[s] for a, s in alias.items()})
    formula = [":".join(alias[atom] for atom in term) for term in terms.terms]
    text = " + ".join(["1" if terms.intercept else "0", *formula])
    frame = pd.DataFrame(columns, index=range(table.n_rows))
    matrix = _parsed(text).get_model_matrix(frame, ensure_full_rank=True)
    names = tuple(_display(str(name), labels) for name in matrix.columns)
    return names, np.ascontiguousarray(matrix.to_numpy(dtype=np.float64))


@lru_cache(maxsize=256)
def _parsed(text: str) -> formulaic.Formula:
    """Read a formula; with aliases for variables, those of most models are few."""
    return formulaic.Formula(text)


def _numeric_matrix(
    terms: Terms, table: Table, values: Mapping[Atom, Array | pd.Categorical]
) -> tuple[tuple[str, ...], Array]:
    """Products of numbers: without factors there is no coding to decide."""
    names = ["Intercept"] if terms.intercept else []
    columns = [np.ones(table.n_rows)] if terms.intercept else []
    for term in terms.terms:
        names.append(":".join(render_name(atom) for atom in term))
        product = np.ones(table.n_rows)
        for atom in term:
            product = product * np.asarray(values[atom], dtype=np.float64)
        columns.append(product)
    return tuple(names), np.column_stack(columns)


_PIECE = re.compile(r"(a\d+)(?:\[(T\.)?(\d+)\])?")


def _display(column: str, labels: dict[str, tuple[str, tuple[str, ...]]]) -> str:
    """``a0[T.1]:a1`` to ``classroom[T.c1]:edu``."""

    def piece(match: re.Match[str]) -> str:
        name, levels = labels[match[1]]
        if match[3] is None:
            return name
        return f"{name}[{match[2] or ''}{levels[int(match[3])]}]"

    return _PIECE.sub(piece, column)


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "I": lambda v: v,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}


_OPERATORS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}


def _number(node: Node, table: Table, what: str) -> Array:
    """Evaluate arithmetic on numeric columns; every value must come out finite."""
    with np.errstate(all="ignore"):
        values = np.broadcast_to(_arithmetic(node, table), (table.n_rows,)).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise BadInput(f"{what} is not finite in row {bad[0] + 1} of the complete rows")
    return values


def _arithmetic(node: Node, table: Table) -> Array:
    match node:
        case Number(text=text):
            return np.float64(text) * np.ones(1)
        case Name(name=name):
            column = column_of(table, node)
            if isinstance(column, FactorColumn):
                raise BadInput(f"column {name!r} is a factor and cannot be used in arithmetic")
            return column.values
        case Call(function=function, argument=argument):
            return _FUNCTIONS[function](_arithmetic(argument, table))
        case Unary(operator=operator, operand=operand):
            value = _arithmetic(operand, table)
            return -value if operator == "-" else value
        case Binary(operator=operator, left=left, right=right):
            return _OPERATORS[operator](_arithmetic(left, table), _arithmetic(right, table))
    raise AssertionError(node)
