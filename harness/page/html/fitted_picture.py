"""The data with fitted lines: overlaid, in panels, as a crowd or as strips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.base.text import shortened
from harness.page.html import axes
from harness.page.html.axes import Array
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
    engine_legend,
    group_legend,
    how_drawn,
    some,
    stroke,
    thin,
    thinning,
    weight,
)
from harness.page.numbers import count

PANEL_GROUPS = 36
MOST_LINES = 60


def data_figure(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    """Draw the data with each engine's fitted lines by group."""
    traces = [t for t in traces if len(t.fitted) == len(rows.y)]
    if rows.x.size == 0:
        return _strips(key, rows, traces)
    if len(rows.present) <= OVERLAID_GROUPS:
        return _overlay(key, rows, traces)
    if len(rows.present) <= PANEL_GROUPS:
        return _panels(key, rows, traces)
    return _crowd(key, rows, traces)


def _overlay(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    longest = max((len(level) for level in rows.levels), default=0) if traces else 0
    right = RIGHT + (6.2 * min(longest, 12) + 4 if len(rows.present) > 1 else 0)
    across = axes.scale([rows.x], LEFT, WIDTH - right, 0.04)
    up = axes.scale([rows.y, *(t.fitted for t in traces)], HEIGHT - BOTTOM, TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - right)]
    ends: list[tuple[float, int]] = []
    for trace in [None, *reversed(traces)]:
        for place, level in enumerate(rows.present):
            mask = rows.of(level)
            if trace is None:
                chosen = np.flatnonzero(mask)[thin(int(mask.sum()), MOST_POINTS)]
                points = across(rows.x[chosen]), up(rows.y[chosen])
                body.append(axes.marks(*points, f"g{place} point", axes.MARKS[place]))
                continue
            at, height = fitted_line(rows.x[mask], trace.fitted[mask])
            css = f"g{place} {weight(trace, traces)}"
            body.append(axes.line(across(at), up(height), css, stroke(trace, traces, css)))
            if trace is traces[0] and height.size:
                ends.append((float(up(height[-1])), place))
    if len(rows.present) > 1:
        body.append(_end_labels(rows, ends, WIDTH - right + 5) if ends else group_legend(rows))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, rows.x_name))
    body.append(axes.text(8, 14, shortened(rows.y_name, 50), "axis-title"))
    lines = how_drawn(traces)
    caption = f"{rows.y_name} against {rows.x_name}" + (" with fitted lines" if traces else "")
    caption += f" by {rows.group_name}" if len(rows.present) > 1 else ""
    caption += f". {lines}" if lines else "."
    caption += thinning(rows.y.size)
    title = "Data and fitted lines"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


