"""Predicates for fits that are not at the optimum."""

from __future__ import annotations

import math

import numpy as np

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.claims import said_of_convergence
from harness.judge.causes.residual_covariance import best_of_intercepts, no_negative_correlation
from harness.judge.causes.view import LMER, MIXEDLM, View
from harness.judge.evidence import Evidence, found, with_more
from harness.judge.tolerances import load_tolerances
from harness.model.design import Array, Design
from harness.referee.best_point import nearest_minimum
from harness.referee.mixedlm_equations import VANISHING, inverse_as_taken, mixedlm_equations
from harness.referee.term_covariance import NULL_VARIANCE


def two_optima(view: View) -> Evidence | None:
    """Hold when a fit is at a maximum of the likelihood, and another is higher.

    Newton's steps from the fit have to end where it is, to the tolerance of a log-likelihood.
    """
    for fit, audit in view.judged():
        if audit.certificate != "stopped short" or not audit.theta:
            continue
        best = -2.0 * audit.loglik - audit.gap
        try:
            near = nearest_minimum(view.likelihood.at(audit.theta)).deviance()
        except np.linalg.LinAlgError:
            continue
        limit = 2.0 * load_tolerances()["loglik"].default
        if abs(-2.0 * audit.loglik - near) <= limit < near - best:
            return found("two-optima", fit.engine, here=-0.5 * near, best=-0.5 * best)
    return None


def stopped_short(view: View) -> Evidence | None:
    """Hold when a fit stopped above the best deviance with no false boundary in its way."""
    for fit, audit in view.judged():
        # Both of these causes say how far it is short.
        if no_negative_correlation(view) and (best_of_intercepts(view) or score_sign(view)):
            continue
        if audit.certificate == "stopped short" and two_optima(view) is None:
            said = said_of_convergence(fit)
            claim: dict[str, bool] = {} if said is None else {"converged": said}
            return with_more(
                found("stopped-short", fit.engine, gap=audit.gap, gradient=audit.gradient), **claim
            )
    return None


def false_boundary(view: View) -> Evidence | None:
    """Hold when a fit sits on a boundary from which the likelihood rises."""
    for fit, audit in view.judged():
        if audit.certificate == "false boundary":
            assert audit.dual is not None
            return found(
                "false-boundary",
                fit.engine,
                dual=audit.dual,
                gap=audit.gap,
                ranks=tuple(map(str, audit.ranks)),
            )
    return None


def score_sign(view: View) -> Evidence | None:
    """Hold when a MixedLM fit stopped short where its own gradient has the wrong sign."""
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or best_of_intercepts(view):
            continue
        if audit.certificate in ("stopped short", "false boundary") and "score-sign" in fit.probes:
            return found("sm-score-sign", fit.engine, probe=str(fit.probes["score-sign"]))
    return None


def column_trap(view: View) -> Evidence | None:
    """Hold when lme4 sits where the first column of a factor has a zero diagonal, falsely."""
    for fit, audit in view.judged():
        if fit.fitter not in LMER or audit.certificate != "false boundary":
            continue
        for term in fit.random:
            first = term.covariance[0][0] / fit.residual_variance
            others = [term.covariance[i][i] for i in range(1, len(term.names))]
            if first <= NULL_VARIANCE and any(v / fit.residual_variance > first for v in others):
                assert audit.dual is not None
                return found(
                    "lme4-column-trap",
                    fit.engine,
                    item=term.names[0],
                    group=term.group,
                    held=first,
                    dual=audit.dual,
                )
    return None


def zeroed_fixed_effects(view: View) -> Evidence | None:
    """statsmodels#10239: at a vanishing covariance its inverse is taken as zero.

    That is an infinite covariance: fixed effects are estimated within groups only, and what is
    constant there becomes exactly 0.0. Where a covariance vanishes in some directions only, its
    inverse is taken as zero in these. A fixed effect that varies in these directions only is left
    without information: its estimate is arbitrary, and with it a residual variance that can come
    out negative.
    """
    view = view.as_run
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or audit.gls_distance <= 1e-3:
            continue
        part = _taken_for_infinite(view.case.design, fit, audit)
        if part is not None:
            return part
        if not audit.theta:
            continue
        largest = max(
            (float(np.abs(t.covariance).max()) / fit.residual_variance for t in fit.random),
            default=0.0,
        )
        if largest >= NULL_VARIANCE:
            continue
        zeros = tuple(c.name for c in fit.coefficients if c.estimate == 0.0)
        if zeros or _within_groups(view.case.design, fit):
            return found(
                "sm-zero-fe", fit.engine, zeros=zeros, away=audit.gls_distance, largest=largest
            )
    return None


