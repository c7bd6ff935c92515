"""Does a fit come out again as it was stored, quantity by quantity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from harness.base.json import Real
from harness.engines.engine import Outcome, Setting

_NOT_OF_THE_RESULT = ("seconds",)
_WAY_THERE = ("settings",)
"""How many evaluations were made may change as soon as a last digit does."""

Leaf = list[float] | str | bool | None


class NotReproduced(msgspec.Struct, frozen=True):
    """One quantity of a stored outcome that the engine no longer gives.

    Attributes
    ----------
    quantity : str
        Its path in a fit: ``"loglik"``, ``"coefficients[Days].estimate"``, ``"fitted"``.
    stored, live : str
        Of a vector the element that differs most, in full digits.
    relative : float or None
        Largest difference over the largest absolute value; None for what is not a number.
    """

    engine: str
    case: str
    setting: Setting
    quantity: str
    stored: str
    live: str
    relative: Real | None = None


def not_reproduced(
    case_id: str, stored: Outcome, live: Outcome, *, tolerance: float = 0.0
) -> Iterator[NotReproduced]:
    """Compare all that two outcomes say, except for the time it took.

    Parameters
    ----------
    tolerance : float
        Relative difference, measured against the largest absolute value of the quantity (the
        vector or matrix), up to which numbers count as the same. 0 asks for the same numbers; above
        it the count of evaluations in ``settings`` is not compared either.
    """
    left, right = _leaves_of(stored, tolerance), _leaves_of(live, tolerance)
    for quantity in dict.fromkeys((*left, *right)):
        difference = _difference(left.get(quantity), right.get(quantity), tolerance)
        if difference is not None:
            yield NotReproduced(stored.engine, case_id, stored.setting, quantity, *difference)


def _leaves_of(outcome: Outcome, tolerance: float) -> dict[str, Leaf]:
    left_out = _NOT_OF_THE_RESULT + (_WAY_THERE if tolerance > 0 else ())
    fields = {k: v for k, v in msgspec.to_builtins(outcome).items() if k not in left_out}
    return dict(_leaves(fields, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        numbers = _numbers(value)
        if numbers is not None:
            yield path, numbers
            return
        for i, item in enumerate(value):
            label = item.get("name", item.get("group", i)) if isinstance(item, dict) else i
            yield from _leaves(item, f"{path}[{label}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, [float(value)]
    else:
        yield path, value


def _numbers(value: Any) -> list[float] | None:
    """Return the numbers of a vector or matrix in order, or None if it holds anything else."""
    out: list[float] = []
    for item in value:
        if isinstance(item, int | float) and not isinstance(item, bool):
            out.append(float(item))
        elif isinstance(item, list | tuple):
            inner = _numbers(item)
            if inner is None:
                return None
            out += inner
        else:
            return None
    return out


def _difference(stored: Leaf, live: Leaf, tolerance: float) -> tuple[str, str, float | None] | None:
    if not (isinstance(stored, list) and isinstance(live, list)):
        return None if stored == live else (_shown(stored), _shown(live), None)
    if len(stored) != len(live):
        return f"{len(stored)} numbers", f"{len(live)} numbers", None
    scale = max((abs(v) for v in (*stored, *live) if math.isfinite(v)), default=0.0)
    worst, at = 0.0, -1
    for i, (a, b) in enumerate(zip(stored, live, strict=True)):
        if a == b or (math.isnan(a) and math.isnan(b)):
            continue
        # One of them may be NaN or infinite, which no tolerance covers.
        relative = abs(a - b) / scale if math.isfinite(a) and math.isfinite(b) else math.inf
        if at < 0 or relative > worst:
            worst, at = relative, i
    if at < 0 or worst <= tolerance:
        return None
    return repr(stored[at]), repr(live[at]), worst


def _shown(value: Leaf) -> str:
    return f"{len(value)} numbers" if isinstance(value, list) else str(value)
