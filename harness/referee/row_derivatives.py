"""Derivatives of the deviance from the rows themselves, block by block.

With H = V / s2 = R(phi) + sum of Z_t (I x L_t L_t') Z_t', H_i its derivative in a variable, Y =
H^-1 X, e = H^-1 (y - X b), C = (X'Y)^-1 and K_i = Y'H_i Y,

    log|H|_i  = tr(H^-1 H_i)          log|H|_ij  = tr(H^-1 H_ij) - tr(H^-1 H_j H^-1 H_i)
    rss_i     = -e'H_i e              rss_ij     = -e'H_ij e + 2 e'H_i (H^-1 - Y C Y') H_j e
    |X'Y|_i   = -tr(C K_i)            |X'Y|_ij   = -tr(C K_j C K_i) - tr(C Y'H_ij Y)
                                                   + 2 tr(C Y'H_i H^-1 H_j Y).

Variables are those in which theta is differentiated, then phi.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.referee.residual_matrix import ResidualMatrix

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowDerivatives:
    """First and second derivatives of the log-determinants and of rss.

    ``xhx`` and ``gls`` are K_i and Y'H_i e of every variable: the derivative of b is -C Y'H_i e.
    """

    logdet: Array
    rss: Array
    xhx: Array
    gls: Array
    second_logdet: Array
    second_rss: Array


@dataclass(frozen=True)
class Block:
    """One stack at a point.

    Attributes
    ----------
    matrix : ResidualMatrix
    z : tuple of (B, b, q) arrays
        Scaled effects of each term.
    h, inverse : (B, b, b) arrays
        H and H^-1.
    y : (B, b, p) array
        H^-1 X.
    e : (B, b) array
        H^-1 (y - X b).
    """

    matrix: ResidualMatrix
    z: tuple[Array, ...]
    h: Array
    inverse: Array
    y: Array
    e: Array

    @classmethod
    def at(
        cls,
        matrix: ResidualMatrix,
        z: tuple[Array, ...],
        lambdas: Sequence[Array],
        x: Array,
        residual: Array,
    ) -> Block:
        """Invert H of a stack."""
        h = matrix.value
        for own, lam, same in zip(z, lambdas, matrix.stack.levels, strict=True):
            half = own @ lam
            h = h + np.where(same, half @ half.swapaxes(1, 2), 0.0)
        lower = np.linalg.inv(np.linalg.cholesky(h))
        inverse = lower.swapaxes(1, 2) @ lower
        return cls(matrix, z, h, inverse, inverse @ x, (inverse @ residual[:, :, None])[:, :, 0])

    def placed(self, term: int, matrices: Array) -> Array:
        """Return Z_t (I x M) Z_t' of symmetric matrices M: (k, B, b, b)."""
        z = self.z[term]
        change = z @ matrices[:, None] @ z.swapaxes(1, 2)
        return np.where(self.matrix.stack.levels[term], change, 0.0)


class Variables(Protocol):
    """The variables of the random effects: derivatives of H in them, block by block."""

    def __len__(self) -> int:
        """How many there are."""

    def first(self, block: Block) -> Array:
        """H_i of each: (k, B, b, b)."""

    def second(self, block: Block, i: int, j: int) -> Array | None:
        """H_ij; None where it is zero."""


@dataclass(frozen=True)
class FactorVariables:
    """Variables of factors: v_i is the tangent of column ``columns[i]`` of Lambda of its term."""

    terms: Sequence[int]
    columns: Sequence[int]
    tangents: Sequence[Array]
    lambdas: Sequence[Array]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.terms)

    def first(self, block: Block) -> Array:
        """H_i of each: (k, B, b, b)."""
        out = []
        for t, column, v in zip(self.terms, self.columns, self.tangents, strict=True):
            beside = block.z[t] @ self.lambdas[t][:, column]
            out.append(_both_ways(block, t, block.z[t] @ v, beside))
        return np.array(out).reshape(len(out), *block.inverse.shape)

    def second(self, block: Block, i: int, j: int) -> Array | None:
        """H_ij; None unless term and column are the same."""
        t = self.terms[i]
        if (t, self.columns[i]) != (self.terms[j], self.columns[j]):
            return None
        z = block.z[t]
        return _both_ways(block, t, z @ self.tangents[i], z @ self.tangents[j])


