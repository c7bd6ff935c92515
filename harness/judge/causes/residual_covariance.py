"""Predicates for models with a residual covariance."""

from __future__ import annotations

from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found
from harness.referee.residual_likelihood import ResidualLikelihood, ResidualPoint

_ZERO = 1e-4
"""A correlation below this is where the search began."""


def zero_start(view: View) -> Evidence | None:
    """Hold when a correlation stayed at zero, where its derivative vanishes whatever the data say.

    Rows at a distance of two or more visits have the correlation rho^2, rho^3, ...: where no two
    are next to each other the likelihood is flat at rho = 0.
    """
    for fit, audit in view.judged():
        likelihood = view.likelihood
        if audit.certificate != "stopped short" or not isinstance(likelihood, ResidualLikelihood):
            continue
        if likelihood.residual.structure != "ar1" or not fit.residual:
            continue
        if not abs(fit.residual[0][1]) < _ZERO:
            continue
        powers = [s.power[s.index >= 0] for s in likelihood.stacks if s.power is not None]
        nearest = min(float(p.min(initial=float("inf"))) for p in powers)
        if nearest >= 2.0:
            return found("zero-correlation-start", fit.engine, nearest=nearest, gap=audit.gap)
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
