"""Predicates for digits that an engine's arithmetic has lost, by a model of its rounding."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.linalg import block_diag

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.causes.same_point import effects_off, modes_at, modes_off
from harness.judge.causes.view import LMER, MIXEDLM, View
from harness.judge.evidence import Evidence, found
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design, RandomDesign
from harness.referee.crossproducts import aliased_columns
from harness.referee.lmertest_recipe import rounding_of_lme4
from harness.referee.satterthwaite import contrast_tests

_FACTOR = 10.0
"""The model gives the order of an error bound, which no single rounding exceeds by more."""

_NEIGHBOURS = 6
"""Covariance matrices beside the fit's that MixedLM's formulas are tried at."""

_ENTRIES = 1_000_000
"""Entries of Z up to which MixedLM's equations of crossed factors are solved."""

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
    if not failed or _effects(design) > _COLUMNS or aliased_columns(design.x):
        return None
    if not design.random:
        return None
    start = [np.eye(term.z.shape[1])[np.triu_indices(term.z.shape[1])] for term in design.random]
    _, relative, _ = rounding_of_lme4(design, np.concatenate(start), float(design.y.std()))
    condition = relative / float(np.finfo(float).eps)
    if relative < 0.1:
        return None
    return found("beyond-precision", view.engine, condition=condition)


def _effects(design: Design) -> int:
    return sum(len(term.levels) * term.z.shape[1] for term in design.random)


def normal_equations(view: View) -> Evidence | None:
    """Hold when lme4's log-likelihood, fixed effects or SE are off by what its equations round.

    It solves normal equations in the columns as they are. With a predictor whose spread is tiny
    beside its distance from zero their condition number eats the digits: of log |X'V^-1 X| in the
    REML criterion, of the coefficients and of their standard errors.
    """
    design = view.case.design
    if _effects(design) > _COLUMNS:
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
            design, np.array(audit.theta), math.sqrt(fit.residual_variance)
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

    Or by what its equations round, see :func:`_solved_as_mixedlm`.
    """
    for fit, audit in view.judged():
        if fit.fitter not in MIXEDLM or not audit.theta:
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
        solutions = _solutions_as_mixedlm(view.case.design, fit)
        singular = audit.certificate == "boundary optimum"
        if not solutions or not share > load_tolerances()["random_effect"].at(
            fit.setting, singular=singular
        ):
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
    limit = load_tolerances()["estimate"].default
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


def _solutions_as_mixedlm(
    design: Design, fit: Fit
) -> list[tuple[NDArray[np.float64], list[NDArray[np.float64]]]]:
    """Return what MixedLM's formulas give at its cov_re, and at some that differ in the last bit.

    Each of them is the fit's to double precision: where they differ no digit is determined. Beyond
    a condition of 1e16 the inverse of cov_re, which the formulas need, has none.
    """
    draw, unit = np.random.default_rng(0), float(np.finfo(float).eps)
    solutions = [_solved_as_mixedlm(design, fit)]
    for _ in range(_NEIGHBOURS):
        terms = []
        for term in fit.random:
            moved = np.triu(draw.choice([-unit, 0.0, unit], (len(term.covariance),) * 2))
            covariance = np.array(term.covariance) * (1.0 + moved + np.triu(moved, 1).T)
            terms.append(replace(term, covariance=tuple(map(tuple, covariance.tolist()))))
        solutions.append(_solved_as_mixedlm(design, replace(fit, random=tuple(terms))))
    return [solved for solved in solutions if solved is not None]


def _solved_as_mixedlm(
    design: Design, fit: Fit
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]] | None:
    """Return fixed and random effects by MixedLM's formulas in double precision.

    The fixed effects solve X'V^-1 X b = X'V^-1 y, the random effects of a group are
    Q Z'V^-1 (y - X b), and V^-1 c = (c - Z (Z'Z / s + Q^-1)^-1 Z'c / s) / s in the columns as they
    are: with a predictor far from zero Z'Z is nearly singular, and the difference cancels. Terms of
    several grouping factors make one group of all rows.
    """
    scale, first = fit.residual_variance, design.random[0]
    one = all(np.array_equal(term.codes, first.codes) for term in design.random)
    if not one and _effects(design) * len(design.y) > _ENTRIES:
        return None
    levels = [1 if one else len(term.levels) for term in design.random]
    z = np.column_stack([_columns(t, k) for t, k in zip(design.random, levels, strict=True)])
    blocks = [
        np.kron(np.eye(k), np.array(t.covariance)) for t, k in zip(fit.random, levels, strict=True)
    ]
    groups = [first.codes == k for k in range(len(first.levels))] if one else [slice(None)]
    psi, both = block_diag(*blocks), np.column_stack([design.x, design.y])
    weighted = np.zeros_like(both)
    try:
        inverse = np.linalg.inv(psi)
        for rows in groups:
            own, c = z[rows], both[rows]
            solved = np.linalg.solve(own.T @ own / scale + inverse, own.T)
            weighted[rows] = c / scale - own @ (solved @ c) / scale**2
        products = design.x.T @ weighted
        estimates = np.linalg.solve(products[:, :-1], products[:, -1])
    except np.linalg.LinAlgError:
        return None
    left = weighted[:, -1] - weighted[:, :-1] @ estimates
    found = np.array([psi @ (z[rows].T @ left[rows]) for rows in groups])
    ends = np.cumsum([k * t.z.shape[1] for t, k in zip(design.random, levels, strict=True)])
    parts = np.split(found, ends[:-1], axis=1)
    shaped = [
        np.asarray(part.reshape(-1, term.z.shape[1]), dtype=np.float64)
        for part, term in zip(parts, design.random, strict=True)
    ]
    return np.asarray(estimates, dtype=np.float64), shaped


def _columns(term: RandomDesign, levels: int) -> NDArray[np.float64]:
    """Return a term's columns of Z, for each level its own or, of one group, those of the rows."""
    if levels == 1:
        return term.z
    placed = np.zeros((len(term.codes), levels, term.z.shape[1]))
    placed[np.arange(len(term.codes)), term.codes] = term.z
    return placed.reshape(len(term.codes), -1)


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
