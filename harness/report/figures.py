"""The pictures: data with fitted lines, residuals, their densities, random effects.

Each is a function from numbers to an SVG string. Two engines that agree give the same picture, so
the reference is drawn broad and pale and the other engine thin and dark on top of it: where the
thin line leaves the middle of the band, the engines differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.report import axes, words
from harness.report.axes import Array, Scale
from harness.report.format import count, short

WIDTH, HEIGHT = 420.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 26.0, 40.0

OVERLAID_GROUPS = 6
PANEL_GROUPS = 36
STRIP_ROWS = 40
MOST_POINTS = 400
MOST_LINES = 60
MOST_DENSITIES = 24
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
"""Line styles by group, so that densities can be told apart without colour."""
SAME_PICTURE = 0.4
"""Engines whose points are nearer than this many picture units are drawn once."""


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
        body.append(_legend([(t.engine, _point_key(t.rank)) for t in drawn]))
    elif _grouped(rows, len(drawn[0].fitted)):
        body.append(_group_legend(rows))
    caption = (
        f"{_names(traces)}: the same points, largest difference {_largest(traces)}; drawn once."
        if len(traces) > 1 and len(drawn) == 1
        else _points_drawn(drawn) + _thinning(len(drawn[0].fitted))
    )
    title = "Residuals against fitted values"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


def density_figure(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure | None:
    """Draw kernel densities of the residuals: by group when few, else all rows over the groups."""
    traces = [t for t in traces if np.isfinite(t.residuals).sum() > 2]
    if not traces:
        return None
    grouped = _grouped(rows, len(traces[0].residuals))
    few = grouped and len(rows.present) <= OVERLAID_GROUPS
    curves: list[tuple[Trace, str, Array, Array]] = []
    for trace in reversed(traces):
        if grouped:
            for place, level in enumerate(_some(rows.present, MOST_DENSITIES)):
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
        weight = "crowd" if css == "crowd" else f"{css} {_weight(trace, traces)}"
        dashed = _dash(css) if weight.endswith("thread") else ""
        body.append(axes.line(across(at), up(height), weight, _stroke(trace, traces, css) + dashed))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, "residual"))
    body.append(_group_legend(rows, lines=True) if few else _engine_legend(traces))
    caption = (
        f"Gaussian kernel, Scott's bandwidth, by {rows.group_name}."
        if few
        else "Gaussian kernel, Scott's bandwidth, all rows"
        + (f"; thin lines by {rows.group_name}." if grouped else ".")
    )
    if few and len(traces) > 1:
        caption += f" {_how_drawn(traces)}"
    title = "Density of residuals"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


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
    order = order[_thin(everything, STRIP_ROWS)]
    labels = [axes.shortened(levels[i], 14) for i in order]
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
    body.append(_legend([(engine, _point_key(rank)) for engine, rank, _ in effects]))
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


def _overlay(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    longest = max((len(level) for level in rows.levels), default=0)
    right = RIGHT + (6.2 * min(longest, 12) + 4 if len(rows.present) > 1 else 0)
    across = axes.scale([rows.x], LEFT, WIDTH - right, 0.04)
    up = axes.scale([rows.y, *(t.fitted for t in traces)], HEIGHT - BOTTOM, TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - right)]
    ends: list[tuple[float, int]] = []
    for trace in [None, *reversed(traces)]:
        for place, level in enumerate(rows.present):
            mask = rows.of(level)
            if trace is None:
                chosen = np.flatnonzero(mask)[_thin(int(mask.sum()), MOST_POINTS)]
                points = across(rows.x[chosen]), up(rows.y[chosen])
                body.append(axes.marks(*points, f"g{place} point", axes.MARKS[place]))
                continue
            at, height = fitted_line(rows.x[mask], trace.fitted[mask])
            css = f"g{place} {_weight(trace, traces)}"
            body.append(axes.line(across(at), up(height), css, _stroke(trace, traces, css)))
            if trace is traces[0] and height.size:
                ends.append((float(up(height[-1])), place))
    if len(rows.present) > 1:
        body.append(_end_labels(rows, ends, WIDTH - right + 5))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, rows.x_name))
    body.append(axes.text(8, 14, axes.shortened(rows.y_name, 50), "axis-title"))
    lines = _how_drawn(traces)
    caption = f"{rows.y_name} against {rows.x_name} with fitted lines"
    caption += f" by {rows.group_name}" if len(rows.present) > 1 else ""
    caption += f". {lines}" if lines else "."
    caption += _thinning(rows.y.size)
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
        body.append(
            axes.text(left, top + 10, axes.shortened(rows.levels[level], 15), "panel-title")
        )
        mask = rows.of(level)
        chosen = np.flatnonzero(mask)[_thin(int(mask.sum()), every)]
        points = across(rows.x[chosen]), up(rows.y[chosen])
        body.append(axes.marks(*points, "neutral point", width=3.4))
        for trace in reversed(traces):
            at, fit = fitted_line(rows.x[mask], trace.fitted[mask])
            css = f"e{trace.rank} {_weight(trace, traces)}"
            body.append(axes.line(across(at), up(fit), css, _stroke(trace, traces, css)))
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
    body.append(_engine_legend(traces, width))
    body.append(axes.text(8, 14, axes.shortened(rows.y_name, 40), "axis-title"))
    caption = (
        f"{rows.y_name} against {rows.x_name}, a panel for each {rows.group_name}, "
        f"with fitted lines. {_how_drawn(traces)}" + _thinning(rows.y.size)
    )
    title = "Data and fitted lines"
    svg = axes.picture(key, width, height, title, caption, "".join(body))
    return Figure(title, svg, caption, wide=True)


def _crowd(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    across = axes.scale([rows.x], LEFT, WIDTH - RIGHT, 0.04)
    up = axes.scale([rows.y, *(t.fitted for t in traces)], HEIGHT - BOTTOM, TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    chosen = _thin(rows.y.size, MOST_POINTS)
    body.append(axes.marks(across(rows.x[chosen]), up(rows.y[chosen]), "neutral faint", width=3))
    shown = _some(rows.present, MOST_LINES)
    for trace in reversed(traces):
        for level in shown:
            mask = rows.of(level)
            at, fit = fitted_line(rows.x[mask], trace.fitted[mask])
            css = f"e{trace.rank} {_weight(trace, traces)} many"
            body.append(axes.line(across(at), up(fit), css, _stroke(trace, traces, css)))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, rows.x_name))
    body.append(axes.text(8, 14, axes.shortened(rows.y_name, 24), "axis-title"))
    body.append(_engine_legend(traces))
    caption = (
        f"{rows.y_name} against {rows.x_name}; fitted lines of {len(shown)} of "
        f"{count(len(rows.present))} groups ({rows.group_name}). {_how_drawn(traces)}"
        + _thinning(rows.y.size)
    )
    title = "Data and fitted lines"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)


def _strips(key: str, rows: Rows, traces: Sequence[Trace]) -> Figure:
    levels = _some(rows.present, STRIP_ROWS)
    labels = [axes.shortened(rows.levels[k], 14) if rows.levels else "" for k in levels]
    left = 16.0 + 6.2 * max(len(label) for label in labels)
    step = 18.0 if len(levels) <= 12 else 13.0
    height = TOP + step * len(levels) + BOTTOM
    across = axes.scale([rows.y, *(t.fitted for t in traces)], left, WIDTH - RIGHT)
    middles = [TOP + step * (place + 0.5) for place in range(len(levels))]
    body = [axes.row_lines(middles, left, WIDTH - RIGHT, labels)]
    for y, level in zip(middles, levels, strict=True):
        mask = rows.of(level)
        values = rows.y[mask][_thin(int(mask.sum()), MOST_POINTS // len(levels) + 1)]
        body.append(axes.marks(across(values), np.full(values.size, y), "neutral point"))
        for trace in reversed(traces):
            means = across(np.unique(np.round(trace.fitted[mask], 9))[:12])
            size = step * (0.42 if trace.rank else 0.3)
            commands = "".join(
                f"M{axes.coordinate(m)} {axes.coordinate(y - size)}v{axes.coordinate(2 * size)}"
                for m in means
                if np.isfinite(m)
            )
            css = f"e{trace.rank} {_weight(trace, traces)}"
            body.append(f'<path class="{css}" d="{commands}"{_stroke(trace, traces, css)}/>')
    body.append(axes.horizontal_axis(across, height - BOTTOM, rows.y_name))
    body.append(_engine_legend(traces))
    caption = f"{rows.y_name} by {rows.group_name}; bars are fitted values. {_how_drawn(traces)}"
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


def _residual_points(rows: Rows, trace: Trace, across: Scale, up: Scale, *, alone: bool) -> str:
    x, y = across(trace.fitted), up(trace.residuals)
    thin = _thin(x.size, MOST_POINTS)
    if not alone:
        shape = "circle" if trace.rank == 0 else "ring"
        return axes.marks(x[thin], y[thin], f"e{trace.rank} point", shape)
    if not _grouped(rows, x.size) or len(rows.present) > OVERLAID_GROUPS:
        return axes.marks(x[thin], y[thin], "neutral point")
    return "".join(
        axes.marks(
            x[thin][rows.of(level)[thin]],
            y[thin][rows.of(level)[thin]],
            f"g{place} point",
            axes.MARKS[place],
        )
        for place, level in enumerate(rows.present)
    )


def _grouped(rows: Rows, length: int) -> bool:
    return len(rows.group) == length and len(rows.present) > 1 and bool(rows.levels)


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
    rings = words.join([t.engine for t in traces[1:]])
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


def _weight(trace: Trace, traces: Sequence[Trace]) -> str:
    return "band" if len(traces) > 1 and trace is traces[-1] else "thread"


def _stroke(trace: Trace, traces: Sequence[Trace], css: str) -> str:
    if css == "crowd":
        return ' stroke-opacity=".3"'
    if _weight(trace, traces) == "band":
        return ' stroke-width="6" stroke-opacity=".35"'
    return ' stroke-width="1.5"'


def _how_drawn(traces: Sequence[Trace]) -> str:
    if not traces:
        return ""
    if len(traces) == 1:
        return f"Lines: {traces[0].engine}."
    thin = " and ".join(t.engine for t in traces[:-1])
    return f"Broad pale: {traces[-1].engine}; thin dark: {thin}."


def _names(traces: Sequence[Trace]) -> str:
    return words.join([t.engine for t in traces])


def _thinning(points: int) -> str:
    return f" {MOST_POINTS} of {count(points)} rows drawn." if points > MOST_POINTS else ""


def _thin(length: int, most: int) -> NDArray[np.intp]:
    if length <= most:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, most).round().astype(np.intp))


def _some(levels: list[int], most: int) -> list[int]:
    return [levels[i] for i in _thin(len(levels), most)]


def _end_labels(rows: Rows, ends: list[tuple[float, int]], x: float) -> str:
    drawn = []
    last = -1e9
    for y, place in sorted(ends):
        last = max(y, last + 12)
        label = axes.shortened(rows.levels[rows.present[place]], 12)
        drawn.append(axes.text(x, last + 3.5, label, f"g{place} direct"))
    return "".join(drawn)


def _legend(entries: Sequence[tuple[str, str]], width: float = WIDTH) -> str:
    x = width - RIGHT
    room = int(((width - 70) / max(len(entries), 1) - 32) / 6.4)
    drawn = []
    for label, sample in reversed(entries):
        shown = axes.shortened(label, min(18, room))
        x -= 6.4 * len(shown)
        drawn.append(axes.text(x, 14, shown, "legend"))
        x -= 22
        drawn.append(f'<g transform="translate({axes.coordinate(x)} 10)">{sample}</g>')
        x -= 10
    return "".join(drawn)


def _engine_legend(traces: Sequence[Trace], width: float = WIDTH) -> str:
    return _legend(
        [
            (
                t.engine,
                f'<path class="e{t.rank} {_weight(t, traces)}" d="M0 0H18"'
                f"{_stroke(t, traces, '')}/>",
            )
            for t in traces
        ],
        width,
    )


def _group_legend(rows: Rows, *, lines: bool = False) -> str:
    if len(rows.present) > OVERLAID_GROUPS:
        return ""
    one = np.array([9.0]), np.zeros(1)
    return _legend(
        [
            (
                rows.levels[level],
                f'<path class="g{place} thread" stroke-width="1.5"'
                f'{_dash(f"g{place}")} d="M0 0H18"/>'
                if lines
                else axes.marks(*one, f"g{place} point", axes.MARKS[place]),
            )
            for place, level in enumerate(rows.present)
        ]
    )


def _dash(css: str) -> str:
    style = DASHES[int(css[1:])] if css.startswith("g") else ""
    return f' stroke-dasharray="{style}"' if style else ""


def _point_key(rank: int) -> str:
    return axes.marks(np.array([9.0]), np.zeros(1), f"e{rank}", "circle" if rank == 0 else "ring")
