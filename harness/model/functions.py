"""The functions that a formula may call, and what they may be given beside their argument.

Nothing else can be reached: an expression is parsed to nodes, and a node of a function is evaluated
by its name in this list (:mod:`harness.model.arithmetic`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from harness.base.errors import BadInput

Value = bool | float | tuple[float, ...]
Option = tuple[str, Value]
"""Name and value, ``("degree", 2.0)``."""


@dataclass(frozen=True)
class Function:
    """What is known of a function.

    Attributes
    ----------
    options : mapping
        By name, in the order of R's arguments, what a value has to be.
    defaults : mapping
        Values that change nothing.
    several : bool
        Whether it makes several columns.
    of_data : bool
        Whether its value in a row depends on other rows.
    """

    options: Mapping[str, Literal["count", "flag", "numbers"]] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    several: bool = False
    of_data: bool = False

    @property
    def takes(self) -> str:
        """Say what it takes, for a message about its arguments."""
        if not self.options:
            return "; it takes one argument"
        return f"; beside its column it takes {', '.join(self.options)}"


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        **dict.fromkeys(
            ("I", "log", "log2", "log10", "log1p", "exp", "sqrt", "abs", "sin", "cos"), Function()
        ),
        "scale": Function(
            {"center": "flag", "scale": "flag"}, {"center": True, "scale": True}, of_data=True
        ),
        "center": Function(of_data=True),
        "poly": Function(
            {"degree": "count", "raw": "flag"},
            {"degree": 1.0, "raw": False},
            several=True,
            of_data=True,
        ),
        "bs": Function(
            {"df": "count", "knots": "numbers", "degree": "count", "intercept": "flag"},
            {"degree": 3.0, "intercept": False},
            several=True,
            of_data=True,
        ),
        "ns": Function(
            {"df": "count", "knots": "numbers", "intercept": "flag"},
            {"intercept": False},
            several=True,
            of_data=True,
        ),
    }
)
"""Those that mean the same in R and here. ``center(x)`` is R's ``scale(x, scale = FALSE)``."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "offset": "it stands by itself in the sum, y ~ x + offset(o)",
        "weights": "it stands by itself in the sum, y ~ x + weights(w)",
        "polym": "write poly() of one column",
        "ordered": "write C(f, contr.poly), whose columns are those of R's ordered factors",
        "interaction": "write a:b",
        "cut": "make the classes a column of the data",
        "ifelse": "make the column in the data",
        "s": "smooth terms are another model; a spline of four degrees of freedom is ns(x, 4)",
        "standardize": "write scale(), which divides by the standard deviation with n - 1",
    }
)


def read_options(
    function: str, given: Sequence[tuple[str, Value | str]]
) -> tuple[str, tuple[Option, ...]]:
    """Return a function and its options in their order, those at their default left out.

    Parameters
    ----------
    given : sequence of (name, value)
        As written; an empty name stands for the next option in order.

    Raises
    ------
    BadInput
        For an option that is none, or a value that it cannot have; without the formula.
    """
    known = FUNCTIONS[function]
    found: dict[str, Value] = {}
    for name, value in given:
        free = [option for option in known.options if option not in found]
        key = name or next(iter(free), "")
        if key in found:
            raise BadInput(f"{function}() is given {key} twice")
        if key not in known.options:
            what = f"no option {name!r}" if name else "no further value"
            raise BadInput(f"{function}() takes {what}{known.takes}")
        found[key] = _checked(function, key, known.options[key], value)
    if "knots" in found and "df" in found:
        raise BadInput(f"{function}() takes df or knots, not both")
    if function == "center":
        return "scale", (("scale", False),)
    kept = {k: found[k] for k in known.options if k in found and found[k] != known.defaults.get(k)}
    return function, tuple(kept.items())


def _checked(function: str, key: str, kind: str, value: Value | str) -> Value:
    if kind == "flag" and isinstance(value, bool):
        return value
    if kind == "count" and isinstance(value, float) and value >= 1.0 and value.is_integer():
        return value
    if kind == "numbers" and not isinstance(value, bool | str):
        return value if isinstance(value, tuple) else (value,)
    wanted = {"flag": "TRUE or FALSE", "count": "a whole number from 1", "numbers": "numbers"}
    raise BadInput(f"{key} of {function}() has to be {wanted[kind]}")


def option(options: Sequence[Option], name: str, function: str) -> Value | None:
    """Return the value of an option: as given, the default, or None."""
    return dict(options).get(name, FUNCTIONS[function].defaults.get(name))
