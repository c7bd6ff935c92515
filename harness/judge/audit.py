"""The referee's examination of one fit."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.base.json import Real, Vector
from harness.engines.engine import Coefficient, Setting

Certificate = Literal[
    "interior optimum",
    "boundary optimum",
    "false boundary",
    "stopped short",
    "outside the parameter space",
    "closed form",
]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """One fit seen by the referee, at the estimates the engine itself returned.

    A given fit of another model than the case's is seen as one of its own model; only ``loglik``,
    ``loglik_error`` and ``theta`` are then of the case's.

    Attributes
    ----------
    certificate : str
        What the point is. ``"closed form"`` for a model without random effects.
    loglik : float
        The referee's log-likelihood at the engine's variance estimates.
    loglik_error : float or None
        The engine's stated log-likelihood less the referee's at the same estimates.
    gap : float
        Deviance of the fit less that of the best point known, never below -1e-8.
    gradient : float
        Largest scaled derivative of the deviance (dimensionless; 0 at an interior optimum).
    dual : float or None
        Smallest eigenvalue of the whitened dual matrix in the null space of Psi; None when every
        Psi has full rank. Negative: a direction of descent exists.
    ranks : tuple of int
        Numerical rank of each term's Psi.
    gls_distance : float
        Largest distance of a fixed effect from the GLS estimate at the engine's own variances, in
        standard errors.
    coefficients : tuple of Coefficient
        The engine's estimates with the like-for-like standard error sqrt(diag (X'V^-1 X)^-1),
        Satterthwaite df, t and p at the engine's own variances.
    variance_se : tuple of float
        Asymptotic standard errors of the variances (the diagonals of each Psi in turn).
    distances : tuple of (str, float)
        How far each fixed effect and each variance is from the best point's, in standard errors at
        the best point; a variance without one (zero at the best point) is left out.
    converged_true, singular_true : bool or None
        Whether what the engine stated about convergence and singularity is true.
    """

    engine: str
    setting: Setting
    certificate: Certificate
    loglik: Real
    loglik_error: Real | None
    gap: Real
    gradient: Real
    dual: Real | None
    ranks: tuple[int, ...]
    gls_distance: Real
    coefficients: tuple[Coefficient, ...]
    theta: Vector = ()
    variance_se: Vector = ()
    distances: tuple[tuple[str, Real], ...] = ()
    converged_true: bool | None = None
    singular_true: bool | None = None
