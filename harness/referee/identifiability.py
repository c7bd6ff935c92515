"""Which variances the data cannot tell apart, whatever the outcome is, and what depends on them.

V = s2 I + sum of Z_t (I x Psi_t) Z_t' is linear in the variance parameters. The restricted
likelihood sees M V M only, M = I - X X^+, and the likelihood sees V; a change D of the parameters
with M V(D) M = 0, or V(D) = 0, therefore changes nothing. Such D are the null space of the expected
information tr(P G_r P G_s) at any V > 0, for P = V^-1 - V^-1 X C X'V^-1 has the null space of M
(ML: V^-1 in its place); here at V = I.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Likelihood, Point
from harness.referee.kenward_roger import Pieces
from harness.referee.residual_likelihood import (
    ResidualLikelihood,
    ResidualPoint,
    StructuredResidualPoint,
)
from harness.referee.row_information import random_changes, row_information
from harness.referee.satterthwaite import contrast_tests
from harness.referee.structured_adjustment import natural_directions
from harness.referee.structured_likelihood import StructuredLikelihood, StructuredPoint

Array = NDArray[np.float64]

SINGULAR = 1e-10
"""Eigenvalues of the information, relative to that of the same terms without fixed effects, below
this are zero: a change of V whose size is 1e-5 is told from none."""

_LEVEL = 1e-7
"""Deviances that differ by less are the same: what rounding leaves of a sum of m terms."""

_NARROW = 1e-6
"""A range narrower than this, relative to the variances, is a point."""

_FAR = 1e6
"""A variance that may be this many times all others may be any."""

_CURVED = 1e-6
"""Where the smallest eigenvalue of the Hessian is above this share of the largest, the deviance is
flat nowhere, and there is no need to ask in which direction."""

_ROUNDS = 3
"""Times that every direction is gone along to its middle: one may open another."""


@dataclass(frozen=True)
class FreeDirection:
    """A change of the variance parameters along which the likelihood stays what it is.

    Attributes
    ----------
    changes : tuple of (q, q) arrays
        Of each Psi_t, in squared units of the data, for a step of 1.
    residual : float
        Of the residual variance.
    low, high : float
        Steps that lead from the best point to the ends of the parameter space, ``low`` not above
        and ``high`` not below zero; infinite where there is none.
    moved : tuple of int
        Fixed effects whose estimate or standard error depends on the step.
    phi : tuple of float
        Of each residual correlation and log ratio of standard deviations; empty without any. What
        is said is then the tangent at the best point, and the ends are not known.
    """

    changes: tuple[Array, ...]
    residual: float
    low: float
    high: float
    moved: tuple[int, ...]
    phi: tuple[float, ...] = ()


_KEPT: WeakKeyDictionary[Likelihood, list[tuple[tuple[Array, ...], float]]] = WeakKeyDictionary()


def null_directions(likelihood: Likelihood) -> list[tuple[tuple[Array, ...], float]]:
    """Return a basis of the changes that the likelihood does not see: of each Psi_t, and of s2.

    Each has a variance of its own that it changes by 1, relative to the others' none. With a
    residual covariance, or structured terms, it depends on the point: :func:`free_directions` says
    it of one.
    """
    if isinstance(likelihood, ResidualLikelihood | StructuredLikelihood):
        return []
    if likelihood not in _KEPT:
        _KEPT[likelihood] = _null_directions(likelihood)
    return _KEPT[likelihood]


def _null_directions(likelihood: Likelihood) -> list[tuple[tuple[Array, ...], float]]:
    sizes = likelihood.products.sizes
    if not sizes:
        return []
    point = likelihood.at(np.zeros(len(likelihood.layout)))
    terms, matrices = _symmetric_units(sizes)
    information, whole = _information(point, terms, matrices)
    widths = np.sqrt(np.maximum(np.diag(whole), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(widths, widths))
    null = vectors[:, values < SINGULAR] / widths[:, None]
    if not null.shape[1]:
        return []
    # Back to the effects as they are in the data, at unit root mean square.
    effects = likelihood.products.basis.effects
    back = [np.linalg.inv(w) for w in effects]
    rms = [np.sqrt(np.diag(w_inv @ w_inv.T)) for w_inv in back]
    rows = []
    for column in null.T:
        scaled = [np.zeros((q, q)) for q in sizes]
        for value, t, unit in zip(column, terms, matrices, strict=False):
            scaled[t] += value * unit
        data = [b @ d @ b.T / np.outer(r, r) for b, d, r in zip(back, scaled, rms, strict=True)]
        rows.append(np.concatenate([*(d[np.triu_indices(len(d))] for d in data), column[-1:]]))
    out = []
    for row in _reduced(np.array(rows), sizes):
        changes, start = [], 0
        for q, r in zip(sizes, rms, strict=True):
            upper = np.triu_indices(q)
            change = np.zeros((q, q))
            change[upper] = row[start : start + len(upper[0])]
            change = change + change.T - np.diag(np.diag(change))
            changes.append(change * np.outer(r, r))
            start += len(upper[0])
        out.append((tuple(changes), float(row[-1])))
    return out


def _symmetric_units(sizes: Sequence[int]) -> tuple[list[int], list[Array]]:
    terms, units = [], []
    for t, q in enumerate(sizes):
        for a in range(q):
            for b in range(a, q):
                unit = np.zeros((q, q))
                unit[a, b] = unit[b, a] = 1.0
                terms.append(t)
                units.append(unit)
    return terms, units


def _information(point: Point, terms: Sequence[int], units: Sequence[Array]) -> tuple[Array, Array]:
    """Information on each element of Psi and on s2 at V = I; and the same without fixed effects."""
    k, c, reml = len(terms), point.c, point.likelihood.reml
    traces, cross = np.zeros((k, k)), np.zeros((k, k))
    first = np.zeros((k, len(c), len(c)))
    for part in point.solved:
        placed = part.bucket.scatter_each(terms, units)
        s_e = part.s @ placed
        traces += s_e.reshape(k, -1) @ s_e.swapaxes(2, 3).reshape(k, -1).T
        e_t = placed @ part.t
        first += np.einsum("bki,rbkj->rij", part.t, e_t, optimize=True)
        cross += np.einsum("ij,rbkj,sbki->rs", c, e_t, part.s @ e_t, optimize=True)
    whole = np.empty((k + 1, k + 1))
    whole[:k, :k] = traces
    whole[k, k] = point.likelihood.products.n
    sums = [point.summed[t] for t in terms]
    whole[k, :k] = whole[:k, k] = [(u * s).sum() for u, (s, _, _) in zip(units, sums, strict=True)]
    if not reml:
        return whole, whole
    c_first = c @ first
    left = whole.copy()
    left[:k, :k] += -2.0 * cross + np.einsum("rij,sji->rs", c_first, c_first)
    left[k, k] = point.likelihood.m
    left[k, :k] -= [(u * tct).sum() for u, (_, tct, _) in zip(units, sums, strict=True)]
    left[:k, k] = left[k, :k]
    return left, whole


def _reduced(rows: Array, sizes: Sequence[int]) -> Array:
    """Reduced echelon form; variances of the smallest terms are taken for pivots first."""
    places, start = [], 0
    for t, q in enumerate(sizes):
        upper = np.triu_indices(q)
        places += [
            (q, t, int(a != b), start + i) for i, (a, b) in enumerate(zip(*upper, strict=True))
        ]
        start += len(upper[0])
    order = [place[-1] for place in sorted(places)] + [start]
    rows = rows / np.abs(rows).max(axis=1, keepdims=True)
    done = 0
    for column in order:
        if done == len(rows):
            break
        best = done + int(np.argmax(np.abs(rows[done:, column])))
        if abs(rows[best, column]) < 1e-6:
            continue
        rows[[done, best]] = rows[[best, done]]
        rows[done] /= rows[done, column]
        for other in range(len(rows)):
            if other != done:
                rows[other] -= rows[other, column] * rows[done]
        done += 1
    rows = rows[:done]
    return np.where(np.abs(rows) < 1e-7 * np.abs(rows).max(axis=1, keepdims=True), 0.0, rows)


def free_directions(point: Point) -> tuple[FreeDirection, ...]:
    """Return the directions in which a best point can be left without a change of the likelihood.

    A direction that leaves the parameter space at once, as from a variance of zero, is none.
    """
    likelihood = point.likelihood
    if isinstance(point, ResidualPoint):
        return () if _curved(point) else _beside_residual(point)
    if isinstance(point, StructuredPoint):
        return () if _curved(point) else _within_structures(point)
    if not likelihood.layout or _curved(point):
        return ()
    out = []
    for changes, residual, way, other in _left(point):
        moved = tuple(np.flatnonzero(_differ(point, *other, np.eye(likelihood.products.p))))
        out.append(FreeDirection(changes, residual, way.low, way.high, tuple(map(int, moved))))
    return tuple(out)


def _beside_residual(point: ResidualPoint) -> tuple[FreeDirection, ...]:
    """Return directions in which V, or what REML sees of it, does not change with its parameters.

    As an unstructured residual covariance beside a random intercept.
    """
    likelihood = point.likelihood
    terms: Sequence[int]
    units: Sequence[Array]
    if isinstance(point, StructuredResidualPoint):
        natural = natural_directions(point)
        terms, units = natural.terms, natural.matrices
    else:
        terms, units = _symmetric_units(likelihood.products.sizes)
    changes = [
        np.concatenate([own, block.matrix.first, block.h[None]])
        for own, block in zip(random_changes(point, terms, units), point.blocks, strict=True)
    ]
    found = row_information(point, changes)
    information = found.information(np.asarray(point.c), reml=likelihood.reml)
    return _tangents(point, terms, units, _null(information, found.traces), found.p)


def _within_structures(point: StructuredPoint) -> tuple[FreeDirection, ...]:
    """Return the same of structured terms, as of ``homcs(0 + f | g)`` with one row for each f."""
    natural = natural_directions(point)
    if not natural.terms:
        return ()
    information, whole = _information(point, natural.terms, natural.matrices)
    p = Pieces.at(point, (natural.terms, natural.matrices)).p
    p = np.concatenate([p, -np.linalg.inv(point.c)[None]])
    return _tangents(point, natural.terms, natural.matrices, _null(information, whole), p)


def _null(information: Array, whole: Array) -> Array:
    """Null space of the information, relative to that without fixed effects: (k, count)."""
    widths = np.sqrt(np.maximum(np.diag(whole), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(widths, widths))
    return np.asarray(vectors[:, values < SINGULAR] / widths[:, None])


def _tangents(
    point: Point, terms: Sequence[int], units: Sequence[Array], null: Array, p: Array
) -> tuple[FreeDirection, ...]:
    """Return directions of the parameters, the last of them V itself, with their P_r."""
    basis = point.likelihood.products.basis
    s2 = (point.sigma * basis.y_scale) ** 2
    out = []
    for vector in null.T:
        scaled = [vector[-1] * lam @ lam.T for lam in point.lambdas]
        for value, t, unit in zip(vector, terms, units, strict=False):
            scaled[t] = scaled[t] + value * unit
        psi = [
            s2 * np.linalg.inv(w) @ d @ np.linalg.inv(w).T
            for w, d in zip(basis.effects, scaled, strict=True)
        ]
        parts = [*(float(np.abs(d).max()) for d in psi), abs(s2 * float(vector[-1]))]
        size = max(parts) or 1.0
        # Either way along it is the same direction: the first variance is the one that grows.
        diagonals = np.concatenate([*(np.diag(d) for d in psi), [s2 * vector[-1]]])
        growing = diagonals[np.abs(diagonals) > 1e-7 * size]
        own = vector[len(terms) : -1]
        if len(growing):
            size = math.copysign(size, float(growing[0]))
        else:
            # Parameters of the residual covariance alone.
            size = float(own[np.argmax(np.abs(own))])
        moved = np.einsum("i,ijk->jk", vector, p)
        slopes = np.abs(np.diag(basis.m @ point.c @ moved @ point.c @ basis.m.T))
        errors = np.diag(basis.m @ point.c @ basis.m.T)
        out.append(
            FreeDirection(
                tuple(np.where(np.abs(d) > 1e-7 * abs(size), d, 0.0) / size for d in psi),
                float(s2 * vector[-1] / size) if parts[-1] > 1e-7 * abs(size) else 0.0,
                math.nan,
                math.nan,
                tuple(map(int, np.flatnonzero(slopes > 1e-6 * errors))),
                tuple(float(v / size) for v in own),
            )
        )
    return tuple(out)


def _left(point: Point) -> Iterator[tuple[tuple[Array, ...], float, _Way, tuple[Point, float]]]:
    """Yield the directions in which a point can be left, each with another as good and far away."""
    likelihood = point.likelihood
    for changes, residual in null_directions(likelihood):
        way = _way(point, changes, residual)
        if way is None:
            continue
        step = way.high if way.high >= -way.low else way.low
        step = math.copysign(min(0.9 * abs(step), way.size), step)
        other = _moved(likelihood, way.here, way.s2, changes, residual, step)
        if other is not None and _level(point, *other):
            yield changes, residual, way, other


def centred(point: Point) -> Point:
    """Return the middle of the best points, where there are many: it lies on no face by chance.

    A face that all of them lie on is a boundary of the data's own; one that an end lies on is not.
    """
    likelihood = point.likelihood
    if isinstance(point, ResidualPoint | StructuredPoint):
        return point
    if not likelihood.layout or _curved(point):
        return point
    for _ in range(_ROUNDS):
        begun = point
        for changes, residual in null_directions(likelihood):
            way = _way(point, changes, residual)
            if way is None:
                continue
            low, high = max(way.low, -way.size), min(way.high, way.size)
            step = 0.5 * (low + high)
            if abs(step) < 0.25 * (high - low):  # near enough to the middle
                continue
            other = _moved(likelihood, way.here, way.s2, changes, residual, step)
            if other is not None and _level(point, *other):
                point = other[0]
        if point is begun:
            break
    return point


def undetermined_rows(point: Point, rows: Array) -> NDArray[np.bool_]:
    """Say of contrasts (r, p) whether their standard errors depend on what is not determined."""
    found = np.zeros(len(rows), dtype=bool)
    if isinstance(point, ResidualPoint | StructuredPoint):
        moved = {j for direction in free_directions(point) for j in direction.moved}
        return np.asarray((rows[:, sorted(moved)] != 0.0).any(axis=1))
    if point.likelihood.layout:
        for _, _, _, other in _left(point):
            found |= _differ(point, *other, rows)
    return found


@dataclass(frozen=True)
class _Way:
    """Where a direction leads from a point: Psi and s2 there, their size, and the last steps."""

    here: tuple[Array, ...]
    s2: float
    size: float
    low: float
    high: float


def _way(point: Point, changes: Sequence[Array], residual: float) -> _Way | None:
    likelihood = point.likelihood
    s2 = (point.sigma * likelihood.products.basis.y_scale) ** 2
    here = tuple(s2 * f @ f.T for f in likelihood.factors(point.theta))
    # Only what the direction changes: a large variance beside it is no measure of it.
    size = sum(float(np.trace(psi)) for psi, d in zip(here, changes, strict=True) if d.any())
    size = max(size, s2)
    low, high = (_reach(here, s2, changes, residual, sign) for sign in (-1.0, 1.0))
    return None if low + high <= _NARROW * size else _Way(here, s2, size, -low, high)


def _curved(point: Point) -> bool:
    twin, _ = point.conditioned()
    free = ~point.held
    values = np.linalg.eigvalsh(twin.profiled_hessian()[np.ix_(free, free)])
    if not len(values):
        return True
    # The variables are relative changes: of one variance, too, a curvature of 1e-6 is none.
    return bool(values[0] > _CURVED * max(float(values[-1]), 1.0))


def _level(point: Point, other: Point, sigma: float) -> bool:
    return bool(abs(other.deviance(sigma) - point.deviance()) <= _LEVEL)


def _moved(
    likelihood: Likelihood,
    here: Sequence[Array],
    s2: float,
    changes: Sequence[Array],
    residual: float,
    step: float,
) -> tuple[Point, float] | None:
    """Return the point and the residual standard deviation a step away."""
    after = s2 + step * residual
    if not after > 0.0:
        return None
    relative = [(psi + step * d) / after for psi, d in zip(here, changes, strict=True)]
    try:
        return likelihood.at(likelihood.theta(relative)), math.sqrt(after)
    except np.linalg.LinAlgError:
        return None


def _reach(
    here: Sequence[Array], s2: float, changes: Sequence[Array], residual: float, sign: float
) -> float:
    """Return how far one can go before a covariance matrix or the residual variance is none."""
    size = s2 + sum(float(np.trace(psi)) for psi in here)
    largest = max(abs(residual), *(float(np.abs(d).max(initial=0.0)) for d in changes))
    if not largest > 0.0:
        return 0.0

    def inside(step: float) -> bool:
        if not s2 + sign * step * residual >= 0.0:
            return False
        for psi, d in zip(here, changes, strict=True):
            if not d.any():
                continue
            moved = psi + sign * step * d
            widths = np.sqrt(np.maximum(np.abs(np.diag(psi)) + np.abs(step * np.diag(d)), 1e-300))
            if np.linalg.eigvalsh(moved / np.outer(widths, widths))[0] < -1e-9:
                return False
        return True

    far = _FAR * size / largest
    if inside(far):
        return math.inf
    low, high = 0.0, far
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if inside(middle) else (low, middle)
    return low


def _differ(point: Point, other: Point, other_sigma: float, rows: Array) -> NDArray[np.bool_]:
    """Say of each contrast whether its estimate or standard error is another at another point."""
    pairs = zip(
        contrast_tests(point, rows), contrast_tests(other, rows, sigma=other_sigma), strict=True
    )
    return np.array(
        [
            abs(a.se - b.se) > 1e-5 * a.se or abs(a.estimate - b.estimate) > 1e-5 * a.se
            for a, b in pairs
        ]
    )