def _taken_for_infinite(design: Design, fit: Fit, audit: Audit) -> Evidence | None:
    """Hold when the fixed effects solve MixedLM's equations with its own inverse of cov_re.

    Only where the covariance vanishes in some directions, and not in all.
    """
    relative = _vanishing_in_part(design, fit)
    equations = mixedlm_equations(design) if relative else None
    if relative is None or equations is None:
        return None
    residual = design.y - design.x @ np.array([c.estimate for c in fit.coefficients])
    both = np.column_stack([design.x, residual])
    inverses = [inverse_as_taken(p) for p in relative]
    weighted = equations.weighted(inverses, 1.0, both, singular=True)
    sizes = np.sqrt(np.maximum((both * weighted).sum(axis=0), 0.0))
    told = sizes[:-1] > 1e-6 * np.linalg.norm(design.x, axis=0)
    infinite = max(min(float(np.linalg.eigvalsh(p)[0]) for p in relative), 0.0)
    if fit.residual_variance < 0.0:
        lost = tuple(n for n, kept in zip(design.x_names, told, strict=True) if not kept)
        return found("sm-zero-fe", fit.engine, infinite=infinite, lost=lost) if lost else None
    if not told.any() or not sizes[-1] > 0.0:
        return None
    cosines = (design.x.T @ weighted[:, -1])[told] / (sizes[:-1][told] * sizes[-1])
    if not float(np.abs(cosines).max()) <= 1e-6:
        return None
    return found("sm-zero-fe", fit.engine, infinite=infinite, away=audit.gls_distance)


def _vanishing_in_part(design: Design, fit: Fit) -> list[Array] | None:
    """Return the covariances relative to the residual's, if they vanish in some directions only.

    MixedLM states them times the residual variance, so that they are covariances even where that
    comes out negative.
    """
    scale = fit.residual_variance
    relative = [np.array(t.covariance) / scale for t in fit.random] if scale else []
    if not relative or not all(np.isfinite(p).all() for p in relative):
        return None
    if [len(p) for p in relative] != [t.z.shape[1] for t in design.random]:
        return None
    values = np.concatenate([np.linalg.eigvalsh(p) for p in relative])
    vanishes = -VANISHING <= values.min() < VANISHING <= values.max()
    return relative if vanishes else None


def infinite_loglik(view: View) -> Evidence | None:
    """Hold when statsmodels states an infinite log-likelihood at a covariance of exactly zero."""
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or fit.loglik is None or not math.isinf(fit.loglik):
            continue
        if not any(np.any(np.array(term.covariance)) for term in fit.random):
            return found("sm-infinite-llf", fit.engine, stated=fit.loglik, away=audit.gls_distance)
    return None


def _within_groups(design: Design, fit: Fit) -> bool:
    """Whether fixed effects are least squares after each group's random effects are fitted."""
    if len(design.random) != 1 or len(fit.coefficients) != design.x.shape[1]:
        return False
    (term,) = design.random
    residual = design.y - design.x @ np.array([c.estimate for c in fit.coefficients])
    both = np.column_stack([design.x, residual])
    for level in range(len(term.levels)):
        rows = term.codes == level
        z = term.z[rows]
        both[rows] -= z @ np.linalg.lstsq(z, both[rows], rcond=None)[0]
    x, left = both[:, :-1], both[:, -1]
    sizes = np.linalg.norm(x, axis=0)
    inside = sizes > 1e-9 * np.linalg.norm(design.x, axis=0)
    if not inside.any() or not float(left @ left) > 0.0:
        return False
    cosines = (x[:, inside].T @ left) / (sizes[inside] * np.linalg.norm(left))
    return bool(np.abs(cosines).max() <= 1e-6)
