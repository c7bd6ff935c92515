"""An arithmetic expression of a formula as text, for labels and for every spelling of a call."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.formula import Binary, Call, Name, Node, Number, Unary

_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, ":": 3, "^": 4}


def render_name(node: Node) -> str:
    """Write an expression with the user's names, for labels: ``edu``, ``I(edu^2)``."""
    return render(node, lambda n: n.name, "^", lambda f: f)


def render(
    node: Node,
    name: Callable[[Name], str],
    power: str,
    function: Callable[[str], str],
    *,
    tight: bool = False,
    level: int = 0,
) -> str:
    """Write an expression; ``name`` writes a column, ``function`` the name of a function."""

    def inner(child: Node, at: int) -> str:
        return render(child, name, power, function, tight=tight, level=at)

    match node:
        case Name():
            return name(node)
        case Number(text=text):
            return text
        case Call(function=called, argument=argument):
            return f"{function(called)}({inner(argument, 0)})"
        case Unary(operator=operator, operand=operand):
            text = f"{operator}{inner(operand, 3)}"
            return f"({text})" if level > 1 else text
        case Binary(operator=operator, left=left, right=right):
            mine = _PRECEDENCE[operator]
            # None may be regrouped: a*(b/c) has the term b:c and (a*b)/c has not.
            text_left = inner(left, mine + (operator == "^"))
            text_right = inner(right, mine + 1)
            sign = power if operator == "^" else operator
            space = "" if tight or operator in ("^", ":", "/") else " "
            text = f"{text_left}{space}{sign}{space}{text_right}"
            return f"({text})" if mine < level else text
    raise AssertionError(node)
