"""A line of a page: words, numbers, looks and links, and what small things stand among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.page.appearance import Look
from harness.page.numbers import Number


@dataclass(frozen=True)
class Code:
    """Code, a name or a formula within a line."""

    text: str


@dataclass(frozen=True)
class Dim:
    """Words of less weight within a line."""

    text: str


@dataclass(frozen=True)
class EngineName:
    """An engine, with the key of its colour: ``rank`` is its place among the engines shown."""

    name: str
    rank: int | None = None


@dataclass(frozen=True)
class Sign:
    """The sign of a look, where its word would be too long."""

    look: Look


@dataclass(frozen=True)
class Link:
    """Words that lead to what has the key on this page, a case or a cause, or to another page."""

    text: str
    key: str = ""
    code: bool = False
    page: str = ""

    @property
    def place(self) -> str:
        """Where it leads."""
        return f"{self.page}#{self.key}" if self.key or not self.page else self.page


@dataclass(frozen=True)
class Marked:
    """Words behind the sign of a look, in its colour: what is found, or what is untrue."""

    look: Look
    text: str


@dataclass(frozen=True)
class Under:
    """What stands under the rest of the line, with less weight."""

    line: Line


@dataclass(frozen=True)
class Graded:
    """Digits of agreement, on a ground that darkens with them.

    Attributes
    ----------
    text : str
        The digits; empty where nothing is compared.
    grade : int or None
        From 0 to 5, a step for every two and a half digits; None for none.
    hint : str
        The numbers that they come from.
    looks : sequence of Look
        What else is so: outside tolerance, not at the optimum, closer than the other.
    where : str
        The quantity that has them.
    """

    text: str
    grade: int | None = None
    hint: str = ""
    looks: Sequence[Look] = ()
    where: str = ""


@dataclass(frozen=True)
class Tally:
    """How many there are of each look: a bar and words."""

    counts: Sequence[tuple[Look, int]]


@dataclass(frozen=True)
class Length:
    """A bar whose length is a share of the longest, from 0 to 1; a number stands beside it."""

    share: float


class Drawn(Protocol):
    """A picture; its caption says with numbers what is seen."""

    @property
    def title(self) -> str:
        """What the picture is of."""

    @property
    def caption(self) -> str:
        """What is seen."""


@dataclass(frozen=True)
class Sketch:
    """A small picture within a table; a terminal has none."""

    drawn: Drawn


Piece = (
    str
    | Number
    | Look
    | Code
    | Dim
    | EngineName
    | Sign
    | Link
    | Marked
    | Under
    | Graded
    | Tally
    | Length
    | Sketch
)
Line = Piece | tuple[Piece, ...]
"""What stands in a line; pieces have a space between them."""


def pieces(line: Line) -> tuple[Piece, ...]:
    """Return a line as its pieces."""
    return line if isinstance(line, tuple) else (line,)


def with_commas(listed: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return pieces with commas between them."""
    out: list[Piece] = []
    for piece in listed:
        out += [",", piece] if out else [piece]
    return tuple(out)


def space_before(piece: Piece) -> str:
    """Return what stands between a piece and the one before it."""
    return "" if isinstance(piece, str) and piece[:1] in CLOSING else " "


CLOSING = (",", ".", ";", ":")
"""Signs without a space before them."""
