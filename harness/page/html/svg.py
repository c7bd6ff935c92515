"""What all pictures share: rows and traces, line styles, legends, thinning.

Two engines that agree give the same picture, so the reference is drawn broad and pale and the other
engine thin and dark on top of it: where the thin line leaves the middle of the band, they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.base.text import shortened
from harness.page.html import axes
from harness.page.html.axes import Array
from harness.page.numbers import count

WIDTH, HEIGHT = 420.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 26.0, 40.0

OVERLAID_GROUPS = 6
MOST_POINTS = 400
STRIP_ROWS = 40
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
"""Line styles by group, so that densities can be told apart without colour."""


@dataclass(frozen=True)
class Trace:
    """What one engine gives for every row; ``rank`` 0 is drawn on top, the last one at the back."""

    engine: str
    rank: int
    fitted: Array
    residuals: Array


@dataclass(frozen=True)
class Rows:
    """The rows of the data and the group of each; ``levels`` is empty when there are no groups."""

    x_name: str
    y_name: str
    group_name: str
    x: Array
    y: Array
    group: NDArray[np.intp]
    levels: tuple[str, ...]

    def of(self, level: int) -> NDArray[np.bool_]:
        """Return the rows of one group."""
        mask: NDArray[np.bool_] = self.group == level
        return mask

    @property
    def present(self) -> list[int]:
        """Groups that have rows."""
        return [int(level) for level in np.unique(self.group)]


@dataclass(frozen=True)
class Figure:
    """A picture and the line of text under it."""

    title: str
    svg: Markup
    caption: str
    wide: bool = False


def grouped(rows: Rows, length: int) -> bool:
    """Return whether every row has a group, and there are several."""
    return len(rows.group) == length and len(rows.present) > 1 and bool(rows.levels)


def weight(trace: Trace, traces: Sequence[Trace]) -> str:
    """Return how an engine is drawn: the last one at the back, broad and pale."""
    return "band" if len(traces) > 1 and trace is traces[-1] else "thread"


def stroke(trace: Trace, traces: Sequence[Trace], css: str) -> str:
    """Return stroke attributes that hold where the style sheet is dropped."""
    if css == "crowd":
        return ' stroke-opacity=".3"'
    if weight(trace, traces) == "band":
        return ' stroke-width="6" stroke-opacity=".35"'
    return ' stroke-width="1.5"'


def how_drawn(traces: Sequence[Trace]) -> str:
    """Return the part of a caption that says which line is whose."""
    if not traces:
        return ""
    if len(traces) == 1:
        return f"Lines: {traces[0].engine}."
    thin = " and ".join(t.engine for t in traces[:-1])
    return f"Broad pale: {traces[-1].engine}; thin dark: {thin}."


def thinning(points: int) -> str:
    """Return the part of a caption that says how many rows are drawn."""
    return f" {MOST_POINTS} of {count(points)} rows drawn." if points > MOST_POINTS else ""


def thin(length: int, most: int) -> NDArray[np.intp]:
    """Return at most ``most`` evenly spaced indices."""
    if length <= most:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, most).round().astype(np.intp))


def some(levels: list[int], most: int) -> list[int]:
    """Return at most ``most`` evenly spaced levels."""
    return [levels[i] for i in thin(len(levels), most)]


def legend(entries: Sequence[tuple[str, str]], width: float = WIDTH) -> str:
    """Return labels with samples of their marks, from the right edge."""
    x = width - RIGHT
    room = int(((width - 70) / max(len(entries), 1) - 32) / 6.4)
    drawn = []
    for label, sample in reversed(entries):
        shown = shortened(label, min(18, room))
        x -= 6.4 * len(shown)
        drawn.append(axes.text(x, 14, shown, "legend"))
        x -= 22
        drawn.append(f'<g transform="translate({axes.coordinate(x)} 10)">{sample}</g>')
        x -= 10
    return "".join(drawn)


def engine_legend(traces: Sequence[Trace], width: float = WIDTH) -> str:
    """Return the legend of lines by engine."""
    return legend(
        [
            (
                t.engine,
                f'<path class="e{t.rank} {weight(t, traces)}" d="M0 0H18"{stroke(t, traces, "")}/>',
            )
            for t in traces
        ],
        width,
    )


def group_legend(rows: Rows, *, lines: bool = False) -> str:
    """Return the legend of marks or lines by group; empty for many groups."""
    if len(rows.present) > OVERLAID_GROUPS:
        return ""
    one = np.array([9.0]), np.zeros(1)
    return legend(
        [
            (
                rows.levels[level],
                f'<path class="g{place} thread" stroke-width="1.5"{dash(f"g{place}")} d="M0 0H18"/>'
                if lines
                else axes.marks(*one, f"g{place} point", axes.MARKS[place]),
            )
            for place, level in enumerate(rows.present)
        ]
    )


def dash(css: str) -> str:
    """Return the dash attribute of a group."""
    style = DASHES[int(css[1:])] if css.startswith("g") else ""
    return f' stroke-dasharray="{style}"' if style else ""


def point_key(rank: int) -> str:
    """Return the sample of an engine's mark."""
    return axes.marks(np.array([9.0]), np.zeros(1), f"e{rank}", "circle" if rank == 0 else "ring")
