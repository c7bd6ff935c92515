"""One step of Newton's method, with expected second derivatives, in the variances themselves.

V = s2 I + sum of Z_t (I x A_t) Z_t' is linear in the elements of A_t and in s2. A step of Fisher
scoring in these solves tr(P G_r P G_s) a_s = y'P G_r P y (MINQUE, Rao 1971, J. Multivariate Anal.
1, 257-275, with V at the point as the norm); in balanced one-way data it is exact from anywhere.
Unlike theta it can leave the boundary, and says by a negative variance that it would go beyond.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.kenward_roger import Pieces, directions, inverse_information

Array = NDArray[np.float64]


def scoring_step(point: Point) -> tuple[tuple[Array, ...], float]:
    """Return the covariance matrices and the residual variance after one step from a point.

    Returns
    -------
    covariances : tuple of (q, q) arrays
        Of each term, in the units of the data; not always positive semidefinite.
    residual : float

    Raises
    ------
    KenwardRogerUndefined
        When the variances cannot be told apart.
    """
    terms, matrices = directions(point)
    # The last direction is H itself: s2 at fixed Psi / s2.
    squares = [float((e * point.summed[t][2]).sum()) for t, e in zip(terms, matrices, strict=True)]
    inverse = 0.5 * inverse_information(Pieces.at(point).information)
    found = inverse @ np.array([*squares, point.rss])
    basis = point.likelihood.products.basis
    out = []
    for t, (lower, w) in enumerate(zip(point.lambdas, basis.effects, strict=True)):
        a = found[-1] * lower @ lower.T
        for value, s, e in zip(found, terms, matrices, strict=False):
            if s == t:
                a = a + value * e
        back = np.linalg.inv(w)
        out.append(basis.y_scale**2 * (back @ a @ back.T))
    return tuple(out), float(basis.y_scale**2 * found[-1])
