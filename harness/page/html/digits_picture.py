"""Digits of agreement over all cases of a run, as bars."""

from __future__ import annotations

import math

from harness.engines.engine import Setting
from harness.page import words
from harness.page.distribution import Digits
from harness.page.html import axes
from harness.page.html.svg import Figure
from harness.page.numbers import digits_of_agreement

MOST_DIGITS = 16
PICTURE_WIDTH, PICTURE_HEIGHT, BINS = 176.0, 24.0, 2 * MOST_DIGITS


def digits_picture(found: Digits, quantity: str, setting: Setting) -> Figure:
    """Draw a bar for every half digit; what agrees in all digits has the last one."""
    bars = [found.between(k / 2, (k + 1) / 2) for k in range(BINS)]
    bars[-1] += found.between(MOST_DIGITS, math.inf)
    bars.append(found.equal)
    width, most = PICTURE_WIDTH / len(bars), max(bars) or 1
    drawn = "".join(
        f"M{axes.coordinate(k * width)} {axes.coordinate(PICTURE_HEIGHT)}"
        f"v-{axes.coordinate(max((PICTURE_HEIGHT - 2) * n / most, 1.0))}"
        f"h{axes.coordinate(width - 0.8)}V{axes.coordinate(PICTURE_HEIGHT)}z"
        for k, n in enumerate(bars)
        if n
    )
    middle = digits_of_agreement(found.quantile(0.5))
    title = f"Digits of {quantity}, {setting} setting"
    caption = (
        f"Number of cases by digits of agreement, from 0 at the left to {MOST_DIGITS} and equal at "
        f"the right; half of them have {middle} digits or more."
    )
    key = words.anchor("digits", f"{setting} {quantity}")
    body = f'<path class="hist" fill="currentColor" stroke="none" d="{drawn}"/>'
    picture = axes.picture(key, PICTURE_WIDTH, PICTURE_HEIGHT, title, caption, body)
    return Figure(title, picture, caption)
