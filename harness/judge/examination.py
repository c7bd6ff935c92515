"""Audit fits: evaluate each with the referee, and find the best point known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Coefficient, Fit, OwnModel, RandomTerm, Setting
from harness.judge.audit import Audit, Certificate
from harness.judge.tolerances import load_tolerances
from harness.model.case import Case
from harness.model.design import Design
from harness.referee.best_point import find_optimum, search_for
from harness.referee.cost import TooLarge
from harness.referee.deviance import Likelihood, NoMaximum, Point
from harness.referee.optimality import Optimality, optimality
from harness.referee.optimum import Optimum, OptimumSearch
from harness.referee.residual_likelihood import ResidualLikelihood, likelihood_of
from harness.referee.residual_matrix import internal
from harness.referee.satterthwaite import ContrastTest, contrast_tests, two_sided_p
from harness.referee.standpoint import Standpoint
from harness.referee.structured_likelihood import StructuredLikelihood
from harness.referee.variance_errors import variance_errors

Array = NDArray[np.float64]

OUTSIDE = 1e-8
"""A covariance matrix with an eigenvalue below minus this share of its largest is not one."""


@dataclass(frozen=True)
class Examined:
    """One fit as the referee sees it; ``standpoint`` is None where it cannot be evaluated."""

    fit: Fit
    audit: Audit
    standpoint: Standpoint | None


@dataclass(frozen=True)
class Examination:
    """What the referee found out about a case.

    ``best`` is None, and ``reason`` says why, where the referee cannot evaluate the case, or, with
    ``left_out``, was not to or not in time, or, with ``endless``, the likelihood has no maximum.
    """

    fits: tuple[Examined, ...]
    best: Optimum | None
    reason: str = ""
    left_out: bool = False
    endless: bool = False

    @property
    def audits(self) -> tuple[Audit, ...]:
        """The audit of each fit."""
        return tuple(one.audit for one in self.fits)

    @property
    def singular(self) -> bool:
        """Whether the best point known lies on the boundary."""
        return self.best is not None and self.best.optimality.singular

    def of(self, engine: str, setting: Setting) -> Examined | None:
        """Return the fit of an engine, examined, or None where there is none."""
        return next(
            (e for e in self.fits if e.fit.engine == engine and e.fit.setting == setting), None
        )


def examine(
    case: Case,
    fits: Sequence[Fit],
    own: Mapping[str, OwnModel] = MappingProxyType({}),
    *,
    best: Optimum | None = None,
    search: Callable[[Case], OptimumSearch] = search_for,
) -> Examination:
    """Audit every fit of a case against the best point known from all of them.

    Parameters
    ----------
    own : mapping
        By engine, the model that its default fit is of where that is not the case's: the fit is
        audited in that, in its coding, and in the case's only for what it states of that.
    best : Optimum, optional
        The best point known already, from a search that started at these fits too: nothing is
        searched for again.
    search : function
        Gives the search for the best point of the case as far as it has come, to be gone on with.
    """
    reml = case.model.criterion != "ML"
    try:
        if best is None:
            known = search(case)
            points = _points(known.likelihood, fits)
            best = known.best(point.theta for point in points.values() if point is not None)
        else:
            points = _points(best.point.likelihood, fits)
    except ValueError as error:  # aliased fixed effects among them
        endless = isinstance(error, NoMaximum)
        return Examination((), None, str(error), isinstance(error, TooLarge), endless)
    if case.model.criterion == "OLS":
        return Examination(tuple(_closed_form(case, f, best.point) for f in fits), best)
    examined = []
    for fit in fits:
        model = own.get(fit.engine) if fit.setting == "default" else None
        one = _examined(case, case.design, fit, points[id(fit)], best)
        examined.append(one if model is None else _examined_in(case, model, one, reml=reml))
    return Examination(tuple(examined), best)


def _points(likelihood: Likelihood, fits: Sequence[Fit]) -> dict[int, Point | None]:
    return {id(fit): point_of(likelihood, fit) for fit in fits}


def _examined(case: Case, design: Design, fit: Fit, point: Point | None, best: Optimum) -> Examined:
    if point is None or len(fit.coefficients) != design.x.shape[1]:
        return Examined(fit, audit_of(fit, point, best), None)
    at = Standpoint(design, case.model.criterion, point, math.sqrt(fit.residual_variance))
    return Examined(fit, audit_of(fit, point, best, at.tests), at)


def _examined_in(case: Case, model: OwnModel, in_case: Examined, *, reml: bool) -> Examined:
    """Examine a fit as one of its own model."""
    own = msgspec.structs.replace(in_case.fit, random=model.random)
    try:
        likelihood = likelihood_of(model.design, reml=reml)
        point = point_of(likelihood, own)
        best = find_optimum(likelihood, [] if point is None else [point.theta])
    except ValueError:
        return in_case
    found = _examined(case, model.design, own, point, best)
    audit = msgspec.structs.replace(
        found.audit,
        loglik=in_case.audit.loglik,
        loglik_error=in_case.audit.loglik_error,
        theta=in_case.audit.theta,
    )
    return Examined(in_case.fit, audit, found.standpoint)


def _relative(fit: Fit) -> list[Array]:
    return [
        np.asarray(term.covariance, dtype=np.float64) / fit.residual_variance for term in fit.random
    ]


def point_of(likelihood: Likelihood, fit: Fit) -> Point | None:
    """Return the fit's variances as a point; None where there is no likelihood to evaluate.

    That is outside the parameter space, and where variances are so large that rounding leaves no
    information on a fixed effect.
    """
    try:
        point = _point(likelihood, fit)
        return point if point is None or _has_information(point) else None
    except np.linalg.LinAlgError:
        return None


def _has_information(point: Point) -> bool:
    """Whether every fixed effect has a variance above what rounding leaves of it."""
    inner, _ = point.conditioned()
    m = inner.likelihood.products.basis.m
    variances = np.einsum("ij,jk,ik->i", m, inner.c, m)
    return bool((variances > 0.0).all() and np.isfinite(variances).all())


def _point(likelihood: Likelihood, fit: Fit) -> Point | None:
    if not fit.residual_variance > 0.0:
        return None
    relative = _relative(fit)
    if [len(p) for p in relative] != list(likelihood.products.sizes):
        return None
    if isinstance(likelihood, ResidualLikelihood):
        if [name for name, _ in fit.residual] != list(likelihood.residual.names):
            return None
        likelihood = likelihood.given(internal(likelihood.residual, [v for _, v in fit.residual]))
    if isinstance(likelihood, StructuredLikelihood):
        return likelihood.at(likelihood.theta(relative))
    lower = [_factor(term, psi) for term, psi in zip(fit.random, relative, strict=True)]
    if all(matrix is not None for matrix in lower):
        found = [matrix for matrix in lower if matrix is not None]
        elements = [found[t][a, b] for t, a, b in likelihood.layout]
        return likelihood.at(likelihood.with_residual(elements))
    if not all(_is_covariance(psi) for psi in relative):
        return None
    return likelihood.at(likelihood.theta(relative))


def _is_covariance(psi: Array) -> bool:
    if not np.isfinite(psi).all():
        return False
    values = np.linalg.eigvalsh(psi)
    return bool(values[0] >= -OUTSIDE * max(float(values[-1]), 1e-300))


def _factor(term: RandomTerm, psi: Array) -> Array | None:
    """Return the engine's own factor, if it has one and it is that of the covariance it states."""
    if term.factor is None:
        return None
    lower = np.array(term.factor, dtype=np.float64)
    same = np.abs(lower @ lower.T - psi) <= 1e-10 * np.abs(psi).max(initial=0.0)
    return lower if bool(same.all()) else None


