"""Predicted random effects, group by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.base.text import shortened
from harness.page.html import axes
from harness.page.html.axes import Array
from harness.page.html.svg import (
    BOTTOM,
    RIGHT,
    STRIP_ROWS,
    TOP,
    WIDTH,
    Figure,
    legend,
    point_key,
    thin,
)
from harness.page.numbers import count, short


def random_effects_figure(
    key: str, term: str, levels: Sequence[str], effects: Sequence[tuple[str, int, Array]]
) -> Figure:
    """Draw one random effect of every group: a dot for one engine inside a ring for the other.

    Parameters
    ----------
    effects : sequence of (engine, rank, values)
        Values in the order of ``levels``.
    """
    order = np.argsort(np.nan_to_num(effects[0][2]), kind="stable")
    everything = len(order)
    order = order[thin(everything, STRIP_ROWS)]
    labels = [shortened(levels[i], 14) for i in order]
    left = 16.0 + 6.2 * max(len(label) for label in labels)
    height = TOP + 13.0 * len(order) + BOTTOM
    across = axes.scale([e[2][order] for e in effects] + [np.zeros(1)], left, WIDTH - RIGHT)
    at: Array = TOP + 13.0 * np.arange(len(order), dtype=np.float64) + 6.5
    zero = axes.coordinate(float(across(0.0)))
    body = [f'<path class="zero" d="M{zero} {TOP}V{axes.coordinate(height - BOTTOM)}"/>']
    body.append(axes.row_lines(at.tolist(), left, WIDTH - RIGHT, labels))
    for _, rank, values in reversed(effects):
        shape = "circle" if rank == 0 else "ring"
        body.append(axes.marks(across(values[order]), at, f"e{rank}", shape))
    body.append(axes.horizontal_axis(across, height - BOTTOM, "predicted effect"))
    body.append(legend([(engine, point_key(rank)) for engine, rank, _ in effects]))
    difference = [
        float(np.nanmax(np.abs(effects[0][2] - other[2])))
        for other in effects[1:]
        if np.isfinite(effects[0][2] - other[2]).any()
    ]
    caption = f"{term}, sorted" + (
        f"; largest difference between engines {short(max(difference))}." if difference else "."
    )
    if len(order) < everything:
        caption += f" {len(order)} of {count(everything)} groups, evenly spaced in rank."
    title = f"Random effects: {term}"
    svg = axes.picture(key, WIDTH, height, title, caption, "".join(body))
    return Figure(title, svg, caption)
