"""Asymptotic standard errors of variances, by the delta method.

Var(theta, sigma) = 2 Hess^-1, Hess the Hessian of the deviance; Psi_kk = sigma^2 sum_b L_kb^2,
or what a structure makes of its parameters.
What statsmodels prints as ``Std.Err.`` of a variance is another quantity (known_differences.toml);
lme4 prints none, for their distribution is far from normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.satterthwaite import variance_of_varpar
from harness.referee.structured_errors import structured_errors, structured_scaled_errors
from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.variance_parameter import EDGE, Parameter

Array = NDArray[np.float64]


def variance_errors(point: Point, sigma: float) -> tuple[float, ...]:
    """Return the standard errors of the diagonals of each Psi, term after term.

    Parameters
    ----------
    sigma : float
        Residual standard deviation, in the units of the data.
    """
    covariance = covariance_of(point, sigma)
    if isinstance(point, StructuredPoint):
        return structured_errors(point, covariance, sigma)
    out = []
    for t, lower in enumerate(point.likelihood.factors(point.theta)):
        for row in range(len(lower)):
            change = np.zeros_like(lower)
            change[row] = 2.0 * sigma**2 * lower[row]
            along = 2.0 * sigma * float((lower[row] ** 2).sum())
            out.append(_error(point, covariance, t, change, along))
    return tuple(out)


def scaled_errors(point: Point, sigma: float, parameters: Sequence[Parameter]) -> tuple[float, ...]:
    """Return standard errors on the scales on which nlme's ``intervals`` are symmetric.

    Those of the logarithm of a standard deviation, and of Fisher's z of a correlation; infinite
    where a variance is zero or a correlation is one.

    Parameters
    ----------
    sigma : float
        Residual standard deviation, in the units of the data.
    """
    covariance = covariance_of(point, sigma)
    if isinstance(point, StructuredPoint):
        return structured_scaled_errors(point, covariance, sigma, parameters)
    factors = point.likelihood.factors(point.theta)
    out = []
    for parameter in parameters:
        if parameter.scale == "sigma":
            out.append(math.sqrt(max(float(covariance[-1, -1]), 0.0)) / sigma)
            continue
        lower = factors[parameter.term]
        lengths = [float(np.linalg.norm(lower[i])) for i in parameter.effects]
        change = np.zeros_like(lower)
        if not min(lengths) > 0.0:
            out.append(math.inf)
        elif parameter.scale == "sd":
            (row,) = parameter.effects
            change[row] = lower[row] / lengths[0] ** 2
            out.append(_error(point, covariance, parameter.term, change, 1.0 / sigma))
        else:
            a, b = parameter.effects
            one, two = lower[a] / lengths[0], lower[b] / lengths[1]
            r = float(one @ two)
            if not abs(r) < 1.0 - EDGE:
                out.append(math.inf)
                continue
            change[a] = (two - r * one) / lengths[0] / (1.0 - r * r)
            change[b] = (one - r * two) / lengths[1] / (1.0 - r * r)
            out.append(_error(point, covariance, parameter.term, change, 0.0))
    return tuple(out)


def covariance_of(point: Point, sigma: float) -> Array:
    """Return the covariance of theta and sigma."""
    twin, to_theta = point.conditioned()
    back = np.eye(len(point.theta) + 1)
    back[:-1, :-1] = to_theta
    return np.asarray(back @ variance_of_varpar(twin, sigma) @ back.T)


def _error(point: Point, covariance: Array, term: int, change: Array, along: float) -> float:
    """Return the standard error of what changes so with a factor, and so with sigma."""
    gradient = np.zeros(len(covariance))
    for i, (t, a, b) in enumerate(point.likelihood.layout):
        if t == term:
            gradient[i] = change[a, b]
    gradient[-1] = along
    return math.sqrt(max(0.0, float(gradient @ covariance @ gradient)))
