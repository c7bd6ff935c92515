"""Predicates for mistakes that implementations make: each is undone, and the fit is then right.

A fit whose deviance falls to that of the best point when one thing in it is changed has that thing
wrong. No engine is assumed to make any of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.view import View
from harness.judge.evidence import Evidence, found
from harness.judge.examination import point_of
from harness.judge.tolerances import load_tolerances
from harness.referee.best_point import find_optimum
from harness.referee.deviance import Likelihood, NoMaximum
from harness.referee.residual_likelihood import likelihood_of

Array = NDArray[np.float64]


def _wrong(view: View) -> Iterator[tuple[Fit, Audit]]:
    for fit, audit in view.judged():
        if audit.certificate in ("stopped short", "false boundary"):
            yield fit, audit


def _rights(
    likelihood: Likelihood, audit: Audit, covariances: Sequence[Array], sigma2: float
) -> float | None:
    """Return what is left of a fit's gap at other variances; None when that is more than allowed.

    What is left has to be within the default tolerance and a hundredth of what there was.
    """
    try:
        theta = likelihood.theta([c / sigma2 for c in covariances])
        value = likelihood.at(theta).deviance(math.sqrt(sigma2))
    except (ValueError, np.linalg.LinAlgError):
        return None
    left = value - (-2.0 * audit.loglik - audit.gap)
    allowed = min(2.0 * load_tolerances()["loglik"].default, 0.01 * audit.gap)
    return left if left <= allowed else None


def _covariances(fit: Fit) -> list[Array]:
    return [np.array(term.covariance, dtype=np.float64) for term in fit.random]


def wrong_divisor(view: View) -> Evidence | None:
    """Hold when a residual variance, or all variances, are by n where the criterion has n - p."""
    n, p = view.case.design.x.shape
    if view.case.model.criterion != "REML":
        return None
    for fit, audit in _wrong(view):
        likelihood = view.likelihood
        right = fit.residual_variance * n / (n - p)
        everything = [c * n / (n - p) for c in _covariances(fit)]
        for alone, covariances in (
            (True, _covariances(fit)),
            (False, everything),
        ):
            left = _rights(likelihood, audit, covariances, right)
            if left is not None:
                return found(
                    "wrong-divisor",
                    fit.engine,
                    residual_alone=alone,
                    rows=n,
                    freedom=n - p,
                    gap=audit.gap,
                    left=max(left, 0.0),
                )
    return None


def swapped_variances(view: View) -> Evidence | None:
    """Hold when two variances, of a term or of two terms, are in each other's place."""
    for fit, audit in _wrong(view):
        likelihood = view.likelihood
        for what, covariances in _swaps(fit):
            left = _rights(likelihood, audit, covariances, fit.residual_variance)
            if left is not None:
                return found(
                    "swapped-variances",
                    fit.engine,
                    what=what,
                    gap=audit.gap,
                    left=max(left, 0.0),
                )
        if len(fit.random) == 1 and len(fit.random[0].names) == 1:
            own = fit.random[0].covariance[0][0]
            if own > 0.0:
                residual = np.full((1, 1), fit.residual_variance)
                left = _rights(likelihood, audit, [residual], own)
                if left is not None:
                    return found(
                        "swapped-variances",
                        fit.engine,
                        what=f"the variances of {fit.random[0].group} and of the residuals",
                        gap=audit.gap,
                        left=max(left, 0.0),
                    )
    return None


def _swaps(fit: Fit) -> Iterator[tuple[str, list[Array]]]:
    own = _covariances(fit)
    for t, term in enumerate(fit.random):
        for i, j in combinations(range(len(term.names)), 2):
            order = list(range(len(term.names)))
            order[i], order[j] = order[j], order[i]
            changed = list(own)
            changed[t] = own[t][np.ix_(order, order)]
            yield f"the variances of {term.names[i]} and {term.names[j]}", changed
    for s, t in combinations(range(len(own)), 2):
        if own[s].shape == own[t].shape:
            changed = list(own)
            changed[s], changed[t] = own[t], own[s]
            first, second = fit.random[s], fit.random[t]
            names = [f"{term.names[0]} by {term.group}" for term in (first, second)]
            yield f"the variances of {' and '.join(names)}", changed


