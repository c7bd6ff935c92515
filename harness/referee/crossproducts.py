"""The data of a likelihood, reduced once to small blocks.

V = s2 (I + Z P Z') with P block-diagonal over the levels of every random-effects term. Rows and
random-effects columns fall into independent blocks (the groups of a single grouping factor, the top
groups of nested ones, everything for crossed ones). In each block Z'Z = R'R, and with F the
coordinates of [X y] on the range of Z,

    [X y]' H^-1 [X y] = E'E + sum over blocks of F' (I + R P R')^-1 F,      H = V / s2,

where E is what is left of [X y] after projection on Z, computed from the rows and not by a
difference of cross-products. Every term is positive, so neither large group effects nor large
variance ratios cost digits, and an evaluation does not depend on the number of rows.

Inside, y is centred and scaled, X is replaced by an orthonormal basis of its centred columns, and
the effects of each term are centred and scaled; results are mapped back (``Basis``). With weights,
V = s2 (W^-1 + Z P Z'), rows are multiplied by the roots of their weights, and means are weighted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design, RandomDesign
from harness.referee.component_blocks import RANGE_TOLERANCE, Bucket, Whitening, reduced_blocks
from harness.referee.once_per_design import once_per_design

Array = NDArray[np.float64]
Index = NDArray[np.intp]

RANK_TOLERANCE = 1e-7
"""Relative size below which a column counts as aliased, as in R's ``lm`` (``qr(tol = 1e-7)``)."""

EXACT = 1e-14
"""Residuals below this share of the outcome are its rounding: no variance is left to divide up."""


class RankDeficient(ValueError):
    """X has aliased columns; the text names them."""


@dataclass(frozen=True)
class Basis:
    """How internal quantities map back to the units of the data.

    ``beta = y_scale * m @ gamma + y_mean * constant``; the covariance of beta is
    ``y_scale^2 m C m'``. ``log_volume`` is log|m^-1|, ``effects`` holds for each term the matrix W
    with ``Lambda = W L``.
    """

    m: Array
    constant: Array
    y_mean: float
    y_scale: float
    log_volume: float
    effects: tuple[Array, ...]


@dataclass(frozen=True)
class CrossProducts:
    """Everything the likelihood needs; ``rest`` is the triangular factor of E, with p + 1 columns.

    ``exact`` says that X and Z together fit the outcome to its rounding.
    """

    n: int
    p: int
    sizes: tuple[int, ...]
    levels: tuple[int, ...]
    rest: Array
    buckets: tuple[Bucket, ...]
    basis: Basis
    exact: bool = False
    log_weights: float = 0.0
    """Sum of the logarithms of the weights."""

    def span(self, *, reml: bool) -> int:
        """Return the rank of Z, of [X Z] for REML.

        Where the outcome is fitted exactly and all variances grow by a factor c, the residual sum
        of squares falls by c, and log|H|, with log|X'H^-1 X| for REML, grows by log c times this
        rank (less p for REML): the deviance falls for ever where there are more rows.
        """
        rank = sum(int((np.abs(bucket.r).max(axis=2) > 0.0).sum()) for bucket in self.buckets)
        if not reml:
            return rank
        values = np.linalg.svd(self.rest[:, :-1], compute_uv=False)
        return rank + int((values**2 > RANGE_TOLERANCE).sum())


def aliased_columns(x: Array) -> list[int]:
    """Columns that are linear combinations of those before them, as R's ``lm`` drops them."""
    kept: list[Array] = []
    aliased = []
    for j, column in enumerate(x.T):
        left = column.astype(np.float64)
        for _ in range(2):  # twice is enough (Kahan, Parlett): the second pass removes rounding
            for q in kept:
                left = left - q * (q @ left)
        size = float(np.linalg.norm(left))
        if size <= RANK_TOLERANCE * float(np.linalg.norm(column)) or size == 0.0:
            aliased.append(j)
        else:
            kept.append(left / size)
    return aliased


@dataclass(frozen=True)
class Standardised:
    """A design in well-conditioned columns: Q of X and y, and the effects of each term."""

    xy: Array
    effects: tuple[Array, ...]
    basis: Basis


