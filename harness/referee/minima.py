"""Minima of the deviance that a search has met, and the points that it can start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.optimality import optimality

Array = NDArray[np.float64]
AnyPoint = TypeVar("AnyPoint", bound=Point)

DISTINCT = 1e-4
"""Minima whose deviances are nearer than this are said to be one."""

SAME = 1e-9
"""A lower deviance than this is rounding, where parameters are bounded."""

STATIONARY = 1e-5
"""Derivative, in relative changes of the variances, at which a point is a minimum."""


def evaluated(at: Callable[[Array], AnyPoint], starts: Iterable[Array]) -> list[AnyPoint]:
    """Return the points of those where the deviance can be evaluated, in their order.

    ``at`` is that of the likelihood.
    """
    points = []
    for start in starts:
        try:
            point = at(start)
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(point.deviance()):
            points.append(point)
    return points


class Minima(Generic[AnyPoint]):
    """Where descents have ended, the lowest first.

    Parameters
    ----------
    rounding : float
        Of points that are as good the first is kept, unless another is lower by more than this.
    """

    def __init__(self, rounding: float = SAME) -> None:
        self.points: list[AnyPoint] = []
        self._rounding = rounding

    @property
    def best(self) -> AnyPoint:
        """The lowest."""
        return self.points[0]

    def keep(self, found: AnyPoint) -> bool:
        """Keep a minimum that is new, or one that is as good as known and lower; say whether."""
        value = found.deviance()
        same = [m for m in self.points if abs(m.deviance() - value) <= DISTINCT]
        if any(m.deviance() <= value + self._rounding for m in same):
            return False
        self.points = [m for m in self.points if m not in same] + [found]
        self.points.sort(key=Point.deviance)
        return True

    def others(self) -> tuple[AnyPoint, ...]:
        """Return those beside the best one that pass the first-order conditions."""
        return tuple(
            point
            for point in self.points[1:]
            if (found := optimality(point)).gradient < STATIONARY and not found.false_boundary
        )
