"""Rows in independent blocks: those that share a level of a random effect or a residual group.

Blocks of equal size are held in one stack, so that an evaluation takes O(n) operations at a fixed
size of block. Used where the residuals are correlated; with independent residuals everything comes
from cross-products instead (:mod:`harness.referee.crossproducts`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from harness.model.design import Design
from harness.referee.once_per_design import once_per_design

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Stack:
    """Blocks of one size b.

    Attributes
    ----------
    rows : (B, b) array
        Rows of the design.
    levels : tuple of (B, b, b) bool arrays
        For each random term whether two rows share its level.
    own : (B, b, b) bool array
        Whether two rows share their residual group.
    index : (B, b, b) int array
        Correlation of two rows of a group; -1 elsewhere and on the diagonal.
    power : (B, b, b) array or None
        Power that it is taken to; None where that is one always.
    times : (s, B, b, b) int8 array
        How often, 0 to 2, each ratio of standard deviations is in a covariance.
    """

    rows: Index
    levels: tuple[NDArray[np.bool_], ...]
    own: NDArray[np.bool_]
    index: NDArray[np.int32]
    power: Array | None
    times: NDArray[np.int8]


def block_of_rows(design: Design) -> Index:
    """Return the number of the independent block of each row."""
    codes = [term.codes for term in design.random]
    if design.residual is not None:
        codes.append(design.residual.group)
    n = len(design.y)
    if not codes:
        return np.arange(n, dtype=np.intp)
    nodes, total = [], 0
    for own in codes:
        nodes.append(own.astype(np.intp) + total)
        total += int(own.max()) + 1
    first = np.tile(nodes[0], len(nodes) - 1) if len(nodes) > 1 else nodes[0]
    second = np.concatenate(nodes[1:]) if len(nodes) > 1 else nodes[0]
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(total, total))
    _, found = connected_components(graph, directed=False)
    _, place = np.unique(found[nodes[0]], return_inverse=True)
    return np.asarray(place, dtype=np.intp)


@once_per_design
def row_stacks(design: Design) -> tuple[Stack, ...]:
    """Sort the rows of a design with a residual covariance into stacks."""
    block = block_of_rows(design)
    order = np.argsort(block, kind="stable")
    sizes = np.bincount(block)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    out = []
    for size in np.unique(sizes):
        mine = np.flatnonzero(sizes == size)
        out.append(_stack(design, order[starts[mine][:, None] + np.arange(size)]))
    return tuple(out)


def _stack(design: Design, rows: Index) -> Stack:
    residual = design.residual
    assert residual is not None

    def same(codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        own = codes[rows]
        return np.asarray(own[:, :, None] == own[:, None, :])

    own = same(residual.group)
    between = own & ~np.eye(rows.shape[1], dtype=bool)
    index = np.full(own.shape, -1, dtype=np.int32)
    power: Array | None = None
    position = residual.position[rows]
    if residual.structure in ("ar1", "car1"):
        index[between] = 0
        distance = np.abs(position[:, :, None] - position[:, None, :])
        power = np.where(between, distance, 1.0)
    elif residual.structure == "cs":
        index[between] = 0
    elif residual.structure:
        at = position.astype(np.int64)
        low = np.minimum(at[:, :, None], at[:, None, :])
        high = np.maximum(at[:, :, None], at[:, None, :])
        if residual.structure == "toep":
            places = np.searchsorted(residual.pairs[:, 0], (high - low)[between])
        else:
            count = int(residual.pairs.max()) + 1
            of_pair = np.zeros((count, count), dtype=np.int64)
            of_pair[residual.pairs[:, 0], residual.pairs[:, 1]] = np.arange(len(residual.pairs))
            places = of_pair[low[between], high[between]]
        index[between] = places
    times = [
        ((codes[rows] == level)[:, :, None].astype(np.int8) + (codes[rows] == level)[:, None, :])
        for codes in residual.strata
        for level in range(1, int(codes.max()) + 1)
    ]
    levels = tuple(same(term.codes) for term in design.random)
    stacked = np.array(times, dtype=np.int8).reshape(len(times), *own.shape)
    return Stack(rows, levels, own, index, power, stacked)
