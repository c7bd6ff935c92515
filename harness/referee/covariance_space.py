"""The covariance matrices that random terms can make, as a linear space.

V = s2 I + sum_t Z_t (I x Psi_t) Z_t' runs through the span of the matrices that a single element
of Psi_t makes. Two ways to write a model are the same where the spans are equal: of a factor f,
``(f | g)``, ``(0 + f | g)`` and lme4's ``(f || g)`` are one space. A model is smaller only where
its span is.

A correlation that a structure has, of a random term or of the residuals, makes no linear space. In
its place stands the tangent at correlations of zero and equal standard deviations, which every
structure has in it: the structures that hold each other have tangents that do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design, RandomDesign
from harness.model.residual_design import ResidualDesign
from harness.referee.term_covariance import TermCovariance

Array = NDArray[np.float64]

PAIRS = 20_000
"""Pairs of rows at which matrices are compared; where there are more, so many are drawn."""

SMALL = 1e-8
"""Relative size below which a singular value is rounding: the columns are orthonormal."""


def _pairs(designs: Sequence[Design]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs of rows that a term has in one group, and every row with itself."""
    n = len(designs[0].y)
    rng = np.random.default_rng(0)
    diagonal = np.arange(n) if n <= PAIRS else rng.choice(n, PAIRS, replace=False)
    first, second = [diagonal], [diagonal]
    seen: list[NDArray[np.int32]] = []
    for codes in (own for design in designs for own in _groupings(design)):
        if any(np.array_equal(codes, others) for others in seen):
            continue
        seen.append(codes)
        order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes)
        starts = np.searchsorted(codes[order], np.arange(len(sizes)))
        if float((sizes.astype(float) ** 2).sum()) <= PAIRS:
            groups = [order[s : s + k] for s, k in zip(starts, sizes, strict=True)]
            first += [np.repeat(group, len(group)) for group in groups]
            second += [np.tile(group, len(group)) for group in groups]
        else:
            rows = rng.integers(0, n, PAIRS)
            own = codes[rows]
            first.append(rows)
            second.append(order[starts[own] + rng.integers(0, sizes[own])])
    return np.concatenate(first), np.concatenate(second)


def _groupings(design: Design) -> list[NDArray[np.int32]]:
    """Return the groupings within which rows vary together."""
    own = design.residual
    beside = [own.group] if own is not None and own.structure else []
    return [*(term.codes for term in design.random), *beside]


def column_space(z: Array) -> Array:
    """Return an orthonormal basis of the columns of Z, those near each other kept apart."""
    lengths = np.linalg.norm(z, axis=0)
    q, r = np.linalg.qr(z / np.where(lengths > 0.0, lengths, 1.0))
    # Columns far from zero are nearly parallel; what is left of one beside the others still counts.
    kept = np.abs(np.diag(r)) > 1e-10
    return np.asarray(q[:, kept])


def _matrices(design: Design, i: NDArray[np.intp], j: NDArray[np.intp]) -> Array:
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    same = (i == j) / root[i] ** 2
    columns = [same]
    if design.residual is not None:
        columns += [own / (root[i] * root[j]) for own in _of_residuals(design.residual, i, j)]
    for term in design.random:
        together = term.codes[i] == term.codes[j]
        if term.structure:
            for change in _of_structure(term):
                columns.append(together * ((term.z[i] @ change) * term.z[j]).sum(axis=1))
            continue
        q = column_space(term.z)
        for a in range(q.shape[1]):
            for b in range(a + 1):
                columns.append(together * (q[i, a] * q[j, b] + q[i, b] * q[j, a]))
    found = np.column_stack(columns)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=0), 1e-300))


def _of_structure(term: RandomDesign) -> Array:
    """Differentiate Psi at equal standard deviations and no correlation: (k, q, q)."""
    own = TermCovariance(term.structure, term.z.shape[1])
    at = np.ones(len(own.places))
    if own.correlated:
        at[-1] = 0.0
    return own.first(at)


def _of_residuals(
    residual: ResidualDesign, i: NDArray[np.intp], j: NDArray[np.intp]
) -> Iterator[Array]:
    """Yield derivatives of R_ij where residuals are alike and independent, one per parameter.

    A correlation that is taken to powers is then seen in the shortest distance alone.
    """
    beside = (residual.group[i] == residual.group[j]) & (i != j)
    low, high = np.sort([residual.position[i], residual.position[j]], axis=0)
    match residual.structure:
        case "cs":
            yield beside.astype(float)
        case "ar1" | "car1":
            distance = high - low
            yield (beside & (distance == distance[beside].min(initial=np.inf))).astype(float)
        case "toep":
            for lag, _ in residual.pairs:
                yield (beside & (high - low == lag)).astype(float)
        case "corr" | "us":
            for first, second in residual.pairs:
                yield (beside & (low == first) & (high == second)).astype(float)
    for codes in residual.strata:
        for level in range(1, int(codes.max()) + 1):
            yield ((i == j) & (codes[i] == level)).astype(float)


def _rank(matrix: Array) -> int:
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > SMALL * values[0]).sum())


def covariance_ranks(one: Design, other: Design) -> tuple[int, int, int]:
    """Return the dimensions of two models' spaces and of both together, s2 included.

    The designs are of the same rows.
    """
    i, j = _pairs((one, other))
    a, b = _matrices(one, i, j), _matrices(other, i, j)
    return _rank(a), _rank(b), _rank(np.column_stack([a, b]))


def is_smaller(reduced: Design, full: Design) -> bool:
    """Whether a model's covariance matrices are some, and not all, of another's."""
    less, more, both = covariance_ranks(reduced, full)
    return less < more == both


def same_columns(one: Array, other: Array) -> bool:
    """Whether two matrices have the same column space."""
    a, b = column_space(one), column_space(other)
    if a.shape != b.shape:
        return False
    # Cosines of the angles between the spaces; rounding leaves what the columns' nearness costs.
    return bool(np.abs(a - b @ (b.T @ a)).max(initial=0.0) < 1e-6)


def same_model(one: Design, other: Design) -> bool:
    """Whether two designs of the same rows and terms are one model in other coordinates."""
    if len(one.random) != len(other.random) or not same_columns(one.x, other.x):
        return False
    return all(map(_same_term, one.random, other.random))


def _same_term(one: RandomDesign, other: RandomDesign) -> bool:
    return np.array_equal(one.codes, other.codes) and same_columns(one.z, other.z)
