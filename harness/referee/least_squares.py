"""Generalised least squares with the digits that a QR factorisation would leave, for its price.

The rows are those of H^-1/2 [X y]. X'H^-1 X has the square of the condition of H^-1/2 X, and large
variances, which leave little of the fixed effects that they go with, make it large: solved plainly,
normal equations lose half of the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DIGITS = 8.0 * float(np.finfo(float).eps)
"""A difference below this share of its terms is rounding."""

_COLLINEAR = 100.0
"""Variance inflation of a fixed effect from which the root of X'H^-1 X is taken twice."""

_REFINEMENTS = 3
"""Times that the solution is improved, at most."""


@dataclass(frozen=True)
class LeastSquares:
    """The solution of generalised least squares.

    Attributes
    ----------
    xhx, root : (p, p) array
        X'H^-1 X, and its lower triangular root.
    c : (p, p) array
        Its inverse.
    gamma : (p,) array
        The estimates.
    rss : float
        Sum of squares of the residuals, r'H^-1 r.
    """

    xhx: Array
    root: Array
    c: Array
    gamma: Array
    rss: float


def least_squares(rows: Array) -> LeastSquares:
    """Solve for the coefficients of all columns but the last, which is the outcome.

    Parameters
    ----------
    rows : (m, p + 1) array

    Raises
    ------
    LinAlgError
        When rounding leaves nothing of a column beside the others.
    """
    x, cross = rows[:, :-1], rows.T @ rows
    xhx = cross[:-1, :-1]
    root, squares = np.linalg.cholesky(xhx), xhx.diagonal()
    if not (root.diagonal() ** 2 > DIGITS * squares).all():
        raise np.linalg.LinAlgError("rounding leaves no information")
    inverse = np.linalg.inv(root)
    c = inverse.T @ inverse
    if (squares * c.diagonal()).max(initial=0.0) > _COLLINEAR:
        # The first root makes the columns nearly orthogonal; the root of what is left corrects it
        # (Yamamoto, Nakatsukasa, Yanagisawa and Fukaya 2015, ETNA 44, 306-326).
        columns = x @ inverse.T
        again = np.linalg.cholesky(columns.T @ columns)
        root = root @ again
        inverse = np.linalg.solve(again, inverse)
        c = inverse.T @ inverse
    gamma, rss = _refined(rows, c, c @ cross[:-1, -1])
    return LeastSquares(xhx, np.asarray(root), c, gamma, rss)


def _refined(rows: Array, c: Array, gamma: Array) -> tuple[Array, float]:
    """Improve a solution by Newton's steps from its residuals; return it with their squares' sum.

    What an error of gamma adds to the sum is of second order, the step takes it away. No y'H^-1 y
    less a fit is taken.
    """
    left = rows @ np.append(-gamma, 1.0)
    for _ in range(_REFINEMENTS):
        slope = (left @ rows)[:-1]
        step = c @ slope
        if not slope @ step > DIGITS * (left @ left):
            break
        gamma = gamma + step
        left = rows @ np.append(-gamma, 1.0)
    return gamma, float(left @ left)
