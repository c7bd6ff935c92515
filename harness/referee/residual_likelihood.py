"""The likelihood of a model whose residuals are correlated, or have variances by strata.

``theta`` has the elements of the factors of the random effects, as ever, and after them phi, the
parameters of R (:mod:`harness.referee.residual_matrix`). At a phi the rows are multiplied by R^-1/2
and everything follows from cross-products, as with independent residuals; log|R| is added.
Derivatives in phi need the rows themselves (:mod:`harness.referee.row_derivatives`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from harness.model.design import Design
from harness.model.residual_design import ResidualDesign
from harness.referee.component_blocks import Whitening
from harness.referee.cost import LIMIT, SPEED, Cost, TooLarge
from harness.referee.crossproducts import reduced, standardised
from harness.referee.deviance import Likelihood, Point
from harness.referee.residual_matrix import ResidualMatrix, inside, neutral, stated
from harness.referee.row_blocks import Stack, row_stacks
from harness.referee.row_derivatives import (
    Block,
    FactorVariables,
    RowDerivatives,
    StructureVariables,
    Variables,
    row_derivatives,
)
from harness.referee.structured_likelihood import StructuredLikelihood, StructuredPoint

Array = NDArray[np.float64]

AT_BOUND = 1e-6
"""Pivots of a residual correlation matrix below this: the residuals of a group are as good as
determined by each other."""


def likelihood_of(design: Design, *, reml: bool, limit: Cost = LIMIT) -> Likelihood:
    """Return the likelihood of a design: with a residual covariance, with structures, or plain."""
    structured = any(term.structure for term in design.random)
    if design.residual is None:
        kind = StructuredLikelihood if structured else Likelihood
        return kind(design, reml=reml, limit=limit)
    if structured:
        return StructuredResidualLikelihood(design, reml=reml, limit=limit)
    return ResidualLikelihood(design, reml=reml, limit=limit)


def residual_parameters(point: Point) -> tuple[tuple[str, float], ...]:
    """Return names and values of the parameters of the residual covariance; none without one."""
    if not isinstance(point, ResidualPoint):
        return ()
    residual = point.likelihood.residual
    return tuple(zip(residual.names, stated(residual, point.phi).tolist(), strict=True))


class ResidualLikelihood(Likelihood):
    """The deviance of a design with a residual covariance, under one criterion.

    Raises
    ------
    TooLarge, ValueError
        As :class:`Likelihood` does.
    """

    def __init__(self, design: Design, *, reml: bool, limit: Cost = LIMIT) -> None:
        assert design.residual is not None
        self.design = design
        self.residual: ResidualDesign = design.residual
        self.stacks: tuple[Stack, ...] = row_stacks(design)
        _refuse_beyond(limit, design, self.stacks)
        super().__init__(design, reml=reml, limit=limit)
        self.phi = neutral(self.residual)
        self.logdet_r = 0.0
        self.held: int | None = None
        self.matrices: tuple[ResidualMatrix, ...] = ()

    def factors(self, theta: Sequence[float] | Array) -> tuple[Array, ...]:
        """Return the lower-triangular L_t of ``theta``."""
        return super().factors(theta[: len(self.layout)])

    def theta(self, relative: Sequence[Array]) -> Array:
        """Return theta of relative covariance matrices, and of the phi of this likelihood."""
        return self.with_residual(super().theta(relative))

    def with_residual(self, elements: Sequence[float] | Array) -> Array:
        """Return theta of the elements of the factors and of the phi of this likelihood."""
        return np.concatenate([np.asarray(elements, dtype=np.float64), self.phi])

    def holding(self, held: int | None) -> ResidualLikelihood:
        """Return this likelihood with one of phi held where it is; None lets it go again."""
        twin = copy.copy(self)
        twin.held = held
        return twin

    def given(self, phi: Sequence[float] | Array) -> ResidualLikelihood:
        """Return this likelihood with its cross-products at ``phi``.

        Raises
        ------
        LinAlgError
            When R is not positive definite there.
        """
        phi = np.asarray(phi, dtype=np.float64)
        if self.matrices and np.array_equal(phi, self.phi):
            return self
        if not np.isfinite(phi).all() or not inside(self.residual, phi):
            raise np.linalg.LinAlgError("outside the parameter space")
        twin = copy.copy(self)
        twin.phi = phi
        twin.matrices = tuple(ResidualMatrix(self.residual, stack, phi) for stack in self.stacks)
        with np.errstate(over="ignore", invalid="ignore"):
            roots = [matrix.root for matrix in twin.matrices]
        diagonals = [np.diagonal(root, axis1=1, axis2=2) for root in roots]
        twin.logdet_r = 2.0 * sum(float(np.log(d).sum()) for d in diagonals)
        twin.products = reduced(self.design, self._whitening(roots))
        return twin

    def _whitening(self, roots: Sequence[Array]) -> Whitening:
        """R^-1/2 as a sparse matrix: only rows of one group mix."""
        rows, columns, values = [], [], []
        for stack, root in zip(self.stacks, roots, strict=True):
            inverse = np.linalg.inv(root)
            own = stack.own & np.tri(root.shape[1], dtype=bool)
            shape = own.shape
            rows.append(np.broadcast_to(stack.rows[:, :, None], shape)[own])
            columns.append(np.broadcast_to(stack.rows[:, None, :], shape)[own])
            values.append(inverse[own])
        n = len(self.design.y)
        matrix = sparse.csr_array(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n)
        )
        return Whitening(matrix, self.residual.group)

    def correlated(self, independent: Array) -> Array:
        """Return independent residuals of one variance as those of this R: (n,)."""
        out = np.empty_like(independent)
        for stack, matrix in zip(self.stacks, self.matrices, strict=True):
            out[stack.rows] = np.einsum("bij,bj->bi", matrix.root, independent[stack.rows])
        return out

    @property
    def plain(self) -> Likelihood:
        """The likelihood in the random effects alone, phi as it is; without log|R|."""
        out = Likelihood.__new__(Likelihood)
        out.products, out.reml, out.layout = self.products, self.reml, self.layout
        return out

    def at(self, theta: Sequence[float] | Array) -> ResidualPoint:
        """Evaluate at ``theta``, sigma still free.

        Raises
        ------
        LinAlgError
            When R is not positive definite there.
        """
        theta = np.asarray(theta, dtype=np.float64)
        return ResidualPoint(self.given(theta[len(self.layout) :]), theta)


class ResidualPoint(Point):
    """The likelihood at one theta and phi."""

    likelihood: ResidualLikelihood

    def _constant(self) -> float:
        return super()._constant() + self.likelihood.logdet_r

    @property
    def phi(self) -> Array:
        """Parameters of R."""
        return self.likelihood.phi

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every stack of rows, its H inverted."""
        likelihood = self.likelihood
        own = standardised(likelihood.design)
        p = likelihood.products.p
        x, y = own.xy[:, :p], own.xy[:, p]
        left = y - x @ self.gamma
        return tuple(
            Block.at(
                matrix,
                tuple(z[matrix.stack.rows] for z in own.effects),
                self.lambdas,
                x[matrix.stack.rows],
                left[matrix.stack.rows],
            )
            for matrix in likelihood.matrices
        )

    @cached_property
    def _derivatives(self) -> RowDerivatives:
        return row_derivatives(
            self.blocks, self._row_variables(), np.asarray(self.c), reml=self.likelihood.reml
        )

    def _row_variables(self) -> Variables:
        terms = [t for t, _, _ in self.likelihood.layout]
        columns = [b for _, _, b in self.likelihood.layout]
        return FactorVariables(terms, columns, self._tangents, self.lambdas)

    @cached_property
    def gradient_parts(self) -> tuple[Array, Array]:
        """Derivatives of the log-determinants and of rss."""
        return self._derivatives.logdet, self._derivatives.rss

    @cached_property
    def xhx_derivatives(self) -> Array:
        """K_i for each variable: (k, p, p); d(X'H^-1 X) is minus this."""
        return self._derivatives.xhx

    @cached_property
    def gls_slopes(self) -> Array:
        """Y'H_i e for each variable, (k, p): the derivative of gamma is minus C times this."""
        return self._derivatives.gls

    @cached_property
    def hessian_parts(self) -> tuple[Array, Array]:
        """Second derivatives of the log-determinants and of rss."""
        return self._derivatives.second_logdet, self._derivatives.second_rss

    def profiled_gradient(self) -> Array:
        """Gradient in theta and phi of the deviance profiled over sigma."""
        gradient = super().profiled_gradient()
        if self.likelihood.held is not None:
            gradient[len(self.likelihood.layout) + self.likelihood.held] = 0.0
        return gradient

    def profiled_hessian(self) -> Array:
        """Hessian in theta and phi of the deviance profiled over sigma."""
        hessian = super().profiled_hessian()
        if self.likelihood.held is not None:
            at = len(self.likelihood.layout) + self.likelihood.held
            hessian[at], hessian[:, at] = 0.0, 0.0
            hessian[at, at] = 1.0
        return hessian

    @property
    def margin(self) -> float:
        """Smallest pivot of the residual correlation matrices: zero where they are singular."""
        return min(
            float(
                (
                    np.diagonal(m.root, axis1=1, axis2=2) ** 2
                    / np.diagonal(m.value, axis1=1, axis2=2)
                ).min()
            )
            for m in self.likelihood.matrices
        )

    def residual_slope(self) -> tuple[float, bool]:
        """Largest derivative in phi, and whether R is at the edge of the positive definite ones.

        The derivative in a correlation is relative to what is left of it to its bound of one, that
        in a log ratio is in a relative change.
        """
        residual, margin = self.likelihood.residual, self.margin
        logdet, rss = self.gradient_parts
        slope = (logdet + self.likelihood.m * rss / self.rss)[len(self.likelihood.layout) :]
        k = residual.correlations
        rho = stated(residual, self.phi)[:k]
        left = np.abs(self.phi[:k]) if residual.structure == "car1" else 1.0 - rho**2
        scaled = slope * np.concatenate([np.minimum(left, margin**0.5), np.ones(len(slope) - k)])
        return float(np.abs(scaled).max(initial=0.0)), margin < AT_BOUND

    @cached_property
    def _conditioned(self) -> tuple[Point, Array]:
        blocks = self.blocks
        twin, to_theta = super()._conditioned
        twin.__dict__.pop("_derivatives", None)
        twin.__dict__["blocks"] = blocks
        return twin, to_theta


