"""The best point of any likelihood: over the residual covariance too, where the model has one.

Newton's steps of :mod:`harness.referee.optimum` go through theta and phi together, from every
engine's answer and from several residual covariances; the faces of the cone, and escapes from false
ones, are looked for at the phi that they lead to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from harness.model.case import Case
from harness.referee import descent, optimum, structured_search
from harness.referee.crossproducts import standardised
from harness.referee.deviance import Likelihood, NoMaximum, Point
from harness.referee.minima import SAME, Minima, evaluated
from harness.referee.optimality import optimality
from harness.referee.optimum import Optimum, OptimumSearch
from harness.referee.residual_likelihood import (
    ResidualLikelihood,
    ResidualPoint,
    StructuredResidualPoint,
    likelihood_of,
)
from harness.referee.residual_matrix import bounds, neutral, shortest_gap, sign_open, typical_gap
from harness.referee.structured_likelihood import StructuredLikelihood, StructuredPoint
from harness.referee.structured_search import StructuredSearch

Array = NDArray[np.float64]

_DESCENTS = 6
"""Built-in starts that are followed down: those with the lowest deviance."""

_BARE = 2
"""And those without random effects."""

_ENDLESS = 0.05
"""Derivative in the logarithm of the last pivot of R at its bound: where the likelihood has no
maximum it is the number of dimensions that are fitted exactly."""

_EXACT = 1e-9
"""Residuals of a stratum, relative to its outcomes, that are rounding."""

_NEARER = (1e-6, 0.0)
"""Distances from the end of a correlation, which is 1e-8 inside: between them a contrast that is
fitted exactly lowers the deviance by log(100)."""

_AT_REST = 1e-3
"""Derivatives in relative changes above this are of no minimum; those of one are 1e-8 and less."""

_APART = 1e-4
"""Correlation at the shortest distance of a start that is as good as independence."""

_GRID = (-0.95, -0.7, -0.3, 0.3, 0.6, 0.9, 0.98)


class ResidualUnbounded(NoMaximum):
    """The likelihood grows for ever as the residual covariance becomes singular."""

    def __init__(self) -> None:
        super().__init__(
            "the likelihood grows without bound as the residual covariance becomes singular: there "
            "are too few groups for so many correlations; choose a structure with fewer"
        )


class StratumUnbounded(NoMaximum):
    """The likelihood grows for ever as the variance of a stratum goes to zero."""

    def __init__(self, level: str, rows: int) -> None:
        super().__init__(
            f"the likelihood grows without bound as the residual variance of stratum {level!r} "
            f"goes to zero: the model fits {'its one row' if rows == 1 else f'its {rows} rows'} "
            f"exactly; join it to another, or leave the variances by strata out"
        )


def find_optimum(likelihood: Likelihood, starts: Iterable[Array] = ()) -> Optimum:
    """Minimise the deviance from given and built-in starts.

    Parameters
    ----------
    starts : iterable of theta
        For instance every engine's answer.

    Raises
    ------
    NoMaximum
        When the likelihood has none; ``ResidualUnbounded`` where the residual covariance is why.
    """
    return _search(likelihood).best(starts)


def search_for(case: Case) -> OptimumSearch:
    """Return the search for the best point of a case, not begun.

    Raises
    ------
    ValueError
        As :class:`harness.referee.deviance.Likelihood`.
    """
    return _search(likelihood_of(case.design, reml=case.model.criterion != "ML"))


def _search(likelihood: Likelihood) -> OptimumSearch:
    if isinstance(likelihood, ResidualLikelihood):
        return ResidualSearch(likelihood)
    if isinstance(likelihood, StructuredLikelihood):
        return StructuredSearch(likelihood)
    return OptimumSearch(likelihood)


class ResidualSearch(OptimumSearch):
    """A search over theta and the residual covariance."""

    likelihood: ResidualLikelihood

    def __init__(self, likelihood: ResidualLikelihood) -> None:
        super().__init__(likelihood)
        self._minima: Minima[ResidualPoint] = Minima()

    def _begun(self, starts: Sequence[Array]) -> Optimum:
        likelihood = self.likelihood
        if not len(likelihood.phi):
            own = likelihood.given(likelihood.phi)
            alone = find_optimum(own.plain, starts)
            point = own.at(alone.point.theta)
            return Optimum(point, point.deviance(), optimality(point), alone.starts)
        _refuse_exact_strata(likelihood)
        built_in = evaluated(likelihood.at, _starts(likelihood))
        built_in.sort(key=ResidualPoint.deviance)
        # Without random effects too: where a structure can do their work, beside them it can lead
        # to a singular residual covariance and no further.
        bare = [point for point in built_in if not point.theta[: len(likelihood.layout)].any()]
        given = evaluated(likelihood.at, starts)
        return self._followed_down(
            [*dict.fromkeys([*given, *built_in[:_DESCENTS], *bare[:_BARE]])], 0
        )

    def _gone_on(self, found: Optimum, starts: Sequence[Array]) -> Optimum:
        if not len(self.likelihood.phi):
            return found
        return self._followed_down(evaluated(self.likelihood.at, starts), found.starts)

    def _followed_down(self, starts: Sequence[ResidualPoint], runs: int) -> Optimum:
        for start in starts:
            # A descent to where nothing can be evaluated has no end that is known.
            with suppress(np.linalg.LinAlgError):
                self._minima.keep(settled(start))
        if not self._minima.points:
            raise ResidualUnbounded
        best = self._minima.best
        slope = best.profiled_gradient()[len(self.likelihood.layout) :]
        found = optimality(best)
        if found.residual_bound:
            # V is R then: as R becomes singular the deviance goes to one infinity or the other, so
            # that a descent that has come to the edge and not to rest is one without an end.
            alone = not self.likelihood.layout and found.gradient > _AT_REST
            if alone or float(np.linalg.norm(slope)) * best.margin > _ENDLESS:
                raise ResidualUnbounded
        return Optimum(best, best.deviance(), found, runs + len(starts), self._minima.others())


def _refuse_exact_strata(likelihood: ResidualLikelihood) -> None:
    """Raise StratumUnbounded where X, or X and Z, fit the rows of a stratum exactly.

    Let w -> 0 be its standard deviation, m its rows, z the rank of Z on them, 0 without random
    effects, and r that of X and Z together. With y exactly in their span the quadratic form stays
    bounded, log|V| is (m - z) log w^2, and by REML log|X'V^-1 X| gives (r - z) of it back: the
    deviance falls for ever where what is left is positive.
    """
    residual = likelihood.residual
    own = standardised(likelihood.design)
    p = likelihood.products.p
    for codes, levels in zip(residual.strata, residual.levels, strict=True):
        for level, label in enumerate(levels):
            rows = np.flatnonzero(codes == level)
            x, y = own.xy[rows, :p], own.xy[rows, p]
            for z in (np.zeros((len(rows), 0)), _effects_on(likelihood, own.effects, rows)):
                both = np.hstack([x, z])
                if not _in_span(both, y):
                    continue
                given_back = _rank(both) if likelihood.reml else _rank(z)
                if len(rows) > given_back:
                    raise StratumUnbounded(label, len(rows))


def endless_end(best: ResidualPoint) -> tuple[float, float] | None:
    """Return an end of the correlation to which the deviance falls for ever, or None.

    At an end R has contrasts of variance 0. The deviance has the logarithm of their variance in it,
    and falls where all of them are 0 in y less the fixed part, which takes as many parameters. A
    valley to there is narrow, and a maximum inside, which is what is meant, may be local only.

    Returns
    -------
    float
        The end.
    float
        By how much the deviance is lower 1e-8 from it than 1e-6.
    """
    likelihood, k = best.likelihood, len(best.likelihood.layout)
    residual = likelihood.residual
    ends = bounds(residual)
    if ends is None:
        return None
    sizes = np.bincount(residual.group)
    for at, end in enumerate(ends):
        lowest = residual.structure == "cs" and at == 0
        contrasts = int((sizes == sizes.max()).sum()) if lowest else int((sizes - 1).sum())
        if contrasts > likelihood.products.p + len(best.theta) - 1:
            continue
        held, inside = likelihood.holding(0), 1.0 - 2.0 * at
        for start in (best.theta, np.concatenate([best.theta[:k], np.zeros(len(best.phi))])):
            theta, deviances = start.copy(), []
            for distance in _NEARER:
                theta[k] = end + inside * distance
                with suppress(np.linalg.LinAlgError):
                    point = _descent(held.at(theta))
                    theta = point.theta.copy()
                    deviances.append(point.deviance())
            if len(deviances) == len(_NEARER) and deviances[0] - deviances[1] > 1.0:
                return end, deviances[0] - deviances[1]
    return None


def _effects_on(
    likelihood: ResidualLikelihood, effects: Sequence[Array], rows: NDArray[np.intp]
) -> Array:
    """Return Z on some rows, a column for each effect of each level that they have."""
    columns = [np.zeros((len(rows), 0))]
    for term, z in zip(likelihood.design.random, effects, strict=True):
        _, codes = np.unique(term.codes[rows], return_inverse=True)
        indicators = np.eye(codes.max() + 1)[codes]
        columns += [indicators * z[rows, j, None] for j in range(z.shape[1])]
    return np.hstack(columns)


def _in_span(columns: Array, y: Array) -> bool:
    left = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0] if columns.size else y
    return bool(np.linalg.norm(left) <= _EXACT * np.linalg.norm(y))


def _rank(columns: Array) -> int:
    return int(np.linalg.matrix_rank(columns)) if columns.size else 0


def nearest_minimum(point: Point) -> Point:
    """Return where Newton's steps from a point end: a minimum, not always the lowest."""
    if isinstance(point, ResidualPoint):
        return settled(point)
    if isinstance(point, StructuredPoint):
        return structured_search.settled(point)
    return descent.nearest_minimum(point)


