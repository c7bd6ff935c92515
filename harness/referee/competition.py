"""Whether a residual correlation and a variance of random effects take each other's place.

Both make rows of a group alike: what a longer autoregression explains, a random intercept or slope
explains as well. At the best point the inverse Hessian of the deviance says how far: where the
estimates of a standard deviation and of a residual correlation are correlated at r, the standard
error of each is 1 / sqrt(1 - r^2) times what it would be if the other was known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import ResidualPoint, StructuredResidualPoint
from harness.referee.term_covariance import NULL_VARIANCE
from harness.referee.variance_errors import covariance_of

Array = NDArray[np.float64]

COMPETING = 0.9
"""Correlation of two estimates from which they compete: either's standard error is then 2.3 times,
and more, what it would be if the other was known."""

_CURVED = 1e-9
"""Smallest eigenvalue of the Hessian, as a share of the largest, that is not taken for zero."""


@dataclass(frozen=True)
class Competition:
    """A residual correlation and a standard deviation of random effects that compete.

    Attributes
    ----------
    term, effect : int
    residual : int
        Number of the residual parameter.
    correlation : float
        Of the two estimates; NaN where the likelihood does not tell them apart at all.
    """

    term: int
    effect: int
    residual: int
    correlation: float

    @property
    def determined(self) -> bool:
        """Whether the likelihood tells the two apart, if barely."""
        return not math.isnan(self.correlation)

    @property
    def inflation(self) -> float:
        """How many times its standard error is what it would be if the other was known."""
        return 1.0 / math.sqrt(1.0 - self.correlation**2)


def competition(best: Optimum) -> Competition | None:
    """Return the residual correlation and the effect that compete most; None where none do.

    None, too, where a residual correlation is at its bound: the Hessian says nothing there. Effects
    without variance do not compete.
    """
    point = best.point
    if not isinstance(point, ResidualPoint) or not point.likelihood.layout:
        return None
    if not point.likelihood.residual.correlations:
        return None
    undetermined = _undetermined(best)
    if undetermined is not None:
        return undetermined
    if point.residual_slope()[1]:
        return None
    found = max(_pairs(point, best.sigma), key=lambda c: abs(c.correlation), default=None)
    if found is None or not COMPETING <= abs(found.correlation) < 1.0:
        return None
    return found


def _undetermined(best: Optimum) -> Competition | None:
    """Return what is exchanged along a direction in which the likelihood stays what it is."""
    assert isinstance(best.point, ResidualPoint)
    k = best.point.likelihood.residual.correlations
    for direction in best.free:
        phi = np.abs(direction.phi[:k])
        sizes = [
            (float(abs(change[a, a])), t, a)
            for t, change in enumerate(direction.changes)
            for a in range(len(change))
        ]
        largest = max(sizes, default=(0.0, 0, 0))
        if phi.max(initial=0.0) > 0.0 and largest[0] > 0.0:
            return Competition(largest[1], largest[2], int(phi.argmax()), math.nan)
    return None


def _pairs(point: ResidualPoint, sigma: float) -> Iterator[Competition]:
    """Yield every effect that has a variance with every residual correlation."""
    twin, _ = point.conditioned()
    values = np.linalg.eigvalsh(twin.profiled_hessian())
    if not values[0] > _CURVED * values[-1]:
        return
    covariance = covariance_of(point, sigma)
    likelihood = point.likelihood
    k = len(likelihood.layout)
    for t, lower in enumerate(likelihood.factors(point.theta)):
        scaled = np.diag(point.lambdas[t] @ point.lambdas[t].T)
        for a in range(len(lower)):
            size = float(lower[a] @ lower[a])
            if not (size > 0.0 and scaled[a] > NULL_VARIANCE):
                continue
            gradient = _of_log_deviation(point, t, a, lower)
            gradient[-1] = 1.0 / sigma
            along = covariance @ gradient
            own = float(gradient @ along)
            for i in range(likelihood.residual.correlations):
                other = float(covariance[k + i, k + i])
                if own > 0.0 and other > 0.0:
                    yield Competition(t, a, i, float(along[k + i]) / math.sqrt(own * other))


def _of_log_deviation(point: ResidualPoint, t: int, a: int, lower: Array) -> Array:
    """Return the derivative of the logarithm of sqrt Psi_aa in theta; zero for sigma, after it."""
    likelihood = point.likelihood
    gradient = np.zeros(len(point.theta) + 1)
    size = float(lower[a] @ lower[a])
    if isinstance(point, StructuredResidualPoint):
        mine = point.likelihood.slices[t]
        first = point.likelihood.terms[t].first(point.theta[mine])
        gradient[mine] = 0.5 * first[:, a, a] / size
        return gradient
    for i, (term, row, column) in enumerate(likelihood.layout):
        if (term, row) == (t, a):
            gradient[i] = lower[a, column] / size
    return gradient
