"""An expression of a formula as text, for labels and for every spelling of a call."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.model.coding import CODINGS, Coding
from harness.model.formula import Binary, Call, Name, Node, Number, Unary
from harness.model.functions import Value

_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, ":": 3, "^": 4}


@dataclass(frozen=True)
class Language:
    """How a language writes what the languages of formulas write differently.

    Attributes
    ----------
    power : str
        The sign of a power.
    pi : str
    call : function
        Writes a call, of the node and its argument as text.
    coded : function
        Writes a factor with a coding, of its name as text and the coding.
    """

    power: str
    pi: str
    call: Callable[[Call, str], str]
    coded: Callable[[str, Coding], str]


def _r_call(node: Call, argument: str) -> str:
    if node.function == "poly":
        options = dict(node.options)
        degree = f", {r_value(options['degree'])}" if "degree" in options else ""
        return f"poly({argument}{degree}{', raw = TRUE' if 'raw' in options else ''})"
    given = "".join(f", {name} = {r_value(value)}" for name, value in node.options)
    return f"{node.function}({argument}{given})"


def r_value(value: Value) -> str:
    """Write a value in R."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, tuple):
        return f"c({', '.join(map(r_value, value))})"
    return f"{value:.0f}" if value.is_integer() else repr(value)


def _r_coded(name: str, coding: Coding) -> str:
    if coding.kind == "treatment":
        if not coding.reference:
            return f"C({name}, contr.treatment)"
        level = coding.reference.replace("\\", "\\\\").replace('"', '\\"')
        return f'relevel({name}, ref = "{level}")'
    return f"C({name}, {CODINGS[coding.kind][0]})"


def _r_call_to_run(node: Call, argument: str) -> str:
    package = "splines::" if node.function in ("bs", "ns") else ""
    return package + _r_call(node, argument)


R = Language("^", "pi", _r_call, _r_coded)
"""The language of R, in which models are named too."""

R_TO_RUN = Language("^", "pi", _r_call_to_run, _r_coded)
"""The same where no package but base R's is attached."""

R_IN_NLME = replace(
    R_TO_RUN,
    coded=lambda name, coding: re.sub(r", (contr\.\w+)\)$", r', "\1")', _r_coded(name, coding)),
)
"""The same for nlme, which takes the function of ``C(f, contr.sum)`` for a column of the data."""


def render_name(node: Node) -> str:
    """Write an expression with the user's names, for labels: ``edu``, ``I(edu^2)``."""
    return render(node, lambda n: n.name, R)


_LEVEL = re.compile(r"\[[^\]]*\]")
_PART = re.compile(
    r"(\b(?:C|poly|bs|ns)\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))(?:\d+|\.[LQC]|\^\d+)(?=:|$)"
)


def term_text(column: str) -> str:
    """Return the term of a column of a design: ``f:poly(x, 2)`` for ``f[T.b]:poly(x, 2)1``."""
    return _PART.sub(r"\1", _LEVEL.sub("", column))


def render(
    node: Node,
    name: Callable[[Name], str],
    language: Language,
    *,
    tight: bool = False,
    level: int = 0,
) -> str:
    """Write an expression; ``name`` writes a column."""

    def inner(child: Node, at: int) -> str:
        return render(child, name, language, tight=tight, level=at)

    match node:
        case Name(coding=coding):
            return name(node) if coding is None else language.coded(name(node), coding)
        case Number(text=text):
            return language.pi if text == "pi" else text
        case Call(argument=argument):
            return language.call(node, inner(argument, 0))
        case Unary(operator=operator, operand=operand):
            text = f"{operator}{inner(operand, 3)}"
            return f"({text})" if level > 1 else text
        case Binary(operator=operator, left=left, right=right):
            mine = _PRECEDENCE[operator]
            # None may be regrouped: a*(b/c) has the term b:c and (a*b)/c has not.
            text_left = inner(left, mine + (operator == "^"))
            text_right = inner(right, mine + 1)
            sign = language.power if operator == "^" else operator
            space = "" if tight or operator in ("^", ":", "/") else " "
            text = f"{text_left}{space}{sign}{space}{text_right}"
            return f"({text})" if mine < level else text
    raise AssertionError(node)
