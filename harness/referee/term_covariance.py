"""Psi of a random-effects term as a function of its parameters, with first and second derivatives.

A structure has standard deviations relative to s, one for each effect or one for all, and at most
one correlation: Psi_ij = d_i d_j rho^k_ij, where k_ij is 1 for ``cs`` and the distance |i - j| for
``ar1``. It is a polynomial, so that the deviance is smooth up to the bounds, which are d >= 0 and
those between which Psi is positive semidefinite: -1/(q - 1) or -1, and 1. Without a structure the
parameters are the elements of the lower-triangular factor, column by column, signs free.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.model.structure import STRUCTURES
from harness.referee.triangular_factors import semidefinite_cholesky

Array = NDArray[np.float64]

NULL_VARIANCE = 1e-8
"""Relative variances (in units of s2, effects scaled to unit root mean square) below this count as
zero: the square of lme4's ``isSingular`` threshold of 1e-4 on theta."""

SAME = 1e-6
"""A correlation that differs by more from that of the structure is another."""


@dataclass(frozen=True)
class TermCovariance:
    """The covariance matrix of one term.

    Attributes
    ----------
    structure : str
        A key of :data:`harness.model.structure.STRUCTURES`, or empty.
    q : int
        Number of effects.
    """

    structure: str
    q: int

    @property
    def deviations(self) -> int:
        """How many of the parameters are standard deviations: they come first."""
        return 1 if STRUCTURES[self.structure].one_variance else self.q

    @property
    def correlated(self) -> bool:
        """Whether the last parameter is a correlation."""
        return bool(STRUCTURES[self.structure].correlation)

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Row and column of an element that each parameter decides."""
        if not self.structure:
            return tuple((a, b) for b in range(self.q) for a in range(b, self.q))
        own = [(i, i) for i in range(self.deviations)]
        return (*own, *([(1, 0)] if self.correlated else []))

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper ends of each parameter."""
        k = len(self.places)
        lower, upper = np.full(k, -np.inf), np.full(k, np.inf)
        if self.structure:
            lower[: self.deviations] = 0.0
        if self.structure and self.correlated:
            single = STRUCTURES[self.structure].correlation == "ar1"
            lower[-1], upper[-1] = -1.0 if single else -1.0 / (self.q - 1), 1.0
        return lower, upper

    @cached_property
    def _power(self) -> Array:
        at = np.arange(self.q)
        distance = np.abs(at[:, None] - at).astype(np.float64)
        single = STRUCTURES[self.structure].correlation == "ar1"
        return np.asarray(distance if single else distance.clip(0.0, 1.0))

    def correlation(self, rho: float, order: int = 0) -> Array:
        """Correlation matrix, or its first or second derivative in rho."""
        if not self.correlated:
            return np.eye(self.q) * (order == 0)
        power = self._power
        factor = (1.0, power, power * (power - 1.0))[order]
        return np.asarray(factor * rho ** np.maximum(power - order, 0.0))

    def _spread(self, x: Array) -> tuple[Array, Array, float]:
        """Which effects have each standard deviation (q, k), those of all effects, and rho."""
        k = self.deviations
        which = np.ones((self.q, 1)) if k == 1 < self.q else np.eye(self.q)
        return which, which @ x[:k], float(x[-1]) if self.correlated else 0.0

    def matrix(self, x: Array) -> Array:
        """Psi: (q, q)."""
        if not self.structure:
            lower = self._lower(x)
            return np.asarray(lower @ lower.T)
        _, d, rho = self._spread(x)
        return np.asarray(np.outer(d, d) * self.correlation(rho))

    def _lower(self, x: Array) -> Array:
        lower = np.zeros((self.q, self.q))
        for value, place in zip(x, self.places, strict=True):
            lower[place] = value
        return lower

    def factor(self, x: Array) -> Array:
        """Lower L with Psi = L L': (q, q)."""
        return self._lower(x) if not self.structure else semidefinite_cholesky(self.matrix(x))

    def first(self, x: Array) -> Array:
        """Return derivatives of Psi in each parameter: (k, q, q)."""
        half = np.zeros((len(self.places), self.q, self.q))
        if not self.structure:
            lower = self._lower(x)
            for i, (a, b) in enumerate(self.places):
                half[i, a] = lower[:, b]
            return half + half.swapaxes(1, 2)
        which, d, rho = self._spread(x)
        k = self.deviations
        half[:k] = which.T[:, :, None] * d * self.correlation(rho)
        if self.correlated:
            half[k] = 0.5 * np.outer(d, d) * self.correlation(rho, 1)
        return np.asarray(half + half.swapaxes(1, 2))

    def second(self, x: Array) -> Array:
        """Second derivatives of Psi: (k, k, q, q)."""
        k = len(self.places)
        half = np.zeros((k, k, self.q, self.q))
        if not self.structure:
            for i, (a, b) in enumerate(self.places):
                for j, (c, e) in enumerate(self.places):
                    half[i, j, a, c] += b == e
            return half + half.swapaxes(2, 3)
        which, d, rho = self._spread(x)
        m = self.deviations
        half[:m, :m] = np.einsum("ai,bj->ijab", which, which) * self.correlation(rho)
        if self.correlated:
            bent = which.T[:, :, None] * d * self.correlation(rho, 1)
            half[:m, m] = half[m, :m] = bent
            half[m, m] = 0.5 * np.outer(d, d) * self.correlation(rho, 2)
        return np.asarray(half + half.swapaxes(2, 3))

    def parameters(self, psi: Array) -> Array:
        """Return the parameters of a covariance matrix.

        Raises
        ------
        LinAlgError
            When it has not this structure.
        """
        if not self.structure:
            lower = semidefinite_cholesky(psi)
            return np.array([lower[place] for place in self.places])
        d = np.sqrt(np.maximum(np.diag(psi), 0.0))
        both = np.outer(d, d)
        known = (both > 0.0) & ~np.eye(self.q, dtype=bool)
        found = np.divide(psi, both, out=np.zeros_like(psi), where=known)
        x = d[: self.deviations].copy()
        if self.deviations == 1:
            x[0] = float(np.sqrt((d**2).mean()))
        rho = self._rho(found, known) if self.correlated else 0.0
        own = self.correlation(rho)
        another = np.abs(found - own)[known].max(initial=0.0) > SAME
        if another or np.abs(d - x).max() > SAME * d.max(initial=0.0):
            raise np.linalg.LinAlgError(f"the covariance matrix is not that of {self.structure}()")
        lower, upper = self.bounds
        return np.clip(np.append(x, rho) if self.correlated else x, lower, upper)

    def _rho(self, found: Array, known: NDArray[np.bool_]) -> float:
        for power in range(1, self.q):
            pairs = known & (self._power == power)
            if pairs.any():
                mean = float(found[pairs].mean())
                return float(np.sign(mean) * abs(mean) ** (1.0 / power))
        return 0.0
