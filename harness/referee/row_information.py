"""Expected information on the variances of a model with a residual covariance, from its rows.

With G_r the derivative of V in a parameter, Y = V^-1 X, C = (X'Y)^-1, P_r = -Y'G_r Y and Q_rs =
Y'G_r V^-1 G_s Y the information is half of tr(V^-1 G_r V^-1 G_s), by REML less 2 tr(C Q_rs) -
tr(C P_r C P_s) (Kenward and Roger 1997). Everything is relative to s2: H = V / s2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.residual_likelihood import ResidualPoint

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowInformation:
    """Sums over the blocks of rows.

    Attributes
    ----------
    traces : (k, k) array
        tr(H^-1 G_r H^-1 G_s).
    p : (k, p, p) array
        P_r.
    q : (k, k, p, p) array
        Q_rs.
    """

    traces: Array
    p: Array
    q: Array

    def information(self, c: Array, *, reml: bool) -> Array:
        """Twice the expected information."""
        if not reml:
            return self.traces
        c_p = c @ self.p
        return np.asarray(
            self.traces
            - 2.0 * np.einsum("ij,rsji->rs", c, self.q)
            + np.einsum("rij,sji->rs", c_p, c_p)
        )


def row_information(point: ResidualPoint, changes: Sequence[Array]) -> RowInformation:
    """Sum the information on changes of H, given for each stack of rows as (k, B, b, b)."""
    k, p = len(changes[0]), len(point.c)
    traces, first, second = np.zeros((k, k)), np.zeros((k, p, p)), np.zeros((k, k, p, p))
    for block, change in zip(point.blocks, changes, strict=True):
        products = block.inverse @ change
        traces += products.reshape(k, -1) @ products.swapaxes(2, 3).reshape(k, -1).T
        change_y = change @ block.y
        first -= np.einsum("bip,kbiq->kpq", block.y, change_y, optimize=True)
        inner = block.inverse @ change_y
        second += np.einsum("rbip,sbiq->rspq", change_y, inner, optimize=True)
    return RowInformation(traces, first, second)


def random_changes(
    point: ResidualPoint, terms: Sequence[int], matrices: Sequence[Array]
) -> list[Array]:
    """Return changes of H with the covariance matrix of a term, one for each stack of rows."""
    out = []
    for block in point.blocks:
        shape = block.inverse.shape
        own = [block.placed(t, m[None])[0] for t, m in zip(terms, matrices, strict=True)]
        out.append(np.array(own).reshape(len(own), *shape))
    return out
