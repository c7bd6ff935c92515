"""Triangular factors of symmetric matrices, and equations solved with them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from harness.referee.component_blocks import SMALL_BLOCK

Array = NDArray[np.float64]


def triangular_root(half: Array) -> Array:
    """Lower L (B, k, k) with ``L L' = I + A A'``, diagonal of any sign.

    For small blocks by a QR factorisation of [A' ; I], which never squares A: where one effect has
    a huge variance and another has not, I + A A' would drown the second.
    """
    k = half.shape[1]
    identity = np.broadcast_to(np.eye(k), half.shape)
    if k > SMALL_BLOCK:
        return np.asarray(np.linalg.cholesky(half @ half.swapaxes(1, 2) + identity))
    stacked = np.concatenate([half.swapaxes(1, 2), identity], axis=1)
    return np.asarray(np.linalg.qr(stacked, mode="r")).swapaxes(1, 2)


def solve_lower(lower: Array, right: Array) -> Array:
    """Solve with lower triangular blocks (B, k, k), whose diagonals are not zero.

    By the BLAS itself: LAPACK's ``trtrs`` wakes the threads of OpenBLAS, where there are several,
    for every size, and on a busy machine that takes a thousand times as long as the work.
    """
    if lower.shape[1] <= SMALL_BLOCK:
        return np.asarray(np.linalg.solve(lower, right), dtype=np.float64)
    each = zip(lower, right, strict=True)
    # In Fortran's order the rows of a lower triangle are the columns of an upper one.
    return np.array([blas.dtrsm(1.0, a.T, b, trans_a=1) for a, b in each])


def semidefinite_cholesky(matrix: Array) -> Array:
    """Lower L with ``L L' = matrix`` for a positive semidefinite matrix; exact zeros stay zero.

    A pivot below 1e-14 of its own diagonal, from which it is a difference, is taken as zero with
    the rest of its column: where the matrix has no variance it has no covariance. The other
    diagonals are in other units and say nothing of it.
    """
    q = len(matrix)
    lower = np.zeros((q, q))
    for j in range(q):
        pivot = matrix[j, j] - float((lower[j, :j] ** 2).sum())
        if pivot <= 1e-14 * abs(matrix[j, j]):
            continue
        lower[j, j] = math.sqrt(pivot)
        for i in range(j + 1, q):
            lower[i, j] = (matrix[i, j] - float(lower[i, :j] @ lower[j, :j])) / lower[j, j]
    return lower
