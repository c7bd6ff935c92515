"""Kenward and Roger's adjusted covariance and degrees of freedom, from cross-products.

V = sum_r phi_r G_r is linear in the variance parameters (entries of every Psi_t, and sigma^2). With
Phi = (X'V^-1 X)^-1, P_r = -X'V^-1 G_r V^-1 X, Q_rs = X'V^-1 G_r V^-1 G_s V^-1 X and the expected
REML information I / 2,

    I_rs  = tr(V^-1 G_r V^-1 G_s) - 2 tr(Phi Q_rs) + tr(Phi P_r Phi P_s),    W = 2 I^-1,
    Phi_A = Phi + 2 Phi { sum_rs W_rs (Q_rs - P_r Phi P_s) } Phi

(Kenward and Roger 1997, Biometrics 53, 983-997; Halekoh and Hojsgaard 2014, J. Stat. Softw. 59(9),
whose ``pbkrtest`` forms the n x n matrices). Everything is invariant under a linear change of the
parameters, and two changes make it cheap and stable:

- The last direction is not G = I but G = V itself (sigma^2 > 0, so both span the same space). Then
  V^-1 G = I, and its entries need no matrix: P_V = -Phi^-1, I_VV = n - p, I_Vs = tr(V^-1 G_s) +
  tr(Phi P_s), and Q_Vs - P_V Phi P_s = 0, so that it drops out of Phi_A.
- The directions of Psi_t are e_a e_b' + e_b e_a' in a basis in which the sum over levels of Z'V^-1
  Z is the identity, so that the information is well conditioned whatever the units of y and x.

With S = Z'H^-1 Z and T = Z'H^-1 X per block and E_r the direction placed at its levels,

    P_r = -T'E_r T,    Q_rs = T'E_r S E_s T,    tr(V^-1 G_r V^-1 G_s) = tr(S E_r S E_s).

P, Q and Phi are those of H = V / sigma^2; the scale is put back at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.f_tests import FTest, contrast_rows, f_p, whitened_contrasts
from harness.referee.optimality import optimality
from harness.referee.residual_adjustment import residual_pieces
from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.satterthwaite import ContrastTest, two_sided_p
from harness.referee.structured_adjustment import natural_directions
from harness.referee.structured_likelihood import StructuredPoint

Array = NDArray[np.float64]

SINGULAR_INFORMATION = 1e-10
"""Eigenvalues of the information, scaled to a unit diagonal, below this share of the largest mean
that some variance parameters cannot be told apart from the data."""

_ZERO = 1e-10
"""Coefficients of the F approximation below this are zero (Halekoh and Hojsgaard, section 3.3)."""


class KenwardRogerUndefined(ValueError):
    """The approximation does not exist here; the text says why."""


@dataclass(frozen=True)
class KenwardRoger:
    """The adjustment at one point.

    Attributes
    ----------
    covariance : (p, p) array
        Phi_A, the adjusted covariance of the estimates, in the units of the data.
    unadjusted : (p, p) array
        Phi = sigma^2 (X'H^-1 X)^-1.
    beta : (p,) array
        GLS estimates.
    singular : bool
        Whether some Psi_t lacks rank; the expansion behind the method assumes an interior point.
    """

    covariance: Array
    unadjusted: Array
    beta: Array
    singular: bool
    _changes: Array
    """Phi P_r Phi for each direction in units of the data, (k + 1, p, p)."""
    _w: Array

    def contrast_tests(
        self, contrasts: Array, *, beta: Array | None = None
    ) -> tuple[ContrastTest, ...]:
        """Test contrasts of the fixed effects, adjusted SE and df.

        For one row A1 = A2 = A, the scale of F is exactly 1 and the denominator df are 2 / A, which
        here is computed as such: the general formula cancels for large df.

        Parameters
        ----------
        contrasts : (r, p) or (p,) array
        beta : (p,) array, optional
            Fixed effects; the GLS estimates without it.

        Raises
        ------
        KenwardRogerUndefined
            Where an adjusted variance is negative, as of a point far from the optimum.
        """
        beta = self.beta if beta is None else beta
        out = []
        for row in contrast_rows(contrasts, len(beta)):
            u = np.einsum("i,rij,j->r", row, self._changes, row) / float(
                row @ self.unadjusted @ row
            )
            a = float(u @ self._w @ u)
            df = 2.0 / a if a > 0.0 else math.inf
            variance = float(row @ self.covariance @ row)
            if variance < 0.0:
                raise KenwardRogerUndefined(
                    f"the adjusted variance of a contrast comes out negative, {variance:.3g}"
                )
            estimate, se = float(row @ beta), math.sqrt(variance)
            statistic = estimate / se
            out.append(ContrastTest(estimate, se, df, statistic, two_sided_p(statistic, df)))
        return tuple(out)

    def f_test(self, contrasts: Array, *, beta: Array | None = None) -> FTest:
        """Scaled F test of ``L beta = 0``; rows of L that depend on others do not count.

        Parameters
        ----------
        contrasts : (r, p) or (p,) array
        beta : (p,) array, optional
            Fixed effects; the GLS estimates without it.
        """
        beta = self.beta if beta is None else beta
        rows = contrast_rows(contrasts, len(beta))
        rows, _ = whitened_contrasts(rows, self.unadjusted)
        q = len(rows)
        if q == 1:
            test = self.contrast_tests(rows, beta=beta)[0]
            return FTest(test.statistic**2, 1, test.df, test.p)
        effect = rows @ beta
        wald = float(effect @ np.linalg.solve(rows @ self.covariance @ rows.T, effect)) / q
        # Rows are whitened, so Theta of the paper is the identity in them.
        u = rows @ self._changes @ rows.T
        traces = np.trace(u, axis1=1, axis2=2)
        a1 = float(traces @ self._w @ traces)
        a2 = float((self._w * np.einsum("rij,sji->rs", u, u)).sum())
        df, scale = _denominator(a1, a2, q)
        statistic = scale * wald
        p = f_p(statistic, q, df) if df > 0.0 else math.nan
        return FTest(statistic, q, df, p, scale)


def kenward_roger(
    point: Point, *, sigma: float | None = None, linear: bool = False
) -> KenwardRoger:
    """Adjust the covariance of the fixed effects at a point.

    Parameters
    ----------
    point : Point
        Of a REML likelihood with random terms.
    sigma : float, optional
        Residual standard deviation, in the units of the data; profiled without it.
    linear : bool
        Leave the second derivatives of V out, as DDFM=KR(LINEAR) of PROC MIXED does. There are
        none where V is linear in its parameters, as with ``cs`` and ``us`` of the residuals, and
        without any structure.

    Raises
    ------
    KenwardRogerUndefined
        Under ML, without random terms, or when the variance parameters are not identified; where
        the result depends on how the residual covariance is parametrised.
    """
    likelihood = point.likelihood
    if not likelihood.reml:
        raise KenwardRogerUndefined(
            "the Kenward-Roger adjustment is defined for REML estimates; this model was fitted "
            "by ML"
        )
    scale = likelihood.products.basis.y_scale
    internal = (point.sigma if sigma is None else sigma / scale) ** 2
    natural = natural_directions(point) if isinstance(point, StructuredPoint) else None
    terms: Sequence[int]
    matrices: Sequence[Array]
    terms, matrices = directions(point) if natural is None else (natural.terms, natural.matrices)
    bends = {} if natural is None else natural.bends
    if isinstance(point, ResidualPoint):
        found = residual_pieces(point, terms, matrices, bends, linear=linear)
        if found is None:
            raise KenwardRogerUndefined(
                "the adjustment depends on how correlations and variances of the residuals are "
                "parametrised together; there is no one definition"
            )
        information, p, inner = found
        w = inverse_information(information)
        inner = np.einsum("rs,rsij->ij", w, inner)
        return _adjusted(point, internal, inner, point.c @ p @ point.c, w)
    if not likelihood.layout:
        raise KenwardRogerUndefined(
            "there are no random effects: the t and F tests of the linear model are exact"
        )
    pieces = Pieces.at(point, (terms, matrices))
    w = inverse_information(pieces.information)
    k = len(pieces.p)
    inner = np.einsum("rs,rsij->ij", w[:k, :k], pieces.q_less)
    if natural is not None and not linear:
        assert isinstance(point, StructuredPoint)
        inner = inner - natural.bent(point, pieces.p, w)
    c = point.c
    return _adjusted(point, internal, inner, np.concatenate([c @ pieces.p @ c, -c[None]]), w)


def _adjusted(
    point: Point, internal: float, inner: Array, changes: Array, w: Array
) -> KenwardRoger:
    """Phi_A of half its inner sum, Phi P_r Phi of every direction and W, in units of the data."""
    likelihood, c = point.likelihood, point.c
    scale = likelihood.products.basis.y_scale
    adjusted = c + c @ (inner + inner.T) @ c
    m = math.sqrt(internal) * scale * likelihood.products.basis.m
    return KenwardRoger(
        covariance=m @ adjusted @ m.T,
        unadjusted=m @ c @ m.T,
        beta=point.beta,
        singular=optimality(point).singular,
        _changes=m @ changes @ m.T,
        _w=w,
    )


@dataclass(frozen=True)
class Pieces:
    """P_r (k, p, p), Q_rs - P_r Phi P_s (k, k, p, p) and the information (k + 1, k + 1).

    The information is twice the expected one on the directions of each Psi_t / s2 at fixed s2, and
    on s2 at fixed Psi_t / s2, both times s2: tr(P G_r P G_s) for H in place of V, and by ML
    tr(H^-1 G_r H^-1 G_s).
    """

    p: Array
    q_less: Array
    information: Array

    @classmethod
    def at(cls, point: Point, along: tuple[Sequence[int], Sequence[Array]] | None = None) -> Pieces:
        """Return them at a point, for its :func:`directions` or others."""
        terms, matrices = directions(point) if along is None else along
        k, p, c = len(terms), len(point.c), point.c
        first = np.zeros((k, p, p))
        second = np.zeros((k, k, p, p))
        traces = np.zeros((k, k))
        for part in point.solved:
            placed = part.bucket.scatter_each(terms, matrices).reshape(k, *part.s.shape)
            s_e = part.s @ placed
            traces += _rows(s_e) @ _rows(s_e.swapaxes(2, 3)).T
            e_t = placed @ part.t
            first -= np.einsum("bki,rbkj->rij", part.t, e_t, optimize=True)
            second += np.einsum("rbki,sbkj->rsij", e_t, part.s @ e_t, optimize=True)
        c_p = c @ first
        products = np.einsum("rij,sji->rs", c_p, c_p)
        information = np.empty((k + 1, k + 1))
        reml = point.likelihood.reml
        information[:k, :k] = traces
        if reml:
            information[:k, :k] += products - 2.0 * np.einsum("ij,rsji->rs", c, second)
        mixed = [
            float((e * (point.summed[t][0] - reml * point.summed[t][1])).sum())
            for t, e in zip(terms, matrices, strict=True)
        ]
        information[k, :k] = information[:k, k] = mixed
        information[k, k] = point.likelihood.m
        second -= np.einsum("rij,sjk->rsik", first, c_p, optimize=True)
        return cls(first, second, information)


def _rows(stack: Array) -> Array:
    """One row for each direction, of which there may be none."""
    return stack.reshape(len(stack), math.prod(stack.shape[1:]))


def directions(point: Point) -> tuple[list[int], list[Array]]:
    """Term and symmetric q x q matrix of each direction, whitened by the sum of Z'H^-1 Z."""
    terms, matrices = [], []
    for t, q in enumerate(point.likelihood.products.sizes):
        values, vectors = np.linalg.eigh(point.summed[t][0])
        # A direction that the data do not know is left to the check of the information.
        floor = max(1e-14 * float(values[-1]), np.finfo(float).tiny)
        white = vectors / np.sqrt(np.maximum(values, floor))
        for b in range(q):
            for a in range(b, q):
                half = np.outer(white[:, a], white[:, b])
                terms.append(t)
                matrices.append(half if a == b else half + half.T)
    return terms, matrices


def inverse_information(information: Array) -> Array:
    """W = 2 I^-1, or a refusal."""
    diagonal = np.diag(information)
    if diagonal.min() > 0.0:
        widths = np.sqrt(diagonal)
        values, vectors = np.linalg.eigh(information / np.outer(widths, widths))
        if values[0] > SINGULAR_INFORMATION * values[-1]:
            inverse = (vectors / values) @ vectors.T
            return np.asarray(2.0 * inverse / np.outer(widths, widths))
    raise KenwardRogerUndefined(
        "the variance parameters cannot be told apart from these data (their information matrix "
        "is singular); leave out a random effect"
    )


def _denominator(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Denominator df and scale of F from A1 and A2 (Kenward and Roger 1997, section 3.2).

    They match the first two moments of F, after a change that makes them exact in balanced one-way
    tests and for Hotelling's T^2. Where a ratio is 0 / 0, and where the df come within 0.01 of 2 so
    that the scale has a pole, pbkrtest takes 1, and so does this.
    """
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    divisor = 3.0 * q + 2.0 * (1.0 - g)
    v0 = 1.0 + g / divisor * b
    v1 = 1.0 - (q - g) / divisor * b
    v2 = 1.0 - (q + 2.0 - g) / divisor * b
    mean = 1.0 - a2 / q
    v0 = 0.0 if abs(v0) < _ZERO else v0
    ratio = 1.0 if abs(mean) < _ZERO and abs(v1) < _ZERO else mean / v1
    rho = ratio**2 * v0 / (q * v2)
    df = 4.0 + (q + 2.0) / (q * rho - 1.0)
    scale = 1.0 if abs(df - 2.0) < 0.01 else df * mean / (df - 2.0)
    return df, scale
