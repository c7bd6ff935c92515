"""Profiles of the parameters of a residual covariance: correlations, ratios of deviations.

One is held and the deviance is at its lowest over everything else, the variances of random effects
and the other residual parameters. The curve is followed in what the search works in (log rho in
continuous time, log ratios) and told in correlations and ratios.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.referee.best_point import settled
from harness.referee.likelihood_profile import FURTHEST, Curve, curve
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.residual_matrix import bounds, least_correlation, stated

Array = NDArray[np.float64]

_FIRST = 0.2
"""Rise in the root of the deviance that the first step is to make, by the curvature."""

_WIDEST = 0.3
"""The longest first step, in a correlation or the logarithm of a ratio."""

_SHRUNK = (1.0, 0.9, 0.7, 0.4, 0.0)
"""Shares of the other correlations to begin at: with all of them R need not be a covariance."""


class _Point:
    """The lowest point with one residual parameter held."""

    def __init__(self, point: ResidualPoint) -> None:
        self.point = point
        self.deviance = point.deviance()


class ResidualProfile:
    """The profile of one parameter of the residual covariance.

    Parameters
    ----------
    best : Optimum
        Of a model with a residual covariance.
    at : int
        Number of the parameter, correlations before ratios.
    """

    def __init__(self, best: Optimum, at: int) -> None:
        assert isinstance(best.point, ResidualPoint)
        self.best, self.at, self.point = best, at, best.point
        self.likelihood = best.point.likelihood.holding(at)

    @property
    def correlation(self) -> bool:
        """Whether it is a correlation; else a ratio of standard deviations."""
        return self.at < self.likelihood.residual.correlations

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the parameter space as they are told; those of R as a whole may be nearer."""
        if not self.correlation:
            return 0.0, math.inf
        return least_correlation(self.likelihood.residual), 1.0

    def told(self, value: float) -> float:
        """Return a value as it is told: a correlation, or a ratio."""
        phi = self.point.phi.copy()
        phi[self.at] = value
        return float(stated(self.likelihood.residual, phi)[self.at])

    def curve(self, *, level: float = 0.95, furthest: float = FURTHEST) -> Curve[_Point]:
        """Follow the profile; ``low`` and ``high`` are None where it meets the parameter space."""
        here = float(self.point.phi[self.at])
        found = curve(
            self.lowest,
            here,
            self.best.deviance,
            self._bounds(),
            self._first_step(),
            level=level,
            furthest=furthest,
        )
        low, high = (None if end is None else self.told(end) for end in (found.low, found.high))
        return Curve(
            tuple(map(self.told, found.values)),
            found.deviance,
            self.told(here),
            found.minimum,
            low,
            high,
        )

    def lowest(self, value: float, near: _Point | None = None) -> _Point:
        """Return the lowest point with the parameter at a value of phi.

        Raises
        ------
        LinAlgError
            Where no covariance was found that has it.
        """
        found = [_Point(settled(start)) for start in self._starts(value, near)]
        if not found:
            raise np.linalg.LinAlgError("outside the parameter space")
        return min(found, key=lambda one: one.deviance)

    def _starts(self, value: float, near: _Point | None) -> Iterator[ResidualPoint]:
        """Yield a neighbour moved to the value, and a point without random effects."""
        k = len(self.likelihood.layout)
        start = self.point if near is None else near.point
        for share in _SHRUNK:
            phi = start.phi.copy()
            phi[: self.likelihood.residual.correlations] *= share
            phi[self.at] = value
            try:
                moved = self.likelihood.at(np.concatenate([start.theta[:k], phi]))
            except np.linalg.LinAlgError:
                continue
            yield moved
            if k and start.theta[:k].any():
                yield self.likelihood.at(np.concatenate([np.zeros(k), phi]))
            return

    def _bounds(self) -> tuple[float, float]:
        if not self.correlation:
            return -math.inf, math.inf
        return bounds(self.likelihood.residual) or (-1.0, 1.0)

    def _first_step(self) -> float:
        """Return the step that raises the deviance a little, by its curvature at the best point."""
        twin, _ = self.point.conditioned()
        values, vectors = np.linalg.eigh(twin.profiled_hessian())
        at = len(self.likelihood.layout) + self.at
        kept = values > 1e-9 * values[-1]
        spread = float((vectors[at, kept] ** 2 / values[kept]).sum())
        # The deviance rises by half of step^2 / spread.
        step = _FIRST * math.sqrt(2.0 * spread) if spread > 0.0 else _WIDEST
        return min(step, _WIDEST)
