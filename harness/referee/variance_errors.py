"""Asymptotic standard errors of variances, by the delta method.

Var(theta, sigma) = 2 Hess^-1, Hess the Hessian of the deviance; Psi_kk = sigma^2 sum_b L_kb^2.
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
    for t, lower in enumerate(point.likelihood.factors(point.theta)):
        for row in range(len(lower)):
            gradient = np.zeros(len(covariance))
            for i, (term, a, b) in enumerate(point.likelihood.layout):
                if term == t and a == row:
                    gradient[i] = 2.0 * sigma**2 * lower[a, b]
            gradient[-1] = 2.0 * sigma * float((lower[row] ** 2).sum())
            out.append(math.sqrt(max(0.0, float(gradient @ covariance @ gradient))))
    return tuple(out)