def _descent(point: ResidualPoint) -> ResidualPoint:
    """Go down from a point by Newton's steps, within the bounds of structures."""
    if isinstance(point, StructuredResidualPoint):
        return _joint(structured_search.bounded_newton(point))
    return _joint(descent.newton(point))


def settled(start: ResidualPoint) -> ResidualPoint:
    """Where a descent from a point ends: on the smallest face, and on no false boundary."""
    point = _bounded(_descent(start))
    k = len(point.likelihood.layout)
    for _ in range(5):
        if not k:
            break
        inner = nearest_minimum(point.likelihood.plain.at(point.theta[:k]))
        moved = _bounded(_descent(point.likelihood.at(np.concatenate([inner.theta, point.phi]))))
        better = moved.deviance() < point.deviance() - SAME
        # As good a point on a smaller face is the better one.
        point = moved if moved.deviance() <= point.deviance() + SAME else point
        if not better:
            break
    return _joint(descent.polished(point))


def _bounded(point: ResidualPoint) -> ResidualPoint:
    """Go on along a bound of the correlation where Newton's steps ended there."""
    likelihood, k = point.likelihood, len(point.likelihood.layout)
    ends = bounds(likelihood.residual)
    if ends is None or likelihood.held is not None or not point.residual_slope()[1]:
        return point
    theta = point.theta.copy()
    theta[k] = min(ends, key=lambda end: abs(end - theta[k]))
    try:
        on = _descent(likelihood.holding(0).at(theta))
        found = likelihood.holding(None).at(on.theta)
    except np.linalg.LinAlgError:
        return point
    return found if found.deviance() < point.deviance() else point


