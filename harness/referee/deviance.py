"""ML and REML deviance of a linear mixed model with analytic gradient and Hessian.

With H = V / s2 = I + Z P Z', P = Lambda Lambda' and m = n (ML) or n - p (REML),

    d(theta, sigma) = m log(2 pi sigma^2) + log|H| + r'H^-1 r / sigma^2  [+ log|X'H^-1 X|  for
    REML],

the -2 log-likelihood with every constant, so that it compares with lme4 and statsmodels (Bates,
Maechler, Bolker and Walker 2015, equations 34 and 41). With S = Z'H^-1 Z, T = Z'H^-1 X, u = Z'H^-1
r, C = (X'H^-1 X)^-1, P_i the derivative of P and H1_i = T'P_i T,

    d|H|_i   = tr(S P_i)                d|H|_ij   = tr(S P_ij) - tr(S P_j S P_i)
    rss_i    = -u'P_i u                 rss_ij    = -u'P_ij u + 2 (P_i u)'(S - T C T')(P_j u)
    |XHX|_i  = -tr(C H1_i)              |XHX|_ij  = -tr(C H1_j C H1_i) - tr(C T'P_ij T)
                                                    + 2 tr(C T'P_i S P_j T).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.component_blocks import Bucket
from harness.referee.cost import LIMIT, Cost, refuse_beyond
from harness.referee.crossproducts import CrossProducts, cross_products
from harness.referee.least_squares import DIGITS, least_squares
from harness.referee.triangular_factors import semidefinite_cholesky, solve_lower, triangular_root

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Solved:
    """One bucket at a point: S (B, k, k), T (B, k, p), u (B, k)."""

    bucket: Bucket
    s: Array
    t: Array
    u: Array


class NoMaximum(ValueError):
    """The likelihood has no maximum.

    By default because fixed and random effects fit the outcome exactly in fewer dimensions than
    there are rows.
    """

    def __init__(
        self,
        why: str = (
            "fixed and random effects together fit the outcome exactly: the likelihood grows "
            "without bound as the residual variance goes to zero"
        ),
    ) -> None:
        super().__init__(why)


class Likelihood:
    """The deviance of one design under one criterion.

    Parameters
    ----------
    design : Design
    reml : bool
    limit : Cost, optional
        What one evaluation with derivatives may take.

    Raises
    ------
    TooLarge
        Before anything is computed, when it would take more; the text has the estimate.
    ValueError
        When X lacks rank, X fits the outcome exactly, or X and Z together do so in a way that
        leaves the likelihood without a maximum.

    Notes
    -----
    ``theta`` is lme4's: the lower triangles of the relative factors L_t (Psi_t = s2 L_t L_t'),
    column by column, term after term. Signs are free: only L L' matters.
    """

    def __init__(self, design: Design, *, reml: bool, limit: Cost = LIMIT) -> None:
        refuse_beyond(limit, design)
        self.products: CrossProducts = cross_products(design)
        self.reml = reml
        if self.products.exact and self.products.n > self.products.span(reml=reml):
            raise NoMaximum
        self.layout = tuple(
            (t, a, b)
            for t, q in enumerate(self.products.sizes)
            for b in range(q)
            for a in range(b, q)
        )
        """Term, row and column of each element of theta."""

    @property
    def m(self) -> int:
        """Rows less, for REML, fixed effects: the divisor of the profiled sigma^2."""
        return self.products.n - (self.products.p if self.reml else 0)

    def factors(self, theta: Sequence[float] | Array) -> tuple[Array, ...]:
        """Return the lower-triangular L_t of ``theta``."""
        out = tuple(np.zeros((q, q)) for q in self.products.sizes)
        for value, (t, a, b) in zip(theta, self.layout, strict=True):
            out[t][a, b] = value
        return out

    def theta(self, relative: Sequence[Array]) -> Array:
        """Return theta of relative covariance matrices Psi_t / s2, diagonals non-negative."""
        lower = [semidefinite_cholesky(np.asarray(p, dtype=np.float64)) for p in relative]
        return np.array([lower[t][a, b] for t, a, b in self.layout])

    def with_residual(self, elements: Sequence[float] | Array) -> Array:
        """Return theta of the elements of the factors: here there is nothing else in it."""
        return np.asarray(elements, dtype=np.float64)

    def at(self, theta: Sequence[float] | Array) -> Point:
        """Evaluate at ``theta``, sigma still free."""
        return Point(self, np.asarray(theta, dtype=np.float64))


IN_VARIABLES = (
    "_variables",
    "gls_slopes",
    "gradient_parts",
    "hessian_parts",
    "xhx_derivatives",
)
"""What a point keeps that depends on the variables in which it is differentiated."""


class Point:
    """The likelihood at one theta. Quantities are computed when asked for."""

    def __init__(self, likelihood: Likelihood, theta: Array) -> None:
        self.likelihood = likelihood
        self.theta = theta
        products = likelihood.products
        self.lambdas = tuple(
            w @ lower
            for w, lower in zip(products.basis.effects, likelihood.factors(theta), strict=True)
        )
        parts = [products.rest]
        self.logdet_h = 0.0
        self._halves: list[tuple[Bucket, Array, Array]] = []
        for bucket in products.buckets:
            lower: Array = triangular_root(bucket.times(bucket.r, self.lambdas))
            diagonal = np.abs(np.diagonal(lower, axis1=1, axis2=2))
            self.logdet_h += 2.0 * float(np.log(diagonal).sum())
            solved_f = solve_lower(lower, bucket.f)
            parts.append(solved_f.reshape(-1, products.p + 1))
            self._halves.append((bucket, lower, solved_f))
        # [X y]'H^-1 [X y] is the cross-product of these rows.
        found = least_squares(np.concatenate(parts))
        self.xhx, self.root, self.c = found.xhx, found.root, found.c
        self.gamma, self.rss = found.gamma, found.rss
        size = np.abs(products.rest) @ np.append(np.abs(self.gamma), 1.0)
        if not self.rss > DIGITS * float(size @ size):
            raise np.linalg.LinAlgError("rounding leaves no information")

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which of theta are at a bound, where no derivative in them counts: none."""
        return np.zeros(len(self.theta), dtype=bool)

    @property
    def sigma(self) -> float:
        """Profiled residual standard deviation, in internal units."""
        return math.sqrt(self.rss / self.likelihood.m)

    @cached_property
    def solved(self) -> tuple[_Solved, ...]:
        """S, T and u of every bucket."""
        p = self.likelihood.products.p
        out = []
        for bucket, lower, solved_f in self._halves:
            solved_r = solve_lower(lower, bucket.r)
            right = solved_r.swapaxes(1, 2)
            t = right @ solved_f[:, :, :p]
            u = (right @ (solved_f[:, :, p] - solved_f[:, :, :p] @ self.gamma)[:, :, None])[:, :, 0]
            out.append(_Solved(bucket, right @ solved_r, t, u))
        return tuple(out)

    def _constant(self) -> float:
        """Return what maps the internal deviance to the units of the data."""
        basis = self.likelihood.products.basis
        units = 2.0 * self.likelihood.m * math.log(basis.y_scale)
        units -= self.likelihood.products.log_weights
        return units + (2.0 * basis.log_volume if self.likelihood.reml else 0.0)

    def deviance(self, sigma: float | None = None) -> float:
        """-2 log-likelihood at ``sigma`` (units of the data); profiled over sigma without it."""
        m = self.likelihood.m
        s = self.sigma if sigma is None else sigma / self.likelihood.products.basis.y_scale
        value = m * math.log(2.0 * math.pi * s * s) + self.logdet_h + self.rss / (s * s)
        if self.likelihood.reml:
            value += 2.0 * float(np.log(np.diag(self.root)).sum())
        return value + self._constant()

    @property
    def beta(self) -> Array:
        """GLS estimates, in the units of the data."""
        basis = self.likelihood.products.basis
        return np.asarray(basis.y_scale * (basis.m @ self.gamma) + basis.y_mean * basis.constant)

    def to_data(self, covariance: Array) -> Array:
        """Map a covariance of gamma, or a derivative of one, to beta."""
        basis = self.likelihood.products.basis
        return np.asarray(basis.y_scale**2 * (basis.m @ covariance @ basis.m.T))

    @cached_property
    def _tangents(self) -> tuple[Array, ...]:
        """Change of its column of Lambda with each variable; for elements of theta, of W."""
        effects = self.likelihood.products.basis.effects
        return tuple(effects[t][:, a] for t, a, _ in self.likelihood.layout)

    def conditioned(self) -> tuple[Point, Array]:
        """Return this point in well-conditioned variables, and the matrix from them to theta.

        Theta multiplies the effects as they are in the data: with a predictor far from zero, or
        with variances far from s2, its derivatives differ by many orders of magnitude and cancel.
        Here the variables of a column of Lambda are orthonormal combinations of its elements in the
        centred and scaled effects, relative to the effects' standard deviations. Derivatives of the
        point returned are in these variables, which are a linear map of theta.
        """
        return self._conditioned

    @cached_property
    def _conditioned(self) -> tuple[Point, Array]:
        likelihood = self.likelihood
        tangents = list(self._tangents)
        to_theta = np.eye(len(self.theta))
        for i, (t, a, b) in enumerate(likelihood.layout):
            if a > b:
                continue  # done with the diagonal, which is the first of its column
            w = likelihood.products.basis.effects[t][:, b:]
            size = 1.0 + np.linalg.norm(self.lambdas[t], axis=1)
            column = slice(i, i + w.shape[1])
            basis, to_theta[column, column] = orthonormal(w / size[:, None])
            tangents[column] = list((size[:, None] * basis).T)
        twin = copy.copy(self)
        for cached in (*IN_VARIABLES, "_conditioned"):
            twin.__dict__.pop(cached, None)
        # These do not depend on the variables.
        twin.__dict__.update(solved=self.solved, summed=self.summed)
        twin.__dict__["_tangents"] = tuple(tangents)
        return twin, to_theta

    @cached_property
    def _variables(self) -> tuple[tuple[slice, Array, NDArray[np.intp]], ...]:
        """Per term: its slice of the variables, tangents v_i (q, k), and columns b_i of Lambda.

        P_i = v_i lambda_b' + lambda_b v_i' for variable i in column b.
        """
        out, start = [], 0
        for t in range(len(self.lambdas)):
            columns = np.array([b for term, _, b in self.likelihood.layout if term == t])
            mine = slice(start, start + len(columns))
            out.append((mine, np.array(self._tangents[mine]).T, columns))
            start = mine.stop
        return tuple(out)

    @cached_property
    def summed(self) -> tuple[tuple[Array, Array, Array], ...]:
        """Per term, sums over its levels of S, T C T' and u u' (q x q each)."""
        out = []
        for t, q in enumerate(self.likelihood.products.sizes):
            s, tct, uu = np.zeros((q, q)), np.zeros((q, q)), np.zeros((q, q))
            for part in self.solved:
                at = part.bucket.slots[t]
                s += part.bucket.gather(t, part.s)
                rows = part.t[at.block[:, None], at.columns]
                tct += np.einsum("laj,jk,lbk->ab", rows, self.c, rows)
                u = part.u[at.block[:, None], at.columns]
                uu += u.T @ u
            out.append((s, tct, uu))
        return tuple(out)

    @cached_property
    def gradient_parts(self) -> tuple[Array, Array]:
        """Derivatives of the log-determinants and of rss; sum(M * P_i) is 2 v_i'M lambda_b."""
        logdet, rss = np.zeros(len(self.theta)), np.zeros(len(self.theta))
        for t, (mine, v, columns) in enumerate(self._variables):
            s, tct, uu = self.summed[t]
            m = s - tct if self.likelihood.reml else s
            beside = self.lambdas[t][:, columns]
            logdet[mine] = 2.0 * (v * (m @ beside)).sum(axis=0)
            rss[mine] = -2.0 * (v * (uu @ beside)).sum(axis=0)
        return logdet, rss

    def _rows(self, t: int) -> tuple[Array, Array]:
        """T and u at the levels of a term, all buckets: (levels, q, p) and (levels, q)."""
        slots = [(part, part.bucket.slots[t]) for part in self.solved]
        rows = [part.t[at.block[:, None], at.columns] for part, at in slots]
        u = [part.u[at.block[:, None], at.columns] for part, at in slots]
        return np.concatenate(rows), np.concatenate(u)

    @cached_property
    def xhx_derivatives(self) -> Array:
        """H1_i = T'P_i T for each variable: (k, p, p); d(X'H^-1 X) is minus this."""
        p = self.likelihood.products.p
        out = np.zeros((len(self.theta), p, p))
        for t, (mine, v, columns) in enumerate(self._variables):
            rows, _ = self._rows(t)
            beside = self.lambdas[t][:, columns]
            left, right = (np.moveaxis(m.T @ rows, 0, 1) for m in (v, beside))
            half = left.swapaxes(1, 2) @ right
            out[mine] = half + half.swapaxes(1, 2)
        return out

    @cached_property
    def hessian_parts(self) -> tuple[Array, Array]:
        """Second derivatives in theta of the log-determinants and of rss."""
        k, p, reml = len(self.theta), self.likelihood.products.p, self.likelihood.reml
        logdet, rss = np.zeros((k, k)), np.zeros((k, k))
        for part in self.solved:
            at = np.cumsum([0, part.s.shape[1], 1, p])
            stacked = np.concatenate([part.s, part.u[:, None, :], part.t.swapaxes(1, 2)], axis=1)
            # P_i is symmetric, so that products from the right serve u and T as well.
            products = self._times_each(part.bucket, stacked)
            s_p, u_d, t_d = (products[:, :, i:j] for i, j in pairwise(at))
            logdet -= _flat(s_p) @ _flat(s_p.swapaxes(2, 3)).T
            rss += 2.0 * _flat(u_d) @ _flat(u_d @ part.s).T
            if reml:
                logdet += 2.0 * _flat(self.c @ t_d) @ _flat(t_d @ part.s).T
        t_du = self.gls_slopes
        rss -= 2.0 * t_du @ self.c @ t_du.T
        if reml:
            c_h1 = self.c @ self.xhx_derivatives.reshape(-1, p, p)
            logdet -= _flat(c_h1) @ _flat(c_h1.swapaxes(1, 2)).T
        second_logdet, second_rss = self._second_order()
        return logdet + second_logdet, rss + second_rss

    def _times_each(self, bucket: Bucket, blocks: Array) -> Array:
        """Products of blocks (B, rows, k) with P_i at every level, for each variable."""
        out = np.empty((len(self.theta), *blocks.shape))
        i = 0
        for t, (_, v, columns) in enumerate(self._variables):
            for tangent, b in zip(v.T, columns, strict=True):
                half = np.outer(tangent, self.lambdas[t][:, b])
                matrices: list[Array | None] = [None] * len(bucket.slots)
                matrices[t] = half + half.T
                out[i] = bucket.times(blocks, tuple(matrices))
                i += 1
        return out

    def _second_order(self) -> tuple[Array, Array]:
        """Terms in P_ij = v_i v_j' + v_j v_i', which is zero unless term and column are equal."""
        k = len(self.theta)
        logdet, rss = np.zeros((k, k)), np.zeros((k, k))
        for t, (mine, v, columns) in enumerate(self._variables):
            s, tct, uu = self.summed[t]
            same = columns[:, None] == columns
            m = s - tct if self.likelihood.reml else s
            logdet[mine, mine] = np.where(same, 2.0 * v.T @ m @ v, 0.0)
            rss[mine, mine] = np.where(same, -2.0 * v.T @ uu @ v, 0.0)
        return logdet, rss

    @cached_property
    def gls_slopes(self) -> Array:
        """T'P_i u for each variable, (k, p): the derivative of gamma is minus C times this."""
        out = np.zeros((len(self.theta), self.likelihood.products.p))
        for t, (mine, v, columns) in enumerate(self._variables):
            rows, u = self._rows(t)
            beside = self.lambdas[t][:, columns]
            out[mine] = np.einsum("lij,li->ij", v.T @ rows, u @ beside)
            out[mine] += np.einsum("lij,li->ij", beside.T @ rows, u @ v)
        return out

    def residual_slope(self) -> tuple[float, bool]:
        """Return the derivative in the residual covariance, and whether that is at its bound.

        Here residuals are independent, with one variance: there is nothing to differentiate in.
        """
        return 0.0, False

    def profiled_gradient(self) -> Array:
        """Gradient in theta of the deviance profiled over sigma."""
        logdet, rss = self.gradient_parts
        return np.asarray(logdet + self.likelihood.m * rss / self.rss)

    def profiled_hessian(self) -> Array:
        """Hessian in theta of the deviance profiled over sigma."""
        logdet, rss = self.hessian_parts
        first = self.gradient_parts[1]
        m = self.likelihood.m
        return np.asarray(logdet + m * (rss / self.rss - np.outer(first, first) / self.rss**2))

    def gradient(self, sigma: float) -> Array:
        """Gradient in (theta, sigma) of the deviance at ``sigma`` (units of the data)."""
        scale = self.likelihood.products.basis.y_scale
        s = sigma / scale
        logdet, rss = self.gradient_parts
        last = (2.0 * self.likelihood.m / s - 2.0 * self.rss / s**3) / scale
        return np.append(logdet + rss / s**2, last)

    def hessian(self, sigma: float) -> Array:
        """Hessian in (theta, sigma) of the deviance at ``sigma`` (units of the data)."""
        scale = self.likelihood.products.basis.y_scale
        s = sigma / scale
        logdet, rss = self.hessian_parts
        k = len(self.theta)
        out = np.empty((k + 1, k + 1))
        out[:k, :k] = logdet + rss / s**2
        out[:k, k] = out[k, :k] = -2.0 * self.gradient_parts[1] / s**3 / scale
        out[k, k] = (-2.0 * self.likelihood.m / s**2 + 6.0 * self.rss / s**4) / scale**2
        return out


def orthonormal(columns: Array) -> tuple[Array, Array]:
    """Q with orthonormal columns and R^-1, Q = A R^-1."""
    if columns.shape[1] == 1:
        length = float(np.linalg.norm(columns))
        return columns / length, np.full((1, 1), 1.0 / length)
    q, r = np.linalg.qr(columns)
    return q, np.linalg.inv(r)


def _flat(stack: Array) -> Array:
    """One row per element of theta."""
    return stack.reshape(len(stack), math.prod(stack.shape[1:]))  # also without variables
