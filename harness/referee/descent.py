"""Descents: Newton's damped steps from a point, and the minimum where they end.

The steps are on the factor with its signs free: the deviance is a smooth function of L, also where
a diagonal passes through zero, and the boundary is reached exactly (a zero column stays zero).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Likelihood, Point
from harness.referee.minima import SAME, AnyPoint
from harness.referee.optimality import Optimality, optimality

Array = NDArray[np.float64]

STEPS = 200
"""At which a descent ends that has not come to rest."""

_DECREMENT = 1e-13
"""Newton's estimate of what is left to gain in deviance; below it rounding decides."""

_ROUNDING = 1e-14
"""Relative rounding of a derivative, a few tens of units in the last place."""

_NEAR = 1e-2
"""Distance from a minimum, relative to the effects' standard deviations, at which a point may be
taken to lie in its bowl."""

_NO_VARIANCE = 1e-15
"""Share of the largest eigenvalue of a covariance matrix below which another is its rounding."""


def nearest_minimum(point: Point) -> Point:
    """Return where Newton's steps from a point end: a minimum, not always the lowest."""
    return settled(newton(point))


def settled(point: Point) -> Point:
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


def newton(point: Point, bowls: Sequence[Bowl] = ()) -> Point:
    """Go down from a point; the minimum of a bowl known already is returned once inside."""
    likelihood = point.likelihood
    value = point.deviance()
    radius = 1.0
    for _ in range(STEPS):
        for bowl in bowls:
            if bowl.holds(point):
                return bowl.point
        twin, to_theta = point.conditioned()
        gradient, hessian = twin.profiled_gradient(), twin.profiled_hessian()
        step, _ = newton_step(gradient, hessian, value, rounding(likelihood))
        if step is None:
            break
        length = min(float(np.linalg.norm(step)), radius)
        step *= length / float(np.linalg.norm(step))
        moved, share = lower_along(point.theta, to_theta @ step, value, likelihood.at)
        if moved is None:
            break
        # Grow after a full step, shrink to what was accepted otherwise.
        radius = 2.0 * radius if share == 1.0 else max(2.0 * share * length, 1e-6)
        point, value = moved, moved.deviance()
    return point


def rounding(likelihood: Likelihood) -> float:
    """Return the rounding of a derivative.

    The variables are relative, so it is that of a sum of m terms: a likelihood that is flat (one
    row per group) must not be followed to infinity.
    """
    return _ROUNDING * likelihood.m


def newton_step(
    gradient: Array, hessian: Array, value: float, noise: float
) -> tuple[Array | None, bool]:
    """Return a step down, and whether it leaves a saddle, where its sign is free.

    Newton's with every curvature taken as positive; None at a minimum, to rounding.
    """
    values, vectors = np.linalg.eigh(hessian)
    along = vectors.T @ gradient
    largest = max(float(np.abs(values).max()), 1e-300)
    curvature = np.maximum(np.abs(values), 1e-10 * largest)
    decrement = 0.5 * float((along**2 / curvature).sum())
    descending = values[0] < -max(1e-7 * largest, noise)
    exhausted = max(_DECREMENT, 4.0 * np.finfo(float).eps * abs(value))
    still = decrement < exhausted or float(np.abs(along).max()) < noise
    if not still:
        return -vectors @ (along / curvature), False
    # At a saddle the gradient is blind, the curvature is not.
    return (0.1 * vectors[:, 0], True) if descending else (None, False)


class Lowered(Protocol):
    """What has a deviance."""

    def deviance(self) -> float:
        """-2 log-likelihood."""


AnyLowered = TypeVar("AnyLowered", bound=Lowered)


def lower_along(
    theta: Array, step: Array, value: float, at: Callable[[Array], AnyLowered]
) -> tuple[AnyLowered | None, float]:
    """Return the first point along a halved step that lies lower, and the share of the step."""
    for halving in range(30):
        try:
            moved = at(theta + step * 0.5**halving)
        except np.linalg.LinAlgError:  # too far out to evaluate
            continue
        if moved.deviance() < value:
            return moved, 0.5**halving
    return None, 0.0


def polished(point: AnyPoint) -> AnyPoint:
    """Newton steps judged by the gradient: it still falls where the deviance is all rounding.

    Parameters that are held at a bound stay there.
    """
    likelihood = point.likelihood
    twin, to_theta = point.conditioned()
    gradient = twin.profiled_gradient()
    for _ in range(3):
        free = ~point.held
        if not free.any():
            break
        values, vectors = np.linalg.eigh(twin.profiled_hessian()[np.ix_(free, free)])
        usable = values > 1e-9 * max(float(np.abs(values).max()), 1e-300)
        step = np.zeros(len(free))
        step[free] = -vectors[:, usable] @ (
            (vectors[:, usable].T @ gradient[free]) / values[usable]
        )
        try:
            # The points of a likelihood are of one kind.
            moved = cast(AnyPoint, likelihood.at(point.theta + to_theta @ step))
            twin, to_theta = moved.conditioned()
            found = twin.profiled_gradient()
        except np.linalg.LinAlgError:  # so far out that rounding leaves no information
            break
        smaller = np.linalg.norm(found[free]) < np.linalg.norm(gradient[free])
        if not smaller or moved.deviance() > point.deviance() + SAME:
            break
        point, gradient = moved, found
    return point


def _snapped(point: Point) -> Point:
    """Drop directions of small variance for which the deviance does not need to rise."""
    likelihood = point.likelihood
    scaled = list(scaled_variances(point))
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
            moved = newton(likelihood.at(theta_of_scaled(likelihood, reduced)))
            if moved.deviance() <= best.deviance() + SAME:
                best = moved
                scaled = list(scaled_variances(best))
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
    return theta_of_scaled(point.likelihood, scaled)


@dataclass(frozen=True)
class Bowl:
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


def bowl_of(best: Point) -> Bowl | None:
    """Return the bowl of a minimum; None where its curvature does not bound it."""
    twin, to_theta = best.conditioned()
    values, vectors = np.linalg.eigh(twin.profiled_hessian())
    if not values[0] > 1e-6 * values[-1]:
        return None
    from_theta = np.asarray(np.linalg.inv(to_theta), dtype=np.float64)
    return Bowl(best, values, vectors, from_theta)


def _aligned(point: Point, best: Point) -> Array:
    """Theta with every column's sign, which is free, as that of ``best`` has it."""
    products: dict[tuple[int, int], float] = {}
    for own, other, (t, _, b) in zip(point.theta, best.theta, point.likelihood.layout, strict=True):
        products[t, b] = products.get((t, b), 0.0) + own * other
    signs = [-1.0 if products[t, b] < 0.0 else 1.0 for t, _, b in point.likelihood.layout]
    return np.asarray(point.theta * signs)


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


def theta_of_scaled(likelihood: Likelihood, scaled: Iterable[Array]) -> Array:
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


def scaled_variances(point: Point) -> tuple[Array, ...]:
    """Relative covariance of the scaled effects, term after term."""
    return tuple(half @ half.T for half in point.lambdas)


def scaled_identity(likelihood: Likelihood, variance: float) -> Array:
    """Return theta where every scaled effect has this variance, and no covariance."""
    return theta_of_scaled(likelihood, [variance * np.eye(q) for q in likelihood.products.sizes])
