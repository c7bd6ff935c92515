"""A page on a terminal, complete without pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

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
    Quote,
    Sign,
    Table,
    pieces,
)

_INDENT = 2
_HEAD = 24
"""Characters of the heads of rows that are kept on one line."""

_NAME = 6
"""Characters that the names of facts have at least, so that short lists of them line up."""

_DIM = STYLES["silent"]
_CODE = "cyan"

WIDTH = 120
"""Columns of what is no terminal."""


def print_page(page: Page, console: Console | None = None, *, answer_last: bool = False) -> None:
    """Print a page.

    Parameters
    ----------
    console : Console, optional
        :func:`terminal` without it.
    answer_last : bool
        After a long list the answer is where the eye is: at the end, before the last section.
    """
    console = console or terminal()
    for text, style in ((page.subject, "bold"), (page.about, _DIM)):
        if text:
            console.print(Text(text, style=style), soft_wrap=True)
    begun = bool(page.subject or page.about)
    last = len(page.sections) - 1 if answer_last else 0
    for place, section in enumerate(page.sections):
        if place == last and (page.answer or page.warning):
            if begun:
                console.print()
            for i, sentence in enumerate(page.answer):
                console.print(Text(sentence, style="bold" if i == 0 else ""))
            if page.warning:
                console.print(Text(page.warning, style=STYLES["differ"]))
            begun = not answer_last
        step = _INDENT if section.title else 0
        shown = list(_blocks(section.blocks, console.width - step, step))
        if section.kept or not shown:
            continue
        if begun:
            console.print()
        if section.title:
            console.print(Text(section.title, style="bold underline"))
        for indent, item in shown:
            _print(console, indent, item)
        begun = True


def print_rest(page: Page, shown: Page, console: Console | None = None) -> None:
    """Print what a page has besides what was shown of it; all of it where the answer has changed.

    Parameters
    ----------
    shown : Page
        The same page when its answer was there, as it was printed then.
    """
    console = console or terminal()
    if page.answer != shown.answer:
        console.print("\nWhat was run since changes the answer. It is now:\n")
        print_page(page, console)
        return
    # A NaN is not equal to itself, so that it is written out.
    told = set(map(repr, shown.sections))
    rest = [s for s in page.sections if not s.kept and repr(s) not in told]
    if rest:
        console.print()
        unheaded = replace(page, subject="", about="", answer=(), warning="", sections=rest)
        print_page(unheaded, console)


def terminal() -> Console:
    """Return standard output: a pipe or a file has no width, and cutting at 80 hides too much."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def _print(console: Console, indent: int, item: RenderableType) -> None:
    if isinstance(item, Text) and item.no_wrap:
        # What is to be copied is not broken, however narrow the terminal.
        for line in item.split("\n", allow_blank=True):
            console.print(Text(" " * indent) + line, soft_wrap=True)
    else:
        console.print(Padding(item, (0, 0, 0, indent), expand=False))


_Placed = tuple[int, RenderableType]


def _blocks(blocks: Sequence[Block], width: int, indent: int) -> Iterator[_Placed]:
    """Yield what is printed, each with the columns by which it is indented."""
    for block in blocks:
        match block:
            case Details():
                if block.opened:
                    yield from _blocks(block.blocks, width, indent)
            case Box():
                step = _INDENT if block.inner else 0
                first, rest = block.blocks[:1], block.blocks[1:]
                yield from _blocks(first, width - step, indent + step)
                yield from _blocks(rest, width - _INDENT, indent + _INDENT)
            case Quote():
                yield indent + _INDENT, Text(f'"{_short(block.text)}"')
            case _:
                yield from ((indent, item) for item in _block(block, width))


def _block(block: Block, width: int) -> Iterator[RenderableType]:
    match block:
        case Heading():
            yield _text(block.line, "bold")
        case Paragraph():
            yield _text(block.line, _DIM if block.dim else "")
        case Items():
            yield from (_text(line) for line in block.lines)
        case Notes():
            yield _notes(block)
        case Facts():
            yield _facts(block)
        case Table():
            yield from _table(block, width)
        case Listing():
            yield Text(block.text, style=_CODE, no_wrap=True)
        case _:
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
            words = f"{piece.sign} {piece.label.partition(' (')[0]}".strip()
            return Text(words, style=STYLES[piece.family])
        case Sign():
            return Text(piece.look.sign, style=f"bold {STYLES[piece.look.family]}")
        case Code():
            return Text(piece.text, style=_CODE)
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
            said.append(f" {note.more}", style=_CODE)
        grid.add_row(_piece(note.look), said)
    return grid


def _facts(block: Facts) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style=_DIM, min_width=_NAME)
    grid.add_column(overflow="fold")
    for name, line in block.rows:
        grid.add_row(name, _text(line))
    return grid


def _table(block: Table, width: int) -> Iterator[RenderableType]:
    if block.apart and _width(_grid(block, range(1, len(block.columns)), 2)) > width:
        for one in block.apart:
            yield from _table(one, width)
        return
    if block.named:
        yield Text(block.caption, style=_DIM)
    every = range(1, len(block.columns))
    fewer = [i for i in every if not block.columns[i].spare]
    tries = [(every, 2), (fewer, 2), (fewer, 1)]
    grids = (_grid(block, columns, space) for columns, space in tries)
    fitting = ((g, c) for g, (c, _) in zip(grids, tries, strict=True) if _width(g) <= width)
    grid, shown = next(fitting, (None, fewer))
    yield grid or _grid(block, fewer, 1)
    left = [block.columns[i].title for i in every if i not in shown]
    if left:
        yield Text(f"(no room for {', '.join(left)})", style=_DIM)
    # A grid has no cells over several columns.
    for name, group in block.groups:
        for row in group:
            if row.instead:
                whole = "" if name is None else f"{_text(name).plain} "
                text = f"{whole}{_text(row.head).plain}: {_short(row.instead)}"
                yield Text(text, style=STYLES["differ"])


def _width(grid: Grid) -> int:
    return Console(width=1000).measure(grid).maximum


def _grid(block: Table, columns: Sequence[int], space: int) -> Grid:
    grid = Grid(
        box=None,
        pad_edge=False,
        padding=(0, space, 0, 0),
        header_style=_DIM,
        show_header=any(column.title for column in block.columns),
    )
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
