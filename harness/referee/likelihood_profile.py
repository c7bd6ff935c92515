"""Profiles of the deviance and the likelihood-ratio intervals that they bound.

The profiled deviance at a value is the lowest that the model reaches with the parameter held there.
Where it lies less than a quantile of chi-squared with one degree of freedom above the best point,
the value is in the likelihood-ratio interval (Bates, Maechler, Bolker and Walker 2015, section 5.1,
for lme4's ``profile``). The criterion is that of the likelihood: an interval by REML differs from
lme4's, which profiles ML.

A fixed effect b_j has the profile of

    d(theta, sigma) + (b_j - bhat_j(theta))^2 / (sigma^2 c_jj(theta)),

with bhat the GLS estimates and c the diagonal of (X'H^-1 X)^-1: by ML that is the deviance with the
effect held, by REML the adjusted one of Welham and Thompson (1997, JRSS B 59, 701-714), where the
determinant of the whole X'H^-1 X is kept, so that the lowest point is the REML optimum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.model.design import Design
from harness.referee.constraint import Minimum, lifted
from harness.referee.deviance import Likelihood, Point
from harness.referee.optimum import Optimum
from harness.referee.profiler import INDEPENDENT, Profiler
from harness.referee.residual_likelihood import StructuredResidualLikelihood
from harness.referee.residual_matrix import bounds
from harness.referee.structured_likelihood import StructuredLikelihood
from harness.referee.variance_parameter import EDGE, Parameter

Array = NDArray[np.float64]
Near = TypeVar("Near")


class _Lowest(Protocol):
    """The lowest point with something held."""

    @property
    def deviance(self) -> float: ...


Lowest = TypeVar("Lowest", bound=_Lowest)

FURTHEST = 2.8
"""Root of the rise in deviance up to which a profile is followed; 0.995 in probability."""

_STEP = 0.45
_MOST_STEPS = 24
_MOST_WIDER = 12
_LEAST = 1e-3
"""Share of the best residual SD down to which that is followed: at 0 the deviance has a limit at
most, which it has where every row is a group."""

Root = Callable[[float, "Near | None"], tuple[float, Near]]
"""Root of the rise in deviance at a value, found from a neighbour, and the point there."""

Place = tuple[float, float, "Near | None"]
"""A value, the root of the rise there, and the point."""


@dataclass(frozen=True)
class Curve(Generic[Near]):
    """A profile of the deviance, and where it leaves the interval.

    Attributes
    ----------
    values, deviance : tuple of float
        Where it was computed, in order.
    best, minimum : float
    low, high : float or None
        None where the deviance does not rise so far inside the parameter space.
    """

    values: tuple[float, ...]
    deviance: tuple[float, ...]
    best: float
    minimum: float
    low: float | None
    high: float | None


def rise_of(level: float) -> float:
    """Return the root of the rise in deviance at the ends of an interval of a level."""
    return math.sqrt(float(stats.chi2.ppf(level, 1)))


def of_parameter(
    parameter: Parameter,
    design: Design,
    relative: Sequence[Array],
    sigma: float,
    minimum: float,
    *,
    reml: bool,
    phi: Array = INDEPENDENT,
    level: float = 0.95,
    furthest: float = FURTHEST,
) -> Curve[Minimum]:
    """Profile one variance parameter.

    Parameters
    ----------
    relative : sequence of (q, q) arrays
        Covariance matrices at the best point, relative to the residual variance.
    sigma : float
        Residual standard deviation there, in the units of the data.
    minimum : float
        Deviance there.
    phi : array
        Parameters of the residual covariance there; empty without one.
    furthest : float
        Root of the rise up to which the curve goes, where the interval does not go further.
    """
    covariances = [sigma**2 * psi for psi in relative]
    profiler = Profiler(design, relative, sigma, (parameter,), reml=reml, phi=phi)
    best = parameter.value(covariances, sigma)
    low, high = parameter.bounds
    if parameter.scale == "sigma":
        low = _LEAST * best
    return curve(
        partial(_at, profiler),
        best,
        minimum,
        (low, high),
        first_step(parameter, design, covariances, sigma),
        level=level,
        furthest=furthest,
    )


def _at(profiler: Profiler, x: float, near: Minimum | None) -> Minimum:
    return profiler.at([x], near)


def first_step(
    parameter: Parameter, design: Design, covariances: Sequence[Array], sigma: float
) -> float:
    """Return a step that is small beside the parameter, or beside what the residuals could hide."""
    if parameter.scale == "correlation":
        return 0.05
    if parameter.scale == "sigma":
        return 0.02 * sigma
    term = design.random[parameter.term]
    width = float(np.sqrt((term.z[:, parameter.effects[0]] ** 2).mean())) or 1.0
    levels = max(len(term.levels), 1)
    hidden = sigma / width / math.sqrt(len(design.y) / levels)
    return max(0.1 * parameter.value(covariances, sigma), 0.1 * hidden)


def curve(
    evaluate: Callable[[float, Lowest | None], Lowest],
    best: float,
    minimum: float,
    bounds: tuple[float, float],
    step: float,
    *,
    level: float,
    furthest: float = FURTHEST,
) -> Curve[Lowest]:
    """Follow a profile from the best value to both sides.

    Parameters
    ----------
    evaluate : callable
        From a value, and what it gave for a neighbour, to the lowest point there.
    bounds : tuple of float
        Ends of the parameter space.
    step : float
        The first step.
    """
    known: dict[float, Lowest] = {}

    def root(x: float, near: Lowest | None) -> tuple[float, Lowest]:
        found = evaluate(x, near)
        known[x] = found
        return math.sqrt(max(found.deviance - minimum, 0.0)), found

    low, high = bounds
    ends = []
    wanted = rise_of(level)
    limit = max(furthest, wanted)
    for direction in (-1.0, 1.0):
        bound = high if direction > 0 else low
        points = [(best, 0.0, None), *_walk(root, best, direction, bound, step, limit)]
        ends.append(crossing(root, points, wanted))
    values = {best: minimum} | {x: m.deviance for x, m in known.items()}
    grid = sorted(x for x, d in values.items() if d - minimum <= 1.5 * limit**2 or x == best)
    return Curve(
        tuple(grid), tuple(max(values[x], minimum) for x in grid), best, minimum, ends[0], ends[1]
    )


def _walk(
    root: Root[Near], best: float, direction: float, bound: float, step: float, furthest: float
) -> Iterator[Place[Near]]:
    """Go from the best value to one side, in steps that raise the root by about the same."""
    x, height, near = best, 0.0, None
    if abs(x - bound) <= EDGE:
        return
    for _ in range(_MOST_STEPS):
        left = abs(bound - x)
        # Some more steps before a boundary, which is then met exactly.
        near_bound = left <= 0.02 * abs(bound - best) if math.isfinite(left) else False
        h = left if near_bound else min(step, left / 3.0)
        new = bound if near_bound else x + direction * h
        try:
            higher, found = root(new, near)
        except np.linalg.LinAlgError:  # so far out that rounding leaves no information
            return
        yield new, higher, found
        if higher > furthest or new == bound:
            return
        rise = max(higher - height, 1e-3)
        step = h * min(max(_STEP / rise, 0.4), 2.5)
        x, height, near = new, higher, found


def crossing(root: Root[Near], points: Sequence[Place[Near]], wanted: float) -> float | None:
    """Return where the deviance leaves the interval; None when it does not on this side."""
    for inside, outside in pairwise(points):
        if outside[1] > wanted:
            return _between(root, wanted, inside, outside)
    return None


def _between(root: Root[Near], wanted: float, inside: Place[Near], outside: Place[Near]) -> float:
    """Find where the root of the rise is ``wanted``, by the rule of false position."""
    for _ in range(12):
        (a, below, near), (b, above, _) = inside, outside
        share = (wanted - below) / (above - below)
        x = a + min(max(share, 0.05), 0.95) * (b - a)
        height, found = root(x, near)
        if abs(height - wanted) <= 1e-6:
            return x
        if height > wanted:
            outside = x, height, found
        else:
            inside = x, height, found
    return 0.5 * (inside[0] + outside[0])


class FixedProfile:
    """The profiled deviance of one fixed effect, by the criterion of the best point.

    Parameters
    ----------
    best : Optimum
    effect : int
        Column of X.
    """

    def __init__(self, best: Optimum, effect: int) -> None:
        self.best = best
        self.likelihood: Likelihood = best.point.likelihood
        basis = self.likelihood.products.basis
        self.row: Array = basis.y_scale * np.asarray(basis.m[effect])
        self.level = float(basis.y_mean * basis.constant[effect])
        start = lifted(self.likelihood, best.point.theta)
        self.to_theta: Array = self.likelihood.at(start).conditioned()[1]
        self._bounds: optimize.Bounds | None = None
        if isinstance(self.likelihood, StructuredLikelihood):
            # Bounded parameters are variables by themselves: their part of the map is diagonal.
            units = np.diag(self.to_theta)
            low, high = self.likelihood.lower.copy(), self.likelihood.upper.copy()
            if isinstance(self.likelihood, StructuredResidualLikelihood):
                # Unbounded, a line search that meets no covariance would end there.
                first = len(self.likelihood.layout)
                residual = self.likelihood.residual
                correlations = slice(first, first + residual.correlations)
                low[correlations], high[correlations] = bounds(residual) or (-1.0, 1.0)
            self._bounds = optimize.Bounds(low / units, high / units)
        self.starts = (best.point.theta, start)

    def interval(self, level: float = 0.95) -> tuple[float | None, float | None]:
        """Return the ends of the likelihood-ratio interval, None where it has none."""
        point = self.best.point
        estimate = self._estimate(point)
        se = point.sigma * math.sqrt(float(self.row @ point.c @ self.row))
        if not (math.isfinite(se) and se > 0.0):
            return None, None
        return self._end(estimate, -se, level), self._end(estimate, se, level)

    def _end(self, estimate: float, step: float, level: float) -> float | None:
        wanted = rise_of(level)

        def root(value: float, near: Array | None) -> tuple[float, Array]:
            deviance, theta = self.at(value, near)
            return math.sqrt(max(deviance - self.best.deviance, 0.0)), theta

        places: list[Place[Array]] = [(estimate, 0.0, None)]
        step *= wanted
        for _ in range(_MOST_WIDER):
            value = places[-1][0] + step
            height, found = root(value, places[-1][2])
            places.append((value, height, found))
            if height > wanted:
                return crossing(root, places, wanted)
            step *= 1.5
        return None

    def at(self, value: float, near: Array | None = None) -> tuple[float, Array]:
        """Return the lowest deviance with the effect held at a value, and its theta."""
        if not len(self.to_theta):
            return self._deviance(self.likelihood.at(self.starts[0]), value)[0], self.starts[0]
        starts = [*self.starts, *(() if near is None else (near, lifted(self.likelihood, near)))]
        values = [self._value(theta, value) for theta in starts]
        lowest = int(np.argmin(values))
        # From the boundary, where derivatives in the factor vanish, nothing would leave it.
        begin = lifted(self.likelihood, starts[lowest])
        found = optimize.minimize(
            self._both,
            np.linalg.solve(self.to_theta, begin),
            args=(value,),
            jac=True,
            method="BFGS" if self._bounds is None else "L-BFGS-B",
            bounds=self._bounds,
            options={"gtol": 1e-6, "maxiter": 200}
            | ({} if self._bounds is None else {"ftol": 1e-15}),
        )
        if found.fun <= values[lowest]:
            return float(found.fun), self.to_theta @ found.x
        return values[lowest], starts[lowest]

    def _value(self, theta: Array, value: float) -> float:
        try:
            return self._deviance(self.likelihood.at(theta), value)[0]
        except np.linalg.LinAlgError:
            return math.inf

    def _both(self, x: Array, value: float) -> tuple[float, Array]:
        try:
            point = self.likelihood.at(self.to_theta @ x)
        except np.linalg.LinAlgError:
            return math.inf, np.zeros_like(x)
        deviance, rss, far, size = self._deviance(point, value)
        logdet, rss_ = point.gradient_parts
        pull = point.c @ self.row
        moved = -(point.gls_slopes @ pull)
        grown = np.einsum("j,ijk,k->i", pull, point.xhx_derivatives, pull)
        held = rss_ - 2.0 * far / size * moved - (far / size) ** 2 * grown
        return deviance, self.to_theta.T @ (logdet + self.likelihood.m * held / rss)

    def _estimate(self, point: Point) -> float:
        return float(self.row @ point.gamma) + self.level

    def _deviance(self, point: Point, value: float) -> tuple[float, float, float, float]:
        """Return the deviance profiled over sigma, its rss, the distance held, and c_jj."""
        far = value - self._estimate(point)
        size = float(self.row @ point.c @ self.row)
        rss = point.rss + far * far / size
        rise = self.likelihood.m * math.log(rss / point.rss)
        return point.deviance() + rise, rss, far, size
