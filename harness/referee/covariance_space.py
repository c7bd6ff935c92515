"""The covariance matrices that random terms can make, as a linear space.

V = s2 I + sum_t Z_t (I x Psi_t) Z_t' runs through the span of the matrices that a single element
of Psi_t makes. Two ways to write a model are the same where the spans are equal: of a factor f,
``(f | g)``, ``(0 + f | g)`` and lme4's ``(f || g)`` are one space. A model is smaller only where
its span is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design, RandomDesign

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
    for term in (t for design in designs for t in design.random):
        if any(np.array_equal(term.codes, codes) for codes in seen):
            continue
        seen.append(term.codes)
        order = np.argsort(term.codes, kind="stable")
        starts = np.searchsorted(term.codes[order], np.arange(len(term.levels)))
        sizes = np.bincount(term.codes, minlength=len(term.levels))
        if float((sizes.astype(float) ** 2).sum()) <= PAIRS:
            groups = [order[s : s + k] for s, k in zip(starts, sizes, strict=True)]
            first += [np.repeat(group, len(group)) for group in groups]
            second += [np.tile(group, len(group)) for group in groups]
        else:
            rows = rng.integers(0, n, PAIRS)
            codes = term.codes[rows]
            first.append(rows)
            second.append(order[starts[codes] + rng.integers(0, sizes[codes])])
    return np.concatenate(first), np.concatenate(second)


def column_space(z: Array) -> Array:
    """Return an orthonormal basis of the columns of Z, those near each other kept apart."""
    lengths = np.linalg.norm(z, axis=0)
    q, r = np.linalg.qr(z / np.where(lengths > 0.0, lengths, 1.0))
    # Columns far from zero are nearly parallel; what is left of one beside the others still counts.
    kept = np.abs(np.diag(r)) > 1e-10
    return np.asarray(q[:, kept])


def _matrices(design: Design, i: NDArray[np.intp], j: NDArray[np.intp]) -> Array:
    columns = [(i == j).astype(float)]
    for term in design.random:
        q = column_space(term.z)
        together = term.codes[i] == term.codes[j]
        for a in range(q.shape[1]):
            for b in range(a + 1):
                columns.append(together * (q[i, a] * q[j, b] + q[i, b] * q[j, a]))
    found = np.column_stack(columns)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=0), 1e-300))


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