def audit_of(
    fit: Fit, point: Point | None, best: Optimum, tests: Sequence[ContrastTest] | None = None
) -> Audit:
    """Audit one fit, whose variances are ``point``, against the best point known.

    ``tests`` are those of every coefficient at the fit's variances, where they are known already.
    """
    if point is None:
        nan = math.nan
        short = _short_by_its_word(fit, best)
        return Audit(
            engine=fit.engine,
            setting=fit.setting,
            certificate="outside the parameter space" if short is None else "stopped short",
            loglik=nan,
            loglik_error=nan,
            gap=math.inf if short is None else short,
            gradient=nan,
            dual=None,
            ranks=(),
            gls_distance=nan,
            coefficients=fit.coefficients,
            converged_true=False if short is None else fit.converged is False,
        )
    sigma = math.sqrt(fit.residual_variance)
    loglik = -0.5 * point.deviance(sigma)
    # At the fit's own sigma, so that a wrong divisor of the residual variance counts.
    gap = point.deviance(sigma) - best.deviance
    outcome = optimality(point)
    profiled = (point.sigma * point.likelihood.products.basis.y_scale / sigma) ** 2
    certificate = _certificate(fit, gap, outcome, best)
    if tests is None:
        tests = contrast_tests(point, np.eye(point.likelihood.products.p), sigma=sigma)
    coefficients, distance = _like_for_like(fit, tests)
    optimal = certificate in ("interior optimum", "boundary optimum")
    return Audit(
        engine=fit.engine,
        setting=fit.setting,
        certificate=certificate,
        loglik=loglik,
        loglik_error=None if fit.loglik is None else fit.loglik - loglik,
        gap=gap,
        gradient=max(outcome.gradient, point.likelihood.m * abs(1.0 - profiled)),
        dual=outcome.dual,
        ranks=outcome.ranks,
        gls_distance=distance,
        coefficients=coefficients,
        theta=tuple(point.theta.tolist()),
        variance_se=variance_errors(point, sigma),
        distances=_distances(fit, best),
        # "converged" is a claim; "not converged" at the optimum is a false alarm, also untrue.
        converged_true=None if fit.converged is None else fit.converged == optimal,
        singular_true=None
        if fit.singular is None or not optimal
        else fit.singular == best.optimality.singular,
    )


