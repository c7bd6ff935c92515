"""A line of a page as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from markupsafe import Markup, escape

from harness.page.appearance import Look
from harness.page.numbers import Number, count
from harness.page.page_line import (
    Code,
    Dim,
    EngineName,
    Graded,
    Length,
    Line,
    Link,
    Marked,
    Piece,
    Sign,
    Sketch,
    Tally,
    Under,
    pieces,
    space_before,
)

KEYS = 3
"""Keys of engines that differ in shape; further ones differ in colour only."""


def line_html(line: Line) -> Markup:
    """Return a line; what its pieces hold is escaped."""
    first, *rest = pieces(line)
    shown = _piece(first)
    return Markup("").join([shown, *(space_before(p) + _piece(p) for p in rest)]) if rest else shown


def _piece(piece: Piece) -> Markup:
    match piece:
        case Number():
            shown = piece.html()
        case Look():
            shown = Markup(
                '<span class="badge small {}">{}<span class="word">{}</span></span>'
            ).format(piece.family, icon(piece.icon), piece.label)
        case Code():
            shown = Markup("<code>{}</code>").format(piece.text)
        case Dim():
            shown = Markup('<span class="dim">{}</span>').format(piece.text)
        case EngineName(rank=None):
            shown = escape(piece.name)
        case EngineName(rank=int(rank)):
            shown = Markup(
                '<span class="engine"><svg class="key k{}" width="10" height="10" '
                'aria-hidden="true"><use href="#k{}"/></svg>{}</span>'
            ).format(rank, min(rank, KEYS - 1), piece.name)
        case Sign():
            shown = Markup('<span class="mini {}">{}{}</span>').format(
                piece.look.family, icon(piece.look.icon), _unseen(piece.look)
            )
        case Link():
            css = Markup(' class="cause"') if piece.code else ""
            shown = Markup('<a{} href="{}">{}</a>').format(css, piece.place, piece.text)
        case Marked():
            unseen = "" if piece.look.label in piece.text else _unseen(piece.look)
            shown = Markup('<span class="found {}">{}<span>{}{}</span></span>').format(
                piece.look.family, icon(piece.look.icon), unseen, piece.text
            )
        case Under():
            shown = Markup('<span class="under">{}</span>').format(line_html(piece.line))
        case Graded():
            shown = Markup('<span class="swatch {}">{}</span>').format(
                grade(piece), graded_html(piece)
            )
        case Tally():
            shown = Markup('{}<span class="words">{}</span>').format(
                bar(piece.counts, 8), _words(piece.counts)
            )
        case Length():
            shown = Markup(
                '<svg class="length" viewBox="0 0 100 8" preserveAspectRatio="none" width="100%" '
                'height="9" aria-hidden="true"><rect class="hist" fill="currentColor" '
                'width="{:.2f}" height="8"/></svg>'
            ).format(100 * piece.share)
        case Sketch():
            shown = Markup("{}").format(getattr(piece.drawn, "svg", ""))
        case _:
            shown = escape(piece)
    return shown


def grade(piece: Graded) -> str:
    """Return the class of the ground of digits."""
    if any(look.family != "agree" for look in piece.looks):
        return "out"
    return "none" if piece.grade is None else f"in{piece.grade}"


def graded_html(piece: Graded) -> Markup:
    """Return digits without their ground, with what else is so."""
    where = f'<span class="where">{escape(piece.where)}</span>' if piece.where else ""
    signs = "".join(icon(look.icon) + _unseen(look) for look in piece.looks)
    return Markup(f"{where}{signs}<b>{escape(piece.text)}</b>")


@cache
def icon(name: str) -> Markup:
    """Return a symbol."""
    return Markup(
        '<svg class="icon" width="16" height="16" aria-hidden="true"><use href="#i-{}"/></svg>'
    ).format(name)


def bar(counts: Sequence[tuple[Look, int]], height: int) -> Markup:
    """Return counts as parts of a bar."""
    total = sum(number for _, number in counts)
    parts, start = [], 0.0
    for place, (look, number) in enumerate(counts):
        width = 100.0 * number / total
        parts.append(
            Markup('<rect class="{}{}" x="{:.3f}" y="0" width="{:.3f}" height="3"/>').format(
                look.family, " alt" if place % 2 else "", start, max(width - 0.25, 0.2)
            )
        )
        start += width
    return Markup(
        '<svg class="bar" viewBox="0 0 100 3" preserveAspectRatio="none" width="100%" '
        'height="{}" aria-hidden="true">{}</svg>'
    ).format(height, Markup("").join(parts))


def _words(counts: Sequence[tuple[Look, int]]) -> Markup:
    return Markup(" ").join(
        Markup('<span class="{}">{} {} <span class="word">{}</span></span>').format(
            look.family, icon(look.icon), count(number), look.label
        )
        for look, number in counts
    )


@cache
def _unseen(look: Look) -> Markup:
    """Return the word of a look for who does not see its icon."""
    return Markup('<span class="sr">{}: </span>').format(look.label)
