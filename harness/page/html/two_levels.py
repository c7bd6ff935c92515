"""The tutorial's analyses in two levels, a panel for each: means of groups, slopes of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.base.text import shortened
from harness.page.html import axes
from harness.page.html.axes import Array, Scale
from harness.page.html.fitted_picture import fitted_line
from harness.page.html.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    OVERLAID_GROUPS,
    RIGHT,
    STRIP_ROWS,
    TOP,
    WIDTH,
    Figure,
    Rows,
    Trace,
    how_drawn,
    stroke,
    thin,
    thinning,
    weight,
)
from harness.page.numbers import short


@dataclass(frozen=True)
class Slopes:
    """What one engine makes of the slopes of groups: each of them, and their mean."""

    engine: str
    rank: int
    values: Array
    mean: float
    p: float | None


def means_figures(
    key: str, rows: Rows, means: Rows, traces: Sequence[Trace]
) -> tuple[Figure, Figure]:
    """Draw level 1, the means within groups among the rows, and level 2, their regression.

    Parameters
    ----------
    means : Rows
        A row for each group; its groups are those of ``rows``.
    traces : sequence of Trace
        The regression on the means, fitted values in the order of ``means``.
    """
    scales = _scales(rows, traces)
    across, up = scales
    chosen = thin(rows.y.size, MOST_POINTS)
    few = len(rows.present) <= OVERLAID_GROUPS
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    for place, level in enumerate(rows.present if few else ()):
        mine = chosen[rows.of(level)[chosen]]
        points = across(rows.x[mine]), up(rows.y[mine])
        body.append(axes.marks(*points, f"g{place} faint", axes.MARKS[place]))
    if not few:
        points = across(rows.x[chosen]), up(rows.y[chosen])
        body.append(axes.marks(*points, "neutral faint", width=3))
    body += [_mean_marks(means, scales, few=few), _titles(rows, across)]
    caption = f"Rows, faint, and the mean of each {rows.group_name}, ringed."
    first = _figure(
        f"{key}-1", "Level 1: means within groups", body, caption + thinning(rows.y.size)
    )
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    for trace in reversed(traces):
        at, height = fitted_line(means.x, trace.fitted)
        css = f"e{trace.rank} {weight(trace, traces)}"
        body.append(axes.line(across(at), up(height), css, stroke(trace, traces, css)))
    body += [_mean_marks(means, scales, few=few), _titles(rows, across)]
    caption = f"The regression on the {len(means.y)} means. {how_drawn(traces)}".strip()
    return first, _figure(f"{key}-2", "Level 2: regression between groups", body, caption)


def slopes_figure(key: str, labels: Sequence[str], slopes: Sequence[Slopes]) -> Figure:
    """Draw the slope of each group, their mean, and the slope of zero that it is tested against."""
    chosen = thin(len(labels), STRIP_ROWS)
    shown = [shortened(labels[i], 14) for i in chosen]
    left = 16.0 + 6.2 * max(len(label) for label in shown)
    step = 30.0 if len(chosen) <= 8 else 13.0
    height = TOP + step * len(chosen) + BOTTOM
    across = axes.scale([s.values for s in slopes] + [np.zeros(1)], left, WIDTH - RIGHT, 0.08)
    at: Array = TOP + step * (np.arange(len(chosen), dtype=np.float64) + 0.5)
    zero = axes.coordinate(float(across(0.0)))
    body = [f'<path class="zero" d="M{zero} {TOP}V{axes.coordinate(height - BOTTOM)}"/>']
    body.append(axes.text(float(across(0.0)) + 4, TOP - 4, "no slope", "tick-label"))
    body.append(axes.row_lines(at.tolist(), left, WIDTH - RIGHT, shown))
    for one in reversed(slopes):
        mean = axes.coordinate(float(across(one.mean)))
        broad = ' stroke-width="6" stroke-opacity=".32"' if one is slopes[-1] else ""
        body.append(
            f'<path class="e{one.rank} thread"{broad} '
            f'd="M{mean} {TOP}V{axes.coordinate(height - BOTTOM)}"/>'
        )
        shape = "circle" if one.rank == 0 else "ring"
        body.append(axes.marks(across(one.values[chosen]), at, f"e{one.rank}", shape))
    body.append(axes.horizontal_axis(across, height - BOTTOM, "slope"))
    said = "; ".join(
        f"{one.engine}: mean {short(one.mean)}" + ("" if one.p is None else f", p {short(one.p)}")
        for one in slopes
    )
    caption = f"Slope of each group, and as a line their mean. {said}."
    title = "Level 2: slopes between groups"
    return _figure(key, title, body, caption, height)


def _scales(rows: Rows, traces: Sequence[Trace]) -> tuple[Scale, Scale]:
    across = axes.scale([rows.x], LEFT, WIDTH - RIGHT, 0.04)
    return across, axes.scale([rows.y, *(t.fitted for t in traces)], HEIGHT - BOTTOM, TOP)


def _mean_marks(means: Rows, scales: tuple[Scale, Scale], *, few: bool) -> str:
    across, up = scales
    x, y = across(means.x), up(means.y)
    drawn = []
    for i, level in enumerate(means.group):
        css = f"g{i}" if few else "neutral"
        at = x[i : i + 1], y[i : i + 1]
        drawn.append(axes.marks(*at, css, axes.MARKS[i] if few else "circle"))
        drawn.append(
            f'<circle class="{css} ring" stroke-width="1.5" cx="{axes.coordinate(float(x[i]))}" '
            f'cy="{axes.coordinate(float(y[i]))}" r="7"/>'
        )
        if few:
            label = shortened(means.levels[level], 12)
            drawn.append(axes.text(float(x[i]) + 11, float(y[i]) + 3.5, label, f"{css} direct"))
    return "".join(drawn)


def _titles(rows: Rows, across: Scale) -> str:
    bottom = axes.horizontal_axis(across, HEIGHT - BOTTOM, rows.x_name)
    return bottom + axes.text(8, 14, shortened(rows.y_name, 50), "axis-title")


def _figure(
    key: str, title: str, body: Sequence[str], caption: str, height: float = HEIGHT
) -> Figure:
    return Figure(title, axes.picture(key, WIDTH, height, title, caption, "".join(body)), caption)
