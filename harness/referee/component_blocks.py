"""Z'Z in blocks: rows and random-effects columns that have nothing to do with one another apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from harness.model.design import RandomDesign

Array = NDArray[np.float64]
Index = NDArray[np.intp]

RANGE_TOLERANCE = 1e-13
"""Eigenvalues of a block of Z'Z below this share of the largest are rounding, not range; likewise
what is left of a unit vector after it is projected on Z."""


REFINED_PRODUCTS = 50_000_000
"""Blocks of Z whose cross-products take more multiplications than this, about a second as sparse
arrays, are not refined."""


SMALL_BLOCK = 32
"""Up to this size dense products and orthogonal roots of stacked blocks cost little more than those
that make use of structure."""


@dataclass(frozen=True)
class Slots:
    """Levels of one term in a bucket: their numbers, blocks and columns, the last (m, q)."""

    level: Index
    block: Index
    columns: Index


@dataclass(frozen=True)
class Bucket:
    """Blocks of similar size, padded with zeros: ``r`` is (B, k, k), ``f`` is (B, k, p + 1)."""

    r: Array
    f: Array
    slots: tuple[Slots, ...]

    def scatter(self, matrices: tuple[Array | None, ...]) -> Array:
        """Place one q x q matrix per term at each of its levels: (B, k, k). None is zero."""
        blocks, k = self.r.shape[0], self.r.shape[1]
        out = np.zeros((blocks, k, k))
        for slots, matrix in zip(self.slots, matrices, strict=True):
            if matrix is not None:
                columns = slots.columns
                out[slots.block[:, None, None], columns[:, :, None], columns[:, None, :]] = matrix
        return out

    def scatter_each(self, terms: Sequence[int], matrices: Sequence[Array]) -> Array:
        """Place each matrix at every level of its term, one at a time: (len(terms), B, k, k)."""
        blank: list[Array | None] = [None] * len(self.slots)
        return np.array(
            [
                self.scatter((*blank[:t], matrix, *blank[t + 1 :]))
                for t, matrix in zip(terms, matrices, strict=True)
            ]
        )

    def times(self, blocks: Array, matrices: tuple[Array | None, ...]) -> Array:
        """Return ``blocks @ scatter(matrices)``, blocks (B, rows, k)."""
        if self.r.shape[1] <= SMALL_BLOCK:
            return np.asarray(blocks @ self.scatter(matrices))
        out = np.zeros_like(blocks)
        for slots, matrix in zip(self.slots, matrices, strict=True):
            if matrix is None:
                continue
            for i, j in zip(*np.nonzero(matrix), strict=True):
                # No two levels share a column, so that nothing is added twice to one place.
                source, target = slots.columns[:, i], slots.columns[:, j]
                out[slots.block, :, target] += matrix[i, j] * blocks[slots.block, :, source]
        return out

    def gather(self, term: int, blocks: Array) -> Array:
        """Sum the q x q diagonal blocks of a term over its levels in ``blocks`` (B, k, k)."""
        at = self.slots[term]
        return np.asarray(
            blocks[at.block[:, None, None], at.columns[:, :, None], at.columns[:, None, :]].sum(0)
        )


def _unexplained(left: Array) -> float:
    """Length of what X leaves of the outcome, both outside the range of Z (columns of ``left``)."""
    u, sizes, _ = np.linalg.svd(left[:, :-1], full_matrices=False)
    inside = u[:, sizes > RANGE_TOLERANCE]
    y = left[:, -1]
    for _ in range(2):  # the second pass removes the rounding of the first
        y = y - inside @ (inside.T @ y)
    return float(np.linalg.norm(y))


@dataclass(frozen=True)
class Whitening:
    """Rows are multiplied by ``matrix``, which mixes only those of one ``group``."""

    matrix: sparse.csr_array
    group: NDArray[np.int32]


def reduced_blocks(
    terms: tuple[RandomDesign, ...],
    effects: Sequence[Array],
    xy: Array,
    whitening: Whitening | None = None,
) -> tuple[Array, float, tuple[Bucket, ...]]:
    """Reduce Z and [X y] to blocks.

    Returns
    -------
    rest : array, shape (min(n, p + 1), p + 1)
        Triangular factor of E, which is what is left of [X y] after projection on Z: E'E has the
        square of its condition.
    unexplained : float
        Length of what X and Z leave of the outcome.
    buckets : tuple of Bucket
        The blocks, those of similar size together.
    """
    n = len(xy)
    if whitening is not None:
        xy = np.asarray(whitening.matrix @ xy)
    if not terms:
        return np.asarray(np.linalg.qr(xy, mode="r")), _unexplained(xy), ()
    offsets = np.cumsum(
        [0] + [len(t.levels) * z.shape[1] for t, z in zip(terms, effects, strict=True)]
    )
    rows, columns, values = [], [], []
    for t, z, start in zip(terms, effects, offsets[:-1], strict=True):
        q = z.shape[1]
        columns.append((start + t.codes[:, None] * q + np.arange(q)).ravel())
        rows.append(np.repeat(np.arange(n), q))
        values.append(z.ravel())
    z_all = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(n, int(offsets[-1])),
    )
    if whitening is not None:
        z_all = (whitening.matrix @ z_all).tocsr()
    component = components(terms, () if whitening is None else (whitening.group,))
    alike = _alike(component)
    left, r, f = _projected(z_all, component, alike, xy)
    return (
        np.asarray(np.linalg.qr(left, mode="r")),
        _unexplained(left),
        _bucketed(terms, effects, offsets, component, alike, r, f),
    )


def components(terms: tuple[RandomDesign, ...], links: Sequence[NDArray[np.int32]] = ()) -> Index:
    """Independent block of every random-effects column: levels that share a row are connected.

    So are those that share a group of ``links``, which has a code for each row.
    """
    sizes = [*(len(t.levels) for t in terms), *(int(codes.max()) + 1 for codes in links)]
    starts = np.cumsum([0, *sizes])
    codes = [*(t.codes for t in terms), *links]
    nodes = [own + start for own, start in zip(codes, starts[:-1], strict=True)]
    pairs = [(nodes[0], other) for other in nodes[1:]]
    first = np.concatenate([a for a, _ in pairs]) if pairs else np.zeros(0, dtype=np.int64)
    second = np.concatenate([b for _, b in pairs]) if pairs else np.zeros(0, dtype=np.int64)
    total = int(starts[-1])
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(total, total))
    _, of_level = connected_components(graph, directed=False)
    return np.concatenate(
        [
            np.repeat(of_level[start:stop], t.z.shape[1])
            for t, start, stop in zip(terms, starts[:-1], starts[1:], strict=False)
        ]
    ).astype(np.intp)


@dataclass(frozen=True)
class _Alike:
    """Blocks of one size k: their component numbers (B,) and columns of Z (B, k)."""

    number: Index
    columns: Index


def _alike(component: Index) -> list[_Alike]:
    """Group the independent blocks by size, so that each size is done in one stack."""
    order = np.argsort(component, kind="stable")
    sizes = np.bincount(component)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    out = []
    for size in np.unique(sizes):
        number = np.flatnonzero(sizes == size)
        out.append(_Alike(number, order[starts[number][:, None] + np.arange(size)]))
    return out


def _projected(
    z: sparse.csr_array, component: Index, alike: list[_Alike], xy: Array
) -> tuple[Array, list[Array], Array]:
    """E, R of the blocks of each size, and F in the order of Z's columns."""
    r, q = _ranges(z, alike, component)
    f = np.zeros((z.shape[1], xy.shape[1]))
    left = xy
    for _ in range(2):  # the second projection removes the rounding of the first
        step = np.asarray(q.T @ left)
        f += step
        left = left - np.asarray(q @ step)
    # What is left of a column of X that Z spans is rounding; against 1 / theta^2 it would count.
    u, sizes, v = np.linalg.svd(left[:, :-1], full_matrices=False)
    left = np.column_stack([(u * np.where(sizes > RANGE_TOLERANCE, sizes, 0.0)) @ v, left[:, -1]])
    return left, r, f