def _panels(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    across_panels = 6
    width, cell_height = 640.0, 86.0
    down = -(-len(rows.present) // across_panels)
    cell = (width - LEFT - RIGHT) / across_panels
    height = TOP + down * cell_height + BOTTOM
    every = max(1, MOST_POINTS // max(1, len(rows.present)))
    body: list[str] = []
    for place, level in enumerate(rows.present):
        row, column = divmod(place, across_panels)
        left, top = LEFT + column * cell, TOP + row * cell_height
        across = axes.scale([rows.x], left + 3, left + cell - 5, 0.06)
        up = axes.scale(
            [rows.y, *(t.fitted for t in traces)], top + cell_height - 4, top + 18, 0.04
        )
        body.append(
            f'<rect class="panel" stroke-opacity=".3" x="{axes.coordinate(left)}" '
            f'y="{axes.coordinate(top + 14)}" width="{axes.coordinate(cell - 4)}" '
            f'height="{axes.coordinate(cell_height - 18)}"/>'
        )
        body.append(axes.text(left, top + 10, shortened(rows.levels[level], 15), "panel-title"))
        mask = rows.of(level)
        chosen = np.flatnonzero(mask)[thin(int(mask.sum()), every)]
        points = across(rows.x[chosen]), up(rows.y[chosen])
        body.append(axes.marks(*points, "neutral point", width=3.4))
        for trace in reversed(traces):
            at, fit = fitted_line(rows.x[mask], trace.fitted[mask])
            css = f"e{trace.rank} {weight(trace, traces)}"
            body.append(axes.line(across(at), up(fit), css, stroke(trace, traces, css)))
        if column == 0:
            for value in up.ticks(2):
                label = axes.tick_label(value, abs(up.ticks(2)[-1] - up.ticks(2)[0]) or 1.0)
                body.append(axes.text(left - 6, float(up(value)) + 3.5, label, "tick-label", "end"))
        if row == down - 1 or place + across_panels >= len(rows.present):
            for value in across.ticks(2):
                label = axes.tick_label(value, abs(across.ticks(2)[-1] - across.ticks(2)[0]) or 1.0)
                body.append(
                    axes.text(
                        float(across(value)), top + cell_height + 9, label, "tick-label", "middle"
                    )
                )
    body.append(axes.text(width / 2, height - 6, rows.x_name, "axis-title", "middle"))
    body.append(engine_legend(traces, width))
    body.append(axes.text(8, 14, shortened(rows.y_name, 40), "axis-title"))
    caption = (
        f"{rows.y_name} against {rows.x_name}, a panel for each {rows.group_name}, "
        f"with fitted lines. {how_drawn(traces)}" + thinning(rows.y.size)
    )
    title = "Data and fitted lines"
    svg = axes.picture(key, width, height, title, caption, "".join(body))
    return Figure(title, svg, caption, wide=True)


def _crowd(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    across = axes.scale([rows.x], LEFT, WIDTH - RIGHT, 0.04)
    up = axes.scale([rows.y, *(t.fitted for t in traces)], HEIGHT - BOTTOM, TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    chosen = thin(rows.y.size, MOST_POINTS)
    body.append(axes.marks(across(rows.x[chosen]), up(rows.y[chosen]), "neutral faint", width=3))
    shown = some(rows.present, MOST_LINES)
    for trace in reversed(traces):
        for level in shown:
            mask = rows.of(level)
            at, fit = fitted_line(rows.x[mask], trace.fitted[mask])
            css = f"e{trace.rank} {weight(trace, traces)} many"
            body.append(axes.line(across(at), up(fit), css, stroke(trace, traces, css)))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, rows.x_name))
    body.append(axes.text(8, 14, shortened(rows.y_name, 24), "axis-title"))
    body.append(engine_legend(traces))
    caption = (
        f"{rows.y_name} against {rows.x_name}; fitted lines of {len(shown)} of "
        f"{count(len(rows.present))} groups ({rows.group_name}). {how_drawn(traces)}"
        + thinning(rows.y.size)
    )
    title = "Data and fitted lines"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


def _strips(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    levels = some(rows.present, STRIP_ROWS)
    labels = [shortened(rows.levels[k], 14) if rows.levels else "" for k in levels]
    left = 16.0 + 6.2 * max(len(label) for label in labels)
    step = 18.0 if len(levels) <= 12 else 13.0
    height = TOP + step * len(levels) + BOTTOM
    across = axes.scale([rows.y, *(t.fitted for t in traces)], left, WIDTH - RIGHT)
    middles = [TOP + step * (place + 0.5) for place in range(len(levels))]
    body = [axes.row_lines(middles, left, WIDTH - RIGHT, labels)]
    for y, level in zip(middles, levels, strict=True):
        mask = rows.of(level)
        values = rows.y[mask][thin(int(mask.sum()), MOST_POINTS // len(levels) + 1)]
        body.append(axes.marks(across(values), np.full(values.size, y), "neutral point"))
        for trace in reversed(traces):
            means = across(np.unique(np.round(trace.fitted[mask], 9))[:12])
            size = step * (0.42 if trace.rank else 0.3)
            commands = "".join(
                f"M{axes.coordinate(m)} {axes.coordinate(y - size)}v{axes.coordinate(2 * size)}"
                for m in means
                if np.isfinite(m)
            )
            css = f"e{trace.rank} {weight(trace, traces)}"
            body.append(f'<path class="{css}" d="{commands}"{stroke(trace, traces, css)}/>')
    body.append(axes.horizontal_axis(across, height - BOTTOM, rows.y_name))
    body.append(engine_legend(traces))
    caption = f"{rows.y_name} by {rows.group_name}; bars are fitted values. {how_drawn(traces)}"
    if len(levels) < len(rows.present):
        caption += f" {len(levels)} of {count(len(rows.present))} groups."
    title = "Data and fitted values"
    return Figure(title, axes.picture(key, WIDTH, height, title, caption, "".join(body)), caption)


def fitted_line(x: Array, fitted: Array) -> tuple[Array, Array]:
    """Return fitted values in the order of ``x``, averaged where several rows share an ``x``.

    A model with further predictors has several fitted values at one ``x``; their mean is a line
    where the values themselves would be a zigzag.
    """
    keep = np.isfinite(x) & np.isfinite(fitted)
    at, place = np.unique(x[keep], return_inverse=True)
    if at.size == 0:
        return at, at
    mean = np.bincount(place, weights=fitted[keep]) / np.bincount(place)
    if at.size > 2:
        straight = mean[0] + (mean[-1] - mean[0]) * (at - at[0]) / (at[-1] - at[0])
        if np.abs(mean - straight).max() <= 1e-6 * max(np.ptp(mean), 1e-300):
            return at[[0, -1]], mean[[0, -1]]
    return at, mean


def _end_labels(rows: Rows, ends: list[tuple[float, int]], x: float) -> str:
    drawn = []
    last = -1e9
    for y, place in sorted(ends):
        last = max(y, last + 12)
        label = shortened(rows.levels[rows.present[place]], 12)
        drawn.append(axes.text(x, last + 3.5, label, f"g{place} direct"))
    return "".join(drawn)