class StructuredResidualLikelihood(ResidualLikelihood, StructuredLikelihood):
    """The deviance of a design with both: structured random terms and a residual covariance.

    ``theta`` has the parameters of the structures, and after them phi.
    """

    def __init__(self, design: Design, *, reml: bool, limit: Cost = LIMIT) -> None:
        super().__init__(design, reml=reml, limit=limit)
        endless = np.full(len(self.phi), np.inf)
        self.lower = np.concatenate([self.lower, -endless])
        self.upper = np.concatenate([self.upper, endless])

    @property
    def plain(self) -> StructuredLikelihood:
        """The likelihood in the random effects alone, phi as it is; without log|R|."""
        out = _Whitened.__new__(_Whitened)
        k = len(self.layout)
        out.products, out.reml, out.layout = self.products, self.reml, self.layout
        out.design, out.terms, out.slices = self.design, self.terms, self.slices
        out.lower, out.upper = self.lower[:k], self.upper[:k]
        out.phi = self.phi if self.matrices else None
        return out

    def at(self, theta: Sequence[float] | Array) -> StructuredResidualPoint:
        """Evaluate at ``theta``, sigma still free.

        Raises
        ------
        LinAlgError
            Outside the bounds, and when R is not positive definite there.
        """
        theta = np.asarray(theta, dtype=np.float64)
        self.require_within(theta)
        return StructuredResidualPoint(self.given(theta[len(self.layout) :]), theta)

    def given(self, phi: Sequence[float] | Array) -> StructuredResidualLikelihood:
        """Return this likelihood with its cross-products at ``phi``; see the residual's own."""
        return cast(StructuredResidualLikelihood, super().given(phi))


