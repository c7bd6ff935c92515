"""Predicates for digits that an engine's arithmetic has lost, by a model of its rounding."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.same_point import effects_off, modes_at, modes_off
from harness.judge.causes.view import LMER, MIXEDLM, View, misstated
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances
from harness.model.design import Array, Design
from harness.referee.crossproducts import aliased_columns
from harness.referee.lmertest_recipe import rounding_of_lme4
from harness.referee.mixedlm_equations import MixedlmEquations, mixedlm_equations
from harness.referee.satterthwaite import contrast_tests

T = TypeVar("T")

_FACTOR = 10.0
"""The model gives the order of an error bound, which no single rounding exceeds by more."""

_NEIGHBOURS = 6
"""Covariance matrices beside the fit's that MixedLM's equations are solved at."""

_COLUMNS = 2000
"""Random effects up to which the condition number of lme4's equations is computed."""


_ARITHMETIC = re.compile(r"(?i)not positive definite|singular|factori[sz]ation|LinAlgError")
"""How programs fail when a matrix has no digits left."""


def beyond_precision(view: View) -> Evidence | None:
    """Hold when an engine failed, and the equations at the start of the engines have no digits.

    They start where the relative covariance is the identity, whatever the units of the predictor.
    """
    failed = any(_ARITHMETIC.search(failure.text) for failure in view.failures())
    design = view.case.design
    # Dependent columns have no digits in any units: that is another cause.
    if not failed or design.width > _COLUMNS or aliased_columns(design.x):
        return None
    if not design.random:
        return None
    start = [np.eye(term.z.shape[1]) for term in design.random]
    _, relative, _ = rounding_of_lme4(design, start, float(design.y.std()))
    condition = relative / float(np.finfo(float).eps)
    if relative < 0.1:
        return None
    return found("beyond-precision", view.engine, condition=condition)


def normal_equations(view: View) -> Evidence | None:
    """Hold when lme4's log-likelihood, fixed effects or SE are off by what its equations round.

    It solves normal equations in the columns as they are. With a predictor whose spread is tiny
    beside its distance from zero their condition number eats the digits: of log |X'V^-1 X| in the
    REML criterion, of the coefficients and of their standard errors.
    """
    design = view.case.design
    if design.width > _COLUMNS:
        return None
    for fit, audit in view.judged():
        if fit.fitter not in LMER or audit.loglik_error is None or not audit.theta:
            continue
        off = _Off(
            abs(audit.loglik_error),
            audit.gls_distance,
            _errors_off(fit, audit),
            effects_off(view, fit, audit),
        )
        if not off.matters(fit, audit):
            continue
        deviance, relative, outcome = rounding_of_lme4(
            design, view.likelihood.factors(audit.theta), math.sqrt(fit.residual_variance)
        )
        # Fixed and random effects are one solution of one system, so are rounded alike; fitted
        # values are made of both.
        model = _Off(deviance / 2.0, relative * outcome, relative, relative * outcome)
        if off.within(model):
            return found(
                "lme4-normal-equations",
                fit.engine,
                loglik=off.loglik,
                estimate=off.estimate,
                se=off.se,
                condition=float(relative / np.finfo(float).eps),
                loglik_rounded=model.loglik,
                estimate_rounded=model.estimate,
                se_rounded=model.se,
                effect=off.effect,
                effect_rounded=model.effect,
            )
    return None


def inverted_covariance(view: View) -> Evidence | None:
    """Hold when statsmodels' random effects are off by what inverting its cov_re rounds.

    Or by what its equations round.
    """
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or not audit.theta or not fit.random:
            continue
        modes = modes_at(view, audit)
        off = modes_off(view, fit, modes)
        widths = [np.sqrt((term.z**2).mean(axis=0)) for term in view.case.design.random]
        size = max(float(np.abs(m * w).max()) for m, w in zip(modes, widths, strict=True))
        sigma = math.sqrt(fit.residual_variance)
        condition = max(float(np.linalg.cond(np.array(t.covariance))) for t in fit.random)
        rounding = _FACTOR * float(np.finfo(float).eps) * condition * size
        if 1e-6 * size < off <= rounding:
            return found(
                "sm-llf-conditioning",
                fit.engine,
                quantity="random_effect",
                off=off / sigma,
                condition=condition,
            )
        # Fitted values, too, are made of the random effects.
        share = effects_off(view, fit, audit)
        singular = audit.certificate == "boundary optimum"
        if not share > load_tolerances()["random_effect"].at(fit.setting, singular=singular):
            continue
        solutions = _solutions_as_mixedlm(view.case.design, fit)
        if not solutions:
            continue
        rounded = max(
            float(np.abs((own - right) * width).max())
            for _, effects in solutions
            for own, right, width in zip(effects, modes, widths, strict=True)
        )
        if share * sigma <= _FACTOR * rounded:
            return found(
                "sm-llf-conditioning",
                fit.engine,
                quantity="random_effect",
                off=share,
                rounded=rounded / sigma,
            )
    return None


