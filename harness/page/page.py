"""A page that knows nothing of terminals and browsers: sections of headings, lines and tables.

What is to be shown is laid out once as a :class:`Page`; ``harness.page.terminal_page`` and
``harness.page.html.html_page`` show the same page in the same order. Pictures, and sections that
only a page that is kept needs, are left out on a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.page.appearance import Look
from harness.page.page_line import Drawn, Line, Tally
from harness.page.page_table import Table


@dataclass(frozen=True)
class Heading:
    """A heading within a section; a ``minor`` one is under another."""

    line: Line
    minor: bool = False


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
class Legend:
    """What the grounds of graded digits mean; a terminal has none."""

    line: Line


@dataclass(frozen=True)
class Listing:
    """Code or names of files to copy, line by line as they are."""

    text: str
    language: str


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
    """Blocks that belong together; ``main`` is the first one to read. A link leads to the key."""

    blocks: Sequence[Block]
    main: bool = False
    inner: bool = False
    key: str = ""


@dataclass(frozen=True)
class Beside:
    """Blocks beside one another where there is room, else under one another."""

    parts: Sequence[Sequence[Block]]


@dataclass(frozen=True)
class Card:
    """All that is told of a case: what it comes to, a sentence, and what is behind it.

    Attributes
    ----------
    key : str
        A link leads to it.
    look : Look
    title : Line
    sentence : str
    blocks : sequence of Block
    opened : bool
        It is read without being asked for.
    """

    key: str
    look: Look
    title: Line
    sentence: str
    blocks: Sequence[Block]
    opened: bool = False


Block = (
    Heading
    | Paragraph
    | Quote
    | Notes
    | Items
    | Facts
    | Table
    | Legend
    | Listing
    | Pictures
    | Details
    | Box
    | Beside
    | Card
    | Tally
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
