"""The search for the best point of a model with structured random terms.

Newton's steps within the bounds: a parameter at a bound from which the deviance does not fall
inwards is held there, and a step that would cross a bound ends on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.referee.descent import STEPS, lower_along, newton_step, polished, rounding
from harness.referee.deviance import NoMaximum, Point
from harness.referee.minima import SAME, Minima, evaluated
from harness.referee.optimality import optimality
from harness.referee.optimum import Optimum, OptimumSearch, find_optimum
from harness.referee.structured_likelihood import StructuredLikelihood, StructuredPoint

Array = NDArray[np.float64]

_DESCENTS = 8
"""Built-in starts that are followed down: those with the lowest deviance."""

_MOST_TERMS = 12
"""Effects of structured terms up to which they are first fitted without correlations."""

_SIZES = (0.03, 0.3, 1.0, 10.0, 300.0)
"""Variances of the starts, in units of the size at which half of an effect is shrunk away."""

_MIDDLE = _SIZES.index(1.0)

_CORRELATIONS = (0.0, 0.5, 0.9, -0.7)
"""Of the starts, as shares of the way from zero to either end."""


class StructuredSearch(OptimumSearch):
    """A search over the parameters of structured terms, from given and built-in starts."""

    likelihood: StructuredLikelihood

    def __init__(self, likelihood: StructuredLikelihood) -> None:
        super().__init__(likelihood)
        self._minima: Minima[StructuredPoint] = Minima()

    def _begun(self, starts: Sequence[Array]) -> Optimum:
        likelihood = self.likelihood
        given = evaluated(likelihood.at, starts)
        diagonal = evaluated(likelihood.at, _uncorrelated(likelihood))
        if diagonal and all(own.structure in ("", "diag") for own in likelihood.terms):
            return self._followed_down([*diagonal, *given], 0)
        built_in = sorted(evaluated(likelihood.at, _starts(likelihood)), key=Point.deviance)
        return self._followed_down([*given, *diagonal, *built_in[:_DESCENTS]], 0)

    def _gone_on(self, found: Optimum, starts: Sequence[Array]) -> Optimum:
        return self._followed_down(evaluated(self.likelihood.at, starts), found.starts)

    def _followed_down(self, starts: Sequence[StructuredPoint], runs: int) -> Optimum:
        for start in starts:
            if any(_beside(start, known) for known in self._minima.points):
                continue
            self._minima.keep(settled(start))
        best = self._minima.best
        return Optimum(
            best, best.deviance(), optimality(best), runs + len(starts), self._minima.others()
        )


def _beside(start: StructuredPoint, known: StructuredPoint) -> bool:
    """Whether a start is a minimum that is known, to the digits in which an engine states it."""
    near = np.abs(start.theta - known.theta).max() <= 1e-6 * (1.0 + np.abs(known.theta).max())
    return bool(near and abs(start.deviance() - known.deviance()) <= 1e-6)


def _uncorrelated(likelihood: StructuredLikelihood) -> list[Array]:
    """Return the minima where every effect of a structured term is a term of its own.

    Those are the minima of ``diag()``; of other structures they are starts.
    """
    if sum(own.q for own in likelihood.terms if own.structure) > _MOST_TERMS:
        return []
    apart, places = [], []
    for t, (own, term) in enumerate(zip(likelihood.terms, likelihood.design.random, strict=True)):
        effects = [slice(j, j + 1) for j in range(own.q)] if own.structure else [slice(None)]
        apart += [replace(term, z=term.z[:, j], names=term.names[j], structure="") for j in effects]
        places += [t] * len(effects)
    design = replace(likelihood.design, random=tuple(apart))
    try:
        found = find_optimum(likelihood.unstructured(design))
    except NoMaximum:
        return []
    out = []
    for point in (found.point, *found.others):
        factors = point.likelihood.factors(point.theta)
        pieces = []
        for t, own in enumerate(likelihood.terms):
            mine = [f for f, place in zip(factors, places, strict=True) if place == t]
            if not own.structure:
                pieces.append(own.parameters(mine[0] @ mine[0].T))
                continue
            d = np.array([abs(float(f[0, 0])) for f in mine])
            d = d if own.deviations == own.q else np.sqrt((d**2).mean(keepdims=True))
            pieces.append(np.append(d, 0.0) if own.correlated else d)
        out.append(np.concatenate(pieces))
    return out


def _starts(likelihood: StructuredLikelihood) -> Iterator[Array]:
    """Every size with every correlation, the same for all terms, and each term left out."""
    choices = [_term_starts(likelihood, t) for t in range(len(likelihood.terms))]
    for some in zip(*choices, strict=True):
        yield np.concatenate(some)
    if len(choices) > 1:
        for t, _ in enumerate(choices):
            for some in zip(*choices, strict=True):
                yield np.concatenate([x * (u != t) for u, x in enumerate(some)])
        few = [own[:: max(1, len(own) // 4)] for own in choices[:3]]
        rest = [own[len(own) // 2] for own in choices[3:]]
        for some in itertools.product(*few):
            yield np.concatenate([*some, *rest])


def middle_starts(likelihood: StructuredLikelihood) -> list[Array]:
    """Return starts of the middle size, with each correlation, the same for all terms."""
    choices = [_term_starts(likelihood, t) for t in range(len(likelihood.terms))]
    return [
        np.concatenate(some)
        for some in zip(*(own[_MIDDLE :: len(_SIZES)] for own in choices), strict=True)
    ]


def _term_starts(likelihood: StructuredLikelihood, t: int) -> list[Array]:
    own, products = likelihood.terms[t], likelihood.products
    natural = products.levels[t] / products.n
    w = products.basis.effects[t]
    out = []
    for share, size in itertools.product(_CORRELATIONS, _SIZES):
        if not own.structure:
            out.append(own.parameters(natural * size * np.linalg.inv(w) @ np.linalg.inv(w).T))
            continue
        lengths = np.linalg.norm(w, axis=0)
        alone = own.deviations == own.q
        x = np.sqrt(natural * size) / (lengths if alone else lengths.mean(keepdims=True))
        if own.correlated:
            end = own.bounds[1][-1] if share > 0.0 else -own.bounds[0][-1]
            x = np.append(x, share * end)
        out.append(x)
    return out


def bounded_newton(point: StructuredPoint) -> StructuredPoint:
    """Go down from a point."""
    likelihood = point.likelihood
    value, radius = point.deviance(), 1.0

    def within(theta: Array) -> StructuredPoint:
        """Return the point, cut off at the bounds."""
        return likelihood.at(np.clip(theta, likelihood.lower, likelihood.upper))

    for _ in range(STEPS):
        twin, to_theta = point.conditioned()
        gradient, hessian = twin.profiled_gradient(), twin.profiled_hessian()
        noise = rounding(likelihood)
        free = free_parameters(point, gradient, hessian, noise)
        if not free.any():
            break
        step = np.zeros(len(free))
        down, saddle = newton_step(gradient[free], hessian[np.ix_(free, free)], value, noise)
        if down is None:
            break
        # At d = 0 there is one way off a saddle.
        step[free] = down * (_inwards(point, free, down) if saddle else 1.0)
        length = min(float(np.linalg.norm(step)), radius)
        step *= length / float(np.linalg.norm(step))
        moved, share = lower_along(point.theta, to_theta @ step, value, within)
        if moved is None:
            break
        radius = 2.0 * radius if share == 1.0 else max(2.0 * share * length, 1e-6)
        point, value = moved, moved.deviance()
    return point


def free_parameters(
    point: Point, gradient: Array, hessian: Array, noise: float
) -> NDArray[np.bool_]:
    """Parameters that are at no bound, or from whose bound the deviance falls."""
    likelihood = point.likelihood
    assert isinstance(likelihood, StructuredLikelihood)
    low, high = point.theta <= likelihood.lower, point.theta >= likelihood.upper
    flat = (np.abs(gradient) <= noise) & (np.diag(hessian) < -noise)
    return ~(low | high) | (low & (gradient < -noise)) | (high & (gradient > noise)) | flat


def _inwards(point: StructuredPoint, free: NDArray[np.bool_], direction: Array) -> float:
    low = (point.theta <= point.likelihood.lower)[free]
    high = (point.theta >= point.likelihood.upper)[free]
    way = float(direction[low].sum() - direction[high].sum())
    return -1.0 if way < 0.0 else 1.0


def settled(start: StructuredPoint) -> StructuredPoint:
    """Where a descent from a point ends: on the smallest face, and on no false boundary."""
    point = bounded_newton(start)
    for _ in range(5):
        point = polished(_snapped(point))
        if not optimality(point).false_boundary:
            break
        moved = [bounded_newton(p) for p in evaluated(point.likelihood.at, _escapes(point))]
        lowest = min(moved, key=Point.deviance, default=point)
        if lowest.deviance() >= point.deviance() - SAME:
            break
        point = lowest
    return point


def _snapped(point: StructuredPoint) -> StructuredPoint:
    """Take parameters to the bound that they are near, where the deviance need not rise."""
    likelihood = point.likelihood
    for t, mine in enumerate(likelihood.slices):
        own = likelihood.terms[t]
        if not own.structure:
            continue
        for i in range(mine.start, mine.stop):
            end = _near_end(point, t, i)
            if end is None:
                continue
            theta = point.theta.copy()
            theta[i] = end
            for trial in evaluated(likelihood.at, [theta]):
                moved = bounded_newton(trial)
                if moved.deviance() <= point.deviance() + SAME:
                    point = moved
    return point


def _near_end(point: StructuredPoint, t: int, i: int) -> float | None:
    likelihood = point.likelihood
    own, mine = likelihood.terms[t], likelihood.slices[t]
    value, low, high = point.theta[i], likelihood.lower[i], likelihood.upper[i]
    if i - mine.start < own.deviations:
        w = likelihood.products.basis.effects[t]
        length = w[:, i - mine.start] if own.deviations == own.q else w
        near = value * np.linalg.norm(length) < 0.03
        return 0.0 if near and value > 0.0 else None
    if min(value - low, high - value) > 0.01 or value in (low, high):
        return None
    return float(low if value - low < high - value else high)


def _escapes(point: StructuredPoint) -> Iterator[Array]:
    """Points beside a boundary point, one parameter or one term away from its bound."""
    likelihood = point.likelihood
    for i in np.flatnonzero(point.held):
        theta = point.theta.copy()
        theta[i] += 0.01 if theta[i] <= likelihood.lower[i] else -0.01
        yield theta
    for t, mine in enumerate(likelihood.slices):
        for start in _term_starts(likelihood, t):
            theta = point.theta.copy()
            theta[mine] = start
            yield theta