class _Whitened(StructuredLikelihood):
    """Structured terms at a phi that stays; None where the rows are as in the data."""

    phi: Array | None

    def unstructured(self, design: Design) -> Likelihood:
        """Return the likelihood of other terms, without structures, at the same phi."""
        if self.phi is None:
            return super().unstructured(design)
        return ResidualLikelihood(design, reml=self.reml).given(self.phi).plain


class StructuredResidualPoint(ResidualPoint, StructuredPoint):
    """The likelihood with both at one theta and phi."""

    likelihood: StructuredResidualLikelihood

    def _row_variables(self) -> Variables:
        return StructureVariables(self.changes)


def _refuse_beyond(limit: Cost, design: Design, stacks: Sequence[Stack]) -> None:
    """Raise TooLarge where the blocks of rows are too large: each is dense."""
    assert design.residual is not None
    widths = [term.z.shape[1] for term in design.random]
    k = len(design.residual.names) + sum(q * (q + 1) // 2 for q in widths)
    squares = float(sum(stack.own.size for stack in stacks))
    cubes = float(sum(stack.own.size * stack.own.shape[1] for stack in stacks))
    seconds = ((2.0 * k + 6.0) * cubes + 3.0 * k * k * squares) / SPEED
    estimate = Cost(seconds, 8.0 * squares * (3.0 * k + 8.0))
    if estimate.seconds <= limit.seconds and estimate.bytes <= limit.bytes:
        return
    largest = max(stack.own.shape[1] for stack in stacks)
    raise TooLarge(
        f"with a residual covariance one evaluation would take about {estimate} (limit {limit}): "
        f"{largest:,} rows hang together by residual groups and random effects, and such a block "
        f"is dense"
    )
