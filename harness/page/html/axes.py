"""Scales, ticks and the few SVG elements that the pictures are made of.

Colours come from the page's style sheet through class names. Presentation attributes repeat the
essentials (no fill, a visible stroke), so that a picture stays legible where a viewer drops styles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from harness.base.text import shortened

Array = NDArray[np.float64]

MARKS = ("circle", "square", "triangle", "diamond", "cross", "plus")
"""Shapes by group, so that groups can be told apart without colour."""

_OUTLINES = {
    "square": "m-2.4-2.4h4.8v4.8h-4.8z",
    "triangle": "m0-3.2l2.9 5h-5.8z",
    "diamond": "m0-3.4l3.4 3.4-3.4 3.4-3.4-3.4z",
    "cross": "m-2.4-2.4l4.8 4.8m0-4.8l-4.8 4.8",
    "plus": "m-3 0h6m-3-3v6",
}


LETTER = 5.6
"""Width of a letter of an axis title, in picture units."""


@dataclass(frozen=True)
class Scale:
    """A linear map from data to picture units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: Array | Sequence[float] | float) -> Array:
        """Return picture coordinates."""
        share = (np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low)
        placed: Array = self.start + share * (self.end - self.start)
        return placed

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values inside the scale."""
        return [t for t in ticks(self.low, self.high, about) if self.low <= t <= self.high]


def scale(values: Iterable[Array], start: float, end: float, margin: float = 0.05) -> Scale:
    """Return the scale that holds all finite values, with some air on both sides."""
    parts = [part[np.isfinite(part)] for part in values]
    everything = np.concatenate([*parts, np.empty(0)])
    low, high = (
        (float(everything.min()), float(everything.max())) if everything.size else (0.0, 1.0)
    )
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        spread = abs(low) * 0.1 or 1.0
        low, high = low - spread, high + spread
    air = (high - low) * margin
    return Scale(low - air, high + air, start, end)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return round numbers from at most ``low`` to at least ``high``, about so many."""
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [k * step for k in range(first, last + 1)]


def tick_label(value: float, step: float) -> str:
    """Return a tick with no more decimals than the step between ticks needs."""
    if value == 0:
        return "0"
    if max(abs(value), step) >= 1e6 or step < 1e-4:
        # As many digits as tell it from its neighbours.
        digits = max(2, 1 + math.floor(math.log10(abs(value))) - math.floor(math.log10(step)))
        return f"{value:.{digits}g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def line(x: Array, y: Array, css: str, extra: str = "") -> str:
    """Return an open line through points; it breaks where a coordinate is not finite."""
    keep = np.isfinite(x) & np.isfinite(y)
    commands: list[str] = []
    pen_up = True
    for a, b, ok in zip(x, y, keep, strict=True):
        if not ok:
            pen_up = True
            continue
        commands.append(f"{'M' if pen_up else 'L'}{coordinate(a)} {coordinate(b)}")
        pen_up = False
    if not commands:
        return ""
    return f'<path class="{css}" d="{"".join(commands)}"{extra}/>'


def marks(x: Array, y: Array, css: str, shape: str = "circle", width: float = 4.6) -> str:
    """Return points as one path: 12 bytes a point instead of 60 for an element each."""
    keep = np.isfinite(x) & np.isfinite(y)
    places = [f"M{coordinate(a)} {coordinate(b)}" for a, b in zip(x[keep], y[keep], strict=True)]
    if not places:
        return ""
    if shape == "ring":
        r = 3.6
        outline = f"m-{r} 0a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0-{2 * r} 0"
        return f'<path class="{css} ring" d="{outline.join([*places, ""])}"/>'
    if shape == "circle":
        # A zero-length line with round caps is a dot as wide as the stroke.
        return (
            f'<path class="{css} dot" stroke-width="{width}" stroke-linecap="round" '
            f'd="{"h0".join([*places, ""])}"/>'
        )
    filled = "" if shape in ("cross", "plus") else " solid"
    return f'<path class="{css} mark{filled}" d="{_OUTLINES[shape].join([*places, ""])}"/>'


def text(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    """Return escaped text."""
    return (
        f'<text x="{coordinate(x)}" y="{coordinate(y)}" text-anchor="{anchor}" '
        f'stroke="none" fill="currentColor" class="{css}">{escape(content)}</text>'
    )


def coordinate(value: float) -> str:
    """Return a picture coordinate to a tenth of a unit."""
    shown = f"{value:.1f}"
    return shown[:-2] if shown.endswith(".0") else shown


def horizontal_axis(across: Scale, bottom: float, label: str, about: int = 5) -> str:
    """Return ticks, their labels and the axis title under a picture."""
    values = across.ticks(about)
    step = values[1] - values[0] if len(values) > 1 else 1.0
    drawn = [
        f'<path class="tick" d="M{coordinate(float(across(v)))} {coordinate(bottom)}v4"/>'
        + text(float(across(v)), bottom + 15, tick_label(v, step), "tick-label", "middle")
        for v in values
    ]
    middle = (across.start + across.end) / 2
    title = text(
        middle,
        bottom + 30,
        shortened(label, int((across.end - across.start) / LETTER)),
        "axis-title",
        "middle",
    )
    return "".join(drawn) + title


def vertical_axis(up: Scale, left: float, right: float, about: int = 5) -> str:
    """Return horizontal grid lines with labels."""
    values = up.ticks(about)
    step = values[1] - values[0] if len(values) > 1 else 1.0
    return "".join(
        f'<path class="grid" stroke-opacity=".2" d="M{coordinate(left)} '
        f'{coordinate(float(up(v)))}H{coordinate(right)}"/>'
        + text(left - 6, float(up(v)) + 3.5, tick_label(v, step), "tick-label", "end")
        for v in values
    )


def row_lines(heights: Sequence[float], left: float, right: float, labels: Sequence[str]) -> str:
    """Return a line across the picture for each row, with its label; one element for all lines."""
    lines = "".join(f"M{coordinate(left)} {coordinate(y)}H{coordinate(right)}" for y in heights)
    names = "".join(
        f'<text x="{coordinate(left - 6)}" y="{coordinate(y + 3.5)}">{escape(label)}</text>'
        for y, label in zip(heights, labels, strict=True)
    )
    return (
        f'<path class="grid" stroke-opacity=".2" d="{lines}"/>'
        f'<g class="labels" text-anchor="end" stroke="none" fill="currentColor">{names}</g>'
    )


def picture(
    key: str, width: float, height: float, title: str, description: str, body: str
) -> Markup:
    """Return a whole SVG element with its text alternative."""
    return Markup(
        f'<svg viewBox="0 0 {coordinate(width)} {coordinate(height)}" '
        f'width="{coordinate(width)}" height="{coordinate(height)}" role="img" '
        f'aria-labelledby="{key}-t {key}-d" fill="none" stroke="currentColor" font-size="11">'
        f'<title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(description)}</desc>'
        f"{body}</svg>"
    )
