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

from harness.base.errors import BadInput
from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.view import Seen, misstated
from harness.judge.examination import point_of
from harness.judge.tolerances import load_tolerances
from harness.model.case import Case
from harness.model.design import build_design
from harness.model.table import FactorColumn, Table
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum

Array = NDArray[np.float64]


def _wrong(seen: Seen) -> Iterator[tuple[Fit, Audit]]:
    for fit, audit in seen.pairs():
        if audit.certificate in ("stopped short", "false boundary"):
            yield fit, audit


def _likelihood(seen: Seen) -> Likelihood:
    return Likelihood(seen.case.design, reml=seen.case.model.criterion != "ML")


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


def wrong_divisor(seen: Seen) -> str | None:
    """Hold when a residual variance, or all variances, are by n where the criterion has n - p."""
    n, p = seen.case.design.x.shape
    if seen.case.model.criterion != "REML":
        return None
    for fit, audit in _wrong(seen):
        likelihood = _likelihood(seen)
        right = fit.residual_variance * n / (n - p)
        everything = [c * n / (n - p) for c in _covariances(fit)]
        for what, covariances in (
            ("its residual variance is", _covariances(fit)),
            ("its variances are", everything),
        ):
            left = _rights(likelihood, audit, covariances, right)
            if left is not None:
                return (
                    f"{fit.engine}: {what} (n - p) / n = {n - p}/{n} of what they should be; by "
                    f"that the deviance comes from {audit.gap:.2g} to {max(left, 0.0):.2g} above "
                    "the best point"
                )
    return None


