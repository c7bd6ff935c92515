"""The cells of a table as HTML, numbers of one unit lined up on their decimal points."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from harness.page.html.html_line import grade, graded_html, line_html
from harness.page.numbers import Number
from harness.page.page_line import Graded, Line
from harness.page.page_table import Cell, Column, Row, Spanning, Table, unspanned


def html_rows(table: Table) -> list[list[Markup]]:
    """Return the cells of each row of each group; the heads of the rows are not among them."""
    columns = table.columns[2 if table.beside else 1 :]
    whole = _decimals(table, [row for group in table.groups for row in group.rows])
    out = []
    for group in table.groups:
        together = whole if table.units == "column" else _decimals(table, group.rows)
        rows = []
        for row in group.rows:
            widths = _decimals(table, [row]) if table.units == "row" else together
            rows.append(_cells(row, columns, widths))
        out.append(rows)
    return out


def _cells(row: Row, columns: Iterable[Column], widths: list[int]) -> Markup:
    out = []
    across = iter(zip(columns, widths, strict=True))
    for cell in row.cells:
        column, width = next(across)
        out.append(_cell(cell, column, width))
        if isinstance(cell, Spanning):
            for _ in range(cell.columns - 1):
                next(across)
    return Markup("").join(out)


def _cell(cell: Cell, column: Column, width: int) -> Markup:
    line = unspanned(cell)
    kinds = [] if column.text else ["n"]
    kinds += [column.kind] if column.kind else ["name"] * column.text
    spans = hint = ""
    if isinstance(cell, Spanning):
        if cell.columns > 1:
            kinds = ["reason"]
            spans += f' colspan="{cell.columns}"'
        if cell.rows > 1:
            spans += f' rowspan="{cell.rows}"'
    if isinstance(line, Graded):
        kinds = [grade(line), *([column.kind] if column.kind else [])]
        if line.hint:
            hint = f' title="{escape(line.hint)}"'
    content = _content(line, width)
    if column.text and isinstance(line, Number):  # such columns wrap, and a number must not
        content = Markup(f'<span class="num">{content}</span>')
    return Markup(f'<td class="{escape(" ".join(kinds))}"{spans}{hint}>{content}</td>')


def _content(line: Line, width: int) -> Markup:
    if isinstance(line, Graded):
        return graded_html(line)
    if isinstance(line, Number) and "e" not in line.text:
        return line.html(width)
    return line_html(line)


def _decimals(table: Table, rows: Iterable[Row]) -> list[int]:
    """Return the most decimals in each column, or in all of them where a row has one unit."""
    size = len(table.columns) - (2 if table.beside else 1)
    widths = [0] * size
    for row in rows:
        if not row.instead:
            for place, cell in enumerate(row.cells):
                line = unspanned(cell)
                if isinstance(line, Number) and "e" not in line.text:
                    widths[place] = max(widths[place], line.fraction)
    return [max(widths, default=0)] * size if table.units == "row" else widths
