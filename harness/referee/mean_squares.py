"""How much groups differ beside how much they would by chance, by least squares.

Henderson's third method (1953, Biometrics 9, 226-252): what the effects of a term explain after the
fixed effects and the effects of all other terms, beside what all of them leave.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design

Array = NDArray[np.float64]

_ENTRIES = 4_000_000
"""Rows times columns, of all effects as columns, up to which it is computed."""


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares in squared units of the outcome.

    Attributes
    ----------
    between, within : float
    between_df, within_df : int
    per_variance : float
        What a variance of 1 of the effect adds to the expected mean square between.
    balanced : bool
        Whether every group tells as much: the mean square is then that times the plain variance of
        what each group has by itself.
    """

    between: float
    between_df: int
    within: float
    within_df: int
    per_variance: float
    balanced: bool

    @property
    def is_chance(self) -> bool:
        """Whether groups differ no more than chance makes them."""
        return self.between <= self.within


def mean_squares(design: Design, t: int, direction: Array, others: Array) -> MeanSquares | None:
    """Compare what one direction of a term's effects explains with what is left.

    Parameters
    ----------
    direction : (q,) array
        Weights of the columns of Z.
    others : (q, r) array
        The directions of the same term that are adjusted for.

    Returns
    -------
    MeanSquares or None
        None where no df is left for either, or the design is too large.
    """
    design = design.whitened()
    term = design.random[t]
    width = design.x.shape[1] + design.width
    if len(design.y) * width > _ENTRIES:
        return None
    rest = np.column_stack(
        [
            design.x,
            *(r.columns(r.z) for s, r in enumerate(design.random) if s != t),
            term.columns(term.z @ others),
        ]
    )
    tested = term.columns(term.z @ direction[:, None])
    q = _range(rest)
    left = tested - q @ (q.T @ tested)
    added = _range(left, np.linalg.norm(tested, axis=0).max())
    lengths = (left**2).sum(axis=0)
    residual = design.y - q @ (q.T @ design.y)
    explained = added.T @ residual
    between_df = added.shape[1]
    within_df = len(design.y) - q.shape[1] - between_df
    if between_df < 1 or within_df < 1:
        return None
    within = residual - added @ explained
    return MeanSquares(
        between=float(explained @ explained) / between_df,
        between_df=between_df,
        within=float(within @ within) / within_df,
        within_df=within_df,
        per_variance=float((left**2).sum()) / between_df,
        balanced=float(np.ptp(lengths)) <= 1e-6 * float(lengths.max()),
    )


def _range(columns: Array, size: float = 0.0) -> Array:
    """Return an orthonormal basis of the columns, scaled to one length where they are not zero."""
    lengths = np.linalg.norm(columns, axis=0)
    size = size or float(lengths.max(initial=0.0))
    kept = columns[:, lengths > 1e-9 * size] / lengths[lengths > 1e-9 * size]
    if not kept.shape[1]:
        return np.zeros((len(columns), 0))
    u, s, _ = np.linalg.svd(kept, full_matrices=False)
    return np.asarray(u[:, s > 1e-9 * s[0]])
