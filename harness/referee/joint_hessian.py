"""Standard errors of fixed effects from the joint Hessian of fixed effects and variances.

With the variances profiled out of the joint information, or the fixed effects out of it, block
inversion gives the fixed effects' block of its inverse as C + J A J': C = (X'V^-1 X)^-1, A the
inverse information of the variances (fixed effects profiled out) and J the derivative of the GLS
estimates in the variances. J vanishes on balanced data. These are not the standard errors of lme4,
which are sqrt diag C; statsmodels' MixedLM states them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.satterthwaite import variance_of_varpar

Array = NDArray[np.float64]


def joint_errors(point: Point, sigma: float) -> Array:
    """Return the standard errors (p,) at a point with residual standard deviation ``sigma``.

    Directions in which the deviance is flat are left out of A, as for Satterthwaite's df.
    """
    basis = point.likelihood.products.basis
    point, _ = point.conditioned()
    change = point.gamma_derivatives
    spread = variance_of_varpar(point, sigma)[:-1, :-1]
    inner = (sigma / basis.y_scale) ** 2 * np.asarray(point.c) + change.T @ spread @ change
    return np.sqrt(np.diag(point.to_data(inner)))
