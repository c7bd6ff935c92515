"""The deviance over two variance parameters as contour lines, with the optimizers' paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from scipy import stats
from scipy.interpolate import RectBivariateSpline

from harness.base.text import listed, shortened
from harness.diagnose.graphs import Contour, Path
from harness.page.html import axes
from harness.page.html.axes import Array, Scale
from harness.page.html.svg import DASHES, LEFT, RIGHT, Figure, legend, point_key
from harness.page.numbers import correlation, short
from harness.page.numbers import number as shown

WIDTH, HEIGHT, TOP, BOTTOM = 620.0, 440.0, 26.0, 40.0

LEVELS = tuple((percent, float(stats.chi2.ppf(percent / 100, 2))) for percent in (50, 80, 95, 99))
"""Percent, and that quantile of chi-squared with two degrees of freedom."""

FINE = 81

_NO_LINES = (
    "Left out: no border of a likelihood-ratio region lies within what was computed, so that "
    "there is nothing to draw."
)


def contour_figure(key: str, contour: Contour, engines: Sequence[str]) -> Figure:
    """Draw likelihood-ratio regions of two parameters, the optimum, both answers and the paths."""
    x, y = np.asarray(contour.x), np.asarray(contour.y)
    rise = np.maximum(np.asarray(contour.deviance) - contour.minimum, 0.0)
    across = Scale(float(x[0]), float(x[-1]), LEFT + 6, WIDTH - RIGHT)
    up = Scale(float(y[0]), float(y[-1]), HEIGHT - BOTTOM, TOP)
    body = [
        f'<defs><clipPath id="{key}-clip"><rect x="{LEFT + 6}" y="{TOP}" '
        f'width="{WIDTH - RIGHT - LEFT - 6}" height="{HEIGHT - BOTTOM - TOP}"/></clipPath></defs>',
        axes.vertical_axis(up, LEFT + 6, WIDTH - RIGHT),
    ]
    # The logarithm of the rise is smooth where the rise itself grows out of all proportion.
    surface = RectBivariateSpline(y, x, np.log1p(rise))
    fine_x, fine_y = np.linspace(x[0], x[-1], FINE), np.linspace(y[0], y[-1], FINE)
    heights = np.expm1(surface(fine_y, fine_x))
    labels = []
    for place, (percent, level) in enumerate(LEVELS):
        lines = level_lines(fine_x, fine_y, heights, level)
        for line in lines:
            body.append(
                axes.line(
                    across(line[:, 0]),
                    up(line[:, 1]),
                    "level",
                    f' stroke-width="{1.8 - 0.35 * place:.2f}"',
                )
            )
        if lines:
            longest = max(lines, key=len)
            at = longest[int(np.argmax(longest[:, 0]))]
            labels.append(
                axes.text(
                    min(float(across(at[0])) + 3, WIDTH - RIGHT - 26),
                    float(up(at[1])) + 3.5,
                    f"{percent} %",
                    "tick-label",
                )
            )
    title = f"Deviance over {contour.x_name} and {contour.y_name}"
    if not labels:
        return Figure(title, Markup(), _NO_LINES, wide=True)
    body.append(f'<g clip-path="url(#{key}-clip)">')
    for path in contour.paths:
        if path.engine in engines:
            body.append(_path(path, engines.index(path.engine), across, up))
    body.append("</g>")
    body += labels
    bx, by = contour.best
    body.append(axes.marks(across(np.array([bx])), up(np.array([by])), "neutral best-mark", "plus"))
    known = [e for e in contour.engines if e[0] in engines]
    for engine, ex, ey, _ in reversed(known):
        if not (np.isfinite(ey) and x[0] <= ex <= x[-1]):
            continue
        rank = engines.index(engine)
        shape = "circle" if rank == 0 else "ring"
        place_x, place_y = across(np.array([ex])), up(np.array([ey]))
        body.append(axes.marks(place_x, place_y, f"e{rank}", shape, 7.0))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, contour.x_name))
    body.append(axes.text(4, 14, shortened(contour.y_name, 70), "axis-title"))
    body.append(legend([(e, point_key(engines.index(e))) for e, *_ in known], WIDTH))
    caption = _caption(contour, known)
    svg = axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body))
    return Figure(title, svg, caption, wide=True)


def _path(path: Path, rank: int, across: Scale, up: Scale) -> str:
    x, y = across(np.asarray(path.x)), up(np.asarray(path.y))
    style = f' stroke-dasharray="{DASHES[1]}"' if rank else ""
    return axes.line(x, y, f"e{rank} thread", f' stroke-width="1.6"{style}') + axes.marks(
        x, y, f"e{rank} point", "circle" if rank == 0 else "ring", 3.4
    )


def _caption(contour: Contour, known: Sequence[tuple[str, float, float, float]]) -> str:
    x, y = contour.best
    tell_x, tell_y = (
        correlation if name.startswith("correlation") else shown
        for name in (contour.x_name, contour.y_name)
    )
    text = f"The best point (+) is at {tell_x(x, 3)} and {tell_y(y, 3)}"
    ends = [
        f"{engine} at {tell_x(ex, 3)} and {tell_y(ey, 3)}, "
        f"{short(max(deviance - contour.minimum, 0.0))} higher in deviance"
        for engine, ex, ey, deviance in known
        if np.isfinite(ey)
    ]
    text += "".join(f", {end}" for end in ends)
    ways = [
        f"{p.optimizer} of {p.engine} fell from {short(p.deviance[0] - contour.minimum)} to "
        f"{short(max(p.deviance[-1] - contour.minimum, 0.0))} above it, in {len(p.x) - 1} steps "
        f"downwards from {tell_x(p.x[0], 3)} and {tell_y(p.y[0], 3)}"
        + ("" if contour.x[0] <= p.x[0] <= contour.x[-1] else " (outside the picture)")
        for p in contour.paths
    ]
    return (
        f"{text}. {'; '.join(ways)}{'. ' if ways else ''}Lines: likelihood-ratio regions of "
        f"{listed([f'{percent} %' for percent, _ in LEVELS])}."
    )


def level_lines(x: Array, y: Array, heights: Array, level: float) -> list[Array]:
    """Return the lines on which a surface has a height, by marching squares.

    Parameters
    ----------
    heights : (len(y), len(x)) array

    Returns
    -------
    list of (k, 2) arrays
        Points of each line in order; a closed line ends where it begins.
    """
    above = heights > level
    ends: dict[tuple[int, int, int], list[tuple[int, int, int]]] = defaultdict(list)

    def join(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
        ends[a].append(b)
        ends[b].append(a)

    for i in range(len(y) - 1):
        for j in range(len(x) - 1):
            corners = above[i, j], above[i, j + 1], above[i + 1, j + 1], above[i + 1, j]
            if all(corners) or not any(corners):
                continue
            # Edges: (row, column, 0) to the right of a node, (row, column, 1) upwards from it.
            sides = [(i, j, 0), (i, j + 1, 1), (i + 1, j, 0), (i, j, 1)]
            cut = [s for k, s in enumerate(sides) if corners[k] != corners[(k + 1) % 4]]
            if len(cut) == 2:
                join(cut[0], cut[1])
            elif (heights[i : i + 2, j : j + 2].mean() > level) == corners[0]:
                join(sides[0], sides[1])
                join(sides[2], sides[3])
            else:
                join(sides[0], sides[3])
                join(sides[1], sides[2])

    def place(edge: tuple[int, int, int]) -> tuple[float, float]:
        i, j, upwards = edge
        a, b = heights[i, j], heights[i + upwards, j + 1 - upwards]
        share = (level - a) / (b - a)
        if upwards:
            return float(x[j]), float(y[i] + share * (y[i + 1] - y[i]))
        return float(x[j] + share * (x[j + 1] - x[j])), float(y[i])

    lines = []
    open_first = sorted(ends, key=lambda e: (len(ends[e]) != 1, e))
    for start in open_first:
        if not ends[start]:
            continue
        line = [start]
        while ends[line[-1]]:
            following = ends[line[-1]].pop()
            ends[following].remove(line[-1])
            line.append(following)
        lines.append(np.array([place(edge) for edge in line]))
    return lines
