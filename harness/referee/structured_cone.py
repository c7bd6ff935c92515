"""First-order conditions of a term whose covariance matrix has a structure.

The cone is that of the structure: standard deviations d >= 0 and a correlation between the ends at
which Psi is singular. With G the derivative of the deviance in Psi, summed over the levels, a point
is optimal iff the derivative in every parameter is zero, or at a bound does not point inwards. At d
= 0 the derivative in d is 2 c, c the derivative in the covariances with the other effects, and
where that is not negative the deviance has to grow with the variance, G_ii >= 0. Where all
variances are zero the directions are d_i d_j rho^k: each effect alone, each pair and all together
are tried at several rho (to try every direction is the problem of copositive matrices).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.term_covariance import NULL_VARIANCE, TermCovariance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TermConditions:
    """Conditions of one term; see :class:`harness.referee.optimality.Optimality`."""

    rank: int
    gradient: float
    dual: float | None


def term_conditions(point: StructuredPoint, t: int, g: Array) -> TermConditions:
    """Check the conditions of term t, of which G is ``g`` in scaled effects."""
    own = point.likelihood.terms[t]
    mine, first, _ = point.changes[t]
    x = point.theta[mine]
    s = point.summed[t][0]
    w = point.likelihood.products.basis.effects[t]
    values = np.linalg.eigvalsh(point.lambdas[t] @ point.lambdas[t].T)
    rank = int((values > NULL_VARIANCE).sum())
    slopes = np.tensordot(first, g)
    k = own.deviations
    zero = x[:k] ** 2 * _sizes(own, w) <= NULL_VARIANCE
    gradient = float(np.abs(0.5 * x[:k] * slopes[:k])[~zero].max(initial=0.0))
    duals: list[float] = []
    if zero.all():
        duals.append(_at_zero(own, w.T @ g @ w, w.T @ s @ w))
    else:
        within = own.matrix(np.where(_padded(own, zero), 0.0, x))
        for i in np.flatnonzero(zero):
            duals.append(_at_no_variance(int(i), within, x, own, w.T @ g @ w, w.T @ s @ w))
        if own.correlated:
            low, high = own.bounds[0][-1], own.bounds[1][-1]
            room = float(min(x[-1] - low, high - x[-1]))
            if room * float(values[-1]) <= NULL_VARIANCE:
                change = first[-1] * (1.0 if x[-1] - low < high - x[-1] else -1.0)
                size = math.sqrt(float(np.einsum("ij,jk,kl,li->", s, change, s, change)))
                duals.append(float((g * change).sum()) / size if size > 0.0 else 0.0)
            else:
                gradient = max(gradient, abs(float(slopes[-1])) * room)
    if not duals and rank < len(values):
        duals.append(0.0)
    return TermConditions(rank, gradient, float(min(duals)) if duals else None)


def _sizes(own: TermCovariance, w: Array) -> Array:
    """Squared length of a unit of each standard deviation in scaled effects."""
    squares = (w**2).sum(axis=0)
    return np.asarray(squares if own.deviations == own.q else squares.mean(keepdims=True))


def _padded(own: TermCovariance, zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.append(zero, False) if own.correlated else zero


def _at_no_variance(i: int, psi: Array, x: Array, own: TermCovariance, g: Array, s: Array) -> float:
    """Return the derivative at d_i = 0 beside other variances, relative to the information."""
    d = np.sqrt(np.diag(psi))
    rho = float(x[-1]) if own.correlated else 0.0
    covariances = d * own.correlation(rho)[i]
    covariances[i] = 0.0
    own_size = float(s[i, i])
    if not own_size > 0.0:
        return 0.0
    curved = float(g[i, i]) / own_size
    size = float(covariances @ s @ covariances)
    if not size > 0.0:
        return curved
    sloped = float(g[i] @ covariances) / math.sqrt(own_size * size)
    if sloped >= 0.0:
        return curved if sloped <= 1e-9 else max(curved, 0.0)
    return 0.5 * (curved - math.hypot(curved, 2.0 * sloped))


def _at_zero(own: TermCovariance, g: Array, s: Array) -> float:
    """Lowest derivative found where all variances are zero, relative to the information."""
    q = own.q
    low, high = (own.bounds[0][-1], own.bounds[1][-1]) if own.correlated else (0.0, 0.0)
    grid = np.linspace(low, high, 21) if own.correlated else np.zeros(1)
    units = np.sqrt(np.maximum(np.diag(s), np.finfo(float).tiny))
    found = []
    for rho in grid:
        c = own.correlation(float(rho))
        if own.deviations == 1 < q:
            size = float((s * c).sum())
            found.append(float((g * c).sum()) / size if size > 0.0 else 0.0)
            continue
        white = g * c / np.outer(units, units)
        found += np.diag(white).tolist()
        for some in [*itertools.combinations(range(q), 2), tuple(range(q))]:
            values, vectors = np.linalg.eigh(white[np.ix_(some, some)])
            lowest = vectors[:, 0]
            if (lowest >= 0.0).all() or (lowest <= 0.0).all():
                found.append(float(values[0]))
    return min(found)
