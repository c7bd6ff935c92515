"""A table of a page: columns, rows, groups of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.page.appearance import Look
from harness.page.page_line import Line


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : Line
    text : bool
        It holds text, not numbers.
    spare : bool
        It goes first where room is short.
    kind : str
        What it holds, where a page shows that in a way of its own: ``"start"`` begins a new part of
        the table, ``"dim"`` has less weight.
    sorts : bool
        Readers may sort the table by it.
    """

    title: Line
    text: bool = False
    spare: bool = False
    kind: str = ""
    sorts: bool = False


@dataclass(frozen=True)
class Spanning:
    """A cell that speaks for so many rows, which leave it out, or takes so many columns."""

    line: Line
    rows: int = 1
    columns: int = 1


Cell = Line | Spanning


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    head : Line
        What the row is about.
    cells : sequence of Cell
        As many as the table has further columns; with ``instead`` only the first of them.
    instead : str
        Text in place of the other cells.
    under : bool
        Belongs to the row above.
    key : str
        Of the case that it is about.
    """

    head: Line
    cells: Sequence[Cell] = ()
    instead: str = ""
    under: bool = False
    key: str = ""


@dataclass(frozen=True)
class Group:
    """Rows that belong together.

    Attributes
    ----------
    name : Line, optional
        Stands over them, or beside them where the table says so. Without rows it is a heading over
        the groups that follow.
    rows : sequence of Row
    key : str
        Of the case that they are about.
    look : Look, optional
        What they come to.
    """

    name: Line | None
    rows: Sequence[Row]
    key: str = ""
    look: Look | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    caption : str
        What it shows; ``named`` where no heading says so.
    columns : sequence of Column
        The first one is that of the heads; with ``beside`` the second.
    groups : sequence of Group
    over : sequence of (str, int)
        Headings over so many columns each, after those of the heads; an empty one is none.
    apart : sequence of Table
        The same in several tables, for where this one is too wide.
    beside : bool
        The first column holds the names of the groups.
    units : str
        Within what numbers have one unit, so that their points are lined up.
    kind : str
        What it is, where a page shows that in a way of its own: ``"ladder"``, ``"heat"``.
    """

    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group]
    over: Sequence[tuple[str, int]] = ()
    named: bool = False
    apart: Sequence[Table] = ()
    beside: bool = False
    units: Literal["column", "group", "row"] = "column"
    kind: str = "numbers"


def one_group(rows: Sequence[Row]) -> tuple[Group]:
    """Return the groups of a table that has none."""
    return (Group(None, rows),)


def unspanned(cell: Cell) -> Line:
    """Return what a cell says, whichever rows and columns it takes."""
    return cell.line if isinstance(cell, Spanning) else cell
