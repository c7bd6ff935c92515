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


def significant(value: float, digits: int = 6) -> str:
    """Write a number with some significant digits, as ``%g`` does; NaN is said to be no number."""
    return "no number (NaN)" if math.isnan(value) else f"{value:.{digits}g}"


def p_value(value: float | None) -> str:
    """``p = 0.0123``, ``p < 1e-10``."""
    if value is None or math.isnan(value):
        return "p unknown"
    if value < 1e-10:
        return "p < 1e-10"
    if value > 0.9999:
        return "p > 0.9999"
    return f"p = {value:.2g}" if value < 0.001 else f"p = {value:.4f}"


def moved(what: str, before: float | None, after: float | None) -> str:
    """Say what became of a number: ``SE 0.0716 → 0.0713``, ``SE stays 0.0713``."""
    return _moved(what, number(before), number(after))


def moved_p(before: float | None, after: float | None) -> str:
    """Say what became of a p value: ``p 0.012 → below 1e-10``, ``p stays below 1e-10``."""
    texts = [p_value(p).removeprefix("p ").removeprefix("= ") for p in (before, after)]
    texts = [t.replace("< ", "below ").replace("> ", "above ") for t in texts]
    return _moved("p", *texts)


def _moved(what: str, before: str, after: str) -> str:
    return f"{what} stays {before}" if before == after else f"{what} {before} → {after}"


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


def size(value: float) -> str:
    """Write a difference without an exponent: neither absurdly small nor absurdly large."""
    value = abs(value)
    if math.isnan(value):
        return "an unknown amount"
    if value > 1e6:
        return "more than a million"
    if 0.0 < value < 1e-6:
        return "less than 0.000001"
    if 0.0 < value < 1e-3:
        return f"{value:.{1 - math.floor(math.log10(value))}f}"
    return number(value)


def percent(share: float) -> str:
    """Write a relative difference in percent."""
    share = abs(share)
    if 0.0 < share < 1e-6:
        return "less than 0.0001 %"
    return f"{size(share * 100.0) if share < 1.0 else size(float(f'{share * 100.0:.2g}'))} %"


def off(value: float, right: float) -> str:
    """Say how far a number is from the right one, relative to it: ``6 % off``."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value) or not math.isfinite(right):
        return f"{number(value)} instead of {number(right)}"
    if right == 0.0 or value == 0.0 or (value < 0.0) != (right < 0.0):
        return f"{rounded(value)} instead of {rounded(right)}"
    ratio = value / right
    if 0.5 < ratio < 2.0:
        return f"{percent(ratio - 1.0)} off"
    times = max(ratio, 1.0 / ratio)
    many = "more than 1000" if times > 1000.0 else f"{times:.2g}" if times < 100 else f"{times:.0f}"
    return f"{many} times too {'large' if ratio > 1.0 else 'small'}"


def rounded(value: float) -> str:
    """Write a number with three digits, and one next to zero or beyond a million as such."""
    sign = "-" if value < 0.0 else ""
    if value == 0.0 or not math.isfinite(value):
        return number(value)
    if abs(value) < 1e-6:
        return "nearly 0"
    return f"{sign}{size(value)}"


def shortened(content: str, length: int) -> str:
    """Return text cut to ``length`` characters, the cut shown."""
    return content if len(content) <= length else content[: length - 1] + "…"
