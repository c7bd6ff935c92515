"""Values of the expressions of a formula in the rows of a table.

A formula is evaluated here and nowhere else, by the nodes that it was parsed to: no code of a user
is run, and only the functions of :mod:`harness.model.functions` can be reached.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.model.bases import poly_columns, scaled, spline_columns
from harness.model.expression_text import render_name
from harness.model.formula import Binary, Call, Name, Node, Number, Unary
from harness.model.functions import FUNCTIONS, option
from harness.model.model import column_of
from harness.model.table import FactorColumn, Table

Array = NDArray[np.float64]

_OF_A_NUMBER: dict[str, Callable[[Array], Array]] = {
    "I": lambda v: v,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
}

_OPERATORS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}


def number(node: Node, table: Table, what: str) -> Array:
    """Evaluate arithmetic on numeric columns in the complete rows of a table.

    What depends on other rows (``scale``, ``poly``, splines) depends on all rows in which its
    argument is there, complete or not, as in R's ``model.frame``.

    Raises
    ------
    BadInput
        For a factor in arithmetic, or a value that is not finite.
    """
    with np.errstate(all="ignore"):
        values = np.broadcast_to(_values(node, table), (table.n_rows,))
    values = values[table.complete].astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise BadInput(f"{what} is not finite in row {bad[0] + 1} of the complete rows")
    return values


def columns(call: Call, table: Table) -> Array:
    """Return the (n, k) columns of a function that makes several, in the complete rows.

    Raises
    ------
    BadInput
        As :func:`number`, and where the function has no such columns of these values.
    """
    with np.errstate(all="ignore"):
        found = _of_data(call, table)[table.complete]
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        label = render_name(call)
        raise BadInput(f"{label} is not finite in row {bad[0] + 1} of the complete rows")
    return found


def _values(node: Node, table: Table) -> Array:
    match node:
        case Number(text=text):
            return np.full(1, np.pi if text == "pi" else np.float64(text))
        case Name(name=name):
            column = column_of(table, node)
            if isinstance(column, FactorColumn):
                raise BadInput(f"column {name!r} is a factor and cannot be used in arithmetic")
            return column.values
        case Call(function=function, argument=argument):
            if FUNCTIONS[function].of_data:
                return _of_data(node, table)[:, 0]
            return _OF_A_NUMBER[function](_values(argument, table))
        case Unary(operator=operator, operand=operand):
            value = _values(operand, table)
            return -value if operator == "-" else value
        case Binary(operator=operator, left=left, right=right):
            return _OPERATORS[operator](_values(left, table), _values(right, table))
    raise AssertionError(node)


def _of_data(node: Call, table: Table) -> Array:
    """Return the (n, k) columns of a function of all rows; NaN where its argument is missing."""
    function = node.function
    given = {name: option(node.options, name, function) for name in FUNCTIONS[function].options}
    values = np.broadcast_to(_values(node.argument, table), (table.n_rows,)).astype(np.float64)
    known = np.isfinite(values)
    label = render_name(node)
    if function == "poly" and not given["raw"] and not known.all():
        row = int(np.flatnonzero(~known)[0]) + 1
        raise BadInput(
            f"{label} has no value in row {row}, which R's poly() refuses; leave such rows out of "
            "the data"
        )
    if not known.any():
        return np.full((table.n_rows, 1), np.nan)
    there = values[known]
    if function == "scale":
        found = scaled(there, center=bool(given["center"]), scale=bool(given["scale"]))[:, None]
    elif function == "poly":
        found = poly_columns(there, int(_count(given["degree"])), label, raw=bool(given["raw"]))
    else:
        knots = given["knots"]
        found = spline_columns(
            there,
            label,
            natural=function == "ns",
            df=None if given["df"] is None else int(_count(given["df"])),
            knots=knots if isinstance(knots, tuple) else None,
            degree=3 if function == "ns" else int(_count(given["degree"])),
            intercept=bool(given["intercept"]),
        )
    everywhere = np.full((table.n_rows, found.shape[1]), np.nan)
    everywhere[known] = found
    return everywhere


def _count(value: object) -> float:
    assert isinstance(value, float)
    return value