def swapped_variances(seen: Seen) -> str | None:
    """Hold when two variances, of a term or of two terms, are in each other's place."""
    for fit, audit in _wrong(seen):
        likelihood = _likelihood(seen)
        for what, covariances in _swaps(fit):
            left = _rights(likelihood, audit, covariances, fit.residual_variance)
            if left is not None:
                return (
                    f"{fit.engine}: with {what} exchanged the deviance comes from {audit.gap:.2g} "
                    f"to {max(left, 0.0):.2g} above the best point"
                )
        if len(fit.random) == 1 and len(fit.random[0].names) == 1:
            own = fit.random[0].covariance[0][0]
            if own > 0.0:
                residual = np.full((1, 1), fit.residual_variance)
                left = _rights(likelihood, audit, [residual], own)
                if left is not None:
                    return (
                        f"{fit.engine}: with the variances of {fit.random[0].group} and of the "
                        f"residuals exchanged the deviance comes from {audit.gap:.2g} to "
                        f"{max(left, 0.0):.2g} above the best point"
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


def covariance_sign(seen: Seen) -> str | None:
    """Hold when the covariances of an effect with the others have the wrong sign."""
    for fit, audit in _wrong(seen):
        likelihood = _likelihood(seen)
        for t, term in enumerate(fit.random):
            if len(term.names) < 2:
                continue
            for i, name in enumerate(term.names):
                changed = _covariances(fit)
                signs = np.where(np.arange(len(term.names)) == i, -1.0, 1.0)
                changed[t] = changed[t] * np.outer(signs, signs)
                left = _rights(likelihood, audit, changed, fit.residual_variance)
                if left is not None:
                    return (
                        f"{fit.engine}: with the opposite sign of the covariances of {name} for "
                        f"{term.group} the deviance comes from {audit.gap:.2g} to "
                        f"{max(left, 0.0):.2g} above the best point"
                    )
    return None


def kept_off_boundary(seen: Seen) -> str | None:
    """Hold when a variance is above zero, and the fit is right with it at zero."""
    for fit, audit in _wrong(seen):
        likelihood = _likelihood(seen)
        own = _covariances(fit)
        for t, term in enumerate(fit.random):
            values, vectors = np.linalg.eigh(own[t])
            for rank in np.flatnonzero(values > 0.0):
                kept = np.where(np.arange(len(values)) <= rank, 0.0, values)
                changed = list(own)
                changed[t] = (vectors * kept) @ vectors.T
                # What the term leaves goes to the residuals, by the likelihood's own profile.
                sigma2 = _profiled(likelihood, changed, fit.residual_variance)
                left = _rights(likelihood, audit, changed, sigma2)
                if left is not None:
                    smallest = float(values[rank]) / fit.residual_variance
                    return (
                        f"{fit.engine}: a variance for {term.group} of {smallest:.2g} of the "
                        f"residual variance; at zero the deviance comes from {audit.gap:.2g} to "
                        f"{max(left, 0.0):.2g} above the best point"
                    )
    return None


def _profiled(likelihood: Likelihood, covariances: Sequence[Array], sigma2: float) -> float:
    try:
        point = likelihood.at(likelihood.theta([c / sigma2 for c in covariances]))
    except (ValueError, np.linalg.LinAlgError):
        return sigma2
    return float((point.sigma * point.likelihood.products.basis.y_scale) ** 2)


def other_criterion(seen: Seen) -> str | None:
    """Hold when a fit is at the optimum of ML where REML was asked for, or the other way round."""
    asked = seen.case.model.criterion
    other = "ML" if asked == "REML" else "REML"
    likelihood = Likelihood(seen.case.design, reml=other == "REML")
    for fit, audit in _wrong(seen):
        point = point_of(likelihood, fit)
        if point is None:
            continue
        value = point.deviance(math.sqrt(fit.residual_variance))
        allowed = min(2.0 * load_tolerances()["loglik"].default, 0.01 * audit.gap)
        # Where the other engine's point lies lower, it need not be searched for the lowest.
        others = [a.theta for _, a in seen.pairs() if a.theta]
        if any(value - likelihood.at(list(theta)).deviance() > allowed for theta in others):
            continue
        best = find_optimum(likelihood, [point.theta])
        gap = value - best.deviance
        if gap <= allowed:
            return (
                f"{fit.engine}: {max(gap, 0.0):.2g} above the best {other} deviance and "
                f"{audit.gap:.2g} above the best by {asked}"
            )
    return None


def other_reference_level(seen: Seen) -> str | None:
    """Hold when fixed effects are those of the design with another reference level of a factor."""
    case = seen.case
    for fit, audit in seen.pairs():
        if not audit.gls_distance > 1e-3 or not audit.theta:
            continue
        likelihood = Likelihood(case.design, reml=case.model.criterion != "ML")
        beta = likelihood.at(list(audit.theta)).beta
        own = np.array([c.estimate for c in fit.coefficients])
        se = np.array([c.se for c in audit.coefficients], dtype=np.float64)
        for column in case.table.columns:
            if not isinstance(column, FactorColumn):
                continue
            apart = _apart_from(column, case)
            if float(np.abs((own - beta) / se)[apart].max(initial=0.0)) > 1e-3:
                continue
            for level in range(1, len(column.levels)):
                x = _with_reference(case, column, level)
                if x is None or x.shape != case.design.x.shape:
                    continue
                coded = np.linalg.lstsq(x, case.design.x @ beta, rcond=None)[0]
                if float(np.abs((own - coded) / se).max()) <= 1e-3:
                    return (
                        f"{fit.engine}: its fixed effects are those with "
                        f"{column.levels[level]!r} as the first level of {column.name}"
                    )
    return None


def _apart_from(factor: FactorColumn, case: Case) -> list[int]:
    """Columns of X whose fixed effects are the same whatever the factor's first level is.

    Not those of the factor, and not those (the intercept, x beside x:f) that another first level
    makes into sums with them. None where a name cannot be taken apart.
    """
    texts = list(case.table.names)
    for column in case.table.columns:
        texts += column.levels if isinstance(column, FactorColumn) else ()
    if any(mark in text for text in texts for mark in ":["):
        return []
    names = case.design.x_names
    pieces = [[] if name == "Intercept" else name.split(":") for name in names]
    free = [[p for p in piece if p.partition("[")[0] != factor.name] for piece in pieces]
    moved = [one for one, whole in zip(free, pieces, strict=True) if one != whole]
    return [j for j, piece in enumerate(pieces) if free[j] == piece and piece not in moved]


def _with_reference(case: Case, column: FactorColumn, level: int) -> Array | None:
    """X with one level of a factor put first."""
    order = [level, *(k for k in range(len(column.levels)) if k != level)]
    place = np.argsort(order).astype(np.int32)
    codes = np.where(column.missing, column.codes, place[column.codes]).astype(np.int32)
    moved = FactorColumn(column.name, codes, tuple(column.levels[k] for k in order))
    table = Table(tuple(moved if c.name == column.name else c for c in case.table.columns))
    try:
        return build_design(case.model, table).x
    except BadInput:
        return None


def criterion_constant(seen: Seen) -> str | None:
    """Hold when a stated log-likelihood lacks, or has twice, one of the criterion's constants."""
    design = seen.case.design
    n, p = design.x.shape
    pi = math.log(2.0 * math.pi)
    size, log_gram = np.linalg.slogdet(design.x.T @ design.x)
    m = n - p if seen.case.model.criterion == "REML" else n
    constants = {"m/2 log 2 pi": 0.5 * m * pi}
    if seen.case.model.criterion == "REML":
        constants["p/2 log 2 pi"] = 0.5 * p * pi
        if size > 0.0:
            constants["1/2 log|X'X|"] = 0.5 * float(log_gram)
            constants["p/2 log 2 pi and 1/2 log|X'X|"] = 0.5 * (p * pi + float(log_gram))
            constants["p/2 log 2 pi less 1/2 log|X'X|"] = 0.5 * (p * pi - float(log_gram))
    allowed = load_tolerances()["loglik"].default
    for fit, audit in seen.pairs():
        error = audit.loglik_error
        if error is None or not misstated(audit):
            continue
        for name, value in constants.items():
            if abs(value) > allowed and abs(abs(error) - abs(value)) <= 0.01 * allowed:
                return (
                    f"{fit.engine}: log-likelihood off by {error:.6g}, which is "
                    f"{'plus' if error * value > 0.0 else 'minus'} {name}"
                )
    return None


def rows_left_out(seen: Seen) -> str | None:
    """Hold when a fit used fewer rows than are complete."""
    rows = len(seen.case.design.y)
    for fit in (seen.left, seen.right):
        if isinstance(fit, Fit) and fit.n_obs < rows:
            return f"{fit.engine}: {fit.n_obs} of {rows} complete rows"
    return None
