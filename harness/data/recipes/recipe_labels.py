"""Names of columns and labels of levels of generated data, plain ones and such as trip programs."""

from __future__ import annotations

from typing import Literal

Labels = Literal["plain", "integers", "digits", "locale", "awkward"]
"""How levels are called. ``digits`` are strings such as "10", "9", "2"; labels of ``locale`` are
sorted differently by R and by Python; ``awkward`` ones hold spaces, colons and quotes."""

Names = Literal["plain", "spaces", "dots", "unicode", "functions", "reserved", "quotes"]
"""How columns are called. ``functions`` are names that formulas give a meaning to (C, I, Q);
``reserved`` are reserved words of R or Python."""

NAMES: dict[Names, dict[str, str]] = {
    "plain": {r: r for r in "yxvwfbghtk"},
    "spaces": {
        "y": "the outcome",
        "x": "dose in mg",
        "v": "2nd dose",
        "w": "school size ",
        "f": "treatment arm",
        "b": "per cent (%)",
        "g": "class room",
        "h": "a / b",
        "t": "visit no",
        "k": "1 / variance",
    },
    "dots": {
        "y": "y.1",
        "x": ".x",
        "v": "v..v",
        "w": "w_w.",
        "f": "f.T.1",
        "b": "b.b",
        "g": "g.id",
        "h": "h.id",
        "t": "t.",
        "k": "..k",
    },
    "unicode": {
        "y": "größe",
        "x": "dosis_µg",
        "v": "température",
        "w": "Δw",
        "f": "группа",
        "b": "β",
        "g": "病院",
        "h": "ærø",
        "t": "시간",
        "k": "вес",
    },
    "functions": {
        "y": "Q",
        "x": "I",
        "v": "log",
        "w": "factor",
        "f": "T",
        "b": "np",
        "g": "C",
        "h": "scale",
        "t": "exp",
        "k": "offset",
    },
    "reserved": {
        "y": "if",
        "x": "TRUE",
        "v": "lambda",
        "w": "NA",
        "f": "class",
        "b": "repeat",
        "g": "function",
        "h": "NULL",
        "t": "next",
        "k": "in",
    },
    "quotes": {
        "y": "y`",
        "x": "it's x",
        "v": 'v "2"',
        "w": "w\\n",
        "f": "f[T.a]",
        "b": "b:c",
        "g": "g|g",
        "h": "h~1",
        "t": "t'",
        "k": "k`2",
    },
}
"""Column name by kind and role."""

_DIGITS = ("10", "9", "2", "1", "100", "20", "3", "11")
_LOCALE = ("a", "B", "_c", "Z", "é", "b", "A", "ä")
_AWKWARD = ("a b", "a:b", "it's", 'say "no"', "a,b", "x/y", "[T.1]", "1e5")


def label(kind: Labels, prefix: str, index: int) -> str | int:
    """Return the label of level ``index`` of the factor ``prefix``."""
    if kind == "integers":
        return index + 1
    special = {"digits": _DIGITS, "locale": _LOCALE, "awkward": _AWKWARD}.get(kind, ())
    if index < len(special):
        return special[index]
    return str(200 + index) if kind == "digits" else f"{prefix}{index + 1}"
