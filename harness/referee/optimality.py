"""Optimality certificate on the cone of positive semidefinite matrices.

A point (Psi, s2) is first-order optimal iff for every term Psi_t >= 0, G_t >= 0 and G_t Psi_t = 0,
where G_t is the derivative of the deviance in Psi_t, summed over the levels (the Karush-Kuhn-Tucker
conditions of the semidefinite cone; Boyd and Vandenberghe 2004, section 5.9). This does not depend
on a factor of Psi, so the points that a bound on a Cholesky diagonal creates cannot pass: at them
G_t has a negative eigenvalue in the null space of Psi_t, and its eigenvector is a direction of
descent.

The cone of a term with a structure: :mod:`harness.referee.structured_cone`.

G_t is whitened by J_t = sum of Z'V^-1 Z, which makes it dimensionless and free of the units of y
and x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.structured_cone import term_conditions
from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.term_covariance import NULL_VARIANCE

Array = NDArray[np.float64]

DUAL_TOLERANCE = 1e-3
"""A whitened dual eigenvalue below minus this is a direction of descent. True optima reach 1e-4 at
the engines' default tolerances; false boundaries measured between -0.01 and -0.5."""


@dataclass(frozen=True)
class Optimality:
    """First-order conditions at a point.

    Attributes
    ----------
    ranks : tuple of int
        Rank of each Psi_t.
    gradient : float
        Largest entry of Psi^(1/2) G Psi^(1/2) over the terms: derivatives of the deviance in
        relative changes of the variances. 0 at an optimum.
    dual : float or None
        Smallest eigenvalue of whitened G_t in the null space of Psi_t; None when all have full
        rank.
    descent : tuple of (q,) arrays or None
        For each term the direction of that eigenvalue, in scaled effects; None without one.
    residual_bound : bool
        Whether the residual covariance is at the edge of the positive definite ones.
    """

    ranks: tuple[int, ...]
    gradient: float
    dual: float | None
    descent: tuple[Array | None, ...]
    residual_bound: bool = False

    @property
    def singular(self) -> bool:
        """Whether some Psi_t lacks rank, or the residual covariance is at its bound."""
        return self.dual is not None or self.residual_bound

    @property
    def false_boundary(self) -> bool:
        """Whether a variance sits at zero although the deviance falls when it grows."""
        return self.dual is not None and self.dual < -DUAL_TOLERANCE


def optimality(point: Point) -> Optimality:
    """Check the first-order conditions at a point, sigma profiled."""
    likelihood = point.likelihood
    ranks: list[int] = []
    gradient = 0.0
    dual: float | None = None
    descent: list[Array | None] = []
    for t, q in enumerate(likelihood.products.sizes):
        s, tct, uu = point.summed[t]
        g = s - (tct if likelihood.reml else 0.0) - likelihood.m * uu / point.rss
        if isinstance(point, StructuredPoint) and point.likelihood.terms[t].structure:
            own = term_conditions(point, t, g)
            ranks.append(own.rank)
            gradient = max(gradient, own.gradient)
            if own.dual is not None:
                dual = own.dual if dual is None else min(dual, own.dual)
            descent.append(None)
            continue
        psi = point.lambdas[t] @ point.lambdas[t].T
        values, vectors = np.linalg.eigh(psi)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))
        gradient = max(gradient, float(np.abs(roots.T @ g @ roots).max(initial=0.0)))
        inside = values > NULL_VARIANCE
        null = vectors[:, ~inside]
        ranks.append(q - null.shape[1])
        direction = None
        if null.shape[1]:
            white, range_white = _whitened(null, s), _whitened(vectors[:, inside], s)
            smallest, direction = _dual(g, white, range_white)
            dual = smallest if dual is None else min(dual, smallest)
        descent.append(direction)
    steep, bound = point.residual_slope()
    return Optimality(tuple(ranks), max(gradient, steep), dual, tuple(descent), bound)


def _whitened(basis: Array, s: Array) -> Array:
    """Rescale a basis to ``B' S B = I``, directions that the data do not know left out."""
    scale, vectors = np.linalg.eigh(basis.T @ s @ basis)
    known = scale > 1e-12 * max(float(np.trace(s)), np.finfo(float).tiny)
    return np.asarray(basis @ (vectors[:, known] / np.sqrt(scale[known])))


def _dual(g: Array, null: Array, inside: Array) -> tuple[float, Array | None]:
    """Smallest eigenvalue of G in the null space of Psi, and its direction when it is negative.

    G Psi = 0 also asks that G does not couple the null space to the range: [[0, c], [c, d]] has a
    negative eigenvalue however large d is. That is what the bound theta_ii >= 0 of a factor hides,
    where it holds a derivative that is not zero. G on the range itself is left to the gradient.
    """
    values, vectors = np.linalg.eigh(null.T @ g @ null)
    if not len(values):
        return 0.0, None
    both = np.column_stack([inside, null])
    coupled = both.T @ g @ both
    coupled[: inside.shape[1], : inside.shape[1]] = 0.0
    lowest, directions = np.linalg.eigh(coupled)
    if lowest[0] < -DUAL_TOLERANCE:
        return float(lowest[0]), np.asarray(both @ directions[:, 0])
    smallest = float(values[0])
    return smallest, np.asarray(null @ vectors[:, 0]) if smallest < 0.0 else None
