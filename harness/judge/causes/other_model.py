"""Predicates for fits, or statements, that belong to another model than asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.view import View, misstated
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design, RandomDesign
from harness.referee.residual_likelihood import likelihood_of


def constraint_ignored(view: View) -> Evidence | None:
    """Hold when statsmodels left its ``free=`` mask aside."""
    for fit, _ in view.judged():
        if "free-ignored" in fit.probes:
            return found(
                "sm-free-ignored",
                fit.engine,
                setting=fit.settings[0],
                probe=str(fit.probes["free-ignored"]),
            )
    return None


def _misstated(view: View) -> Iterator[tuple[Fit, Audit]]:
    yield from ((fit, audit) for fit, audit in view.judged() if misstated(audit))


def _loglik_of(design: Design, fit: Fit, *, reml: bool, keep: list[int]) -> float | None:
    """Log-likelihood of another design at the variances of the fit's terms ``keep``."""
    try:
        likelihood = likelihood_of(design, reml=reml)
        relative = [np.array(fit.random[i].covariance) / fit.residual_variance for i in keep]
        point = likelihood.at(likelihood.theta(relative))
        return -0.5 * point.deviance(math.sqrt(fit.residual_variance))
    except (ValueError, np.linalg.LinAlgError):
        return None


def _states(fit: Fit, value: float | None) -> bool:
    if value is None or fit.loglik is None:
        return False
    return abs(fit.loglik - value) <= load_tolerances()["loglik"].default


def mutated_model(view: View) -> Evidence | None:
    """Hold when a stated log-likelihood is that of the other criterion at the same theta.

    MixedLM profiles sigma out, by the divisor of the criterion that its model has now.
    """
    model = view.case.model
    for fit, audit in _misstated(view):
        reml = model.criterion != "REML"
        try:
            other = -0.5 * likelihood_of(view.case.design, reml=reml).at(audit.theta).deviance()
        except (ValueError, np.linalg.LinAlgError):
            continue
        if _states(fit, other):
            assert fit.loglik is not None
            return found(
                "sm-mutated-model",
                fit.engine,
                stated=fit.loglik,
                own=audit.loglik,
                asked=model.criterion,
                other="REML" if reml else "ML",
            )
    return None


def crossed_as_nested(view: View) -> Evidence | None:
    """Hold when the log-likelihood is that of a crossed factor read as nested in another."""
    design, reml = view.case.design, view.case.model.criterion == "REML"
    for fit, _ in _misstated(view):
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
                    assert fit.loglik is not None
                    return found(
                        "crossed-as-nested", fit.engine, stated=fit.loglik, outer=a, inner=b
                    )
    return None


def dropped_term(view: View) -> Evidence | None:
    """Hold when the log-likelihood is that of the model without one of its random terms."""
    design, reml = view.case.design, view.case.model.criterion == "REML"
    for fit, _ in _misstated(view):
        for gone, term in enumerate(design.random):
            rest = tuple(t for i, t in enumerate(design.random) if i != gone)
            # The fit may show the term, with a variance that its likelihood does not use, or not.
            shown = list(range(len(fit.random)))
            keep = [i for i in shown if i != gone] if len(shown) == len(rest) + 1 else shown
            if not rest or len(keep) != len(rest):
                continue
            other = replace(design, random=rest)
            if _states(fit, _loglik_of(other, fit, reml=reml, keep=keep)):
                assert fit.loglik is not None
                return found("dropped-term", fit.engine, stated=fit.loglik, group=term.group)
    return None


def _within(inner: RandomDesign, outer: RandomDesign) -> RandomDesign:
    """Make every combination of the two factors a level of its own."""
    both = outer.codes.astype(np.int64) * len(inner.levels) + inner.codes
    present, codes = np.unique(both, return_inverse=True)
    labels = tuple(str(k) for k in present)
    return replace(
        inner, group=f"{outer.group}:{inner.group}", codes=codes.astype(np.int32), levels=labels
    )
