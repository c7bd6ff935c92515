"""A page on a terminal, complete without pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.page.appearance import STYLES, Look
from harness.page.numbers import Number
from harness.page.page import (
    Block,
    Box,
    Code,
    Details,
    Dim,
    EngineName,
    Facts,
    Heading,
    Items,
    Line,
    Listing,
    Notes,
    Page,
    Paragraph,
    Pictures,
    Quote,
    Section,
    Table,
    pieces,
)

_INDENT = 2
_HEAD = 24
"""Characters of the heads of rows that are kept on one line."""

_DIM = "bright_black"


def print_page(page: Page, console: Console | None = None) -> None:
    """Print a page.

    Parameters
    ----------
    console : Console, optional
        Standard output without it: as wide as the terminal, 100 columns in a pipe.
    """
    console = console or standard_output()
    console.print(Text(page.subject, style="bold"))
    console.print(Text(page.about, style=_DIM))
    console.print()
    for i, sentence in enumerate(page.answer):
        console.print(Text(sentence, style="bold" if i == 0 else ""))
    if page.warning:
        console.print(Text(page.warning, style="yellow"))
    print_sections(page.sections, console)


def print_sections(sections: Sequence[Section], console: Console | None = None) -> None:
    """Print sections of a page, but for those that only a page shows that is kept."""
    console = console or standard_output()
    for section in sections:
        shown = list(_blocks(section.blocks, console.width - _INDENT))
        if section.kept or not shown:
            continue
        console.print()
        console.print(Text(section.title, style="bold underline"))
        for item in shown:
            console.print(_indented(item))


def standard_output() -> Console:
    """Return a console on standard output: as wide as the terminal, 100 columns in a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=100)


def _indented(item: RenderableType) -> Padding:
    return Padding(item, (0, 0, 0, _INDENT), expand=False)


def _blocks(blocks: Sequence[Block], width: int) -> Iterator[RenderableType]:
    for block in blocks:
        yield from _block(block, width)


def _block(block: Block, width: int) -> Iterator[RenderableType]:
    match block:
        case Heading():
            yield _text(block.line, "bold")
        case Paragraph():
            yield _text(block.line, _DIM if block.dim else "")
        case Quote():
            yield _indented(Text(f'"{_short(block.text)}"'))
        case Items():
            yield from (_text(line) for line in block.lines)
        case Notes():
            yield _notes(block)
        case Facts():
            yield _facts(block)
        case Table():
            yield from _table(block, width)
        case Listing():
            yield Text(block.text, style="cyan")
        case Details():
            if block.opened:
                yield from _blocks(block.blocks, width)
        case Box():
            yield from (
                _indented(item) if i or block.inner else item
                for i, item in enumerate(_blocks(block.blocks, width - _INDENT))
            )
        case Pictures():
            return


def _text(line: Line, style: str = "") -> Text:
    text = Text(style=style)
    for i, piece in enumerate(pieces(line)):
        text.append(" " if i else "")
        text.append_text(_piece(piece))
    return text


def _piece(piece: object) -> Text:
    match piece:
        case Number():
            shared, own = piece.text[: piece.common], piece.text[piece.common :]
            return Text.assemble(shared, (own, "bold"))
        case Look():
            # What stands in brackets explains, and a line is short.
            return Text(piece.label.partition(" (")[0], style=STYLES[piece.family])
        case Code():
            return Text(piece.text, style="cyan")
        case Dim():
            return Text(piece.text, style=_DIM)
        case EngineName():
            return Text(piece.name, style="bold")
        case _:
            return Text(str(piece))


def _notes(block: Notes) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for note in block.notes:
        said = _text(note.line)
        if note.more:
            said.append(f" {note.more}", style="cyan")
        grid.add_row(_piece(note.look), said)
    return grid


def _facts(block: Facts) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style=_DIM)
    grid.add_column(overflow="fold")
    for name, line in block.rows:
        grid.add_row(name, _text(line))
    return grid


def _table(block: Table, width: int) -> Iterator[RenderableType]:
    if block.named:
        yield Text(block.caption, style=_DIM)
    every = range(1, len(block.columns))
    fewer = [i for i in every if not block.columns[i].spare]
    tries = [(every, 2), (fewer, 2), (fewer, 1)]
    grids = (_grid(block, columns, space) for columns, space in tries)
    grid = next((g for g in grids if _width(g) <= width), None)
    yield grid or _grid(block, fewer, 1)
    # A grid has no cells over several columns.
    for name, group in block.groups:
        for row in group:
            if row.instead:
                whole = "" if name is None else f"{_text(name).plain} "
                text = f"{whole}{_text(row.head).plain}: {_short(row.instead)}"
                yield Text(text, style="yellow")


def _width(grid: Grid) -> int:
    return Console(width=1000).measure(grid).maximum


def _grid(block: Table, columns: Sequence[int], space: int) -> Grid:
    grid = Grid(box=None, pad_edge=False, padding=(0, space, 0, 0), header_style=_DIM)
    rows = [row for _, group in block.groups for row in group if not row.instead]
    longest = max((len(_text(row.head).plain) + 2 * row.under for row in rows), default=0)
    grid.add_column(block.columns[0].title, min_width=min(longest, _HEAD))
    over = _over(block)
    for i in columns:
        column = block.columns[i]
        title = " ".join(filter(None, (over[i], column.title)))
        grid.add_column(
            title,
            justify="left" if column.text else "right",
            overflow="fold",
            min_width=None
            if column.text
            else max((len(_text(row.cells[i - 1]).plain) for row in rows), default=0),
        )
    for name, group in block.groups:
        if name is not None:
            grid.add_row(_text(name, "bold"))
        for row in group:
            if not row.instead:
                head = _text(row.head)
                if row.under:
                    head = Text(f"  {head.plain}", style=_DIM)
                grid.add_row(head, *(_text(row.cells[i - 1]) for i in columns))
    return grid


def _over(block: Table) -> list[str]:
    heads = [""]
    for title, span in block.over:
        heads += [title] * span
    return heads + [""] * (len(block.columns) - len(heads))


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) < 90 else f"{one[:87]}..."
