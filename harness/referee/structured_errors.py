"""Standard errors of variances and correlations of structured random terms, by the delta method."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.variance_parameter import EDGE, Parameter

Array = NDArray[np.float64]


def structured_errors(point: StructuredPoint, covariance: Array, sigma: float) -> tuple[float, ...]:
    """Return the standard errors of the diagonals of each Psi, term after term.

    Parameters
    ----------
    covariance : array
        Of theta and sigma.
    """
    out = []
    for t, own in enumerate(point.likelihood.terms):
        for row in range(own.q):
            weight = np.zeros((own.q, own.q))
            weight[row, row] = sigma**2
            variance = float(_psi(point, t)[row, row])
            out.append(_error(point, covariance, t, weight, 2.0 * sigma * variance))
    return tuple(out)


def structured_scaled_errors(
    point: StructuredPoint, covariance: Array, sigma: float, parameters: Sequence[Parameter]
) -> tuple[float, ...]:
    """Return those of :func:`harness.referee.variance_errors.scaled_errors`."""
    out = []
    for parameter in parameters:
        if parameter.scale == "sigma":
            out.append(math.sqrt(max(float(covariance[-1, -1]), 0.0)) / sigma)
            continue
        psi = _psi(point, parameter.term)
        sizes = np.sqrt(np.diag(psi))[list(parameter.effects)]
        weight = np.zeros_like(psi)
        if not sizes.min() > 0.0:
            out.append(math.inf)
        elif parameter.scale == "sd":
            (row,) = parameter.effects
            weight[row, row] = 0.5 / float(psi[row, row])
            out.append(_error(point, covariance, parameter.term, weight, 1.0 / sigma))
        else:
            a, b = parameter.effects
            r = float(psi[a, b] / sizes.prod())
            if not abs(r) < 1.0 - EDGE:
                out.append(math.inf)
                continue
            weight[a, b] = 1.0 / float(sizes.prod())
            weight[a, a], weight[b, b] = -0.5 * r / sizes**2
            weight /= 1.0 - r * r
            out.append(_error(point, covariance, parameter.term, weight, 0.0))
    return tuple(out)


def _psi(point: StructuredPoint, t: int) -> Array:
    likelihood = point.likelihood
    return likelihood.terms[t].matrix(point.theta[likelihood.slices[t]])


def _error(point: StructuredPoint, covariance: Array, t: int, weight: Array, along: float) -> float:
    """Return the standard error of what changes by ``weight`` with Psi and so with sigma."""
    likelihood = point.likelihood
    mine = likelihood.slices[t]
    gradient = np.zeros(len(covariance))
    gradient[mine] = np.tensordot(likelihood.terms[t].first(point.theta[mine]), weight)
    gradient[-1] = along
    return math.sqrt(max(0.0, float(gradient @ covariance @ gradient)))
