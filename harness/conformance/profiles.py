"""Profiles: how much a run of the suite draws and checks."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from harness.base.errors import BadInput
from harness.data.recipes.forms import VISIT_SHAPES
from harness.data.recipes.recipe_draw import Bounds

ALWAYS = ("parity", "referee.agreement")
"""Properties that are checked on every case, whatever the profile leaves out."""


@dataclass(frozen=True)
class SuiteProfile:
    """How a run draws.

    Attributes
    ----------
    examples : int
        Generated cases of the command line.
    examples_each : int
        Examples that Hypothesis draws for each property under pytest.
    seed : int or None
        None for one drawn anew, which is shown and recorded.
    each : int or None
        Properties checked on a case beside :data:`ALWAYS`; None for all. Which ones depends on the
        case alone, so that over many cases each has its turn.
    shrink_seconds : float
        How long one failure may be made smaller.
    bounds : dict
        As in :func:`harness.data.recipes.strategies.recipes`.
    """

    name: str
    examples: int
    examples_each: int
    seed: int | None
    each: int | None
    shrink_seconds: float
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def fixed(self) -> bool:
        """Whether every run is the same."""
        return self.seed is not None


PROFILES: dict[str, SuiteProfile] = {
    p.name: p
    for p in (
        SuiteProfile("pr", 30, 10, 4, None, 20.0, Bounds(max_groups=30, max_rows=90)),
        SuiteProfile("nightly", 2000, 200, None, 4, 60.0),
        SuiteProfile("debug", 5, 5, 4, None, 120.0, Bounds(max_groups=10, max_rows=40)),
        SuiteProfile(
            "visits",
            40,
            10,
            4,
            None,
            20.0,
            Bounds(shapes=tuple(VISIT_SHAPES), max_groups=12, max_rows=60),
        ),
    )
}
"""``pr`` is the same every time, small and fast; ``nightly`` is random and large; ``debug`` is a
few small cases, of which each is told about; ``visits`` has weights and residual covariances, which
most engines cannot express."""


def new_seed() -> int:
    """Return a seed that nobody chose."""
    return random.SystemRandom().randrange(2**32)


def select(names: Sequence[str], globs: Sequence[str]) -> tuple[str, ...]:
    """Return the properties that match one of the globs, all without any.

    Raises
    ------
    BadInput
        When a glob matches none.
    """
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise BadInput(
                f"no property matches {glob!r}; `lmm-parity conformance --list` lists them"
            )
    if not globs:
        return tuple(names)
    return tuple(n for n in names if any(fnmatchcase(n, glob) for glob in globs))


def turn(names: Sequence[str], each: int | None, case: str) -> tuple[str, ...]:
    """Return the properties whose turn it is on a case, in the order of ``names``."""
    if each is None:
        return tuple(names)
    others = [name for name in names if name not in ALWAYS]
    if each >= len(others):
        return tuple(names)
    # A checksum, because Python's own hash of a string differs between processes.
    start = zlib.crc32(case.encode()) % len(others)
    chosen = {others[(start + i) % len(others)] for i in range(each)}
    return tuple(name for name in names if name in ALWAYS or name in chosen)