@once_per_design
def standardised(design: Design) -> Standardised:
    """Orthonormalise X, centre and scale y and the effects.

    Raises
    ------
    RankDeficient
        When X has aliased columns.
    ValueError
        When there are no more rows than fixed effects, or X fits y exactly.
    """
    n, p = design.x.shape
    aliased = aliased_columns(design.x)
    if aliased:
        names = ", ".join(design.x_names[j] for j in aliased)
        raise RankDeficient(f"aliased fixed effects: {names}")
    if n <= p:
        raise ValueError(f"{n} rows for {p} fixed effects")
    weights = np.ones(n) if design.weights is None else design.weights
    q, m, log_volume = _orthonormal(design.x, weights)
    constant, y, mean, scale = _standardised(design.x, q, m, design.y, weights)
    scaled = [_standard_effects(term, weights) for term in design.random]
    basis = Basis(m, constant, mean, scale, log_volume, tuple(w for _, w in scaled))
    return Standardised(np.column_stack([q, y]), tuple(z for z, _ in scaled), basis)


@once_per_design
def cross_products(design: Design) -> CrossProducts:
    """Reduce a design, once as long as it is in use: ML and REML have the same cross-products.

    Raises
    ------
    RankDeficient, ValueError
        As :func:`standardised` does.
    """
    return reduced(design, None)


def reduced(design: Design, whitening: Whitening | None) -> CrossProducts:
    """Reduce a design whose rows are multiplied by R^-1/2 first; None where R is the identity."""
    own = standardised(design)
    n, p = design.x.shape
    rest, unexplained, buckets = reduced_blocks(design.random, own.effects, own.xy, whitening)
    y = design.y if design.weights is None else design.y * np.sqrt(design.weights)
    y_size = float(np.abs(y).max()) / own.basis.y_scale
    return CrossProducts(
        n=n,
        p=p,
        sizes=tuple(z.shape[1] for z in own.effects),
        levels=tuple(len(t.levels) for t in design.random),
        rest=rest,
        buckets=buckets,
        basis=own.basis,
        exact=unexplained <= np.sqrt(n) * EXACT * y_size,
        log_weights=0.0 if design.weights is None else float(np.log(design.weights).sum()),
    )


def _constant_column(x: Array) -> int | None:
    for j, column in enumerate(x.T):
        if column[0] != 0.0 and np.all(column == column[0]):
            return j
    return None


def _centring(x: Array, weights: Array) -> tuple[Array, Array]:
    """Return centred columns and T with ``centred = x T``; without a constant column T = I."""
    p = x.shape[1]
    t = np.eye(p)
    constant = _constant_column(x)
    if constant is None:
        return x, t
    means = np.average(x, axis=0, weights=weights)
    means[constant] = 0.0
    t[constant] -= means / x[0, constant]
    return x - means, t


def _orthonormal(x: Array, weights: Array) -> tuple[Array, Array, float]:
    """Q with orthonormal columns, M with ``Q = W^1/2 X M``, and log|M^-1|."""
    centred, t = _centring(x, weights)
    centred = centred * np.sqrt(weights)[:, None]
    sizes = np.linalg.norm(centred, axis=0)
    q, r = np.linalg.qr(centred / sizes)
    m = t @ (np.linalg.inv(r) / sizes[:, None])
    log_volume = float(np.log(np.abs(np.diag(r))).sum() + np.log(sizes).sum())
    return q, m, log_volume


def _standardised(
    x: Array, q: Array, m: Array, y: Array, weights: Array
) -> tuple[Array, Array, float, float]:
    """Centre y when the constant is in the span of X, and scale it to OLS residuals of size one."""
    root = np.sqrt(weights)
    coordinates = q.T @ root
    inside = np.linalg.norm(root - q @ coordinates) <= 1e-8 * np.linalg.norm(root)
    mean = float(np.average(y, weights=weights)) if inside else 0.0
    constant = m @ coordinates if inside else np.zeros(x.shape[1])
    j = _constant_column(x)
    if inside and j is not None:
        constant = np.zeros(x.shape[1])
        constant[j] = 1.0 / x[0, j]
    centred = (y - mean) * root
    scale = float(np.linalg.norm(centred - q @ (q.T @ centred)) / np.sqrt(len(y)))
    if not scale > EXACT * float(np.abs(y * root).max()):
        raise ValueError("the fixed effects fit the outcome exactly: there is nothing to estimate")
    return constant, centred / scale, mean, scale


def _standard_effects(term: RandomDesign, weights: Array) -> tuple[Array, Array]:
    """Centred and scaled effects Z_s = Z T D^-1, and W = D T^-1, so that u_s = W u."""
    centred, t = _centring(term.z, weights)
    centred = centred * np.sqrt(weights)[:, None]
    sizes = np.sqrt((centred**2).mean(axis=0))
    sizes[sizes == 0.0] = 1.0
    return centred / sizes, sizes[:, None] * np.linalg.inv(t)
