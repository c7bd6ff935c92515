"""Columns that a function makes of a column, with the numbers of R's functions of these names.

``scale`` divides by the standard deviation with n - 1. ``poly`` gives orthonormal polynomials,
``bs`` B-splines and ``ns`` natural cubic splines with inner knots at quantiles of the values and
outer ones at their ends (Hastie, chapter 7 of Chambers and Hastie 1992, *Statistical Models in S*).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from harness.base.errors import BadInput

Array = NDArray[np.float64]


def scaled(values: Array, *, center: bool, scale: bool) -> Array:
    """Centre and scale as R's ``scale()``; without a centre by the root mean square."""
    left = values - values.mean() if center else values
    if not scale:
        return left
    return np.asarray(left / np.sqrt((left**2).sum() / max(len(left) - 1, 1)))


def poly_columns(values: Array, degree: int, label: str, *, raw: bool) -> Array:
    """Return powers of (n,) values, or the orthonormal polynomials with the same span.

    Raises
    ------
    BadInput
        When there are too few different values.
    """
    if raw:
        return np.asarray(values[:, None] ** np.arange(1, degree + 1))
    if degree >= len(np.unique(values)):
        raise BadInput(f"{label}: its degree has to be less than the number of different values")
    # Of these columns one follows from the former by a factor x: their rounding is not squared, as
    # it would be with powers. The sign is that of the power.
    x = values - values.mean()
    x = x / np.abs(x).max()
    columns = [np.full(len(x), 1.0 / np.sqrt(len(x)))]
    for _ in range(degree):
        new = x * columns[-1]
        for _ in range(2):
            for known in columns:
                new = new - known * (known @ new)
        columns.append(new / np.linalg.norm(new))
    return np.column_stack(columns[1:])


def spline_columns(
    values: Array,
    label: str,
    *,
    natural: bool,
    df: int | None,
    knots: Sequence[float] | None,
    degree: int,
    intercept: bool,
) -> Array:
    """Return the (n, k) columns of a spline basis.

    Raises
    ------
    BadInput
        When ``df`` is too small, or a knot is not between the values: one that is given, or one
        at a quantile that is an end.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise BadInput(f"{label}: its column has one value in all rows")
    if knots is None:
        least = 1 + intercept if natural else degree + intercept
        count = (df or least) - least
        if count < 0:
            raise BadInput(f"{label}: df has to be {least} at least")
        inner = np.quantile(values, np.arange(1, count + 1) / (count + 1))
        for end in (low, high):
            # R 4.2 leaves such a knot where it is, later versions move it inside.
            if (inner == end).any():
                raise BadInput(
                    f"{label}: so many values are {end:g}, the column's end, that a knot falls on "
                    "it, and versions of R make different columns then; give knots inside, "
                    "knots = c(...)"
                )
    else:
        inner = np.sort(np.asarray(knots, dtype=np.float64))
        if not ((inner > low) & (inner < high)).all():
            raise BadInput(f"{label}: knots have to lie between {low:g} and {high:g}")
    ends = np.full(degree + 1, low), np.full(degree + 1, high)
    everywhere = np.concatenate([ends[0], inner, ends[1]])
    basis = BSpline.design_matrix(values, everywhere, degree).toarray()
    skip = 0 if intercept else 1
    if not natural:
        return np.ascontiguousarray(basis[:, skip:])
    # Second derivatives at both ends are zero in the null space of their constraints.
    bent = _second_derivatives(everywhere, np.array([low, high]))[:, skip:]
    rotation = np.linalg.qr(bent.T, mode="complete")[0]
    return np.ascontiguousarray(basis[:, skip:] @ rotation[:, 2:])


def _second_derivatives(knots: Array, at: Array) -> Array:
    """Second derivatives of all cubic B-splines, by differences of their coefficients.

    ``BSpline.derivative`` refuses knots that repeat, as the quantiles of a column with many equal
    values do (de Boor 1978, *A Practical Guide to Splines*, chapter X, equation 15).
    """
    bent = np.eye(len(knots) - 4)
    for degree in (3, 2):
        inner = knots[1:-1]
        width = inner[degree:] - inner[:-degree]
        step = np.divide(degree, width, out=np.zeros_like(width), where=width > 0.0)
        bent = step[:, None] * np.diff(bent, axis=0)
        knots = inner
    return np.asarray(BSpline.design_matrix(at, knots, 1) @ bent)
