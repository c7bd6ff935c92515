"""Degrees of freedom by the levels of nested groups, as nlme counts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design

Array = NDArray[np.float64]

_CONSTANT = float(np.sqrt(np.finfo(float).eps))
"""Relative spread up to which nlme takes a column for constant."""


def containment_df(design: Design) -> tuple[float, ...] | None:
    """Return df of each coefficient by the level at which it is estimated.

    With m_i groups at level i, the coarsest first, m_0 = 1 where there is a constant column and the
    rows as the last level, a column is estimated at the innermost level at which it changes: within
    the groups of the level above it. There are m_i - m_(i-1) - p_i df, where p_i columns are
    estimated at level i. A constant column is tested with the most df that any level has.

    Returns
    -------
    tuple of float, length p, or None
        None where the grouping factors are not nested in each other, or there are none.

    References
    ----------
    Pinheiro and Bates 2000, Mixed-Effects Models in S and S-PLUS, section 2.4.2. Without a constant
    column ``nlme::lme`` gives one more at every level but the first, and with constant columns
    alone one more at the first (``nlme:::getFixDF``), and so does this.
    """
    levels = nested_codes(design)
    if levels is None:
        return None
    x = design.x
    constant = constant_columns(x)
    # The innermost level whose groups hold different values, and the rows beneath them.
    stratum = np.zeros(x.shape[1], dtype=np.int64)
    for place, codes in enumerate(levels, 1):
        stratum[changes_within(x, codes)] = place
    sizes = np.array([*(len(np.unique(codes)) for codes in levels), len(x)])
    df = np.diff(sizes, prepend=0)
    for place in stratum[~constant]:
        df[place] -= 1
    if not constant.any():
        df[1:] += 1
    elif not constant.all():
        df[0] -= 1
    return tuple(
        float(df.max() if same else df[place])
        for same, place in zip(constant, stratum, strict=True)
    )


def constant_columns(x: Array) -> NDArray[np.bool_]:
    """Whether each column has one value in all rows."""
    scale = np.where(x[0] == 0.0, 1.0, x[0])
    return np.asarray((np.abs(x / scale - (x[0] != 0.0)) < _CONSTANT).all(axis=0))


def nested_codes(design: Design) -> list[NDArray[np.int32]] | None:
    """Return the codes of each grouping factor once, the coarsest first; None where they cross."""
    found: list[NDArray[np.int32]] = []
    for term in sorted(design.random, key=lambda t: len(np.unique(t.codes))):
        if found:
            above = found[-1]
            pairs = len(np.unique(np.column_stack([above, term.codes]), axis=0))
            count = len(np.unique(term.codes))
            if pairs != count:
                return None
            if count == len(np.unique(above)):
                continue
        found.append(term.codes)
    return found or None


def changes_within(x: Array, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each column has different values in some group."""
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    return np.asarray((x != x[first][place.reshape(-1)]).any(axis=0))