def covariance_sign(view: View) -> Evidence | None:
    """Hold when the covariances of an effect with the others have the wrong sign."""
    for fit, audit in _wrong(view):
        likelihood = view.likelihood
        for t, term in enumerate(fit.random):
            if len(term.names) < 2:
                continue
            for i, name in enumerate(term.names):
                changed = _covariances(fit)
                signs = np.where(np.arange(len(term.names)) == i, -1.0, 1.0)
                changed[t] = changed[t] * np.outer(signs, signs)
                left = _rights(likelihood, audit, changed, fit.residual_variance)
                if left is not None:
                    return found(
                        "covariance-sign",
                        fit.engine,
                        item=name,
                        group=term.group,
                        gap=audit.gap,
                        left=max(left, 0.0),
                    )
    return None


_LITTLE = 0.1
"""Share of the residual variance up to which a variance is near zero."""


def kept_off_boundary(view: View) -> Evidence | None:
    """Hold when a variance is little above zero, and the fit is right with it at zero.

    Where the best point has no variance at all, any fit is right with all of its own at zero.
    """
    for fit, audit in _wrong(view):
        likelihood = view.likelihood
        own = _covariances(fit)
        for t, term in enumerate(fit.random):
            values, vectors = np.linalg.eigh(own[t])
            for rank in np.flatnonzero(values > 0.0):
                gone = np.arange(len(values)) <= rank
                kept = np.where(gone, 0.0, values)
                z = view.case.design.random[t].z @ vectors[:, gone]
                share = float((z**2 @ values[gone]).mean()) / fit.residual_variance
                if not share <= _LITTLE:
                    continue
                changed = list(own)
                changed[t] = (vectors * kept) @ vectors.T
                # What the term leaves goes to the residuals, by the likelihood's own profile.
                sigma2 = _profiled(likelihood, changed, fit.residual_variance)
                left = _rights(likelihood, audit, changed, sigma2)
                if left is not None:
                    return found(
                        "kept-off-boundary",
                        fit.engine,
                        group=term.group,
                        smallest=share,
                        gap=audit.gap,
                        left=max(left, 0.0),
                    )
    return None


def _profiled(likelihood: Likelihood, covariances: Sequence[Array], sigma2: float) -> float:
    try:
        point = likelihood.at(likelihood.theta([c / sigma2 for c in covariances]))
    except (ValueError, np.linalg.LinAlgError):
        return sigma2
    return float((point.sigma * point.likelihood.products.basis.y_scale) ** 2)


def other_criterion(view: View) -> Evidence | None:
    """Hold when a fit is at the optimum of ML where REML was asked for, or the other way round."""
    asked = view.case.model.criterion
    other = "ML" if asked == "REML" else "REML"
    try:
        likelihood = likelihood_of(view.case.design, reml=other == "REML")
    except NoMaximum:  # by that criterion there is none to be at
        return None
    for fit, audit in _wrong(view):
        point = point_of(likelihood, fit)
        if point is None:
            continue
        value = point.deviance(math.sqrt(fit.residual_variance))
        allowed = min(2.0 * load_tolerances()["loglik"].default, 0.01 * audit.gap)
        # Where the other engine's point lies lower, it need not be searched for the lowest.
        others = [theta for theta in view.thetas if theta != audit.theta]
        if any(value - likelihood.at(list(theta)).deviance() > allowed for theta in others):
            continue
        try:
            best = find_optimum(likelihood, [point.theta])
        except NoMaximum:
            continue
        gap = value - best.deviance
        if gap <= allowed:
            return found(
                "other-criterion",
                fit.engine,
                gap=max(gap, 0.0),
                gap_asked=audit.gap,
                asked=asked,
                other=other,
            )
    return None


def rows_left_out(view: View) -> Evidence | None:
    """Hold when a fit used fewer rows than are complete."""
    rows = len(view.case.design.y)
    if view.fit is not None and view.fit.n_obs < rows:
        return found("rows-left-out", view.engine, used=view.fit.n_obs, rows=rows)
    return None
