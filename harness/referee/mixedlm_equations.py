"""MixedLM's equations for fixed and random effects, in double precision as it solves them.

V^-1 c = (c - Z (Z'Z / s + Q)^-1 Z'c / s) / s, Q being an inverse of the covariance of the random
effects, in the columns as they are: with a predictor far from zero Z'Z is nearly singular, and the
difference cancels. A group at a time; terms of several grouping factors make one group of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from harness.model.design import Design

Array = NDArray[np.float64]

VANISHING = 1e-10
"""``tol`` of MixedLM's ``get_fe_params``: eigenvalues below it have zero for their inverse."""

_ENTRIES = 10_000_000
"""Rows times random effects up to which the equations of crossed factors are written out."""


def inverse_as_taken(covariance: Array) -> Array:
    """Return the inverse with zero where an eigenvalue vanishes, which should be infinite."""
    values, vectors = np.linalg.eigh(covariance)
    gone = values < VANISHING
    inverse = np.where(gone, 0.0, 1.0 / np.where(gone, 1.0, values))
    return np.asarray((vectors * inverse) @ vectors.T)


@dataclass(frozen=True, eq=False)
class MixedlmEquations:
    """Rows and columns of the equations, see :func:`mixedlm_equations`.

    Attributes
    ----------
    groups : tuple of (n,) bool array or slice
        The rows of each group.
    z : (n, k) array
        Columns of a group's random effects, term after term.
    repeats : tuple of int
        How often each term's effects come in them: for its levels, if there is one group.
    """

    design: Design
    groups: tuple[NDArray[np.bool_] | slice, ...]
    z: Array
    repeats: tuple[int, ...]

    def weighted(
        self, inverses: Sequence[Array], scale: float, columns: Array, *, singular: bool = False
    ) -> Array:
        """Return V^-1 c of each column c.

        Parameters
        ----------
        inverses : sequence of (q, q) array
            Of the covariance of each term: Q.
        scale : float
            The residual variance: s.
        singular : bool
            Whether Z'Z / s + Q may have no inverse, for which any solution does.

        Raises
        ------
        numpy.linalg.LinAlgError
            When it has none.
        """
        q, out = self._block_diagonal(inverses), np.zeros_like(columns)
        for rows in self.groups:
            z, c = self.z[rows], columns[rows]
            matrix = z.T @ z / scale + q
            if singular:
                solved = np.linalg.lstsq(matrix, z.T @ c, rcond=None)[0]
            else:
                solved = np.linalg.solve(matrix, z.T) @ c
            out[rows] = c / scale - z @ solved / scale**2
        return out

    def effects(self, covariances: Sequence[Array], scale: float) -> tuple[Array, list[Array]]:
        """Return the fixed effects, and each term's random effects, (levels, q).

        The former solve X'V^-1 X b = X'V^-1 y, with V relative to the residual variance; the latter
        are their covariance times Z'V^-1 (y - X b). In the order in which MixedLM computes them,
        which decides on what is rounded.

        Raises
        ------
        numpy.linalg.LinAlgError
            When one of the matrices has no inverse.
        """
        x, y = self.design.x, self.design.y
        relative, own = (
            [np.asarray(np.linalg.inv(c / s), dtype=np.float64) for c in covariances]
            for s in (scale, 1.0)
        )
        fixed, _ = self._fixed(relative)
        left = self.weighted(own, scale, (y - x @ fixed)[:, None])[:, 0]
        psi = self._block_diagonal(covariances)
        random: Array = np.array([psi @ (self.z[rows].T @ left[rows]) for rows in self.groups])
        sizes = [k * t.z.shape[1] for t, k in zip(self.design.random, self.repeats, strict=True)]
        parts = np.split(random, np.cumsum(sizes)[:-1], axis=1)
        pairs = zip(parts, self.design.random, strict=True)
        return fixed, [part.reshape(-1, term.z.shape[1]) for part, term in pairs]

    def loglik(self, covariances: Sequence[Array], scale: float, *, reml: bool) -> float:
        """Return the log-likelihood, the residual variance profiled out, as MixedLM sums it.

        Raises
        ------
        numpy.linalg.LinAlgError
            When one of the matrices has no inverse.
        """
        x, y = self.design.x, self.design.y
        relative = [np.asarray(c / scale) for c in covariances]
        inverses = [np.asarray(np.linalg.inv(c), dtype=np.float64) for c in relative]
        fixed, products = self._fixed(inverses)
        residuals = y - x @ fixed
        weighted = self.weighted(inverses, 1.0, residuals[:, None])[:, 0]
        squares = sum(float(residuals[rows] @ weighted[rows]) for rows in self.groups)
        q, spread = self._block_diagonal(inverses), self._block_diagonal(relative)
        deviance = len(self.groups) * np.linalg.slogdet(spread)[1]
        for rows in self.groups:
            deviance += np.linalg.slogdet(self.z[rows].T @ self.z[rows] + q)[1]
        m = len(y)
        if reml:
            m -= x.shape[1]
            deviance += np.linalg.slogdet(products)[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(-0.5 * (deviance + m * (np.log(2.0 * np.pi * squares / m) + 1.0)))

    def _fixed(self, inverses: Sequence[Array]) -> tuple[Array, Array]:
        """Return the fixed effects, and X'V^-1 X with V relative to the residual variance."""
        x, y = self.design.x, self.design.y
        both = np.column_stack([x, y])
        weighted = self.weighted(inverses, 1.0, both)
        products = np.zeros((x.shape[1], both.shape[1]))
        for rows in self.groups:
            products += x[rows].T @ weighted[rows]
        fixed = np.asarray(np.linalg.solve(products[:, :-1], products[:, -1]), dtype=np.float64)
        return fixed, products[:, :-1]

    def _block_diagonal(self, blocks: Sequence[Array]) -> Array:
        pairs = zip(blocks, self.repeats, strict=True)
        return np.asarray(block_diag(*(np.kron(np.eye(k), block) for block, k in pairs)))


def mixedlm_equations(design: Design) -> MixedlmEquations | None:
    """Return the equations of a design with random effects; None where they are too large."""
    first = design.random[0]
    if all(np.array_equal(term.codes, first.codes) for term in design.random):
        groups = tuple(first.codes == k for k in range(len(first.levels)))
        z = np.column_stack([term.z for term in design.random])
        return MixedlmEquations(design, groups, z, (1,) * len(design.random))
    if design.width * len(design.y) > _ENTRIES:
        return None
    z = np.column_stack([term.columns(term.z) for term in design.random])
    repeats = tuple(len(term.levels) for term in design.random)
    return MixedlmEquations(design, (slice(None),), z, repeats)