def _both_ways(block: Block, term: int, left: Array, right: Array) -> Array:
    half = left[:, :, None] * right[:, None, :]
    return np.where(block.matrix.stack.levels[term], half + half.swapaxes(1, 2), 0.0)


@dataclass(frozen=True)
class StructureVariables:
    """Parameters of structures: per term their slice, P_i (k, q, q) and P_ij (k, k, q, q)."""

    changes: Sequence[tuple[slice, Array, Array]]

    def __len__(self) -> int:
        """How many there are."""
        return int(self.changes[-1][0].stop)

    def first(self, block: Block) -> Array:
        """H_i of each: (k, B, b, b)."""
        return np.concatenate(
            [block.placed(t, first) for t, (_, first, _) in enumerate(self.changes)]
        )

    def second(self, block: Block, i: int, j: int) -> Array | None:
        """H_ij; None between terms, and where Psi_ij is zero."""
        for t, (mine, _, second) in enumerate(self.changes):
            if mine.start <= i < mine.stop and mine.start <= j < mine.stop:
                bend = second[i - mine.start, j - mine.start]
                return block.placed(t, bend[None])[0] if bend.any() else None
        return None


def row_derivatives(
    blocks: Sequence[Block],
    variables: Variables,
    c: Array,
    *,
    reml: bool,
) -> RowDerivatives:
    """Sum the derivatives over the blocks."""
    own = len(variables)
    k = own + len(blocks[0].matrix.phi)
    p = len(c)
    logdet, rss = np.zeros(k), np.zeros(k)
    xhx, along = np.zeros((k, p, p)), np.zeros((k, p))
    second_logdet, second_rss = np.zeros((k, k)), np.zeros((k, k))
    for block in blocks:
        changes = np.concatenate([variables.first(block), block.matrix.first])
        products = block.inverse @ changes
        flat = products.reshape(k, -1)
        second_logdet -= flat @ products.swapaxes(2, 3).reshape(k, -1).T
        logdet += np.trace(products, axis1=2, axis2=3).sum(axis=1)
        change_e = (changes @ block.e[:, :, None])[..., 0]
        rss -= np.einsum("kbi,bi->k", change_e, block.e)
        inner = (block.inverse @ change_e[..., None])[..., 0]
        second_rss += 2.0 * change_e.reshape(k, -1) @ inner.reshape(k, -1).T
        along += np.einsum("kbi,bip->kp", change_e, block.y)
        change_y = changes @ block.y
        xhx += np.einsum("bip,kbiq->kpq", block.y, change_y, optimize=True)
        weight = block.inverse
        if reml:
            inner_y = block.inverse @ (change_y @ c)
            second_logdet += 2.0 * change_y.reshape(k, -1) @ inner_y.reshape(k, -1).T
            weight = weight - block.y @ c @ block.y.swapaxes(1, 2)
        outer = block.e[:, :, None] * block.e[:, None, :]
        for i in range(k):
            for j in range(i, k):
                if i >= own:
                    both = block.matrix.second(i - own, j - own)
                else:
                    both = variables.second(block, i, j) if j < own else None
                if both is None:
                    continue
                values = float((weight * both).sum()), -float((outer * both).sum())
                for a, b in {(i, j), (j, i)}:
                    second_logdet[a, b] += values[0]
                    second_rss[a, b] += values[1]

    second_rss -= 2.0 * along @ c @ along.T
    if reml:
        c_k = c @ xhx
        logdet -= np.trace(c_k, axis1=1, axis2=2)
        second_logdet -= c_k.reshape(k, -1) @ c_k.swapaxes(1, 2).reshape(k, -1).T
    return RowDerivatives(logdet, rss, xhx, along, second_logdet, second_rss)
