"""Predicates for models with a residual covariance."""

from __future__ import annotations

from harness.judge.causes.view import MIXEDLM, View
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances
from harness.referee.best_point import endless_end
from harness.referee.residual_likelihood import (
    ResidualLikelihood,
    ResidualPoint,
    residual_parameters,
)
from harness.referee.residual_matrix import bounds, shortest_gap, sign_open

_ZERO = 1e-4
"""A correlation below this is where the search began."""

_AT_END = 1e-6
"""So near its end a correlation leaves R singular to the digits that programs print."""


def zero_start(view: View) -> Evidence | None:
    """Hold when a correlation stayed where its derivative vanishes whatever the data say.

    Rows at a distance of two or more visits have the correlation rho^2, rho^3, ...: where no two
    are next to each other the likelihood is flat at rho = 0. In continuous time it is flat wherever
    rho to the power of the shortest time is as good as zero, at nlme's start of 0.2 too.
    """
    for fit, audit in view.judged():
        likelihood = view.likelihood
        if audit.certificate != "stopped short" or not isinstance(likelihood, ResidualLikelihood):
            continue
        residual = likelihood.residual
        if residual.structure not in ("ar1", "car1") or not fit.residual:
            continue
        rho, nearest = abs(fit.residual[0][1]), shortest_gap(residual)
        flat = rho < _ZERO if residual.structure == "ar1" else rho**nearest < _ZERO
        if flat and nearest >= 2.0:
            return found(
                "zero-correlation-start", fit.engine, rho=rho, nearest=nearest, gap=audit.gap
            )
    return None


def no_negative_correlation(view: View) -> Evidence | None:
    """Hold when a random intercept stands for compound symmetry whose correlation is negative.

    Its variance tau2 would have to be below zero, which no search by MixedLM goes to.
    """
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or audit.certificate != "stopped short":
            continue
        if view.case.model.by_random_intercept is None or view.best is None:
            continue
        ((_, best),) = residual_parameters(view.best.point)
        if not fit.residual or not best < 0.0 <= fit.residual[0][1]:
            continue
        return found(
            "no-negative-correlation",
            fit.engine,
            rho=fit.residual[0][1],
            best=best,
            gap=audit.gap,
            short=view.above_intercept,
        )
    return None


def best_of_intercepts(view: View) -> bool:
    """Whether a fit is short of the optimum for want of a negative correlation, and of it alone."""
    evidence = no_negative_correlation(view)
    limit = 2.0 * load_tolerances()["loglik"].default
    return evidence is not None and evidence.numbers["short"] <= limit


def endless_correlation(view: View) -> Evidence | None:
    """Hold when a search went where R is singular, and the likelihood grows there for ever."""
    for fit, audit in view.judged():
        best = view.best
        if audit.certificate != "outside the parameter space" or best is None or not fit.residual:
            continue
        if not isinstance(best.point, ResidualPoint):
            continue
        ends, rho = bounds(best.point.likelihood.residual), fit.residual[0][1]
        if best.point.likelihood.residual.structure not in ("ar1", "cs") or ends is None:
            continue
        if min(abs(rho - end) for end in ends) > _AT_END:
            continue
        endless = endless_end(best.point)
        if endless is not None and abs(rho - endless[0]) <= _AT_END:
            return found("endless-correlation", fit.engine, rho=rho, fall=endless[1])
    return None


def residual_bound(view: View) -> Evidence | None:
    """Hold when the best residual covariance is at the edge of the positive definite ones."""
    for fit, audit in view.judged():
        best = view.best
        if audit.certificate != "boundary optimum" or best is None:
            continue
        if best.optimality.residual_bound and isinstance(best.point, ResidualPoint):
            residual = view.case.model.residual
            assert residual is not None
            return found(
                "residual-bound", fit.engine, structure=residual.text(), pivot=best.point.margin
            )
    return None


def open_sign(view: View) -> Evidence | None:
    """Hold when rho and -rho are the same model: all distances in a group are even."""
    for fit, _ in view.judged():
        likelihood = view.likelihood
        if not isinstance(likelihood, ResidualLikelihood) or view.best is None:
            continue
        residual = likelihood.residual
        if sign_open(residual) and (rho := abs(float(view.best.phi[0]))) > _ZERO:
            return found("open-sign", fit.engine, rho=rho)
    return None
