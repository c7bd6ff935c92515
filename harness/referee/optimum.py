"""The best point of a likelihood: found from many starts, certified as a local optimum.

Damped Newton steps on the factor with its signs free: the deviance is a smooth function of L, also
where a diagonal passes through zero, and the boundary is reached exactly (a zero column stays
zero).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Likelihood, NoMaximum, Point
from harness.referee.identifiability import FreeDirection, centred, free_directions
from harness.referee.landscape import screened
from harness.referee.minima import Minima, evaluated
from harness.referee.optimality import Optimality, optimality
from harness.referee.satterthwaite import ContrastTest, contrast_tests
from harness.referee.variance_errors import variance_errors

Array = NDArray[np.float64]

_STEPS = 200
_DECREMENT = 1e-13
"""Newton's estimate of what is left to gain in deviance; below it rounding decides."""

_ROUNDING = 1e-14
"""Relative rounding of a derivative, a few tens of units in the last place."""

_NEAR = 1e-2
"""Distance from a minimum, relative to the effects' standard deviations, at which a point may be
taken to lie in its bowl."""

_SNAP = 1e-9
"""A smaller rank is taken when the deviance does not rise by more than this."""


_NO_VARIANCE = 1e-15
"""Share of the largest eigenvalue of a covariance matrix below which another is its rounding."""

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
            likelihood.at(_scaled_identity(likelihood, 1.0)),
            *evaluated(likelihood.at, starts),
        ]
        points.sort(key=Point.deviance)
        if likelihood.products.exact:
            points += evaluated(likelihood.at, [_scaled_identity(likelihood, _ENDLESS)])
        first = _settled(newton(points[0]))
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
            known = [_variances(minimum) for minimum in basins.points]
            candidates = screened(self.likelihood, known, _DESCENTS)
            lowest = basins.best
            for psi in candidates:
                basins.descend(self.likelihood.at(_theta_of_scaled(self.likelihood, psi)))
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
        self._bowls: list[_Bowl] = []
        self._add(first)

    def descend(self, start: Point) -> None:
        """Go down from a point, and keep the minimum when it is another one."""
        try:
            found = newton(start, self._bowls)
            if not any(found is minimum for minimum in self.points):
                self._add(_settled(found))
        except np.linalg.LinAlgError:  # so far out that rounding leaves no information
            return

    def _add(self, found: Point) -> None:
        if self.keep(found) and (bowl := _bowl(found)) is not None:
            self._bowls.append(bowl)


def nearest_minimum(point: Point) -> Point:
    """Return where Newton's steps from a point end: a minimum, not always the lowest."""
    return _settled(newton(point))


def _settled(point: Point) -> Point:
    """Where a descent from a point ends: on the smallest face, and on no false boundary."""
    for _ in range(5):  # each escape lowers the deviance; five are far more than ever needed
        point = polished(_snapped(point))
        outcome = optimality(point)
        if not outcome.false_boundary:
            break
        moved = newton(point.likelihood.at(_along_descent(point, outcome)))
        if moved.deviance() >= point.deviance():
            break
        point = moved
    theta = _rectified(point.likelihood, point.theta)
    return point if np.array_equal(theta, point.theta) else point.likelihood.at(theta)


def _rectified(likelihood: Likelihood, theta: Array) -> Array:
    """Theta with non-negative diagonals, as lme4 writes it; a column's sign is free."""
    signs = {
        (t, b): np.sign(v) or 1.0
        for v, (t, a, b) in zip(theta, likelihood.layout, strict=True)
        if a == b
    }
    return np.array(
        [v * signs[t, b] for v, (t, _, b) in zip(theta, likelihood.layout, strict=True)]
    )


def _theta_of_scaled(likelihood: Likelihood, scaled: Iterable[Array]) -> Array:
    """Theta of relative covariance matrices given for the scaled effects.

    On a face of the cone columns are exactly zero: a Cholesky factor of the rounded matrix would
    leave 1e-8 where zero is meant.
    """
    factors = []
    for w, psi in zip(likelihood.products.basis.effects, scaled, strict=True):
        values, vectors = np.linalg.eigh(psi)
        kept = values > _NO_VARIANCE * float(values[-1])
        lower = np.zeros_like(psi)
        if kept.any():
            half = np.linalg.inv(w) @ (vectors[:, kept] * np.sqrt(values[kept]))
            # Rows of half' turned to lower-trapezoidal form: half = L Q with Q orthogonal.
            _, upper = np.linalg.qr(half.T)
            lower[:, : len(upper)] = np.tril(upper.T)
        factors.append(lower)
    return _rectified(likelihood, np.array([factors[t][a, b] for t, a, b in likelihood.layout]))


def _variances(point: Point) -> tuple[Array, ...]:
    """Relative covariance of the scaled effects, term after term."""
    return tuple(half @ half.T for half in point.lambdas)


def _scaled_identity(likelihood: Likelihood, variance: float) -> Array:
    return _theta_of_scaled(likelihood, [variance * np.eye(q) for q in likelihood.products.sizes])


@dataclass(frozen=True)
class _Bowl:
    """Where Newton's steps are known to lead to a minimum: near it, the deviance being convex."""

    point: Point
    values: Array
    vectors: Array
    from_theta: Array

    def holds(self, point: Point) -> bool:
        """Whether a point is near, and as much higher as the curvature at the minimum says."""
        away = self.from_theta @ (_aligned(point, self.point) - self.point.theta)
        if not np.linalg.norm(away) <= _NEAR:
            return False
        foreseen = 0.5 * float((self.values * (self.vectors.T @ away) ** 2).sum())
        rise = point.deviance() - self.point.deviance()
        return abs(rise - foreseen) <= 0.1 * foreseen + 1e-10


