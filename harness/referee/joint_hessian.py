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
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design

Array = NDArray[np.float64]

ROWS = 1500
"""Rows up to which it is computed: it works on dense n x n matrices."""


@dataclass(frozen=True)
class JointInverse:
    """Twice the inverse of the joint Hessian of the deviance: an asymptotic covariance.

    Attributes
    ----------
    fixed : (p, p) array
        Block of the fixed effects, in the units of the data.
    variances : tuple of float
        Variance of each diagonal of Psi / s2, term after term; it may come out negative.
    """

    fixed: Array
    variances: tuple[float, ...]


def joint_errors(design: Design, relative: Sequence[Array], sigma: float, *, reml: bool) -> Array:
    """Return the standard errors (p,), NaN where the inverse has a negative diagonal.

    Parameters and errors are those of :func:`joint_inverse`.
    """
    variances = np.diag(joint_inverse(design, relative, sigma, reml=reml).fixed)
    return np.asarray([math.sqrt(v) if v > 0.0 else math.nan for v in variances])


def joint_inverse(
    design: Design, relative: Sequence[Array], sigma: float, *, reml: bool
) -> JointInverse:
    """Invert the joint Hessian at variances that need not be the optimum.

    Parameters
    ----------
    relative : sequence of (q, q) arrays
        Psi / s2 of each random term.
    sigma : float
        Residual standard deviation.

    Raises
    ------
    ValueError
        For more than ``ROWS`` rows.
    LinAlgError
        When the joint Hessian cannot be inverted.
    """
    n, p = design.x.shape
    if n > ROWS:
        raise ValueError(f"more than {ROWS} rows")
    x, to_data = np.linalg.qr(design.x)
    h = np.eye(n)
    derivatives: list[Array] = []
    diagonals: list[tuple[int, float]] = []
    for term, psi in zip(design.random, relative, strict=True):
        same = term.codes[:, None] == term.codes[None, :]
        # Effects of unit root mean square: the result does not depend on their units.
        width = np.sqrt((term.z**2).mean(axis=0))
        z = term.z / np.where(width > 0.0, width, 1.0)
        h += same * (z @ (psi * np.outer(width, width)) @ z.T)
        for i in range(z.shape[1]):
            for j in range(i + 1):
                if i == j:
                    diagonals.append((len(derivatives), float(width[i])))
                half = np.outer(z[:, i], z[:, j])
                derivatives.append(same * (half if i == j else half + half.T))
    inverse = np.linalg.inv(h)
    m = n - p if reml else n
    rx = inverse @ x
    information = x.T @ rx
    c = np.linalg.inv(information)
    residual = design.y - x @ (c @ (rx.T @ design.y))
    rr = inverse @ residual
    q = float(residual @ rr)
    k = len(derivatives)
    products = [inverse @ d for d in derivatives]
    along = np.array([d @ rr for d in derivatives])  # M_k R r
    cross = np.array([rx.T @ a for a in along])
    second = np.empty((k, k))
    rmrx = [d @ rx for d in derivatives]  # M_k R X
    each = [rx.T @ d for d in rmrx]
    for a in range(k):
        for b in range(a + 1):
            value = 2.0 * float(along[a] @ inverse @ along[b]) / q
            value -= float(rr @ along[a]) * float(rr @ along[b]) / q**2
            value = m * value - float((products[a] * products[b].T).sum())
            if reml:
                value += 2.0 * float((c * (rmrx[a].T @ inverse @ rmrx[b])).sum())
                value -= float(((c @ each[a]) * (c @ each[b]).T).sum())
            second[a, b] = second[b, a] = value
    hessian = np.block(
        [[2.0 * m * information / q, 2.0 * m * cross.T / q], [2.0 * m * cross / q, second]]
    )
    inverse = 2.0 * np.linalg.inv(hessian)
    # In the likelihood's own s2 = q / m; the fit's may be another.
    back = np.linalg.inv(to_data)
    fixed = back @ inverse[:p, :p] @ back.T * (sigma**2 / (q / m))
    variances = tuple(float(inverse[p + i, p + i]) / w**4 if w > 0.0 else 0.0 for i, w in diagonals)
    return JointInverse(fixed, variances)
