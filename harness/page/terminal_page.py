"""A page on a terminal, complete without pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.page.appearance import STYLES, Look
from harness.page.numbers import Number, count
from harness.page.page import (
    Beside,
    Block,
    Box,
    Card,
    Details,
    Facts,
    Heading,
    Items,
    Listing,
    Notes,
    Page,
    Paragraph,
    Quote,
)
from harness.page.page_line import (
    Code,
    Dim,
    EngineName,
    Graded,
    Length,
    Line,
    Link,
    Marked,
    Sign,
    Sketch,
    Tally,
    Under,
    pieces,
    space_before,
)
from harness.page.page_table import Row, Spanning, Table, unspanned

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
        The same page as it was printed before, with the beginning of its answer at least.
    """
    console = console or terminal()
    told_before, more = page.answer[: len(shown.answer)], page.answer[len(shown.answer) :]
    if told_before != shown.answer:
        console.print("\nWhat was run since changes the answer. It is now:\n")
        print_page(page, console)
        return
    # A NaN is not equal to itself, so that it is written out.
    told = set(map(repr, shown.sections))
    rest = [s for s in page.sections if not s.kept and repr(s) not in told]
    if rest:
        console.print()
        unheaded = replace(page, subject="", about="", answer=more, warning="", sections=rest)
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
            case Beside():
                for part in block.parts:
                    yield from _blocks(part, width, indent)
            case Card():
                yield indent, _text((block.look, *pieces(block.title)), "bold")
                told = (Paragraph(block.sentence), *block.blocks)
                yield from _blocks(told, width - _INDENT, indent + _INDENT)
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
        case Tally():
            yield _piece(block)
        case Listing():
            yield Text(block.text, style=_CODE, no_wrap=True)
        case _:
            return


def _text(line: Line, style: str = "") -> Text:
    text = Text(style=style)
    for piece in pieces(line):
        shown = _piece(piece)
        if shown.plain:
            between = "\n" if isinstance(piece, Under) else space_before(piece)
            text.append(between if text.plain else "")
            text.append_text(shown)
    return text


def _piece(piece: object) -> Text:
    match piece:
        case Number():
            shared, own = piece.text[: piece.common], piece.text[piece.common :]
            shown = Text.assemble(shared, (own, "bold"))
        case Look():
            # What stands in brackets explains, and a line is short.
            words = f"{piece.sign} {piece.label.partition(' (')[0]}".strip()
            shown = Text(words, style=STYLES[piece.family])
        case Sign():
            shown = Text(piece.look.sign, style=f"bold {STYLES[piece.look.family]}")
        case Code():
            shown = Text(piece.text, style=_CODE)
        case Dim():
            shown = Text(piece.text, style=_DIM)
        case EngineName():
            shown = Text(piece.name, style="bold")
        case Link():
            shown = Text(piece.text)
        case Marked():
            words = f"{piece.look.sign} {piece.text}".strip()
            shown = Text(words, style=STYLES[piece.look.family])
        case Under():
            shown = _text(piece.line, _DIM)
        case Graded():
            signs = [Text(look.sign, style=STYLES[look.family]) for look in piece.looks]
            parts = [Text(piece.where), *signs, Text(piece.text)]
            shown = Text(" ").join(part for part in parts if part.plain)
        case Tally():
            counts = (_text((count(number), look)) for look, number in piece.counts)
            shown = Text(", ").join(counts)
        case Length() | Sketch():
            shown = Text()
        case _:
            shown = Text(str(piece))
    return shown


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
    heads = 2 if block.beside else 1
    every = range(heads, len(block.columns))
    if block.apart and _width(_grid(block, every, 2)) > width:
        for one in block.apart:
            yield from _table(one, width)
        return
    if block.named:
        yield Text(block.caption, style=_DIM)
    fewer = [i for i in every if not block.columns[i].spare]
    tries = [(every, 2), (fewer, 2), (fewer, 1)]
    grids = (_grid(block, columns, space) for columns, space in tries)
    fitting = ((g, c) for g, (c, _) in zip(grids, tries, strict=True) if _width(g) <= width)
    grid, shown = next(fitting, (None, fewer))
    yield grid or _grid(block, fewer, 1)
    left = [_text(block.columns[i].title).plain for i in every if i not in shown]
    if left:
        yield Text(f"(no room for {', '.join(left)})", style=_DIM)
    # A grid has no cells over several columns.
    for group in block.groups:
        for row in group.rows:
            for said in _across(row):
                whole = "" if group.name is None else f"{_text(group.name).plain} "
                text = f"{whole}{_text(row.head).plain}: {_short(said)}"
                yield Text(text, style=STYLES["differ"])


def _width(grid: Grid) -> int:
    return Console(width=1000).measure(grid).maximum


def _across(row: Row) -> list[str]:
    """Return what a row says over several columns."""
    wide = [c for c in row.cells if isinstance(c, Spanning) and c.columns > 1]
    said = [_text(cell.line).plain for cell in wide]
    return [row.instead, *said] if row.instead else said


def _along(row: Row, size: int) -> list[Text]:
    """Return the cells of a row, one for each column; what goes over several is left out."""
    out: list[Text] = []
    for cell in row.cells:
        across = cell.columns if isinstance(cell, Spanning) else 1
        out += [_text(unspanned(cell))] if across == 1 else [Text()] * across
    return out + [Text()] * (size - len(out))


def _grid(block: Table, columns: Sequence[int], space: int) -> Grid:
    heads = 2 if block.beside else 1
    size = len(block.columns) - heads
    titles = [_text(column.title).plain for column in block.columns]
    grid = Grid(
        box=None,
        pad_edge=False,
        padding=(0, space, 0, 0),
        header_style=_DIM,
        show_header=any(titles),
    )
    rows = [
        (row, _along(row, size)) for group in block.groups for row in group.rows if not row.instead
    ]
    longest = max((len(_text(row.head).plain) + 2 * row.under for row, _ in rows), default=0)
    for title in titles[: heads - 1]:
        grid.add_column(title)
    grid.add_column(titles[heads - 1], min_width=min(longest, _HEAD))
    over = _over(block, heads)
    for i in columns:
        column = block.columns[i]
        title = " ".join(filter(None, (over[i], titles[i])))
        grid.add_column(
            title,
            justify="left" if column.text else "right",
            overflow="fold",
            min_width=None
            if column.text
            else max((len(cells[i - heads].plain) for _, cells in rows), default=0),
        )
    left = iter(rows)
    for group in block.groups:
        if group.name is not None and not (block.beside and group.rows):
            grid.add_row(_text(group.name, "bold"))
        name = _text(group.name or "")
        for row in group.rows:
            if not row.instead:
                _, cells = next(left)
                head = _text(row.head)
                if row.under:
                    head = Text(f"  {head.plain}", style=_DIM)
                beside = [name] if block.beside else []
                grid.add_row(*beside, head, *(cells[i - heads] for i in columns))
                name = Text()
    return grid


def _over(block: Table, heads: int) -> list[str]:
    over = [""] * heads
    for title, span in block.over:
        over += [title] * span
    return over + [""] * (len(block.columns) - len(over))


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) < 90 else f"{one[:87]}..."