def _joint(point: Point) -> ResidualPoint:
    assert isinstance(point, ResidualPoint)
    return point


def _starts(likelihood: ResidualLikelihood) -> list[Array]:
    """Return starts: residual covariances, each beside random effects of several sizes."""
    k = len(likelihood.layout)
    plain = likelihood.plain
    thetas = [np.zeros(0)]
    if isinstance(plain, StructuredLikelihood):
        found = find_optimum(plain)
        thetas = [found.point.theta, *(other.theta for other in found.others)]
        thetas += [*structured_search.middle_starts(plain), np.zeros(k)]
    elif k:
        unit = plain.theta(
            [np.linalg.inv(w) @ np.linalg.inv(w).T for w in likelihood.products.basis.effects]
        )
        alone = optimum.find_optimum(plain).point.theta
        thetas = [alone, 0.5 * alone, unit, np.zeros(k)]
    return [np.concatenate([theta, phi]) for phi in _covariances(likelihood) for theta in thetas]


def _covariances(likelihood: ResidualLikelihood) -> list[Array]:
    """Return phi to start from: independence, moments of the OLS residuals, and a grid of rho."""
    residual = likelihood.residual
    own = standardised(likelihood.design)
    p = likelihood.products.p
    left = own.xy[:, p] - own.xy[:, :p] @ (own.xy[:, :p].T @ own.xy[:, p])
    moments = neutral(residual)
    at = residual.correlations
    for codes in residual.strata:
        squares = np.bincount(codes, left**2) / np.bincount(codes)
        sizes = np.sqrt(np.maximum(squares, 1e-6 * float((left**2).mean())))
        moments[at : at + len(sizes) - 1] = np.log(sizes[1:] / sizes[0])
        left = left / sizes[codes]
        at += len(sizes) - 1
    out = [neutral(residual), moments]
    if residual.structure == "car1":
        # No correlation at all is a bound, and may be a minimum of its own.
        apart = moments.copy()
        apart[0] = np.log(_APART) / shortest_gap(residual)
        out.append(apart)
    if residual.structure in ("ar1", "cs", "car1"):
        for rho in _GRID:
            start = moments.copy()
            if residual.structure == "car1":
                if rho < 0.0:
                    continue
                start[0] = np.log(rho) / typical_gap(residual)
            elif residual.structure == "ar1":
                if rho < 0.0 and sign_open(residual):
                    continue
                # Beside visits that are numbered by days or minutes rho itself is close to one.
                start[0] = np.sign(rho) * abs(rho) ** (1.0 / typical_gap(residual))
            else:
                start[0] = rho
            out.append(start)
        return out
    k = residual.correlations
    sums, counts = np.zeros(k), np.zeros(k)
    for stack in likelihood.stacks:
        pairs = stack.index >= 0
        outer = left[stack.rows][:, :, None] * left[stack.rows][:, None, :]
        sums += np.bincount(stack.index[pairs], outer[pairs], minlength=k)
        counts += np.bincount(stack.index[pairs], minlength=k)
    moments_of_pairs = sums / np.maximum(counts, 1.0) / float((left**2).mean())
    for share in (0.9, 0.6, 0.3):
        start = moments.copy()
        start[:k] = share * moments_of_pairs
        out.append(start)
    return out
