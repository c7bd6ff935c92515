"""The best point of a likelihood: found from many starts, certified as a local optimum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.referee.descent import (
    Bowl,
    bowl_of,
    newton,
    scaled_identity,
    scaled_variances,
    settled,
    theta_of_scaled,
)
from harness.referee.deviance import Likelihood, NoMaximum, Point
from harness.referee.identifiability import FreeDirection, centred, free_directions
from harness.referee.landscape import screened
from harness.referee.minima import Minima, evaluated
from harness.referee.optimality import Optimality, optimality
from harness.referee.satterthwaite import ContrastTest, contrast_tests
from harness.referee.variance_errors import variance_errors

Array = NDArray[np.float64]

_ENDLESS = 1e8
"""Variances where the residual one may go to zero: the deviance then has a limit out there."""

_FALLING = 0.1
"""Such a derivative at the best point: along a direction that fits the outcome exactly in k of m
dimensions it is m - k, a whole number."""

_SAME = 1e-10
"""A lower deviance than this is rounding: of points that are as good the first is kept."""

_SCREENINGS = 3
"""Rounds of screening, each begun only because the one before found a lower minimum."""

_DESCENTS = 6
"""Screened points that are followed down in one round."""


@dataclass(frozen=True)
class Optimum:
    """The best point found.

    Attributes
    ----------
    point : Point
    deviance : float
    optimality : Optimality
    starts : int
        How many descents were made.
    others : tuple of Point
        Other minima of the deviance that were met, higher than this one; the lowest first.
    """

    point: Point
    deviance: float
    optimality: Optimality
    starts: int
    others: tuple[Point, ...] = ()

    @cached_property
    def tests(self) -> tuple[ContrastTest, ...]:
        """Estimate, standard error, df, t and p of every fixed effect."""
        return contrast_tests(self.point, np.eye(self.point.likelihood.products.p))

    @cached_property
    def free(self) -> tuple[FreeDirection, ...]:
        """Directions in which the point can be left for others that are as good; none as a rule."""
        return free_directions(self.point)

    @property
    def moved(self) -> frozenset[int]:
        """Fixed effects whose standard error, df and p the data therefore do not determine."""
        return frozenset(j for direction in self.free for j in direction.moved)

    @cached_property
    def sigma(self) -> float:
        """Residual standard deviation, in the units of the data."""
        return self.point.sigma * self.point.likelihood.products.basis.y_scale

    @property
    def phi(self) -> Array:
        """Parameters of the residual covariance, as they are searched in; empty without one."""
        return self.point.theta[len(self.point.likelihood.layout) :]

    @cached_property
    def variance_errors(self) -> tuple[float, ...]:
        """Standard errors of the variances, term after term."""
        return variance_errors(self.point, self.sigma)


def find_optimum(likelihood: Likelihood, starts: Iterable[Array] = ()) -> Optimum:
    """Minimise the deviance over theta from given and built-in starts.

    Parameters
    ----------
    starts : iterable of theta
        For instance every engine's answer.

    Raises
    ------
    NoMaximum
        When the descent ends only where rounding does: X and some directions of the random effects
        fit the outcome exactly in fewer dimensions than there are rows (as
        :class:`Likelihood` finds at once when all directions do).

    Notes
    -----
    The built-in starts do not depend on those: the unit relative covariance, and what is left of
    :func:`harness.referee.landscape.screened`. That is a search, no proof: the certificate of what
    is found is of a local minimum.
    """
    return OptimumSearch(likelihood).best(starts)


class OptimumSearch:
    """A search that is gone on with as starts come in; each is followed down once.

    Whoever judges many answers to one case, one after the other, finds its minima once. What is
    known then is what :func:`find_optimum` finds from all starts together.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood
        self._followed: set[bytes] = set()
        self._basins: _Basins | None = None
        self._found: Optimum | None = None

    def best(self, starts: Iterable[Array] = ()) -> Optimum:
        """Return the best point known when these starts have been followed down too.

        Raises
        ------
        NoMaximum
            As :func:`find_optimum`.
        """
        new = {np.asarray(s, dtype=np.float64).tobytes(): s for s in starts}
        new = {key: start for key, start in new.items() if key not in self._followed}
        if self._found is None:
            self._found = self._begun(list(new.values()))
        elif new:
            self._found = self._gone_on(self._found, list(new.values()))
        self._followed |= set(new)
        return self._found

    def _begun(self, starts: Sequence[Array]) -> Optimum:
        likelihood = self.likelihood
        if not likelihood.layout:
            point = likelihood.at(np.zeros(0))
            return Optimum(point, point.deviance(), optimality(point), 1)
        points = [
            likelihood.at(scaled_identity(likelihood, 1.0)),
            *evaluated(likelihood.at, starts),
        ]
        points.sort(key=Point.deviance)
        if likelihood.products.exact:
            points += evaluated(likelihood.at, [scaled_identity(likelihood, _ENDLESS)])
        first = settled(newton(points[0]))
        _refuse_endless(first)
        self._basins = _Basins(first)
        return self._screened(self._basins, points[1:], len(points))

    def _gone_on(self, found: Optimum, starts: Sequence[Array]) -> Optimum:
        basins, points = self._basins, evaluated(self.likelihood.at, starts)
        if basins is None:
            return found
        known = list(basins.points)
        for start in points:
            basins.descend(start)
        if basins.points == known:
            return found
        return self._screened(basins, [], found.starts + len(points))

    def _screened(self, basins: _Basins, points: Sequence[Point], runs: int) -> Optimum:
        """Follow points down, then what screening of the whole landscape leaves."""
        for start in points:
            basins.descend(start)
        _refuse_endless(basins.best)
        for _ in range(_SCREENINGS):
            known = [scaled_variances(minimum) for minimum in basins.points]
            candidates = screened(self.likelihood, known, _DESCENTS)
            lowest = basins.best
            for psi in candidates:
                basins.descend(self.likelihood.at(theta_of_scaled(self.likelihood, psi)))
            _refuse_endless(basins.best)
            runs += len(candidates)
            if basins.best is lowest:
                break
        best = centred(basins.best)
        return Optimum(best, best.deviance(), optimality(best), runs, basins.others())


def _refuse_endless(lowest: Point) -> None:
    if lowest.likelihood.products.exact and optimality(lowest).gradient > _FALLING:
        raise NoMaximum


class _Basins(Minima[Point]):
    """Minima met so far, and the bowls about them, in which no descent need be followed on."""

    def __init__(self, first: Point) -> None:
        super().__init__(_SAME)
        self._bowls: list[Bowl] = []
        self._add(first)

    def descend(self, start: Point) -> None:
        """Go down from a point, and keep the minimum when it is another one."""
        try:
            found = newton(start, self._bowls)
            if not any(found is minimum for minimum in self.points):
                self._add(settled(found))
        except np.linalg.LinAlgError:  # so far out that rounding leaves no information
            return

    def _add(self, found: Point) -> None:
        if self.keep(found) and (bowl := bowl_of(found)) is not None:
            self._bowls.append(bowl)
