"""Predicates for what an engine says of its own fit: flags, standard errors, df and p values."""

from __future__ import annotations

import math

import numpy as np

from harness.engines.engine import Fit
from harness.judge.causes.view import Seen
from harness.judge.tolerances import load_tolerances
from harness.referee.joint_hessian import joint_errors

OPTIMAL = ("interior optimum", "boundary optimum", "closed form")


def false_convergence(seen: Seen) -> str | None:
    """Hold when a fit that is not at the optimum says that it converged."""
    for fit, audit in seen.pairs():
        if fit.converged and audit.certificate not in OPTIMAL:
            return f"{fit.engine}: says it converged, deviance {audit.gap:.2g} above the best point"
    return None


def false_alarm(seen: Seen) -> str | None:
    """Hold when a fit at the optimum says that it did not converge."""
    for fit, audit in seen.pairs():
        if fit.converged is False and audit.certificate in OPTIMAL:
            said = "; ".join(m.text for m in fit.messages if m.kind in ("warning", "message"))
            return (
                f"{fit.engine}: says it did not converge, deviance {max(audit.gap, 0.0):.2g} above "
                f"the best point, largest scaled derivative {audit.gradient:.2g}"
                f"{f' ({said[:200]})' if said else ''}"
            )
    return None


def absolute_singularity(seen: Seen) -> str | None:
    """Hold when a fit is called singular, or not, by a variance near an absolute 0.01."""
    for fit, audit in seen.pairs():
        if fit.engine != "statsmodels" or audit.singular_true is not False:
            continue
        smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
        if fit.singular == (smallest < 0.01):
            said = "singular" if fit.singular else "not singular"
            relative = smallest / fit.residual_variance
            return (
                f"{fit.engine}: says {said} at a smallest variance of {smallest:.2g}, which is "
                f"{relative:.2g} of the residual variance"
            )
    return None


def false_singular(seen: Seen) -> str | None:
    """Hold when a fit at an interior optimum is called singular."""
    for fit, audit in seen.pairs():
        if fit.singular and audit.certificate == "interior optimum":
            smallest = min(float(np.linalg.eigvalsh(np.array(t.covariance))[0]) for t in fit.random)
            return (
                f"{fit.engine}: says the fit is singular; the best point is not, and the fit's "
                f"smallest variance is {smallest / fit.residual_variance:.2g} of the residual "
                "variance"
            )
    return None


def joint_hessian(seen: Seen) -> str | None:
    """Hold when stated standard errors are those of the inverse joint Hessian."""
    for fit, audit in seen.pairs():
        own = [c.se for c in fit.coefficients]
        fair = [c.se for c in audit.coefficients]
        joint = _joint(seen, fit)
        if joint is None or len(own) != len(joint) or len(fair) != len(own):
            continue
        limit = load_tolerances()["se"].default
        off = [
            (c.name, a, b, j)
            for c, a, b, j in zip(fit.coefficients, own, fair, joint, strict=True)
            if a is not None and b is not None and not abs(a / b - 1.0) <= limit
        ]
        if off and all(_nearer(a, j, b, limit) for _, a, b, j in off):
            name, a, b, j = max(off, key=lambda row: abs(row[1] / row[2] - 1.0))
            return (
                f"{fit.engine}: SE of {name} {a:.6g}; sqrt diag (X'V^-1 X)^-1 is {b:.6g}, the "
                f"inverse joint Hessian gives {j:.6g}"
            )
    return None


def _nearer(stated: float, joint: float, fair: float, limit: float) -> bool:
    """Whether a standard error is the joint one; a NaN where that is."""
    if math.isnan(joint):
        return math.isnan(stated)
    return abs(stated / joint - 1.0) <= min(0.1 * abs(stated / fair - 1.0), 0.01) + limit


def _joint(seen: Seen, fit: Fit) -> list[float] | None:
    relative = [np.array(term.covariance) / fit.residual_variance for term in fit.random]
    sigma, reml = math.sqrt(fit.residual_variance), seen.case.model.criterion != "ML"
    try:
        return [float(e) for e in joint_errors(seen.case.design, relative, sigma, reml=reml)]
    except (ValueError, np.linalg.LinAlgError):
        return None


def normal_tests(seen: Seen) -> str | None:
    """Hold when p values are those of a z test where a t test has finite df."""
    for fit, audit in seen.pairs():
        for own, fair in zip(fit.coefficients, audit.coefficients, strict=False):
            if own.p is None or own.statistic is None or fair.df is None or fair.p is None:
                continue
            normal = math.erfc(abs(own.statistic) / math.sqrt(2.0))
            told = own.df == math.inf or not _same_p(own.p, fair.p)
            if math.isfinite(fair.df) and _same_p(own.p, normal) and told:
                return (
                    f"{fit.engine}: p of {own.name} {own.p:.3g} by the normal distribution; with "
                    f"{fair.df:.3g} df it is {fair.p:.3g}"
                )
    return None


def residual_df(seen: Seen) -> str | None:
    """Hold when stated df are n - p where Satterthwaite's are others."""
    n, p = seen.case.design.x.shape
    for fit, audit in seen.pairs():
        for own, fair in zip(fit.coefficients, audit.coefficients, strict=False):
            if own.df is None or fair.df is None:
                continue
            if abs(own.df - (n - p)) < 1e-6 * n and abs(fair.df / (n - p) - 1.0) > 0.01:
                return (
                    f"{fit.engine}: df of {own.name} {n - p} = n - p, Satterthwaite's {fair.df:.5g}"
                )
    return None


def _same_p(a: float, b: float) -> bool:
    if a <= 0.0 or b <= 0.0:
        return a == b
    limit = load_tolerances()["p"].default
    return abs(math.log10(a) - math.log10(b)) <= limit * max(1.0, abs(math.log10(b)))
