"""The model of a listing under one criterion: its optimum, and the best point of what is printed.

The printed variances are a box. It holds the optimum where some point of the box has a deviance
within tolerance of the best one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from harness.judge.design_optimum import best_of
from harness.judge.examination import gap_tolerance
from harness.judge.listing import Listing
from harness.judge.listing_match import Matched
from harness.judge.printed_matrix import Impossible, impossible
from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.deviance import Likelihood, Point
from harness.referee.likelihood_profile import FixedProfile
from harness.referee.optimum import Optimum
from harness.referee.standpoint import Standpoint

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """Where a listing's variances lie: the nearest to the optimum of them.

    Attributes
    ----------
    gap : float
        Deviance there, less that of the optimum.
    """

    standpoint: Standpoint
    gap: float


@dataclass(frozen=True)
class ListingModel:
    """A matched model under one criterion, with its optimum."""

    listing: Listing
    matched: Matched
    criterion: Criterion

    @property
    def design(self) -> Design:
        """The model's columns, in the coding of the listing."""
        return self.matched.rung.case.design

    @cached_property
    def likelihood(self) -> Likelihood:
        """The likelihood of the model."""
        return self.best.point.likelihood

    @cached_property
    def best(self) -> Optimum:
        """The best point."""
        return best_of(self.design, self.criterion)

    @cached_property
    def scale(self) -> float:
        """Units of the data in those of the likelihood."""
        return self.likelihood.products.basis.y_scale

    @cached_property
    def box(self) -> Box | None:
        """The best point of the printed variances.

        None where none is printed, where they are not all the parameters, and where no covariance
        matrix is printed so.
        """
        of = self.matched.rung.case.model
        if of.residual is not None or of.structured is not None or self.impossible:
            return None
        return box_of(self)

    @cached_property
    def impossible(self) -> tuple[Impossible, ...]:
        """What is printed of the random terms and cannot be."""
        return impossible(self.listing, self.matched)

    @cached_property
    def at_best(self) -> Standpoint:
        """The best point as a place to stand."""
        return self.standpoint(self.best.point, self.best.point.sigma * self.scale)

    @cached_property
    def _profiles(self) -> dict[tuple[int, float], tuple[float | None, float | None]]:
        return {}

    def profile(self, j: int, level: float) -> tuple[float | None, float | None]:
        """Return the profile interval of a fixed effect; every reading asks for the same ones."""
        if (j, level) not in self._profiles:
            self._profiles[j, level] = FixedProfile(self.best, j).interval(level)
        return self._profiles[j, level]

    def standpoint(self, point: Point, sigma: float) -> Standpoint:
        """Return a point as a place to stand."""
        return Standpoint(self.design, self.criterion, point, sigma)


def box_of(model: ListingModel) -> Box | None:
    """Find the best point of the box of printed variances; None where none is printed."""
    matched_ = model.matched
    if not (matched_.spreads or matched_.correlations or matched_.covariances):
        return None
    printed = set(matched_.covariances.values())
    likelihood, best = model.likelihood, model.best
    sizes = likelihood.products.sizes
    sigma2 = (best.point.sigma * model.scale) ** 2
    psi = [sigma2 * f @ f.T for f in likelihood.factors(best.point.theta)]
    coordinates = [*_variances(model, psi, sigma2), *_pairs(model, psi, sigma2)]
    places = [c.place for c in coordinates]
    factor = np.array([c.unit for c in coordinates])

    def standing(values: Array) -> Standpoint:
        found = dict(zip(places, values * factor, strict=True))
        residual = max(found[(-1, 0, 0)], 1e-300)
        matrices = []
        for t, q in enumerate(sizes):
            spread = np.sqrt([max(found[(t, k, k)], 0.0) for k in range(q)])
            r = np.eye(q)
            for b in range(q):
                for a in range(b):
                    r[a, b] = r[b, a] = found[(t, b, a)]
                    if (t, a, b) in printed:
                        both = spread[a] * spread[b]
                        r[a, b] = r[b, a] = found[(t, b, a)] / both if both > 0.0 else 0.0
            values_, vectors = np.linalg.eigh(r)
            r = (vectors * np.maximum(values_, 0.0)) @ vectors.T
            matrices.append(np.outer(spread, spread) * r / residual)
        point = likelihood.at(likelihood.theta(matrices))
        return model.standpoint(point, math.sqrt(residual))

    def deviance(values: Array) -> float:
        at = standing(values)
        found = at.point.deviance(at.sigma)
        return found if math.isfinite(found) else 1e300

    first = np.array([min(max(c.value, c.ends[0]), c.ends[1]) / c.unit for c in coordinates])
    own = deviance(first)
    limit = gap_tolerance("default", singular=best.optimality.singular)
    if own - best.deviance > limit:
        bounds = [(c.ends[0] / c.unit, c.ends[1] / c.unit) for c in coordinates]
        found = optimize.minimize(deviance, first, method="L-BFGS-B", bounds=bounds)
        if found.fun < own:
            first, own = np.asarray(found.x), float(found.fun)
    return Box(standing(first), own - best.deviance)


@dataclass(frozen=True)
class _Coordinate:
    """A coordinate of the box.

    Attributes
    ----------
    place : tuple of int
        ``(-1, 0, 0)`` is the residual variance, ``(t, k, k)`` a variance of term t, ``(t, b, a)`` a
        correlation, or a covariance where one is printed.
    value : float
        At the optimum.
    ends : tuple of float
        Between which it is printed.
    unit : float
        By which it is divided for the optimizer.
    """

    place: tuple[int, int, int]
    value: float
    ends: tuple[float, float]
    unit: float


def _variances(model: ListingModel, psi: list[Array], sigma2: float) -> Iterator[_Coordinate]:
    spreads = model.listing.spreads
    ends_of = {place: spreads[label].variances for label, place in model.matched.spreads.items()}
    ends = ends_of.get((-1, 0), (1e-12 * sigma2, math.inf))
    yield _Coordinate((-1, 0, 0), sigma2, ends, sigma2)
    for t, matrix in enumerate(psi):
        for k, value in enumerate(np.diag(matrix).tolist()):
            ends = ends_of.get((t, k), (0.0, math.inf))
            middle = 0.5 * (ends[0] + min(ends[1], ends[0]))
            yield _Coordinate((t, k, k), value, ends, max(value, 1e-3 * sigma2, middle))


def _pairs(model: ListingModel, psi: list[Array], sigma2: float) -> Iterator[_Coordinate]:
    listing, matched_ = model.listing, model.matched
    correlations = {p: listing.correlations[label] for label, p in matched_.correlations.items()}
    covariances = {p: listing.covariances[label] for label, p in matched_.covariances.items()}
    for t, matrix in enumerate(psi):
        for b in range(len(matrix)):
            for a in range(b):
                value = float(matrix[a, b])
                both = math.sqrt(float(matrix[a, a] * matrix[b, b]))
                if (t, a, b) in covariances:
                    printed = covariances[t, a, b]
                    unit = max(both, abs(printed.value), 1e-3 * sigma2)
                    yield _Coordinate((t, b, a), value, (printed.low, printed.high), unit)
                    continue
                ends = (-1.0, 1.0)
                if (t, a, b) in correlations:
                    printed = correlations[t, a, b]
                    ends = (max(printed.low, -1.0), min(printed.high, 1.0))
                yield _Coordinate((t, b, a), value / both if both > 0.0 else 0.0, ends, 1.0)
