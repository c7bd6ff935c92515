"""The algebra of model terms: what a formula's operators expand to, as in R's ``terms.formula``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from harness.base.errors import BadInput
from harness.model.formula import Binary, Call, Name, Node, Number, Unary

Atom = Name | Call
Term = tuple[Atom, ...]
"""An interaction of atoms; the empty tuple is the intercept."""


@dataclass(frozen=True)
class Terms:
    """Terms of a linear predictor: whether it has an intercept, and the rest by order."""

    intercept: bool
    terms: tuple[Term, ...]


def expand(node: Node | None) -> Terms:
    """Expand operators to terms, main effects before interactions, as R and formulaic order them.

    The intercept is there unless ``0`` or ``-1`` takes it away; None expands to the intercept.
    """
    found, intercept = _expand(node, True) if node is not None else ([], True)
    unique = list({frozenset(t): t for t in reversed(found)}.values())[::-1]
    return Terms(intercept, tuple(sorted(unique, key=len)))


def _expand(node: Node, intercept: bool) -> tuple[list[Term], bool]:
    match node:
        case Number(text="1"):
            return [], True
        case Number(text="0"):
            return [], False
        case Name() | Call():
            return [(node,)], intercept
        case Unary(operand=operand):
            return _subtract([], operand, intercept)
        case Binary(operator="+", left=left, right=right):
            first, intercept = _expand(left, intercept)
            second, intercept = _expand(right, intercept)
            return first + second, intercept
        case Binary(operator="-", left=left, right=right):
            first, intercept = _expand(left, intercept)
            return _subtract(first, right, intercept)
        case Binary(operator=operator, left=left, right=right):
            return _combine(operator, left, right), intercept
    raise AssertionError(node)


def _subtract(terms: list[Term], node: Node, intercept: bool) -> tuple[list[Term], bool]:
    if node == Number("1"):
        return terms, False
    if node == Number("0"):
        return terms, True
    gone = {frozenset(t) for t in _expand(node, True)[0]}
    return [t for t in terms if frozenset(t) not in gone], intercept


def _combine(operator: str, left: Node, right: Node) -> list[Term]:
    first = _expand(left, True)[0]
    if operator == "^":
        assert isinstance(right, Number)
        power = int(right.text)
        if power < 1:
            raise BadInput(f"formula: a power of terms must be at least 1, not {power}")
        result = first
        for _ in range(power - 1):
            longer = _distinct(result + _cross(result, first))
            if len(longer) == len(result):
                break  # every interaction there can be is there already
            result = longer
        return _distinct(result)
    second = _expand(right, True)[0]
    if operator == ":":
        return _cross(first, second)
    if operator == "*":
        return first + second + _cross(first, second)
    if operator == "/":
        whole: Term = tuple(dict.fromkeys(atom for term in first for atom in term))
        return first + _cross([whole], second)
    raise AssertionError(operator)


def _cross(first: list[Term], second: list[Term]) -> list[Term]:
    return _distinct([tuple(dict.fromkeys(a + b)) for a, b in product(first, second)])


def _distinct(terms: list[Term]) -> list[Term]:
    return list({frozenset(t): t for t in reversed(terms)}.values())[::-1]
