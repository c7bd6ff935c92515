"""A line of a page, and the cells of a table, as HTML."""

from __future__ import annotations

from markupsafe import Markup, escape

from harness.page.appearance import Look
from harness.page.numbers import Number
from harness.page.page import Code, Dim, EngineName, Line, Piece, Table, pieces


def line_html(line: Line) -> Markup:
    """Return a line; what its pieces hold is escaped."""
    return Markup(" ").join(map(_piece, pieces(line)))


def _piece(piece: Piece) -> Markup:
    match piece:
        case Number():
            return piece.html()
        case Look():
            return Markup(
                '<span class="badge small {}">{}<span class="word">{}</span></span>'
            ).format(piece.family, _icon(piece.icon), piece.label)
        case Code():
            return Markup("<code>{}</code>").format(piece.text)
        case Dim():
            return Markup('<span class="dim">{}</span>').format(piece.text)
        case EngineName(rank=None):
            return escape(piece.name)
        case EngineName(rank=int(rank)):
            return Markup(
                '<span class="engine"><svg class="key k{}" width="10" height="10" '
                'aria-hidden="true"><use href="#k{}"/></svg>{}</span>'
            ).format(rank, min(rank, 2), piece.name)
        case _:
            return escape(piece)


def _icon(name: str) -> Markup:
    return Markup(
        '<svg class="icon" width="16" height="16" aria-hidden="true"><use href="#i-{}"/></svg>'
    ).format(name)


def aligned(table: Table) -> list[list[list[Markup]]]:
    """Return the cells of each row of each group, numbers lined up on their decimal points."""
    rows = [row for _, group in table.groups for row in group if not row.instead]
    every = range(len(table.columns) - 1)
    widths = [_decimals([row.cells[i] for row in rows if row.cells]) for i in every]

    def cell(line: Line, width: int, *, text: bool) -> Markup:
        plain = isinstance(line, Number) and "e" not in line.text
        shown = line.html(width) if plain else line_html(line)  # type: ignore[union-attr]
        # Columns of text wrap, and the numbers in them must not.
        whole = text and isinstance(line, Number)
        return Markup('<span class="num">{}</span>').format(shown) if whole else shown

    return [
        [
            [
                cell(line, width, text=column.text)
                for line, width, column in zip(row.cells, widths, table.columns[1:], strict=False)
            ]
            for row in group
        ]
        for _, group in table.groups
    ]


def _decimals(cells: list[Line]) -> int:
    """Return the most decimals of a column of numbers, by which their points are lined up."""
    plain = (c for c in cells if isinstance(c, Number) and "e" not in c.text)
    return max((c.fraction for c in plain), default=0)
