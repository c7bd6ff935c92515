"""The model of a listing under one criterion: its optimum, and the best point of what is printed.

The printed variances are a box. It holds the optimum where some point of the box has a deviance
within tolerance of the best one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from harness.judge.examination import gap_tolerance
from harness.judge.listing import Listing
from harness.judge.listing_match import Matched
from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.deviance import Likelihood, Point
from harness.referee.optimum import Optimum, find_optimum
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
        return Likelihood(self.design, reml=self.criterion == "REML")

    @cached_property
    def best(self) -> Optimum:
        """The best point."""
        return find_optimum(self.likelihood)

    @cached_property
    def scale(self) -> float:
        """Units of the data in those of the likelihood."""
        return self.likelihood.products.basis.y_scale

    @cached_property
    def box(self) -> Box | None:
        """The best point of the printed variances; None where none is printed."""
        return box_of(self)

    @cached_property
    def at_best(self) -> Standpoint:
        """The best point as a place to stand."""
        return self.standpoint(self.best.point, self.best.point.sigma * self.scale)

    def standpoint(self, point: Point, sigma: float) -> Standpoint:
        """Return a point as a place to stand."""
        return Standpoint(self.design, self.criterion, point, sigma)


def box_of(model: ListingModel) -> Box | None:
    """Find the best point of the box of printed variances; None where none is printed."""
    listing, matched_ = model.listing, model.matched
    spreads, correlations = matched_.spreads, matched_.correlations
    if not spreads and not correlations:
        return None
    likelihood, best = model.likelihood, model.best
    sizes = likelihood.products.sizes
    sigma2 = (best.point.sigma * model.scale) ** 2
    psi = [sigma2 * f @ f.T for f in likelihood.factors(best.point.theta)]
    start, low, high, units, places = [], [], [], [], []

    def add(
        place: tuple[int, int, int], value: float, ends: tuple[float, float], unit: float
    ) -> None:
        places.append(place)
        start.append(min(max(value, ends[0]), ends[1]) / unit)
        low.append(ends[0] / unit)
        high.append(ends[1] / unit)
        units.append(unit)

    ends_of = {place: listing.spreads[label].variances for label, place in spreads.items()}
    add((-1, 0, 0), sigma2, ends_of.get((-1, 0), (1e-12 * sigma2, math.inf)), sigma2)
    for t, q in enumerate(sizes):
        for k in range(q):
            value = float(psi[t][k, k])
            ends = ends_of.get((t, k), (0.0, math.inf))
            add(
                (t, k, k),
                value,
                ends,
                max(value, 1e-3 * sigma2, 0.5 * (ends[0] + min(ends[1], ends[0]))),
            )
    ends_of_r = {p: listing.correlations[label] for label, p in correlations.items()}
    for t, q in enumerate(sizes):
        for b in range(q):
            for a in range(b):
                both = float(psi[t][a, a] * psi[t][b, b])
                value = float(psi[t][a, b]) / math.sqrt(both) if both > 0.0 else 0.0
                printed = ends_of_r.get((t, a, b))
                ends = (
                    (-1.0, 1.0)
                    if printed is None
                    else (max(printed.low, -1.0), min(printed.high, 1.0))
                )
                add((t, b, a), value, ends, 1.0)
    factor = np.array(units)

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
            values_, vectors = np.linalg.eigh(r)
            r = (vectors * np.maximum(values_, 0.0)) @ vectors.T
            matrices.append(np.outer(spread, spread) * r / residual)
        point = likelihood.at(likelihood.theta(matrices))
        return model.standpoint(point, math.sqrt(residual))

    def deviance(values: Array) -> float:
        at = standing(values)
        found = at.point.deviance(at.sigma)
        return found if math.isfinite(found) else 1e300

    first = np.array(start)
    own = deviance(first)
    limit = gap_tolerance("default", singular=best.optimality.singular)
    if own - best.deviance > limit:
        bounds = list(zip(low, high, strict=True))
        found = optimize.minimize(deviance, first, method="L-BFGS-B", bounds=bounds)
        if found.fun < own:
            first, own = np.asarray(found.x), float(found.fun)
    return Box(standing(first), own - best.deviance)