def _short_by_its_word(fit: Fit, best: Optimum) -> float | None:
    """Return the gap by the log-likelihood that the engine states, at variances that are valid.

    For fits that cannot be evaluated: one whose own statement puts it below the best point is.
    """
    valid = fit.residual_variance > 0.0 and all(_is_covariance(psi) for psi in _relative(fit))
    if not valid or fit.loglik is None or not math.isfinite(fit.loglik):
        return None
    gap = -2.0 * fit.loglik - best.deviance
    return gap if gap > gap_tolerance(fit.setting, singular=best.optimality.singular) else None


def _distances(fit: Fit, best: Optimum) -> tuple[tuple[str, float], ...]:
    """Distances from the best point in its own standard errors, where these are not zero."""
    point = best.point
    out = []
    if len(fit.coefficients) == len(best.tests):
        for own, right in zip(fit.coefficients, best.tests, strict=True):
            out.append((own.name, abs(own.estimate - right.estimate) / right.se))
    errors = iter(best.variance_errors)
    for term, lower in zip(fit.random, point.likelihood.factors(point.theta), strict=True):
        variances = best.sigma**2 * (lower**2).sum(axis=1)
        for i, name in enumerate(term.names):
            error = next(errors)
            if error > 0.0:
                distance = abs(term.covariance[i][i] - float(variances[i])) / error
                out.append((f"{term.group}: {name}", distance))
    return tuple(out)


def gap_tolerance(setting: Setting, *, singular: bool) -> float:
    """Return the deviance by which a fit may be above the best point: twice that of loglik."""
    return 2.0 * load_tolerances()["loglik"].at(setting, singular=singular)


def _certificate(fit: Fit, gap: float, outcome: Optimality, best: Optimum) -> Certificate:
    singular = best.optimality.singular
    if gap <= gap_tolerance(fit.setting, singular=singular):
        return "boundary optimum" if singular else "interior optimum"
    return "false boundary" if outcome.false_boundary else "stopped short"


def _like_for_like(
    fit: Fit, tests: Sequence[ContrastTest]
) -> tuple[tuple[Coefficient, ...], float]:
    """SE, Satterthwaite df, t and p at the fit's variances, for the fit's own estimates."""
    if len(fit.coefficients) != len(tests):
        return fit.coefficients, math.nan
    rows, distance = [], 0.0
    for own, test in zip(fit.coefficients, tests, strict=True):
        # np.maximum keeps a NaN, which max() drops.
        distance = float(np.maximum(distance, abs(own.estimate - test.estimate) / test.se))
        statistic = own.estimate / test.se
        rows.append(
            Coefficient(
                own.name, own.estimate, test.se, test.df, statistic, two_sided_p(statistic, test.df)
            )
        )
    return tuple(rows), distance


def _closed_form(case: Case, fit: Fit, point: Point) -> Examined:
    """Examine a linear model: SE, df and p at the fit's residual variance; ML log-likelihood."""
    sigma = math.sqrt(fit.residual_variance)
    divisor = fit.definitions.get("residual_variance", "m")
    standpoint = Standpoint(case.design, "OLS", point, sigma, divisor)
    coefficients, distance = _like_for_like(fit, standpoint.tests)
    loglik = standpoint.loglik
    audit = Audit(
        engine=fit.engine,
        setting=fit.setting,
        certificate="closed form",
        loglik=loglik,
        loglik_error=None if fit.loglik is None else fit.loglik - loglik,
        gap=0.0,
        gradient=0.0,
        dual=None,
        ranks=(),
        gls_distance=distance,
        coefficients=coefficients,
    )
    complete = len(fit.coefficients) == case.design.x.shape[1]
    return Examined(fit, audit, standpoint if complete else None)
