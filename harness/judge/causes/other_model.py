"""Predicates for fits, or statements, that belong to another model than asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.view import Seen, misstated
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design, RandomDesign
from harness.referee.deviance import Likelihood


def constraint_ignored(seen: Seen) -> str | None:
    """Hold when statsmodels left its ``free=`` mask aside."""
    for fit, _ in seen.pairs():
        if "free-ignored" in fit.probes:
            return f"{fit.engine}, {fit.settings[0]}: {fit.probes['free-ignored']}"
    return None


def _misstated(seen: Seen) -> Iterator[tuple[Fit, Audit]]:
    yield from ((fit, audit) for fit, audit in seen.pairs() if misstated(audit))


def _loglik_of(design: Design, fit: Fit, *, reml: bool, keep: list[int]) -> float | None:
    """Log-likelihood of another design at the variances of the fit's terms ``keep``."""
    try:
        likelihood = Likelihood(design, reml=reml)
        relative = [np.array(fit.random[i].covariance) / fit.residual_variance for i in keep]
        point = likelihood.at(likelihood.theta(relative))
        return -0.5 * point.deviance(math.sqrt(fit.residual_variance))
    except (ValueError, np.linalg.LinAlgError):
        return None


def _states(fit: Fit, value: float | None) -> bool:
    if value is None or fit.loglik is None:
        return False
    return abs(fit.loglik - value) <= load_tolerances()["loglik"].default


def mutated_model(seen: Seen) -> str | None:
    """Hold when a stated log-likelihood is that of the other criterion at the same theta.

    MixedLM profiles sigma out, by the divisor of the criterion that its model has now.
    """
    model = seen.case.model
    for fit, audit in _misstated(seen):
        reml = model.criterion != "REML"
        try:
            other = -0.5 * Likelihood(seen.case.design, reml=reml).at(audit.theta).deviance()
        except (ValueError, np.linalg.LinAlgError):
            continue
        if _states(fit, other):
            return (
                f"{fit.engine} states {fit.loglik:.6f}, the {'REML' if reml else 'ML'} value "
                f"at its estimates; by {model.criterion} it is {audit.loglik:.6f}"
            )
    return None


def ill_conditioned_loglik(seen: Seen) -> str | None:
    """Hold when statsmodels' log-likelihood is off by what inverting its cov_re rounds."""
    for fit, audit in _misstated(seen):
        if fit.engine != "statsmodels" or audit.loglik_error is None:
            continue
        condition = max(
            (float(np.linalg.cond(np.array(term.covariance))) for term in fit.random), default=1.0
        )
        if abs(audit.loglik_error) <= 100.0 * float(np.finfo(float).eps) * condition:
            return (
                f"{fit.engine}: log-likelihood off by {audit.loglik_error:.2g}, "
                f"condition of cov_re {condition:.1g}"
            )
    return None


def crossed_as_nested(seen: Seen) -> str | None:
    """Hold when the log-likelihood is that of a crossed factor read as nested in another."""
    design, reml = seen.case.design, seen.case.model.criterion == "REML"
    for fit, _ in _misstated(seen):
        keep = list(range(len(design.random)))
        if len(fit.random) != len(keep):
            continue
        for inner in keep:
            for outer in keep:
                if inner == outer:
                    continue
                nested = list(design.random)
                nested[inner] = _within(design.random[inner], design.random[outer])
                other = replace(design, random=tuple(nested))
                if _states(fit, _loglik_of(other, fit, reml=reml, keep=keep)):
                    a, b = design.random[outer].group, design.random[inner].group
                    return (
                        f"{fit.engine}: its log-likelihood {fit.loglik:.6f} is that of "
                        f"(1 | {a}) + (1 | {a}:{b}), not of {b} crossed with {a}"
                    )
    return None


def dropped_term(seen: Seen) -> str | None:
    """Hold when the log-likelihood is that of the model without one of its random terms."""
    design, reml = seen.case.design, seen.case.model.criterion == "REML"
    for fit, _ in _misstated(seen):
        for gone, term in enumerate(design.random):
            rest = tuple(t for i, t in enumerate(design.random) if i != gone)
            # The fit may show the term, with a variance that its likelihood does not use, or not.
            shown = list(range(len(fit.random)))
            keep = [i for i in shown if i != gone] if len(shown) == len(rest) + 1 else shown
            if not rest or len(keep) != len(rest):
                continue
            other = replace(design, random=rest)
            if _states(fit, _loglik_of(other, fit, reml=reml, keep=keep)):
                return (
                    f"{fit.engine}: its log-likelihood {fit.loglik:.6f} is that of the model "
                    f"without the term for {term.group}"
                )
    return None


def _within(inner: RandomDesign, outer: RandomDesign) -> RandomDesign:
    """Make every combination of the two factors a level of its own."""
    both = outer.codes.astype(np.int64) * len(inner.levels) + inner.codes
    present, codes = np.unique(both, return_inverse=True)
    labels = tuple(str(k) for k in present)
    return replace(
        inner, group=f"{outer.group}:{inner.group}", codes=codes.astype(np.int32), levels=labels
    )


def same_space(seen: Seen) -> str | None:
    """Hold when the fits have in common what does not depend on a basis of the fixed effects."""
    left, right = seen.left, seen.right
    if not isinstance(left, Fit) or not isinstance(right, Fit):
        return None
    if len(left.fitted) != len(right.fitted) or not left.fitted:
        return None
    sigma = math.sqrt(right.residual_variance)
    apart = float(np.abs(np.array(left.fitted) - np.array(right.fitted)).max()) / sigma
    spread = abs(left.residual_variance / right.residual_variance - 1.0)
    table = load_tolerances()
    if not (apart <= table["fitted"].default and spread <= table["residual_variance"].default):
        return None
    return f"fitted values within {apart:.2g} residual SD"
