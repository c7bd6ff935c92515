"""Residuals against fitted values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.base.text import listed
from harness.page.html import axes
from harness.page.html.axes import Scale
from harness.page.html.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    OVERLAID_GROUPS,
    RIGHT,
    TOP,
    WIDTH,
    Figure,
    Rows,
    Trace,
    group_legend,
    grouped,
    legend,
    point_key,
    thin,
    thinning,
)
from harness.page.numbers import short

SAME_PICTURE = 0.4
"""Engines whose points are nearer than this many picture units are drawn once."""


def residual_figure(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure | None:
    """Draw residuals against fitted values, a shape and a colour for each group."""
    traces = [t for t in traces if len(t.fitted) == len(t.residuals) > 0]
    if not traces:
        return None
    across = axes.scale([t.fitted for t in traces], LEFT, WIDTH - RIGHT)
    up = axes.scale([t.residuals for t in traces], HEIGHT - BOTTOM, TOP)
    apart = _furthest_apart(traces, across, up)
    drawn = traces[:1] if apart <= SAME_PICTURE else traces
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    if up.low < 0 < up.high:
        zero = axes.coordinate(float(up(0.0)))
        body.append(f'<path class="zero" d="M{LEFT} {zero}H{WIDTH - RIGHT}"/>')
    for trace in reversed(drawn):
        body.append(_residual_points(rows, trace, across, up, alone=len(drawn) == 1))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, "fitted value"))
    if len(drawn) > 1:
        body.append(legend([(t.engine, point_key(t.rank)) for t in drawn]))
    elif grouped(rows, len(drawn[0].fitted)):
        body.append(group_legend(rows))
    caption = (
        f"{_names(traces)}: the same points, largest difference {_largest(traces)}; drawn once."
        if len(traces) > 1 and len(drawn) == 1
        else _points_drawn(drawn) + thinning(len(drawn[0].fitted))
    )
    title = "Residuals against fitted values"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


def _residual_points(rows: Rows, trace: Trace, across: Scale, up: Scale, *, alone: bool) -> str:
    x, y = across(trace.fitted), up(trace.residuals)
    chosen = thin(x.size, MOST_POINTS)
    if not alone:
        shape = "circle" if trace.rank == 0 else "ring"
        return axes.marks(x[chosen], y[chosen], f"e{trace.rank} point", shape)
    if not grouped(rows, x.size) or len(rows.present) > OVERLAID_GROUPS:
        return axes.marks(x[chosen], y[chosen], "neutral point")
    return "".join(
        axes.marks(
            x[chosen][rows.of(level)[chosen]],
            y[chosen][rows.of(level)[chosen]],
            f"g{place} point",
            axes.MARKS[place],
        )
        for place, level in enumerate(rows.present)
    )


def _furthest_apart(traces: Sequence[Trace], across: Scale, up: Scale) -> float:
    first = traces[0]
    distances = [0.0]
    for other in traces[1:]:
        if len(other.fitted) != len(first.fitted):
            return float("inf")
        steps = np.maximum(
            np.abs(across(first.fitted) - across(other.fitted)),
            np.abs(up(first.residuals) - up(other.residuals)),
        )
        # A value that only one engine has is a difference; one that neither has is none.
        same = np.isfinite(first.residuals) == np.isfinite(other.residuals)
        distances.append(float(np.nanmax(np.nan_to_num(steps))) if same.all() else float("inf"))
    return max(distances)


def _points_drawn(traces: Sequence[Trace]) -> str:
    if len(traces) == 1:
        return f"{traces[0].engine}."
    rings = listed([t.engine for t in traces[1:]])
    return f"Dots: {traces[0].engine}; rings: {rings}. Largest difference {_largest(traces)}."


def _largest(traces: Sequence[Trace]) -> str:
    first = traces[0]
    gaps = [
        np.abs(np.concatenate([first.fitted - t.fitted, first.residuals - t.residuals]))
        for t in traces[1:]
        if len(t.fitted) == len(first.fitted)
    ]
    finite = np.concatenate([*gaps, np.empty(0)])
    finite = finite[np.isfinite(finite)]
    return short(float(finite.max())) if finite.size else "unknown"


def _names(traces: Sequence[Trace]) -> str:
    return listed([t.engine for t in traces])
