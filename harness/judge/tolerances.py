"""The tolerance table, one row per quantity."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from harness.engines.engine import Setting
from harness.judge.comparison import Unit


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of ``tolerances.toml``.

    Attributes
    ----------
    follows, follows_floor : float
        How far a number may be from what follows from others that are printed beside it, relative;
        below the floor the absolute size counts.
    """

    unit: Unit
    tight: float
    default: float
    reason: str
    floor: float = 0.0
    follows: float = 0.0
    follows_floor: float = 0.0

    def at(self, setting: Setting, *, singular: bool) -> float:
        """Return the tolerance for a setting, at a singular or an interior optimum."""
        return self.tight if setting == "tight" and not singular else self.default

    def allows(self, value: float, right: float) -> bool:
        """Whether a number is what follows from others that are printed beside it."""
        return abs(value - right) <= self.follows * max(abs(right), self.follows_floor)


@cache
def load_tolerances() -> dict[str, Tolerance]:
    """Return the table by quantity."""
    text = (files("harness.judge") / "tolerances.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Tolerance])