def _ranges(
    z: sparse.csr_array, alike: list[_Alike], component: Index
) -> tuple[list[Array], sparse.csr_array | _Product]:
    """R of the blocks of each size and Q with orthonormal columns, Z = Q R.

    The eigenvalues of Z'Z alone would lose half the digits of a group whose effects are nearly
    collinear (a predictor that varies far more between groups than within). A second pass on the
    nearly orthonormal Q of the first brings them back; it is left out where that is too large.
    """
    if _products(z, component) > REFINED_PRODUCTS:
        r, inverse = _eigen_ranges(z, alike, floor=0.0, tolerance=RANGE_TOLERANCE)
        return r, _Product(z, _block_diagonal(inverse, alike))
    r, inverse = _eigen_ranges(z, alike, floor=1e-15, tolerance=0.0)
    q = (z @ _block_diagonal(inverse, alike)).tocsr()
    again, inverse = _eigen_ranges(q, alike, floor=0.0, tolerance=1e-14)
    q = (q @ _block_diagonal(inverse, alike)).tocsr()
    return [b @ a for a, b in zip(r, again, strict=True)], q


@dataclass(frozen=True)
class _Product:
    """Q = Z K kept as its factors, for blocks too large to multiply out."""

    z: sparse.csr_array
    k: sparse.csr_array

    @property
    def T(self) -> _Product:
        return _Product(self.k.T, self.z.T)

    def __matmul__(self, other: Array) -> Array:
        return np.asarray(self.z @ (self.k @ other))


