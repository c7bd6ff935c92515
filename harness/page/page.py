"""A page that knows nothing of terminals and browsers: sections of headings, lines and tables.

What is to be shown is laid out once as a :class:`Page`; ``harness.page.terminal_page`` and
``harness.page.html.html_page`` show the same page in the same order. Pictures, and sections that
only a page that is kept needs, are left out on a terminal.
"""

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


Piece = str | Number | Look | Code | Dim | EngineName | Sign
Line = Piece | tuple[Piece, ...]
"""What stands in a line; pieces have a space between them."""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    line: Line


@dataclass(frozen=True)
class Paragraph:
    """A line of text; ``dim`` where it explains what follows."""

    line: Line
    dim: bool = False


@dataclass(frozen=True)
class Quote:
    """What somebody else said, word by word."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something found, with its mark; ``more`` is what can be done about it."""

    look: Look
    line: Line
    more: str = ""


@dataclass(frozen=True)
class Notes:
    """Notes under one another."""

    notes: Sequence[Note]


@dataclass(frozen=True)
class Items:
    """Lines of equal weight."""

    lines: Sequence[Line]


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    rows: Sequence[tuple[str, Line]]


@dataclass(frozen=True)
class Column:
    """A column of a table: of numbers, or of text; ``spare`` goes first where room is short."""

    title: str
    text: bool = False
    spare: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    head : Line
        What the row is about.
    cells : sequence of Line
        As many as the table has further columns; with ``instead`` only those at the end.
    instead : str
        Text in place of the other cells.
    under : bool
        Belongs to the row above.
    """

    head: Line
    cells: Sequence[Line] = ()
    instead: str = ""
    under: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    caption : str
        What it shows; ``named`` where no heading says so.
    columns : sequence of Column
        The first one is that of the heads.
    groups : sequence of (Line or None, sequence of Row)
        Rows under a heading, or under none.
    over : sequence of (str, int)
        Headings over so many columns each, after the first.
    apart : sequence of Table
        The same in several tables, for where this one is too wide.
    """

    caption: str
    columns: Sequence[Column]
    groups: Sequence[tuple[Line | None, Sequence[Row]]]
    over: Sequence[tuple[str, int]] = ()
    named: bool = False
    apart: Sequence[Table] = ()


@dataclass(frozen=True)
class Listing:
    """Code or names of files to copy, line by line as they are."""

    text: str
    language: str


class Drawn(Protocol):
    """A picture; its caption says with numbers what is seen."""

    @property
    def title(self) -> str:
        """What the picture is of."""

    @property
    def caption(self) -> str:
        """What is seen."""


@dataclass(frozen=True)
class Pictures:
    """Pictures; a terminal has none."""

    drawn: Sequence[Drawn]


@dataclass(frozen=True)
class Details:
    """What a reader may open; a terminal shows what is open from the start."""

    summary: str
    blocks: Sequence[Block]
    opened: bool = False


@dataclass(frozen=True)
class Box:
    """Blocks that belong together; ``main`` is the first one to read."""

    blocks: Sequence[Block]
    main: bool = False
    inner: bool = False


Block = (
    Heading | Paragraph | Quote | Notes | Items | Facts | Table | Listing | Pictures | Details | Box
)


@dataclass(frozen=True)
class Section:
    """A part of the page; ``short`` is its name in a list of sections.

    Without a title it goes on where the one before ends. ``kept`` is a section for a page that is
    kept: a terminal leaves it out.
    """

    key: str
    title: str
    blocks: Sequence[Block]
    short: str = ""
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page: what it is about, the answer, sections.

    Attributes
    ----------
    kind, title : str
        ``"Diagnosis"``, and what the window is called.
    made_by, made : str
        The program, and when.
    look : Look, optional
        What it comes to.
    subject, about : str
        What it is about: a formula, and the rest.
    answer : sequence of str
        The headline first; none where the sections are the answer.
    warning : str
        Said at the top where something is missing.
    """

    kind: str
    title: str
    sections: Sequence[Section]
    made_by: str = ""
    made: str = ""
    look: Look | None = None
    subject: str = ""
    about: str = ""
    answer: Sequence[str] = ()
    warning: str = ""


def one_group(rows: Sequence[Row]) -> Sequence[tuple[Line | None, Sequence[Row]]]:
    """Return the groups of a table that has none."""
    return ((None, rows),)


def pieces(line: Line) -> tuple[Piece, ...]:
    """Return a line as its pieces."""
    return line if isinstance(line, tuple) else (line,)
