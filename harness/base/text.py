"""Numbers, lists and names as a sentence has them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float | None) -> str:
    """Write a number with three significant digits, without a useless exponent."""
    if value is None:
        return "none"
    if not math.isfinite(value):
        return {"inf": "infinite", "-inf": "minus infinite"}.get(str(value), "not a number")
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        digits = max(0, 2 - math.floor(math.log10(abs(value))))
        text = f"{value:.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text or "0"
    return f"{value:.2g}"


def p_value(value: float | None) -> str:
    """``p = 0.0123``, ``p < 1e-10``."""
    if value is None or math.isnan(value):
        return "p unknown"
    if value < 1e-10:
        return "p < 1e-10"
    return f"p = {value:.2g}" if value < 0.001 else f"p = {value:.4f}"


def listed(items: Sequence[str]) -> str:
    """Join as ``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def count(n: int, what: str) -> str:
    """``1 row``, ``12 rows``."""
    return (
        f"{n:,} {what}{'' if n == 1 else 's'}"
        if n >= 10000
        else f"{n} {what}{'' if n == 1 else 's'}"
    )


def whose(name: str) -> str:
    """Write the possessive: ``lme4's``, ``statsmodels'``."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"
