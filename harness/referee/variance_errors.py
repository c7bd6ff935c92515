"""Asymptotic standard errors of variances, by the delta method.

Var(theta, sigma) = 2 Hess^-1, Hess the Hessian of the deviance; Psi_kk = sigma^2 sum_b L_kb^2,
or what a structure makes of its parameters.
What statsmodels prints as ``Std.Err.`` of a variance is another quantity (known_differences.toml);
lme4 prints none, for their distribution is far from normal.
"""

from __future__ import annotations

import math

import numpy as np

from harness.referee.deviance import Point
from harness.referee.satterthwaite import variance_of_varpar


def variance_errors(point: Point, sigma: float) -> tuple[float, ...]:
    """Return the standard errors of the diagonals of each Psi, term after term.

    Parameters
    ----------
    sigma : float
        Residual standard deviation, in the units of the data.
    """
    twin, to_theta = point.conditioned()
    back = np.eye(len(point.theta) + 1)
    back[:-1, :-1] = to_theta
    covariance = back @ variance_of_varpar(twin, sigma) @ back.T
    out = []
    slopes = point.likelihood.variance_slopes(point.theta)
    for lower, own in zip(point.likelihood.factors(point.theta), slopes, strict=True):
        for row, slope in zip(lower, own, strict=True):
            gradient = np.append(sigma**2 * slope, 2.0 * sigma * float((row**2).sum()))
            out.append(math.sqrt(max(0.0, float(gradient @ covariance @ gradient))))
    return tuple(out)
