"""How patsy, which reads the formulas of statsmodels, writes names, functions and codings."""

from __future__ import annotations

import keyword

from harness.model.coding import CODINGS, Coding
from harness.model.expression_text import Language, render_name
from harness.model.formula import Call
from harness.model.functions import Value
from harness.model.table import FactorColumn, Table


class NotExpressible(Exception):
    """A model that MixedLM cannot be given; the text says why."""


HIDING = ("C", "I", "Q", "np")
"""Columns of these names hide what formulas need from patsy, even when they are quoted."""


def python_column(name: str) -> str:
    """Return the column's name in the data that ``python_call`` prepares."""
    return f"{name}_" if name in HIDING else name


def python_name(name: str) -> str:
    """Write a column's name as patsy reads it."""
    name = python_column(name)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Q({name!r})"


def _python_call(node: Call, argument: str) -> str:
    given = dict(node.options)
    match node.function:
        case "I" | "abs":
            return f"{node.function}({argument})"
        case "scale" if not given:
            return f"standardize({argument}, ddof=1)"
        case "scale" if given == {"scale": False}:
            return f"center({argument})"
        case "scale":
            raise NotExpressible(f"patsy has no {render_name(node)}; make the column in the data")
        case "ns":
            raise NotExpressible(
                f"statsmodels' formulas have no {render_name(node)} with R's columns (patsy's cr() "
                "has others)"
            )
        case "poly" | "bs":
            renamed = {"intercept": "include_intercept"}
            options = "".join(f", {renamed.get(k, k)}={_python_value(v)}" for k, v in given.items())
            return f"{node.function}({argument}{options})"
    return f"np.{node.function}({argument})"


def _python_value(value: Value) -> str:
    if isinstance(value, bool | tuple):
        return repr(value)
    return f"{value:.0f}" if value.is_integer() else repr(value)


def patsy(table: Table | None) -> Language:
    """Return the language of patsy's formulas; levels that are numbers in the data are numbers."""

    def coded(name: str, coding: Coding) -> str:
        inside = name.removeprefix("C(").removesuffix(")") if name.startswith("C(") else name
        if coding.kind == "SAS":
            return f"C({inside}, Treatment(-1))"
        own = CODINGS[coding.kind][1]
        if not coding.reference:
            return f"C({inside}, {own})"
        column = (
            None
            if table is None
            else next((c for c in table.columns if python_name(c.name) == inside), None)
        )
        numbers = isinstance(column, FactorColumn) and column.order == "numbers"
        level = coding.reference if numbers else repr(coding.reference)
        return f"C({inside}, {own}({level}))"

    return Language("**", "np.pi", _python_call, coded)
