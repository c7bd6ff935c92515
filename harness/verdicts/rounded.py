"""Predicates for digits that an engine's arithmetic has lost, by a model of its rounding."""

from __future__ import annotations

import math

import numpy as np

from harness.cases.design import Design
from harness.referee.lmertest_recipe import rounding_of_lme4
from harness.verdicts.seen import Seen, misstated

_FACTOR = 10.0
"""The model gives the order of an error bound, which no single rounding exceeds by more."""

_COLUMNS = 2000
"""Random effects up to which the condition number of lme4's equations is computed."""


_ARITHMETIC = ("Downdated VtV is not positive definite", "LinAlgError")
"""How lme4 and statsmodels fail when a matrix has no digits left."""


def beyond_precision(seen: Seen) -> str | None:
    """Hold when an engine failed, and the equations at the start of the engines have no digits.

    Both start where the relative covariance is the identity, whatever the units of the predictor.
    """
    failed = [f.engine for f in seen.failures() if any(said in f.text for said in _ARITHMETIC)]
    design = seen.case.design
    if not failed or _effects(design) > _COLUMNS:
        return None
    start = [np.eye(term.z.shape[1])[np.triu_indices(term.z.shape[1])] for term in design.random]
    _, relative, _ = rounding_of_lme4(design, np.concatenate(start), float(design.y.std()))
    condition = relative / float(np.finfo(float).eps)
    if relative < 0.1:
        return None
    return (
        f"{' and '.join(failed)}: at the start, where the relative covariance is the identity, the "
        f"normal equations have condition number {condition:.1g}"
    )


def _effects(design: Design) -> int:
    return sum(len(term.levels) * term.z.shape[1] for term in design.random)


def normal_equations(seen: Seen) -> str | None:
    """Hold when lme4's log-likelihood or fixed effects are off by what its equations round.

    It solves normal equations in the columns as they are. With a predictor whose spread is tiny
    beside its distance from zero their condition number eats the digits: of log |X'V^-1 X| in the
    REML criterion, and of the coefficients.
    """
    design = seen.case.design
    for fit, audit in seen.pairs():
        astray = not audit.gls_distance <= 1e-3
        if fit.engine != "lme4" or not (misstated(audit) or astray) or _effects(design) > _COLUMNS:
            continue
        if audit.loglik_error is None or not audit.theta:
            continue
        deviance, relative, outcome = rounding_of_lme4(
            design, np.array(audit.theta), math.sqrt(fit.residual_variance)
        )
        distance = relative * outcome
        explained = 2.0 * abs(audit.loglik_error) <= _FACTOR * deviance
        if explained and audit.gls_distance <= max(1e-3, _FACTOR * distance):
            return (
                f"{fit.engine}: log-likelihood off by {audit.loglik_error:.2g}, fixed effects by "
                f"{audit.gls_distance:.2g} SE; its normal equations, of condition "
                f"{relative / np.finfo(float).eps:.1g}, round the log-likelihood by "
                f"{deviance / 2.0:.1g} and fixed effects by {distance:.1g} SE"
            )
    return None
