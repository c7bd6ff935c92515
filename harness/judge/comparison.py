"""One number of two fits, side by side."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.base.json import Real
from harness.engines.engine import Setting

Unit = Literal["absolute", "SE", "relative", "log10"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity in two fits.

    Attributes
    ----------
    quantity : str
        Row of the tolerance table: ``loglik``, ``estimate``, ``se``, ``df``, ``statistic``, ``p``,
        ``variance``, ``residual_variance``, ``random_effect``, ``fitted``.
    item : str
        Which one: a coefficient or a variance component; empty for a scalar.
    left, right : float
        The two values; ``right`` is the reference.
    difference : float
        Non-negative, in ``unit``.
    digits : float
        LRE, -log10(|left - right| / |right|); ``inf`` when equal.
    within : bool
        ``difference <= tolerance``; a NaN is never within.
    """

    setting: Setting
    quantity: str
    item: str
    left: Real
    right: Real
    difference: Real
    unit: Unit
    digits: Real
    tolerance: Real
    within: bool