def fixed_effects_rounded(view: View) -> Evidence | None:
    """Hold when statsmodels' fixed effects are off by what its equations round, and no more."""
    view, limit = view.as_run, load_tolerances()["estimate"].default
    for fit, audit in view.judged():
        if fit.engine != "statsmodels" or not audit.theta or not audit.gls_distance > limit:
            continue
        solutions = _solutions_as_mixedlm(view.case.design, fit)
        if not solutions or len(audit.coefficients) != len(solutions[0][0]):
            continue
        fair = contrast_tests(view.likelihood.at(list(audit.theta)), np.eye(len(solutions[0][0])))
        rounded = max(
            abs(own - test.estimate) / row.se
            for estimates, _ in solutions
            for own, test, row in zip(estimates, fair, audit.coefficients, strict=True)
            if row.se
        )
        if audit.gls_distance <= _FACTOR * rounded:
            return found(
                "sm-llf-conditioning",
                fit.engine,
                quantity="estimate",
                off=audit.gls_distance,
                rounded=rounded,
            )
    return None


def rounded_loglik(view: View) -> Evidence | None:
    """Hold when statsmodels' log-likelihood is off by what its formulas round, and no more.

    By what inverting its cov_re rounds, or by what its likelihood does, computed anew.
    """
    view, reml = view.as_run, view.case.model.criterion == "REML"
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or audit.loglik_error is None or not misstated(audit):
            continue
        off = abs(audit.loglik_error)
        condition = max(
            (float(np.linalg.cond(np.array(term.covariance))) for term in fit.random), default=1.0
        )
        if off <= 100.0 * float(np.finfo(float).eps) * condition:
            return found(
                "sm-llf-conditioning",
                fit.engine,
                quantity="loglik",
                off=audit.loglik_error,
                condition=condition,
            )
        values = _as_mixedlm(view.case.design, fit, lambda e, c, s: e.loglik(c, s, reml=reml))
        rounded = max((abs(v - audit.loglik) for v in values if math.isfinite(v)), default=0.0)
        if off <= _FACTOR * rounded:
            return found(
                "sm-llf-conditioning",
                fit.engine,
                quantity="loglik",
                off=audit.loglik_error,
                rounded=rounded,
            )
    return None


def _solutions_as_mixedlm(design: Design, fit: Fit) -> list[tuple[Array, list[Array]]]:
    """Return fixed and random effects as MixedLM's equations round them; empty where it cannot."""
    return _as_mixedlm(design, fit, lambda e, c, s: e.effects(c, s))


def _as_mixedlm(
    design: Design, fit: Fit, computed: Callable[[MixedlmEquations, list[Array], float], T]
) -> list[T]:
    """Return what MixedLM's equations make of the fit's covariances; empty where they cannot.

    First at its cov_re, then at some that differ from it in the last bit. Each of them is the fit's
    to double precision: where they differ no digit is determined. Beyond a condition of 1e16 the
    inverse of cov_re, which the equations need, has none.
    """
    equations = mixedlm_equations(design) if design.random else None
    if equations is None:
        return []
    stated = [np.array(term.covariance) for term in fit.random]
    draw = np.random.default_rng(0)
    tried = [stated, *([_in_the_last_bit(q, draw) for q in stated] for _ in range(_NEIGHBOURS))]
    solutions = []
    for covariances in tried:
        with suppress(np.linalg.LinAlgError):
            solutions.append(computed(equations, covariances, fit.residual_variance))
    return solutions


def _in_the_last_bit(covariance: Array, draw: np.random.Generator) -> Array:
    """Return a symmetric matrix whose elements differ by a unit in the last place, or do not."""
    unit = float(np.finfo(float).eps)
    upper = np.triu(draw.choice([-unit, 0.0, unit], covariance.shape))
    return np.asarray(covariance * (1.0 + upper + np.triu(upper, 1).T))


@dataclass(frozen=True)
class _Off:
    """How far a fit's numbers are from those of its own point, or may be by rounding."""

    loglik: float
    estimate: float
    se: float
    effect: float
    """Of a random effect or a fitted value, in residual standard deviations."""

    def matters(self, fit: Fit, audit: Audit) -> bool:
        """Whether one of them is beyond the tolerance of the setting."""
        table = load_tolerances()
        singular = audit.certificate == "boundary optimum"
        return any(
            not value <= table[quantity].at(fit.setting, singular=singular)
            for quantity, value in (
                ("loglik", self.loglik),
                ("estimate", self.estimate),
                ("se", self.se),
                ("random_effect", self.effect),
            )
        )

    def within(self, model: _Off) -> bool:
        return (
            self.loglik <= _FACTOR * model.loglik
            and self.estimate <= _FACTOR * model.estimate
            and self.se <= _FACTOR * model.se
            and self.effect <= _FACTOR * model.effect
        )


def _errors_off(fit: Fit, audit: Audit) -> float:
    pairs = zip(fit.coefficients, audit.coefficients, strict=False)
    return max(
        (abs(own.se / fair.se - 1.0) for own, fair in pairs if own.se and fair.se), default=0.0
    )
