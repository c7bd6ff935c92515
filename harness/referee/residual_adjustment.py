"""What Kenward and Roger's adjustment takes of a model with a residual covariance.

The adjustment depends on how V is parametrised unless V is linear in its parameters. The parameters
here are those of PROC MIXED: covariances for ``cs``, ``toep`` and ``us``, variances of the strata
for ``het``, all linear; rho and the variance for ``ar1`` and ``car1``, whose second derivatives
count, R_rs = X'V^-1 V_rs V^-1 X (Kenward and Roger 1997, equation 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.residual_matrix import ResidualMatrix
from harness.referee.row_information import random_changes, row_information

Array = NDArray[np.float64]


def residual_pieces(
    point: ResidualPoint,
    terms: Sequence[int],
    matrices: Sequence[Array],
    bends: Mapping[tuple[int, int], Array],
    *,
    linear: bool,
) -> tuple[Array, Array, Array] | None:
    """Return the information, P_r and Q_rs - P_r Phi P_s - R_rs / 4, all relative to s2.

    Parameters
    ----------
    terms, matrices, bends
        Derivatives of Psi of each term in scaled effects, and those of its second derivatives that
        are not zero (:class:`harness.referee.structured_adjustment.NaturalDirections`).

    Returns
    -------
    tuple or None
        None for correlations beside variances by strata, and for variances by several factors:
        nothing says how these are parametrised together.
    """
    residual = point.likelihood.residual
    strata = len(residual.strata) - (residual.structure == "us")
    if strata > (0 if residual.structure else 1):
        return None
    changes = [
        np.concatenate([own, _directions(block.matrix)])
        for own, block in zip(random_changes(point, terms, matrices), point.blocks, strict=True)
    ]
    found = row_information(point, changes)
    c = np.asarray(point.c)
    inner = found.q - np.einsum("rij,jk,skl->rsil", found.p, c, found.p, optimize=True)
    if linear:
        return found.information(c, reml=True), found.p, inner
    for (r, s), bend in bends.items():
        for block in point.blocks:
            change = block.placed(terms[r], bend[None])[0]
            inner[r, s] -= 0.25 * np.einsum(
                "bip,bij,bjq->pq", block.y, change, block.y, optimize=True
            )
    if residual.structure in ("ar1", "car1"):
        k = len(terms)
        for block in point.blocks:
            rho, bent = _bends(block.matrix)
            once = 0.25 * np.einsum("bip,bij,bjq->pq", block.y, rho, block.y, optimize=True)
            twice = 0.25 * np.einsum("bip,bij,bjq->pq", block.y, bent, block.y, optimize=True)
            inner[k, k] -= twice
            inner[k, k + 1] -= once
            inner[k + 1, k] -= once
    return found.information(c, reml=True), found.p, inner


def _bends(matrix: ResidualMatrix) -> tuple[Array, Array]:
    """First and second derivative of R in rho itself, of ``ar1`` and ``car1``."""
    first, second = matrix.first[0], matrix.second(0, 0)
    assert second is not None
    if matrix.residual.structure == "ar1":
        return first, second
    rho = float(np.exp(matrix.phi[0]))  # phi is its logarithm
    return first / rho, (second - first) / rho**2


def _directions(matrix: ResidualMatrix) -> Array:
    """Return derivatives of R in the parameters of PROC MIXED: (k, B, b, b)."""
    residual, stack = matrix.residual, matrix.stack
    size = stack.index.shape[1]
    diagonal = np.broadcast_to(np.eye(size), stack.index.shape)
    if residual.structure in ("ar1", "car1"):
        return np.array([_bends(matrix)[0], matrix.value])
    pairs = [(stack.index == i).astype(np.float64) for i in range(residual.correlations)]
    if not residual.strata:
        return np.array([*pairs, diagonal])
    levels = residual.strata[0][stack.rows]
    count = int(residual.strata[0].max()) + 1
    variances = [diagonal * (levels == level)[:, :, None] for level in range(count)]
    return np.array([*pairs, *variances])
