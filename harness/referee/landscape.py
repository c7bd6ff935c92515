"""Where else a deviance may have a minimum: many points at once, of which few need a descent.

The faces of the cone are looked at as they are (every term removed, every principal direction
removed, all of it), and the inside on a lattice of sizes. A point is worth a descent when no lower
one lies beside it (Rinnooy Kan and Timmer 1987, multi level single linkage) and the deviance does
not fall all the way from it to a minimum that is known already.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.referee.component_blocks import SMALL_BLOCK, Bucket
from harness.referee.deviance import Likelihood
from harness.referee.triangular_factors import solve_lower

Array = NDArray[np.float64]
Variances = tuple[Array, ...]
"""Relative covariance of the scaled effects, a q x q matrix for each term."""

_WORK = 4000
"""Blocks that are factorised in all, about the time of ten Newton steps on a small design."""

_MOST = 130
"""Points at most; a lattice of three sizes of variance has 125."""

_SIZES = (0.1, 1.0, 10.0, 1000.0)
"""Variances in units of the size at which half of an effect is shrunk away."""

_SMALLEST = 0.03
"""In these units: below it a variance is as good as zero for telling points apart."""

_BESIDE = 2.6
"""Two points of the lattice beside each other are as far apart, in log variances, or less."""

_MANY = 6
"""Groups of each factor from which on a point is left out when the deviance falls from it straight
to a known minimum. With fewer, the way down from it may bend aside to a lower one: of 350 small
designs with 2 to 5 groups that rule missed it in one, of 1,750 with 5 to 9 groups in none."""

_ALONG = (0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 1.0)
"""Where a straight way is looked at: closely where it begins and where it ends."""


def screened(likelihood: Likelihood, known: Sequence[Variances], most: int) -> list[Variances]:
    """Return points from which a descent may end at a minimum that is not known, lowest first.

    Parameters
    ----------
    known : sequence of Variances
        Minima; the first is the best of them.
    most : int
        Return no more than this.
    """
    count = _count(likelihood)
    sample = _different(itertools.islice(_sample(likelihood, known[0]), count))
    points = [*known, *sample]
    height = heights(likelihood, points)
    apart = _distances(likelihood, points)
    lower = (height[None, :] < height[:, None]) & (apart <= _BESIDE)
    alone = [
        i
        for i in np.argsort(height)
        if i >= len(known) and np.isfinite(height[i]) and not lower[i].any()
    ]
    if min(likelihood.products.levels) >= _MANY:
        alone = [i for i in alone if not any(_falls(likelihood, points[i], m) for m in known)]
    return [points[i] for i in alone[:most]]


def _falls(likelihood: Likelihood, start: Variances, end: Variances) -> bool:
    """Whether the deviance falls all the way from one point to another, on a straight line."""
    way = [
        tuple((1.0 - share) * a + share * b for a, b in zip(start, end, strict=True))
        for share in _ALONG
    ]
    height = heights(likelihood, way)
    return bool(np.isfinite(height).all() and (np.diff(height) <= 1e-9 * likelihood.m).all())


def _count(likelihood: Likelihood) -> int:
    """Return how many points are looked at: fewer where one takes long, the faces always."""
    work = sum(
        b.r.shape[0] * (1.0 + b.r.shape[1] ** 3 / 200.0) for b in likelihood.products.buckets
    )
    faces = 1 + len(likelihood.products.sizes)
    return int(min(_MOST, max(faces, _WORK / max(work, 1.0))))


def _natural(likelihood: Likelihood) -> list[float]:
    """Relative variance of each term at which half of an effect is shrunk away."""
    products = likelihood.products
    return [levels / products.n for levels in products.levels]


def _sample(likelihood: Likelihood, best: Variances) -> Iterator[Variances]:
    """Points to look at: faces through zero and through the best point, then the lattice."""
    sizes = likelihood.products.sizes
    zero = tuple(np.zeros((q, q)) for q in sizes)
    yield zero
    for t in range(len(sizes)):
        yield _with(best, t, zero[t])
    for t, psi in enumerate(best):
        if len(psi) > 1:
            for reduced in _directions_removed(psi):
                yield _with(best, t, reduced)
    scales = _natural(likelihood)
    lattice = [_options(q, scale) for q, scale in zip(sizes, scales, strict=True)]
    for t, options in enumerate(lattice):
        for option in options:
            yield _with(best, t, option)
            yield _with(zero, t, option)
    if np.prod([float(len(options)) for options in lattice]) <= _MOST:
        yield from itertools.product(*lattice)
        return
    for size in range(len(_SIZES)):
        yield tuple(options[-1 - size] for options in lattice)
    few = [_few(q, scale) for q, scale in zip(sizes, scales, strict=True)]
    yield from itertools.product(*few)


def _different(points: Iterable[Variances]) -> list[Variances]:
    return list({tuple(psi.tobytes() for psi in point): point for point in points}.values())


def _with(base: Variances, t: int, psi: Array) -> Variances:
    return (*base[:t], psi, *base[t + 1 :])


def _directions_removed(psi: Array) -> Iterator[Array]:
    values, vectors = np.linalg.eigh(psi)
    for i in range(len(values)):
        kept = values.copy()
        kept[i] = 0.0
        yield (vectors * kept) @ vectors.T


def _options(q: int, scale: float) -> list[Array]:
    """Covariance matrices of one term: none, one effect, all, and perfectly correlated ones."""
    one = [np.zeros((q, q))]
    shapes = [np.diag(row) for row in np.eye(q)] if q > 1 else []
    if q == 2:
        shapes += [np.array([[1.0, sign], [sign, 1.0]]) for sign in (1.0, -1.0)]
    elif q > 2:
        shapes += [np.eye(q) - shape for shape in shapes]
    for shape in shapes:
        one += [size * scale * shape for size in _SIZES]
    return one + [size * scale * np.eye(q) for size in reversed(_SIZES)]


def _few(q: int, scale: float) -> list[Array]:
    return [factor * scale * np.eye(q) for factor in (0.0, 1.0, 100.0)]


def _distances(likelihood: Likelihood, points: Sequence[Variances]) -> Array:
    """Distances between points, in logarithms of variances."""
    places = []
    for t, scale in enumerate(_natural(likelihood)):
        psi = np.array([point[t] for point in points])
        values, vectors = np.linalg.eigh(psi)
        logs = np.log1p(np.maximum(values, 0.0) / (_SMALLEST * scale))
        places.append(((vectors * logs[:, None, :]) @ vectors.swapaxes(1, 2)).reshape(len(psi), -1))
    at = np.concatenate(places, axis=1)
    return np.asarray(np.linalg.norm(at[:, None, :] - at[None, :, :], axis=2))


def heights(likelihood: Likelihood, points: Sequence[Variances]) -> Array:
    """Deviances up to a constant, to fewer digits than a point gives them; infinite where none.

    All points at once where blocks are small; the squared form I + R P R' does for a comparison.
    """
    count = len(likelihood.products.sizes)
    stacks = [np.array([point[t] for point in points]) for t in range(count)]
    return _heights(likelihood, stacks)


def _heights(likelihood: Likelihood, stacks: Sequence[Array]) -> Array:
    try:
        return _heights_of_all(likelihood, stacks)
    except np.linalg.LinAlgError:
        count = len(stacks[0])
        if count == 1:
            return np.full(1, np.inf)
        halves = ([s[: count // 2] for s in stacks], [s[count // 2 :] for s in stacks])
        return np.concatenate([_heights(likelihood, half) for half in halves])


def _heights_of_all(likelihood: Likelihood, stacks: Sequence[Array]) -> Array:
    products = likelihood.products
    count, p = len(stacks[0]), products.p
    cross = np.broadcast_to(products.rest.T @ products.rest, (count, p + 1, p + 1)).copy()
    logdet = np.zeros(count)
    for bucket in products.buckets:
        if bucket.r.shape[1] <= SMALL_BLOCK:
            lower = _cholesky(_inner(bucket, stacks))
            solved = np.asarray(np.linalg.solve(lower, bucket.f), dtype=np.float64)
            parts = [_part(lower, solved)]
        else:
            parts = [_large(bucket, [s[i] for s in stacks]) for i in range(count)]
        logdet += np.concatenate([part[0] for part in parts])
        cross += np.concatenate([part[1] for part in parts])
    root = np.diagonal(np.linalg.cholesky(cross), axis1=1, axis2=2)
    out = logdet + 2.0 * likelihood.m * np.log(root[:, p])
    if likelihood.reml:
        out = out + 2.0 * np.log(root[:, :p]).sum(axis=1)
    return np.where(np.isfinite(out), out, np.inf)


def _cholesky(matrices: Array) -> Array:
    return np.asarray(np.linalg.cholesky(matrices), dtype=np.float64)


def _part(lower: Array, solved: Array) -> tuple[Array, Array]:
    """Return what a bucket adds at each point to log|H| and to [X y]'H^-1 [X y]."""
    diagonal = np.diagonal(lower, axis1=2, axis2=3)
    flat = solved.reshape(len(solved), -1, solved.shape[-1])
    return 2.0 * np.log(diagonal).sum(axis=(1, 2)), flat.swapaxes(1, 2) @ flat


def _large(bucket: Bucket, psi: Sequence[Array]) -> tuple[Array, Array]:
    """Return the same of a bucket of large blocks at one point."""
    half = bucket.times(bucket.r, tuple(psi))
    lower = _cholesky(half @ bucket.r.swapaxes(1, 2) + np.eye(half.shape[1]))
    return _part(lower[None], solve_lower(lower, bucket.f)[None])


def _inner(bucket: Bucket, stacks: Sequence[Array]) -> Array:
    """I + R P R' of all blocks at all points: (points, B, k, k)."""
    blocks, k = bucket.r.shape[0], bucket.r.shape[1]
    psi = np.zeros((len(stacks[0]), blocks, k, k))
    for slots, stack in zip(bucket.slots, stacks, strict=True):
        rows, columns = slots.columns[:, :, None], slots.columns[:, None, :]
        psi[:, slots.block[:, None, None], rows, columns] = stack[:, None]
    return np.asarray(bucket.r @ psi @ bucket.r.swapaxes(1, 2) + np.eye(k))
