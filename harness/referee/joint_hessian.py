"""Standard errors of fixed effects from the joint Hessian of fixed effects and variances.

In (beta, Psi / s2), s2 profiled out, with H = V / s2, R = H^-1, r = y - X beta, q = r'Rr, C =
(X'RX)^-1 and M_k the derivative of H in the k-th element of the covariance matrices:

    d2 / d beta d beta' = 2 m X'RX / q
    d2 / d beta d psi_k = 2 m X'R M_k R r / q
    d2 / d psi_k d psi_l = m (2 r'R M_k R M_l R r / q - (r'R M_k R r)(r'R M_l R r) / q^2)
                           - tr(R M_k R M_l) + 2 tr(C X'R M_k R M_l R X) - tr(C A_k C A_l)

of the deviance, A_k = X'R M_k R X; by ML without the terms in C. statsmodels' MixedLM inverts half
of it for its standard errors. Those of lme4 are sqrt diag(s2 C), to which they are equal where
X'R M_k R r = 0, as on balanced data. At a boundary the result depends on the variables chosen:
these are the elements of the covariance matrices and not of their factors.

With S = Z'RZ, T = Z'RX, u = Z'R r per block and E_k the direction placed at its levels,

    X'R M_k R r = T'E_k u,             r'R M_k R M_l R r = u'E_k S E_l u,
    tr(R M_k R M_l) = tr(S E_k S E_l),

so that nothing of the size of the data is formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.referee.deviance import Point
from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.structured_likelihood import StructuredPoint

Array = NDArray[np.float64]

FLAT = 1e-8
"""Eigenvalues of the scaled Hessian below this share of the largest are flat directions."""

LARGEST = 2e9
"""Multiplications up to which it is computed: a second or two."""


@dataclass(frozen=True)
class JointInverse:
    """Twice the inverse of the joint Hessian of the deviance: an asymptotic covariance.

    Attributes
    ----------
    fixed : (p, p) array
        Block of the fixed effects, in the units of the data.
    variances : tuple of float
        Variance of each diagonal of Psi / s2, term after term; it may come out negative.
    determined : bool
        Whether no direction is flat: where one is, the inverse is rounding there.
    """

    fixed: Array
    variances: tuple[float, ...]
    determined: bool

    @property
    def errors(self) -> tuple[float, ...]:
        """Standard errors of the fixed effects; NaN where the inverse has a negative diagonal."""
        return tuple(math.sqrt(v) if v > 0.0 else math.nan for v in map(float, np.diag(self.fixed)))


def joint_inverse(point: Point, sigma: float) -> JointInverse:
    """Invert the joint Hessian at variances that need not be the optimum.

    Parameters
    ----------
    sigma : float
        Residual standard deviation of the fit, in the units of the data.

    Raises
    ------
    ValueError
        Where that would take more than ``LARGEST`` multiplications, or residuals are correlated.
    LinAlgError
        When the joint Hessian cannot be inverted.
    """
    if isinstance(point, ResidualPoint):
        raise ValueError("no program states it of a model with a residual covariance")
    if isinstance(point, StructuredPoint) and not _linear(point):
        return _structured(point, sigma)
    likelihood = point.likelihood
    basis, reml, m = likelihood.products.basis, likelihood.reml, likelihood.m
    directions = _directions(point)
    k, p, c = len(directions), likelihood.products.p, point.c
    work = sum(k * len(part.s) * part.s.shape[1] ** 3 for part in point.solved)
    if work > LARGEST:
        raise ValueError(f"about {work:.1g} multiplications")
    cross, along, bent = np.zeros((k, p)), np.zeros(k), np.zeros((k, k))
    traces, first, second = np.zeros((k, k)), np.zeros((k, p, p)), np.zeros((k, k, p, p))
    terms, matrices = [t for t, _, _ in directions], [e for _, _, e in directions]
    for part in point.solved:
        placed = part.bucket.scatter_each(terms, matrices)
        s_e = part.s @ placed
        traces += s_e.reshape(k, -1) @ s_e.swapaxes(2, 3).reshape(k, -1).T
        e_u = np.einsum("rbij,bj->rbi", placed, part.u)
        cross += np.einsum("bip,rbi->rp", part.t, e_u)
        along += np.einsum("bi,rbi->r", part.u, e_u)
        bent += np.einsum("rbi,bij,sbj->rs", e_u, part.s, e_u, optimize=True)
        if reml:
            e_t = placed @ part.t
            first += np.einsum("bip,rbiq->rpq", part.t, e_t, optimize=True)
            second += np.einsum("rbip,sbiq->rspq", e_t, part.s @ e_t, optimize=True)
    q = point.rss
    inner = m * (2.0 * bent / q - np.outer(along, along) / q**2) - traces
    if reml:
        c_first = c @ first
        inner += 2.0 * np.einsum("pq,rsqp->rs", c, second)
        inner -= np.einsum("rpq,sqp->rs", c_first, c_first)
    information = np.linalg.inv(c)
    hessian = np.block(
        [[2.0 * m * information / q, 2.0 * m * cross.T / q], [2.0 * m * cross / q, inner]]
    )
    inverse = 2.0 * np.linalg.inv(hessian)
    # In the likelihood's own s2 = q / m; the fit's may be another.
    back = basis.y_scale * basis.m
    fixed = back @ inverse[:p, :p] @ back.T * (sigma / basis.y_scale) ** 2 / (q / m)
    variances = tuple(
        float(inverse[p + i, p + i]) * size for i, (_, size, _) in enumerate(directions) if size
    )
    sizes = np.concatenate([np.diag(hessian)[:p], np.diag(traces)])
    return JointInverse(fixed, variances, _determined(hessian, sizes))


def _linear(point: StructuredPoint) -> bool:
    """Whether variances alone are the parameters of every structure: the model of ``(x || g)``."""
    return all(own.structure in ("", "diag") for own in point.likelihood.terms)


def _structured(point: StructuredPoint, sigma: float) -> JointInverse:
    """Invert it in the parameters of the structures, those at a bound held there."""
    likelihood = point.likelihood
    basis, m, q, c = likelihood.products.basis, likelihood.m, point.rss, point.c
    twin, _ = point.conditioned()
    assert isinstance(twin, StructuredPoint)
    free = ~point.held
    p, cross = len(c), twin.gls_slopes[free]
    # That of the point has the fixed effects follow the variances; here they stay.
    inner = twin.profiled_hessian()[np.ix_(free, free)] + 2.0 * m * cross @ c @ cross.T / q
    hessian = np.block(
        [[2.0 * m * np.linalg.inv(c) / q, 2.0 * m * cross.T / q], [2.0 * m * cross / q, inner]]
    )
    back = basis.y_scale * basis.m
    fixed = back @ (2.0 * np.linalg.inv(hessian))[:p, :p] @ back.T
    fixed *= (sigma / basis.y_scale) ** 2 / (q / m)
    unknown = (math.nan,) * sum(likelihood.products.sizes)
    return JointInverse(fixed, unknown, _determined(hessian, np.diag(hessian)))


def _determined(hessian: Array, sizes: Array) -> bool:
    """Whether the smallest eigenvalue is above rounding, in variables of unit information.

    ``sizes`` has for each variable the largest of the terms that its second derivative is made of:
    where they cancel, what is left is rounding.
    """
    widths = np.sqrt(np.abs(sizes))
    if not widths.min(initial=1.0) > 0.0:
        return False
    values = np.abs(np.linalg.eigvalsh(hessian / np.outer(widths, widths)))
    return bool(values.min() > FLAT * values.max())


def _directions(point: Point) -> list[tuple[int, float, Array]]:
    """Term, factor and change of its inner covariance matrix, for each element of each Psi.

    The element is in units in which its effects have unit size, for a well conditioned Hessian; the
    factor takes the variance of a diagonal element back to the data, and is 0 for the others.
    """
    out = []
    diagonals = [False] * len(point.likelihood.products.sizes)
    if isinstance(point, StructuredPoint):
        diagonals = [bool(own.structure) for own in point.likelihood.terms]
    for t, effects in enumerate(point.likelihood.products.basis.effects):
        width = np.linalg.norm(effects, axis=0)
        unit = effects / width
        for i in range(len(width)):
            for j in range(i + 1):
                half = np.outer(unit[:, i], unit[:, j])
                diagonal = i == j
                if diagonals[t] and not diagonal:
                    continue
                size = float(1.0 / width[i] ** 4) if diagonal else 0.0
                out.append((t, size, half if diagonal else half + half.T))
    return out
