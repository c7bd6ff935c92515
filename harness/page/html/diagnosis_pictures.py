"""The pictures of a diagnosis, each with one sentence that says what is seen, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from scipy.interpolate import PchipInterpolator

from harness.base.text import listed, shortened, whose
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.graphs import EffectIntervals, EngineEffects, Profile
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.page.html import axes
from harness.page.html.axes import Array, Scale
from harness.page.html.case_rows import case_rows, traces_of
from harness.page.html.diagnosis_contour import contour_figure
from harness.page.html.fitted_picture import data_figure
from harness.page.html.residuals import residual_figure
from harness.page.html.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    RIGHT,
    STRIP_ROWS,
    TOP,
    WIDTH,
    Figure,
    Rows,
    Trace,
    legend,
    point_key,
    thin,
)
from harness.page.numbers import correlation, count, short
from harness.page.numbers import number as shown

HIGHEST = 10.0
"""Rise in deviance up to which a profile is drawn."""

TWO_SIDED = 1.959964


def pictures(found: Diagnosis, engines: Sequence[str]) -> tuple[Figure, ...]:
    """Return the pictures of a diagnosis.

    Parameters
    ----------
    engines : sequence of str
        In the order of drawing, the reference last.
    """
    drawn: list[Figure | None] = [
        profile_figure(f"profile-{i}", profile, engines)
        for i, profile in enumerate(found.profiles, 1)
    ]
    drawn += [
        contour_figure(f"contour-{i}", contour, engines)
        for i, contour in enumerate(found.contours, 1)
    ]
    drawn += _of_rows(found.case, engines)
    drawn += [
        effects_figure(f"effects-{i}", effects, engines)
        for i, effects in enumerate(found.effects, 1)
    ]
    return tuple(figure for figure in drawn if figure is not None)


def profile_figure(key: str, profile: Profile, engines: Sequence[str]) -> Figure:
    """Draw the profiled deviance of a parameter with the interval, the optimum and both answers."""
    at = np.asarray(profile.grid, dtype=np.float64)
    rise = np.maximum(np.asarray(profile.deviance) - profile.minimum, 0.0)
    known = [e for e in profile.engines if e[0] in engines]
    near = [v for _, v, d in known if d - profile.minimum <= HIGHEST]
    keep = rise <= HIGHEST
    across = axes.scale([at[keep], np.array([profile.best, *near])], LEFT, WIDTH - RIGHT)
    wanted = NormalDist().inv_cdf(0.5 + profile.level / 2.0) ** 2
    top = max(min(float(rise.max(initial=0.0)), HIGHEST), 1.15 * wanted)
    up = Scale(-0.04 * top, 1.05 * top, HEIGHT - BOTTOM, TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    low = across.low if profile.low is None else profile.low
    high = across.high if profile.high is None else profile.high
    left, right = (axes.coordinate(float(across(v))) for v in (low, high))
    level, floor = (axes.coordinate(float(up(v))) for v in (wanted, 0.0))
    body.append(f'<path class="zero" stroke-dasharray="4 3" d="M{LEFT} {level}H{WIDTH - RIGHT}"/>')
    body.append(
        f'<path class="interval" stroke-width="7" stroke-opacity=".3" d="M{left} {floor}H{right}"/>'
    )
    percent = f"{100 * profile.level:g} %"
    body.append(axes.text(WIDTH - RIGHT, float(up(wanted)) - 4, percent, "tick-label", "end"))
    for bound in (profile.low, profile.high):
        if bound is not None:
            x = axes.coordinate(float(across(bound)))
            body.append(f'<path class="zero" stroke-dasharray="2 3" d="M{x} {level}V{floor}"/>')
    line_x, line_y = _smooth(at, rise, profile.best, top)
    line_y = np.where((line_x >= across.low) & (line_x <= across.high), line_y, np.nan)
    body.append(axes.line(across(line_x), up(line_y), "curve", ' stroke-width="1.8"'))
    x = axes.coordinate(float(across(profile.best)))
    body.append(f'<path class="best" stroke-width="1.2" d="M{x} {TOP}V{floor}"/>')
    for engine, value, deviance in reversed(known):
        if not across.low <= value <= across.high:
            continue
        place = np.array([float(up(min(deviance - profile.minimum, top)))])
        shape = "circle" if engines.index(engine) == 0 else "ring"
        css = f"e{engines.index(engine)}"
        body.append(axes.marks(np.array([float(across(value))]), place, css, shape, 7.0))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, profile.parameter))
    marks: list[tuple[str, str]] = [("best point", '<path class="best" d="M9 -6V6"/>')]
    marks += [(e, point_key(engines.index(e))) for e, _, _ in known]
    body.append(legend(marks))
    title = f"Deviance profile: {profile.parameter}"
    caption = _profile_caption(profile, known, across)
    svg = axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body))
    return Figure(title, svg, caption)


def _smooth(at: Array, rise: Array, best: float, top: float) -> tuple[Array, Array]:
    """Return the curve between the computed points: the signed root of the rise is near a line."""
    root = np.sign(at - best) * np.sqrt(rise)
    x = np.unique(np.concatenate([np.linspace(at.min(), at.max(), 160), at]))
    y = PchipInterpolator(at, root)(x) ** 2 if len(at) > 1 else np.interp(x, at, root) ** 2
    return x, np.where(y <= 1.05 * top, y, np.nan)


def _profile_caption(
    profile: Profile, known: Sequence[tuple[str, float, float]], across: Scale
) -> str:
    least, most = {
        "correlation": ("-1, the boundary,", "1, the boundary"),
        "sd": ("0, the boundary,", "no upper bound that the data give"),
        "sigma": ("0", "no upper bound that the data give"),
        "ratio": ("0", "no upper bound that the data give"),
    }[profile.scale]
    least = least if profile.least is None else f"{shown(profile.least, 3)}, the boundary,"
    told = correlation if profile.scale == "correlation" else shown
    low = least if profile.low is None else told(profile.low, 3)
    high = most if profile.high is None else told(profile.high, 3)
    text = (
        f"{profile.parameter[0].upper()}{profile.parameter[1:]} is {told(profile.best, 3)} at the "
        f"best point; its {100 * profile.level:g} % likelihood-ratio interval goes from {low} to "
        f"{high}"
    )
    parts = []
    for engine, value, deviance in known:
        above = max(deviance - profile.minimum, 0.0)
        outside = "" if across.low <= value <= across.high else ", outside the picture"
        parts.append(f"{engine} has {told(value, 3)}{outside}, {short(above)} above")
    return f"{text}{'; ' if parts else ''}{' and '.join(parts)}."


def effects_figure(key: str, effects: EffectIntervals, engines: Sequence[str]) -> Figure | None:
    """Draw one random effect of every group by both engines, with intervals, sorted."""
    known = sorted(
        (e for e in effects.engines if e.engine in engines), key=lambda e: engines.index(e.engine)
    )
    if not known:
        return None
    values = [np.asarray(e.effects, dtype=np.float64) for e in known]
    halves = [TWO_SIDED * np.asarray(e.errors, dtype=np.float64) for e in known]
    order = np.argsort(np.nan_to_num(values[-1]), kind="stable")
    chosen = order[thin(len(order), STRIP_ROWS)]
    labels = [shortened(effects.levels[i], 14) for i in chosen]
    left = 16.0 + 6.2 * max(len(label) for label in labels)
    height = TOP + 14.0 * len(chosen) + BOTTOM
    ends = [v[chosen] + s * h[chosen] for v, h in zip(values, halves, strict=True) for s in (-1, 1)]
    across = axes.scale([*ends, np.zeros(1)], left, WIDTH - RIGHT, 0.03)
    at: Array = TOP + 14.0 * np.arange(len(chosen), dtype=np.float64) + 7.0
    zero = axes.coordinate(float(across(0.0)))
    body = [f'<path class="zero" d="M{zero} {TOP}V{axes.coordinate(height - BOTTOM)}"/>']
    body.append(axes.row_lines(at.tolist(), left, WIDTH - RIGHT, labels))
    for place in reversed(range(len(known))):
        rank = engines.index(known[place].engine)
        shift = 0.0 if len(known) == 1 else 2.4 * (-1.0 if place == 0 else 1.0)
        v, h = values[place][chosen], halves[place][chosen]
        bars = "".join(
            f"M{axes.coordinate(float(a))} {axes.coordinate(y + shift)}H{axes.coordinate(float(b))}"
            for a, b, y in zip(across(v - h), across(v + h), at, strict=True)
            if math.isfinite(a) and math.isfinite(b)
        )
        dashed = ' stroke-dasharray="5 2"' if place and len(known) > 1 else ""
        body.append(f'<path class="e{rank} thread" stroke-width="1.4"{dashed} d="{bars}"/>')
        shape = "circle" if place == 0 else "ring"
        body.append(axes.marks(across(v), at + shift, f"e{rank}", shape))
    body.append(axes.horizontal_axis(across, height - BOTTOM, "random effect"))
    body.append(legend([(e.engine, point_key(engines.index(e.engine))) for e in known]))
    title = f"Random effects: {effects.name} by {effects.group}"
    caption = _effects_caption(effects, known, values, halves)
    if len(chosen) < len(order):
        caption += f" {len(chosen)} of {count(len(order))} groups, evenly spaced in rank."
    svg = axes.picture(key, WIDTH, height, title, caption, "".join(body))
    return Figure(title, svg, caption)


def _effects_caption(
    effects: EffectIntervals,
    known: Sequence[EngineEffects],
    values: Sequence[Array],
    halves: Sequence[Array],
) -> str:
    many = len(effects.levels)
    names = [e.engine for e in known]
    counts = [
        int((np.abs(v) > h).sum()) if np.isfinite(v).any() else 0
        for v, h in zip(values, halves, strict=True)
    ]
    same = len(set(counts)) == 1
    exclude = (
        f"{counts[0]} of {many} 95\u202f% intervals exclude 0"
        if same
        else f"of {many} 95\u202f% intervals "
        + " and ".join(f"{c} of {e.engine}" for c, e in zip(counts, known, strict=True))
        + " exclude 0"
    )
    missing = [e.engine for e in known if not e.own]
    told = f" ({listed(missing)} gives none: those of its variances)" if missing else ""
    if len(known) < 2:
        return f"{exclude[0].upper()}{exclude[1:]}{told}."
    gap = np.abs(values[0] - values[-1])
    far = float(np.nanmax(gap)) if np.isfinite(gap).any() else math.nan
    return f"The effects of {listed(names)} differ by at most {short(far)}; {exclude}{told}."


def _of_rows(case: CaseRecord, engines: Sequence[str]) -> list[Figure | None]:
    fits = ((engine, rank, case.fit(engine)) for rank, engine in enumerate(engines))
    traces = traces_of((engine, rank, fit) for engine, rank, fit in fits if isinstance(fit, Fit))
    rows = case_rows(case)
    out: list[Figure | None] = []
    said = _fitted_caption(rows, traces)
    if rows.y.size and (rows.x.size or len(rows.present) > 1):
        out.append(_with(data_figure("data", rows, traces), said))
    out.append(_with(residual_figure("residuals", rows, traces), _spread_caption(traces)))
    out.append(quantile_figure("quantiles", traces))
    return out


def _with(figure: Figure | None, sentence: str) -> Figure | None:
    """Put a sentence before what a figure says of how it is drawn."""
    if figure is None or not sentence:
        return figure
    return replace(figure, caption=f"{sentence} {figure.caption}")


def _fitted_caption(rows: Rows, traces: Sequence[Trace]) -> str:
    if not traces:
        return f"{count(len(rows.y))} rows; no engine gives fitted values."
    if len(traces) == 1:
        rms = float(np.sqrt(np.nanmean(traces[0].residuals ** 2)))
        return f"{whose(traces[0].engine)} fitted values are {short(rms)} off in root mean square."
    far = float(np.nanmax(np.abs(traces[0].fitted - traces[-1].fitted)))
    rms = float(np.sqrt(np.nanmean(traces[-1].residuals ** 2)))
    return (
        f"The fitted values of {traces[0].engine} and {traces[-1].engine} differ by at most "
        f"{short(far)}; the residuals' root mean square is {short(rms)}."
    )


def _spread_caption(traces: Sequence[Trace]) -> str:
    if not traces:
        return ""
    last = traces[-1]
    order = np.argsort(last.fitted, kind="stable")
    half = len(order) // 2
    if half < 2:
        return ""
    low, high = (float(np.nanstd(last.residuals[part])) for part in (order[:half], order[half:]))
    return (
        f"The residuals' SD is {short(low)} in the lower half of the fitted values and "
        f"{short(high)} in the upper."
    )


def quantile_figure(key: str, traces: Sequence[Trace]) -> Figure | None:
    """Draw the residuals' quantiles against normal ones."""
    traces = [t for t in traces if np.isfinite(t.residuals).sum() > 2]
    if not traces:
        return None
    normal = NormalDist()
    sets = []
    for trace in traces:
        values = np.sort(trace.residuals[np.isfinite(trace.residuals)])
        n = len(values)
        expected = np.array([normal.inv_cdf((i + 0.625) / (n + 0.25)) for i in range(n)])
        sets.append((trace, expected, values))
    same = len(sets) > 1 and len(sets[0][2]) == len(sets[-1][2])
    far = float(np.abs(sets[0][2] - sets[-1][2]).max()) if same else math.inf
    across = axes.scale([s[1] for s in sets], LEFT, WIDTH - RIGHT)
    up = axes.scale([s[2] for s in sets], HEIGHT - BOTTOM, TOP)
    once = same and far <= 0.4 * (up.high - up.low) / (HEIGHT - BOTTOM - TOP)
    body = [axes.vertical_axis(up, LEFT, WIDTH - RIGHT)]
    _, expected, values = sets[-1]
    spread = float(values.std())
    ends = np.array([across.low, across.high])
    line = np.clip(values.mean() + spread * ends, up.low, up.high)
    inside = values.mean() + spread * ends
    ends = np.interp(line, inside, ends) if spread > 0.0 else ends
    body.append(axes.line(across(ends), up(line), "zero", ' stroke-dasharray="4 3"'))
    drawn = sets[:1] if once else sets
    for trace, theirs, own in reversed(drawn):
        chosen = thin(len(own), MOST_POINTS)
        shape = "circle" if trace.rank == 0 else "ring"
        css = "neutral point" if once else f"e{trace.rank} point"
        body.append(axes.marks(across(theirs[chosen]), up(own[chosen]), css, shape))
    body.append(axes.horizontal_axis(across, HEIGHT - BOTTOM, "normal quantile"))
    if len(drawn) > 1:
        body.append(legend([(t.engine, point_key(t.rank)) for t, _, _ in drawn]))
    extreme = float(np.abs(values).max()) / spread if spread > 0.0 else math.nan
    caption = (
        f"The largest of {count(len(values))} residuals is {shown(extreme, 2)} SD; among as many "
        f"normal ones {shown(float(expected[-1]), 2)} would be usual."
    )
    if len(traces) > 1:
        caption += (
            f" {listed([t.engine for t in traces])}: the same points, drawn once."
            if once
            else f" Dots: {traces[0].engine}; rings: {traces[-1].engine}."
        )
    title = "Normal quantiles of residuals"
    return Figure(title, axes.picture(key, WIDTH, HEIGHT, title, caption, "".join(body)), caption)