def _bowl(best: Point) -> _Bowl | None:
    """Return the bowl of a minimum; None where its curvature does not bound it."""
    twin, to_theta = best.conditioned()
    values, vectors = np.linalg.eigh(twin.profiled_hessian())
    if not values[0] > 1e-6 * values[-1]:
        return None
    from_theta = np.asarray(np.linalg.inv(to_theta), dtype=np.float64)
    return _Bowl(best, values, vectors, from_theta)


def _aligned(point: Point, best: Point) -> Array:
    """Theta with every column's sign, which is free, as that of ``best`` has it."""
    products: dict[tuple[int, int], float] = {}
    for own, other, (t, _, b) in zip(point.theta, best.theta, point.likelihood.layout, strict=True):
        products[t, b] = products.get((t, b), 0.0) + own * other
    signs = [-1.0 if products[t, b] < 0.0 else 1.0 for t, _, b in point.likelihood.layout]
    return np.asarray(point.theta * signs)


def newton(point: Point, bowls: Sequence[_Bowl] = ()) -> Point:
    """Go down from a point; the minimum of a bowl known already is returned once inside."""
    likelihood = point.likelihood
    value = point.deviance()
    radius = 1.0
    for _ in range(_STEPS):
        for bowl in bowls:
            if bowl.holds(point):
                return bowl.point
        twin, to_theta = point.conditioned()
        gradient = twin.profiled_gradient()
        values, vectors = np.linalg.eigh(twin.profiled_hessian())
        along = vectors.T @ gradient
        largest = max(float(np.abs(values).max()), 1e-300)
        curvature = np.maximum(np.abs(values), 1e-10 * largest)
        decrement = 0.5 * float((along**2 / curvature).sum())
        # The variables are relative, so rounding is that of a sum of m terms: a likelihood that is
        # flat (one row per group) must not be followed to infinity.
        noise = _ROUNDING * likelihood.m
        descending = values[0] < -max(1e-7 * largest, noise)
        exhausted = max(_DECREMENT, 4.0 * np.finfo(float).eps * abs(value))
        still = decrement < exhausted or float(np.abs(along).max()) < noise
        if still and not descending:
            break
        step = -vectors @ (along / curvature)
        if still:
            step = 0.1 * vectors[:, 0]  # a saddle: the gradient is blind, the curvature is not
        length = min(float(np.linalg.norm(step)), radius)
        step *= length / float(np.linalg.norm(step))
        moved, share = _line_search(likelihood, point, value, to_theta @ step)
        if moved is None:
            break
        # Grow after a full step, shrink to what was accepted otherwise.
        radius = 2.0 * radius if share == 1.0 else max(2.0 * share * length, 1e-6)
        point, value = moved, moved.deviance()
    return point


def _line_search(
    likelihood: Likelihood, point: Point, value: float, step: Array
) -> tuple[Point | None, float]:
    """Return the first point along a halved step that lies lower, and the share of the step."""
    for halving in range(30):
        try:
            moved = likelihood.at(point.theta + step * 0.5**halving)
        except np.linalg.LinAlgError:  # too far out to evaluate
            continue
        if moved.deviance() < value:
            return moved, 0.5**halving
    return None, 0.0


def polished(point: Point) -> Point:
    """Newton steps judged by the gradient: it still falls where the deviance is all rounding."""
    likelihood = point.likelihood
    twin, to_theta = point.conditioned()
    gradient = twin.profiled_gradient()
    for _ in range(3):
        values, vectors = np.linalg.eigh(twin.profiled_hessian())
        usable = values > 1e-9 * max(float(np.abs(values).max()), 1e-300)
        step = -vectors[:, usable] @ ((vectors[:, usable].T @ gradient) / values[usable])
        try:
            moved = likelihood.at(point.theta + to_theta @ step)
            twin, to_theta = moved.conditioned()
            found = twin.profiled_gradient()
        except np.linalg.LinAlgError:  # so far out that rounding leaves no information
            break
        smaller = np.linalg.norm(found) < np.linalg.norm(gradient)
        if not smaller or moved.deviance() > point.deviance() + _SNAP:
            break
        point, gradient = moved, found
    return point


def _snapped(point: Point) -> Point:
    """Drop directions of small variance for which the deviance does not need to rise."""
    likelihood = point.likelihood
    scaled = list(_variances(point))
    best = point
    for t, psi in enumerate(scaled):
        values, vectors = np.linalg.eigh(psi)
        for count in range(len(values), 0, -1):
            if values[count - 1] > 1e-3 * max(1.0, float(values[-1])):
                continue
            kept = values.copy()
            kept[:count] = 0.0
            reduced = list(scaled)
            reduced[t] = (vectors * kept) @ vectors.T
            moved = newton(likelihood.at(_theta_of_scaled(likelihood, reduced)))
            if moved.deviance() <= best.deviance() + _SNAP:
                best = moved
                scaled = list(_variances(best))
                break
    return best


def _along_descent(point: Point, outcome: Optimality) -> Array:
    scaled = []
    for lam, direction in zip(point.lambdas, outcome.descent, strict=True):
        psi = lam @ lam.T
        if direction is not None:
            unit = direction / np.linalg.norm(direction)
            psi = psi + 0.01 * max(1.0, float(np.trace(psi))) * np.outer(unit, unit)
        scaled.append(psi)
    return _theta_of_scaled(point.likelihood, scaled)
