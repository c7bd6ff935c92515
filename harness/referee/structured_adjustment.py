"""What Kenward and Roger's adjustment takes of structured random terms.

The adjustment depends on how V is parametrised unless V is linear in its parameters. They are those
of PROC MIXED: variances and, for ``homcs``, a covariance, in all of which V is linear; variances
and rho for ``ar1`` (AR(1)), ``hetar1`` (ARH(1)) and ``cs`` (CSH), whose second derivatives count.
Parameters at a bound are left out: the model is that of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.term_covariance import TermCovariance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NaturalDirections:
    """Derivatives of Psi / s2, in scaled effects, in the parameters of every term.

    Attributes
    ----------
    terms : tuple of int
    matrices : tuple of (q, q) arrays
    bends : dict
        Second derivatives that are not zero, by the numbers of two directions.
    correlations : tuple of int
        Which directions are in a correlation.
    """

    terms: tuple[int, ...]
    matrices: tuple[Array, ...]
    bends: dict[tuple[int, int], Array]
    correlations: tuple[int, ...]

    def bent(self, point: StructuredPoint, information_p: Array, w: Array) -> Array:
        """Return the sum of W_rs R_rs / 4, R_rs = X'V^-1 V_rs V^-1 X, relative to s2.

        The direction after the last is V itself: along it V_r grows by itself where r is a
        correlation, and not at all where it is a variance.
        """
        out = np.zeros(information_p.shape[1:])
        for (r, s), matrix in self.bends.items():
            for part in point.solved:
                at = part.bucket.slots[self.terms[r]]
                rows = part.t[at.block[:, None], at.columns]
                out += (
                    0.25 * w[r, s] * np.einsum("lap,ab,lbq->pq", rows, matrix, rows, optimize=True)
                )
        for r in self.correlations:
            out -= 0.5 * w[r, len(self.terms)] * information_p[r]
        return out


def natural_directions(point: StructuredPoint) -> NaturalDirections:
    """Return the directions of a point."""
    terms: list[int] = []
    matrices: list[Array] = []
    bends: dict[tuple[int, int], Array] = {}
    correlations: list[int] = []
    likelihood = point.likelihood
    for t, (own, mine) in enumerate(zip(likelihood.terms, likelihood.slices, strict=True)):
        w = likelihood.products.basis.effects[t]
        first, second, rho = _of_term(own, point.theta[mine], ~point.held[mine])
        start = len(terms)
        terms += [t] * len(first)
        matrices += [w @ one @ w.T for one in first]
        correlations += [] if rho is None else [start + rho]
        for (i, j), bend in second.items():
            bends[start + i, start + j] = w @ bend @ w.T
    return NaturalDirections(tuple(terms), tuple(matrices), bends, tuple(correlations))


def _of_term(
    own: TermCovariance, x: Array, inner: NDArray[np.bool_]
) -> tuple[list[Array], dict[tuple[int, int], Array], int | None]:
    """First and second derivatives of Psi, and which of them is in a correlation."""
    if not own.structure:
        units = []
        for a, b in own.places:
            unit = np.zeros((own.q, own.q))
            unit[a, b] = unit[b, a] = 1.0
            units.append(unit)
        return units, {}, None
    k = own.deviations
    moving = np.flatnonzero(inner[:k])
    if not len(moving):
        return [], {}, None
    first, second = own.first(x), own.second(x)
    correlated = own.correlated and bool(inner[-1])
    if own.structure == "homcs" and correlated:
        return [np.eye(own.q), 1.0 - np.eye(own.q)], {}, None
    # From standard deviations to variances: dd = dv / 2d.
    out = [first[i] / (2.0 * x[i]) for i in moving]
    bends = {}
    for a, i in enumerate(moving):
        for b, j in enumerate(moving):
            bend = second[i, j] / (4.0 * x[i] * x[j])
            bends[a, b] = bend - (i == j) * first[i] / (4.0 * x[i] ** 3)
    rho = None
    if correlated:
        rho = len(out)
        out.append(first[k])
        bends[rho, rho] = second[k, k]
        for a, i in enumerate(moving):
            bends[a, rho] = bends[rho, a] = second[i, k] / (2.0 * x[i])
    return out, bends, rho
