"""Kernel densities of the residuals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.page.html import axes
from harness.page.html.axes import Array, Scale
from harness.page.html.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    OVERLAID_GROUPS,
    RIGHT,
    TOP,
    WIDTH,
    Figure,
    Rows,
    Trace,
    dash,
    engine_legend,
    group_legend,
    grouped,
    how_drawn,
    some,
    stroke,
    weight,
)

MOST_DENSITIES = 24


def density_figure(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure | None:
    """Draw kernel densities of the residuals: by group when few, else all rows over the groups."""
    traces = [t for t in traces if np.isfinite(t.residuals).sum() > 2]
    if not traces:
        return None
    by_group = grouped(rows, len(traces[0].residuals))
    few = by_group and len(rows.present) <= OVERLAID_GROUPS
    curves: list[tuple[Trace, str, Array, Array]] = []
    for trace in reversed(traces):
        if by_group:
            for place, level in enumerate(some(rows.present, MOST_DENSITIES)):
                density = kernel_density(trace.residuals[rows.of(level)], 48 if few else 32)
                if density is not None and (few or trace.rank == 0):
                    curves.append((trace, f"g{place}" if few else "crowd", *density))
        if not few:
            overall = kernel_density(trace.residuals)
            if overall is not None:
                curves.append((trace, f"e{trace.rank}", *overall))
    if not curves:
        return None
    across = axes.scale([c[2] for c in curves], LEFT, WIDTH - RIGHT, 0.0)
    top = max(float(c[3].max()) for c in curves)
    up = Scale(0.0, top * 1.06, HEIGHT - BOTTOM, TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT, 4)]
    for trace, css, at, height in curves:
        drawn = "crowd" if css == "crowd" else f"{css} {weight(trace, traces)}"
        dashed = dash(css) if drawn.endswith("thread") else ""
        body.append(axes.line(across(at), up(height), drawn, stroke(trace, traces, css) + dashed))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, "residual"))
    body.append(group_legend(rows, lines=True) if few else engine_legend(traces))
    caption = (
        f"Gaussian kernel, Scott's bandwidth, by {rows.group_name}."
        if few
        else "Gaussian kernel, Scott's bandwidth, all rows"
        + (f"; thin lines by {rows.group_name}." if by_group else ".")
    )
    if few and len(traces) > 1:
        caption += f" {how_drawn(traces)}"
    title = "Density of residuals"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


def kernel_density(values: Array, points: int = 48) -> tuple[Array, Array] | None:
    """Return a Gaussian kernel density with Scott's bandwidth, or None where it is undefined."""
    values = values[np.isfinite(values)]
    if values.size < 3:
        return None
    width = float(values.std(ddof=1)) * values.size ** (-1 / 5)
    if not width > 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    at = np.linspace(values.min() - 2.5 * width, values.max() + 2.5 * width, points)
    kernels = np.exp(-0.5 * ((at[:, None] - values[None, :]) / width) ** 2)
    return at, kernels.sum(axis=1) / (values.size * width * np.sqrt(2 * np.pi))
