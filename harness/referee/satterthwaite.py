"""Satterthwaite degrees of freedom, analytic.

For a contrast l of the fixed effects, df = 2 (l'Cl)^2 / (g'A g) with C = sigma^2 (X'H^-1 X)^-1,
g_i = l'(dC / d varpar_i) l and A = 2 Hess^-1, Hess the Hessian of the deviance in varpar = (theta,
sigma) (Giesbrecht and Burns 1985; Kuznetsova, Brockhoff and Christensen 2017, whose ``lmerTest``
takes both derivatives numerically). Here both are exact, and directions in which the deviance is
flat are found in scale-free variables, where lmerTest cuts eigenvalues at an absolute 1e-8 and so
makes its df depend on the units of y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.referee.deviance import Point

Array = NDArray[np.float64]

FLAT = 1e-9
"""Eigenvalues of the scaled Hessian below this share of the largest are flat directions: rotations
of a rank-deficient factor, along which neither the deviance nor C changes."""


@dataclass(frozen=True)
class ContrastTest:
    """t test of one contrast: estimate, standard error, Satterthwaite df, t and two-sided p."""

    estimate: float
    se: float
    df: float
    statistic: float
    p: float


def contrast_tests(
    point: Point, contrasts: Array, *, sigma: float | None = None, beta: Array | None = None
) -> tuple[ContrastTest, ...]:
    """Test contrasts of the fixed effects.

    Parameters
    ----------
    contrasts : (r, p) array
    sigma : float, optional
        Residual standard deviation, in the units of the data; profiled without it.
    beta : (p,) array, optional
        Fixed effects; the GLS estimates without it.
    """
    scale = point.likelihood.products.basis.y_scale
    sigma = point.sigma * scale if sigma is None else sigma
    beta = point.beta if beta is None else beta
    # df do not depend on the variables in which the variance parameters are written.
    point, _ = point.conditioned()
    inner = np.asarray(point.c @ point.xhx_derivatives @ point.c, dtype=np.float64)
    inner[point.held] = 0.0
    asymptotic = variance_of_varpar(point, sigma)
    out = []
    for row in np.atleast_2d(contrasts):
        # The contrast goes to the centred variables rather than their covariance to the data: with
        # a predictor far from zero the latter would cancel, and squared.
        inside = np.asarray(row @ point.likelihood.products.basis.m, dtype=np.float64)
        variance = sigma**2 * float(inside @ point.c @ inside)
        with np.errstate(invalid="ignore"):
            g = np.append(sigma**2 * (inner @ inside @ inside), 2.0 * variance / sigma)
            spread = float(g @ asymptotic @ g)
        df = math.inf if spread <= 0.0 else 2.0 * variance**2 / spread
        estimate, se = float(row @ beta), math.sqrt(variance)
        statistic = estimate / se
        out.append(ContrastTest(estimate, se, df, statistic, two_sided_p(statistic, df)))
    return tuple(out)


def two_sided_p(statistic: float, df: float) -> float:
    """Two-sided p value of a t statistic; the normal distribution for infinite df."""
    lower = -abs(statistic)
    return float(2.0 * (special.ndtr(lower) if math.isinf(df) else special.stdtr(df, lower)))


def variance_of_varpar(point: Point, sigma: float) -> Array:
    """Return A = 2 Hess^-1 in the point's variables and sigma.

    Flat directions are left out, and parameters of a structure that are at a bound.
    """
    widths = np.append(np.ones(len(point.theta)), 1.0 / sigma)
    with np.errstate(invalid="ignore"):
        hessian = point.hessian(sigma) / np.outer(widths, widths)
    if not np.isfinite(hessian).all():  # so far out that derivatives overflow: no df is known
        return np.full_like(hessian, np.nan)
    held = np.append(point.held, False)
    hessian[held], hessian[:, held] = 0.0, 0.0
    values, vectors = np.linalg.eigh(hessian)
    usable = values > FLAT * max(float(values[-1]), 0.0)
    inverse = (vectors[:, usable] / values[usable]) @ vectors[:, usable].T
    return np.asarray(2.0 * inverse / np.outer(widths, widths))
