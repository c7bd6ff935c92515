"""A formula as it is parsed: outcome, fixed effects, random terms, and nodes of expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.coding import Coding
from harness.model.functions import Option


@dataclass(frozen=True)
class Name:
    """A column of the data; ``as_factor`` when wrapped in ``factor()`` or used as a group.

    ``coding`` is how its levels become columns where the formula says so.
    """

    name: str
    as_factor: bool = False
    coding: Coding | None = None


@dataclass(frozen=True)
class Number:
    """A literal number, as written, or ``pi``."""

    text: str


@dataclass(frozen=True)
class Call:
    """A function of one arithmetic expression, ``I(x^2)``, ``log(x)`` or ``poly(x, 2)``.

    ``options`` are those that are not at their default.
    """

    function: str
    argument: Node
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Binary:
    """``left operator right``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Unary:
    """A sign in front of an expression, ``-1``."""

    operator: str
    operand: Node


Node = Name | Number | Call | Binary | Unary


@dataclass(frozen=True)
class Bar:
    """A random part as written: ``(effects | group)``, ``(effects || group)``, ``cs(...)``.

    ``structure`` is a key of :data:`harness.model.structure.STRUCTURES`; empty where the covariance
    matrix is any.
    """

    effects: Node
    group: Node
    double: bool
    structure: str = ""


@dataclass(frozen=True)
class Formula:
    """A parsed formula. ``fixed`` is None for ``y ~ (1 | g)``, where only the intercept is left.

    ``offsets`` are the expressions of ``offset()`` in it, ``weights`` the column of ``weights()``,
    which is R's argument of that name written as a term, so that a formula is the whole model.
    """

    text: str
    outcome: Node
    fixed: Node | None
    bars: tuple[Bar, ...]
    offsets: tuple[Node, ...] = ()
    weights: Name | None = None


def nodes_in(node: Node | None) -> Iterator[Node]:
    """Every node of an expression, left to right, those inside after the one they are in."""
    if node is None:
        return
    yield node
    match node:
        case Call():
            yield from nodes_in(node.argument)
        case Unary():
            yield from nodes_in(node.operand)
        case Binary():
            yield from nodes_in(node.left)
            yield from nodes_in(node.right)


def names_in(node: Node | None) -> Iterator[Name]:
    """Every column named in an expression, left to right."""
    return (found for found in nodes_in(node) if isinstance(found, Name))