def _block_diagonal(inverse: list[Array], alike: list[_Alike]) -> sparse.csr_array:
    """Place the transposed pseudo-inverses of the blocks at their columns."""
    rows, columns, values = [], [], []
    for own, matrices in zip(alike, inverse, strict=True):
        k = own.columns.shape[1]
        rows.append(np.repeat(own.columns, k, axis=1).ravel())
        columns.append(np.tile(own.columns, (1, k)).ravel())
        values.append(matrices.swapaxes(1, 2).ravel())
    size = sum(own.columns.size for own in alike)
    return sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(size, size),
    )


def _products(z: sparse.csr_array, component: Index) -> int:
    """Multiplications in Z'Z when each block of Z is dense."""
    sizes = np.bincount(component)
    first = z.indices[z.indptr[:-1][np.diff(z.indptr) > 0]]
    return int((sizes[component[first]] ** 2).sum())


def _eigen_ranges(
    z: sparse.csr_array, alike: list[_Alike], *, floor: float, tolerance: float
) -> tuple[list[Array], list[Array]]:
    """Return R and its pseudo-inverse from Z'Z, eigenvalues raised to ``floor``.

    Those below ``tolerance`` are left out. Both are shares of the largest eigenvalue of the block.
    """
    gram = (z.T @ z).tocsr()
    r, inverse = [], []
    for own in alike:
        values, vectors = np.linalg.eigh(_dense_blocks(gram, own.columns))
        values = np.maximum(values, floor * values[:, -1:])
        inside = values > tolerance * values[:, -1:]
        roots = np.sqrt(np.where(inside, values, 0.0))
        inverses = np.divide(1.0, roots, out=np.zeros_like(roots), where=inside)
        right = vectors.swapaxes(1, 2)
        r.append(roots[:, :, None] * right)
        inverse.append(inverses[:, :, None] * right)
    return r, inverse


def _dense_blocks(gram: sparse.csr_array, columns: Index) -> Array:
    """Diagonal blocks of a sparse matrix, dense: (B, k, k)."""
    blocks, size = columns.shape
    if size == 1:
        return np.asarray(gram.diagonal()[columns[:, 0]]).reshape(-1, 1, 1)
    if blocks == 1:
        return np.asarray(gram[columns[0]][:, columns[0]].todense())[None]
    place = np.full(gram.shape[0], -1, dtype=np.intp)
    block = np.full(gram.shape[0], -1, dtype=np.intp)
    place[columns] = np.arange(size)
    block[columns] = np.arange(blocks)[:, None]
    coo = gram.tocoo()
    mine = block[coo.coords[0]] >= 0
    row, column = coo.coords[0][mine], coo.coords[1][mine]
    out = np.zeros((blocks, size, size))
    out[block[row], place[row], place[column]] = coo.data[mine]
    return out


def padded_sizes(sizes: Index) -> Index:
    """Sizes rounded up to powers of two, unless all are equal."""
    if len(np.unique(sizes)) == 1:
        return sizes
    # frexp's exponent of size - 1 is its bit length; of 0 it is 0, and 1 stays 1.
    return np.asarray(1 << np.frexp(sizes - 1.0)[1], dtype=np.intp)


def _bucketed(
    terms: tuple[RandomDesign, ...],
    effects: Sequence[Array],
    offsets: NDArray[np.int64],
    component: Index,
    alike: list[_Alike],
    r_of: list[Array],
    f_all: Array,
) -> tuple[Bucket, ...]:
    """Pad blocks to the next power of two, one bucket per padded size."""
    place = np.empty(len(component), dtype=np.intp)
    for own in alike:
        place[own.columns] = np.arange(own.columns.shape[1])
    padded = padded_sizes(np.array([own.columns.shape[1] for own in alike]))
    buckets = []
    for size in np.unique(padded):
        inside = [(own, r) for own, r, to in zip(alike, r_of, padded, strict=True) if to == size]
        count = sum(len(own.number) for own, _ in inside)
        number = np.full(int(component.max()) + 1, -1, dtype=np.intp)
        r = np.zeros((count, size, size))
        f = np.zeros((count, size, f_all.shape[1]))
        at = 0
        for own, blocks in inside:
            k, here = own.columns.shape[1], slice(at, at + len(own.number))
            number[own.number] = np.arange(here.start, here.stop)
            r[here, :k, :k] = blocks
            f[here, :k] = f_all[own.columns]
            at = here.stop
        slots = []
        for t, z, start in zip(terms, effects, offsets[:-1], strict=True):
            q = z.shape[1]
            first = start + np.arange(len(t.levels)) * q
            mine = number[component[first]] >= 0
            columns = first[mine][:, None] + np.arange(q)
            block = number[component[first[mine]]]
            slots.append(Slots(np.flatnonzero(mine), block, place[columns]))
        buckets.append(Bucket(r, f, tuple(slots)))
    return tuple(buckets)
