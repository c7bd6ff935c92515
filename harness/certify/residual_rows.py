"""A model with a residual covariance as balls: blocks of rows, and the covariance of each.

The residual parameters are those that are stated: correlations, and ratios of standard deviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from harness.certify.ball_likelihood import exact
from harness.model.design import Design
from harness.model.residual_design import ResidualDesign
from harness.referee.row_blocks import row_stacks


@dataclass(frozen=True)
class Rows:
    """A block of rows that hang together.

    Attributes
    ----------
    xy : (b, p + 1) matrix
    z : (b, q) matrix for each term
    levels : for each term whether two rows share its level
    index, power : which correlation two rows have, -1 for none, and its power
    times : for each ratio of standard deviations how often it is in a covariance
    """

    xy: arb_mat
    z: tuple[arb_mat, ...]
    levels: tuple[np.ndarray, ...]
    index: np.ndarray
    power: list[list[arb | int]]
    times: np.ndarray


@dataclass(frozen=True)
class ResidualModel:
    """Blocks of rows with what their covariance is made of."""

    n: int
    p: int
    reml: bool
    residual: ResidualDesign
    sizes: tuple[int, ...]
    layout: tuple[tuple[int, int, int], ...]
    """Term, row and column of each element of theta."""
    blocks: tuple[Rows, ...]

    @property
    def m(self) -> int:
        """Rows less, for REML, fixed effects."""
        return self.n - (self.p if self.reml else 0)


def residual_model(design: Design, *, reml: bool) -> ResidualModel:
    """Return the model of a design that has a residual covariance."""
    assert design.residual is not None
    n, p = design.x.shape
    whole = np.column_stack([design.x, design.y])
    blocks = []
    for stack in row_stacks(design):
        for i, rows in enumerate(stack.rows):
            power: list[list[arb | int]] = [[1] * len(rows) for _ in rows]
            if stack.power is not None:
                kind = int if design.residual.structure == "ar1" else exact
                power = [[kind(v) for v in line] for line in stack.power[i]]
            blocks.append(
                Rows(
                    _exact(whole[rows]),
                    tuple(_exact(term.z[rows]) for term in design.random),
                    tuple(level[i] for level in stack.levels),
                    stack.index[i],
                    power,
                    stack.times[:, i],
                )
            )
    sizes = tuple(term.z.shape[1] for term in design.random)
    layout = tuple((t, a, b) for t, q in enumerate(sizes) for b in range(q) for a in range(b, q))
    return ResidualModel(n, p, reml, design.residual, sizes, layout, tuple(blocks))


def _exact(matrix: np.ndarray) -> arb_mat:
    return arb_mat([[exact(v) for v in row] for row in matrix])


def _correlations(block: Rows, rho: Sequence[arb]) -> list[list[arb]]:
    """Return the correlation matrix of the residuals of a block."""
    b = len(block.index)
    out = [[arb(int(i == j)) for j in range(b)] for i in range(b)]
    for i in range(b):
        for j in range(i):
            if block.index[i, j] >= 0:
                out[i][j] = out[j][i] = rho[block.index[i, j]] ** block.power[i][j]
    return out


def residual_covariance(model: ResidualModel, block: Rows, stated: Sequence[arb]) -> arb_mat:
    """R relative to s2: correlations times products of ratios of standard deviations."""
    k = model.residual.correlations
    cells = _correlations(block, stated[:k])
    for ratio, times in zip(stated[k:], block.times, strict=True):
        for i, row in enumerate(times):
            for j, count in enumerate(row):
                if count:
                    cells[i][j] *= ratio ** int(count)
    return arb_mat(cells)


def random_covariance(block: Rows, t: int, psi: arb_mat) -> arb_mat:
    """Z Psi Z' where two rows share a level of a term, zero elsewhere."""
    full = block.z[t] * psi * block.z[t].transpose()
    same = block.levels[t]
    b = len(same)
    return arb_mat([[full[i, j] if same[i, j] else arb(0) for j in range(b)] for i in range(b)])
