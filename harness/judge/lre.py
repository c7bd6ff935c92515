"""Log relative error: how many digits two numbers share (McCullough 1998)."""

from __future__ import annotations

import math


def lre(value: float, reference: float) -> float:
    """Return -log10(|value - reference| / |reference|), the digits of agreement.

    ``inf`` for equal numbers, two equal infinities included; ``nan`` when either is NaN; -log10 of
    the absolute difference when the reference is 0; ``-inf`` when only one is infinite.
    """
    if math.isnan(value) or math.isnan(reference):
        return math.nan
    if value == reference:
        return math.inf
    if math.isinf(value) or math.isinf(reference):
        return -math.inf
    difference = abs(value - reference)
    return -math.log10(difference / abs(reference) if reference else difference)
