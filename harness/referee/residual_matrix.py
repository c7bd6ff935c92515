"""R(phi), the covariance of the residuals relative to s2, with its derivatives.

An element is R_ij = w_i w_j c_ij: the correlation c_ij is a parameter or one to a power, the
standard deviations are w_i = exp(sum of the log ratios of its strata). ``phi`` holds what the
search works in: correlations as they are, but log rho for ``car1``; then the logarithms of the
ratios. What is shown and stated are correlations and ratios (:func:`stated`, :func:`internal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.model.residual_design import ResidualDesign
from harness.referee.row_blocks import Stack

Array = NDArray[np.float64]

SINGULAR = 1e-10
"""Pivots of R below this share of its diagonal: residuals that determine each other."""

INSIDE = 1e-8
"""Distance from its bound at which a correlation is at it."""

UNCORRELATED = 1e-8
"""A correlation in continuous time below this is none."""


def stated(residual: ResidualDesign, phi: Sequence[float] | Array) -> Array:
    """Return correlations and ratios of standard deviations."""
    out = np.array(phi, dtype=np.float64)
    k = residual.correlations
    if residual.structure == "car1":
        out[:k] = np.exp(out[:k])
    out[k:] = np.exp(out[k:])
    return out


def internal(residual: ResidualDesign, values: Sequence[float] | Array) -> Array:
    """Return phi of correlations and ratios.

    Raises
    ------
    LinAlgError
        For a ratio, or a correlation in continuous time, that is not positive.
    """
    out = np.array(values, dtype=np.float64)
    k = residual.correlations
    if residual.structure == "car1":
        # What is nearer to zero than is told from it is none.
        least = float(np.exp((1.0 - INSIDE) * np.log(UNCORRELATED) / shortest_gap(residual)))
        out[:k] = np.where((out[:k] >= 0.0) & (out[:k] < least), least, out[:k])
        k = 0
    if not (out[k:] > 0.0).all():
        raise np.linalg.LinAlgError("a ratio of standard deviations has to be positive")
    out[k:] = np.log(out[k:])
    return out


def neutral(residual: ResidualDesign) -> Array:
    """Phi of residuals that are nearly, or wholly, independent with one variance."""
    out = np.zeros(len(residual.names))
    if residual.structure == "car1":
        out[0] = -1.0 / typical_gap(residual)
    return out


def inside(residual: ResidualDesign, phi: Array) -> bool:
    """Whether a correlation of ``ar1`` or ``car1`` is one; of others R itself decides.

    In continuous time a correlation below ``UNCORRELATED`` at the shortest distance is zero: its
    logarithm could grow for ever.
    """
    if residual.structure == "ar1":
        return bool(abs(phi[0]) < 1.0)
    if residual.structure == "car1":
        return bool(np.log(UNCORRELATED) < phi[0] * shortest_gap(residual) < 0.0)
    return True


def bounds(residual: ResidualDesign) -> tuple[float, float] | None:
    """Return the ends of the range of the one correlation that a structure has; None for others.

    A little inside, so that R is not singular.
    """
    if residual.structure in ("ar1", "cs"):
        return least_correlation(residual) + INSIDE, 1.0 - INSIDE
    if residual.structure == "car1":
        return float(np.log(UNCORRELATED)) / shortest_gap(residual), -INSIDE
    return None


def least_correlation(residual: ResidualDesign) -> float:
    """Return what no correlation is below; that of R as a whole may be nearer."""
    if residual.structure == "cs":
        return -1.0 / (int(np.bincount(residual.group).max()) - 1)
    return 0.0 if residual.structure == "car1" else -1.0


def shortest_gap(residual: ResidualDesign) -> float:
    """Return the shortest time between two rows of a group."""
    return float(_gaps(residual).min())


def is_one_sided(residual: ResidualDesign) -> bool:
    """Whether no correlation at the shortest distance is below 0.

    In continuous time, and where an autoregression sees even distances first, whose powers have no
    sign.
    """
    if residual.structure == "ar1":
        return shortest_gap(residual) % 2.0 == 0.0
    return residual.structure == "car1"


def sign_open(residual: ResidualDesign) -> bool:
    """Whether rho and -rho of an autoregression are one: no two visits are an odd number apart."""
    return residual.structure == "ar1" and bool((_gaps(residual) % 2.0 == 0.0).all())


def typical_gap(residual: ResidualDesign) -> float:
    """Return the median time between rows of a group that follow each other."""
    return float(np.median(_gaps(residual)))


def _gaps(residual: ResidualDesign) -> Array:
    order = np.lexsort((residual.position, residual.group))
    return np.asarray(np.diff(residual.position[order])[np.diff(residual.group[order]) == 0])


@dataclass(frozen=True)
class ResidualMatrix:
    """R of one stack at one phi.

    Raises
    ------
    LinAlgError
        When R is not positive definite.
    """

    residual: ResidualDesign
    stack: Stack
    phi: Array

    @cached_property
    def value(self) -> Array:
        """R: (B, b, b)."""
        out = self._correlation(0)
        diagonal = np.arange(out.shape[1])
        out[:, diagonal, diagonal] = 1.0
        for log_ratio, times in zip(self.phi[self._k :], self.stack.times, strict=True):
            out *= np.exp(log_ratio * times)
        return out

    @cached_property
    def root(self) -> Array:
        """Lower Cholesky factors of R: (B, b, b)."""
        lower = np.linalg.cholesky(self.value)
        pivots = np.diagonal(lower, axis1=1, axis2=2) ** 2
        if not (pivots > SINGULAR * np.diagonal(self.value, axis1=1, axis2=2)).all():
            raise np.linalg.LinAlgError("the residual covariance is singular")
        return np.asarray(lower)

    @property
    def _k(self) -> int:
        return self.residual.correlations

    def _correlation(self, order: int) -> Array:
        """Correlations between rows of a group, or a derivative of each in its own parameter."""
        index, power = self.stack.index, self.stack.power
        if not self._k:
            return np.zeros(index.shape)
        rho = self.phi[index]  # -1 is some number, masked below
        if power is None:
            value = (rho, np.ones(index.shape), np.zeros(index.shape))[order]
        elif self.residual.structure == "car1":
            value = power**order * np.exp(rho * power)
        else:
            factor = (1.0, power, power * (power - 1.0))[order]
            value = factor * rho ** np.maximum(power - order, 0.0)
        return np.where(index >= 0, value, 0.0)

    def _scaled(self, correlation: Array) -> Array:
        for log_ratio, times in zip(self.phi[self._k :], self.stack.times, strict=True):
            correlation = correlation * np.exp(log_ratio * times)
        return correlation

    @cached_property
    def first(self) -> Array:
        """Derivatives of R in each phi: (k, B, b, b)."""
        out = np.empty((len(self.phi), *self.value.shape))
        change = self._scaled(self._correlation(1))
        for i in range(len(self.phi)):
            if i < self._k:
                out[i] = np.where(self.stack.index == i, change, 0.0)
            else:
                out[i] = self.stack.times[i - self._k] * self.value
        return out

    def second(self, i: int, j: int) -> Array | None:
        """Second derivative of R in two phi: (B, b, b); None where it is zero."""
        i, j = min(i, j), max(i, j)
        if j >= self._k:
            return np.asarray(self.stack.times[j - self._k] * self.first[i])
        if i != j or self.stack.power is None:
            return None
        return self._scaled(np.where(self.stack.index == i, self._correlation(2), 0.0))
