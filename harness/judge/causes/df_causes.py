"""Predicates for degrees of freedom that an engine gives otherwise than its own point has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Fit
from harness.judge.causes.same_point import df_off
from harness.judge.causes.view import LMER, View
from harness.judge.evidence import Evidence, found, with_more
from harness.judge.tolerances import load_tolerances
from harness.referee.deviance import Likelihood, Point
from harness.referee.lmertest_recipe import (
    EPSILON,
    difference_df,
    recipe_df,
    rounding_of_lme4,
)
from harness.referee.residual_likelihood import likelihood_of

Array = NDArray[np.float64]

_DRAWS = 5
"""Random roundings tried; the largest spread is compared, with a factor of as much again."""


def _worst(view: View, cause: str) -> Evidence | None:
    """Return printed and analytic df of the coefficient farthest off at the fit's own point."""
    for fit, audit in view.judged():
        off = df_off(fit, audit)
        if off:
            name = max(off, key=lambda key: abs(off[key][0] / off[key][1] - 1.0))
            printed, analytic = off[name]
            return found(
                cause, fit.engine, quantity="df", item=name, printed=printed, analytic=analytic
            )
    return None


def _of_others(
    predicate: Callable[[View], Evidence | None],
) -> Callable[[View], Evidence | None]:
    """Ask a predicate of fits that are not lmerTest's, whose derivatives are known."""

    @wraps(predicate)
    def ask(view: View) -> Evidence | None:
        fit = view.fit
        return None if fit is None or fit.fitter == "lmerTest::lmer" else predicate(view)

    return ask


def _of_lmertest(
    predicate: Callable[[View], Evidence | None],
) -> Callable[[View], Evidence | None]:
    """Ask a predicate of lmerTest's fits only, and where its steps stay among the parameters.

    At a bound of a structured term they do not: the sign of a column of lme4's factor is free, a
    standard deviation's is not.
    """

    @wraps(predicate)
    def ask(view: View) -> Evidence | None:
        fit = view.fit
        try:
            return None if fit is None or fit.fitter != "lmerTest::lmer" else predicate(view)
        except np.linalg.LinAlgError:
            return None

    return ask


@_of_others
def residual_share(view: View) -> Evidence | None:
    """Hold when df are the analytic ones but for the share of the residual variance.

    With the variances relative to the residual one, 1/df is what their uncertainty adds to 1/m,
    where m = n - p by REML and n by ML are the df of the residual variance. An engine may leave 1/m
    out, have n under REML, or take the uncertainty from the deviance of the other criterion. No df
    below one is what some programs allow.
    """
    worst = _worst(view, "df-residual-share")
    if worst is None:
        return None
    ((fit, audit),) = view.judged()
    n, own = len(view.case.design.y), view.likelihood.m
    fair = np.array([c.df for c in audit.coefficients], dtype=np.float64)
    stated = _stated_df(fit)
    if not (stated > 0.0).all():  # nor any number that is not there
        return None
    limit = 0.5 * load_tolerances()["df"].default
    added = [("", 1.0 / fair - 1.0 / own)]
    if own == n:
        part = _added_by_ratios(likelihood_of(view.case.design, reml=True).at(list(audit.theta)))
        # Variances whose divisor is n - p, differentiated, beside those that are stated, by n.
        p = view.case.design.x.shape[1]
        added += [("REML", part), ("REML", part * (n / (n - p)) ** 2)]
    else:
        # Steps of numerical derivatives may round what is left; a tenth at most is put down to it.
        limit = max(limit, min(0.1, _spread(view, _WIDE_STEP, _roundings(view)[0])))
    for criterion, part in added:
        for used in (math.inf, n):
            if used == own:
                continue
            share = np.minimum(1.0, part + 1.0 / used)
            if bool((np.abs(1.0 / stated - share) <= limit * np.maximum(share, 1.0 / fair)).all()):
                out = with_more(worst, residual=float(own))
                out = out if math.isinf(used) else with_more(out, used=float(used))
                return with_more(out, criterion=criterion) if criterion else out
    return None


def _stated_df(fit: Fit) -> Array:
    return np.array([math.nan if c.df is None else c.df for c in fit.coefficients])


def _added_by_ratios(point: Point) -> Array:
    """Return what the uncertainty of the variance ratios adds to 1/df of every coefficient.

    That is g'H^-1 g, with H the Hessian of the deviance profiled over sigma and g the derivatives
    of log Var(b), sigma profiled in it, too.
    """
    m = point.likelihood.products.basis.m
    inner = np.asarray(point.c @ point.xhx_derivatives @ point.c)
    own = np.einsum("ja,iab,jb->ij", m, inner, m) / np.einsum("ja,ab,jb->j", m, point.c, m)
    g = own + (point.gradient_parts[1] / point.rss)[:, None]
    return np.asarray((g * np.linalg.lstsq(point.profiled_hessian(), g, rcond=None)[0]).sum(axis=0))


_STEP, _WIDE_STEP = 1e-4, 1e-3
"""Steps of theta in which programs that are not lmerTest differentiate the deviance twice."""


@_of_others
def df_steps(view: View) -> Evidence | None:
    """Second differences of the referee's own deviance in a fixed step of theta give the df."""
    worst = _worst(view, "df-steps")
    if worst is None:
        return None
    ((_, audit),) = view.judged()
    likelihood, theta, sigma, printed = _native(view)
    off = _apart(printed, np.array([c.df for c in audit.coefficients], dtype=np.float64))
    for step in (_WIDE_STEP, _STEP, 0.1 * _STEP):
        try:
            taken = difference_df(likelihood, theta, sigma, step=step, noise=(0.0, 0.0))
        except np.linalg.LinAlgError:  # a step leads out of the parameter space
            continue
        left = _apart(printed, taken)
        if left <= 0.01 * min(off, 1.0):
            size = np.abs(theta[np.abs(theta) > 0.0])
            theta_least = float(size.min()) if size.size else 0.0
            return with_more(worst, step=step, theta=theta_least, left=left)
    return None


@_of_others
def df_rounding(view: View) -> Evidence | None:
    """Hold when second differences of a rounded deviance make df as uncertain as they are off.

    The deviance is rounded as by normal equations in the columns as they are, with a residual sum
    of squares that is summed, or else taken from y'y; the step is the one that most programs take.
    """
    worst = _worst(view, "df-rounding")
    if worst is None:
        return None
    ((fit, audit),) = view.judged()
    analytic = np.array([c.df for c in audit.coefficients], dtype=np.float64)
    off = _apart(_stated_df(fit), analytic)
    for noise in _roundings(view):
        spread = _spread(view, _STEP, noise)
        if off <= 2.0 * spread:
            return with_more(
                worst, deviance=noise[0], step=_STEP, spread=spread, lost=math.isinf(spread)
            )
    return None


def _roundings(view: View) -> tuple[tuple[float, float], ...]:
    """Return how far deviance and, relatively, variances are rounded: little, and more."""
    likelihood, theta, sigma, _ = _native(view)
    factors = likelihood.factors(theta)
    deviance, variance, outcome = rounding_of_lme4(view.case.design, factors, sigma)
    more = deviance + EPSILON * outcome**2 * math.sqrt(len(view.case.design.y))
    return (deviance, variance), (more, variance)


def _spread(view: View, step: float, noise: tuple[float, float]) -> float:
    """Return how far rounding moves df by second differences in steps of theta.

    Infinite where not even the sign of the curvature is left; zero, so that nothing is put down to
    it, where a step leaves the parameter space.
    """
    likelihood, theta, sigma, _ = _native(view)

    def df(noise: tuple[float, float], seed: int = 0) -> Array:
        return difference_df(likelihood, theta, sigma, step=step, noise=noise, seed=seed)

    try:
        exact, rounded = df((0.0, 0.0)), [df(noise, seed) for seed in range(_DRAWS)]
    except np.linalg.LinAlgError:
        return 0.0
    if not all((found > 0.0).all() for found in rounded):
        return math.inf
    return max(_apart(found, exact) for found in rounded)


def singular_df(view: View) -> Evidence | None:
    """At a fit's own singular point its df and the analytic ones differ, and may.

    Derivatives at the boundary depend on how the variances are written, but no way of writing them
    gives more df than the residual variance has: by Cauchy and Schwarz they are at most the
    curvature of the deviance along a common factor of all variances, which is n - p, by ML n.
    """
    worst = _worst(view, "singular-df")
    if worst is None or view.audit is None or view.audit.dual is None:
        return None
    ((fit, audit),) = view.judged()
    most = view.likelihood.m * (1.0 + load_tolerances()["df"].default)
    if fit.fitter not in LMER and any(not df <= most for df, _ in df_off(fit, audit).values()):
        return None
    return with_more(worst, ranks=tuple(map(str, view.audit.ranks)))


@_of_lmertest
def lmertest_units(view: View) -> Evidence | None:
    """At lme4's own point lmerTest's df are off, and an absolute limit is met.

    At a singular one, where other things move df too, lmerTest's own steps have to give them.
    """
    worst = _worst(view, "lmertest-units")
    if worst is None or view.audit is None:
        return None
    limit = _absolute_limit(view)
    if limit is None:
        return None
    singular = view.audit.dual is not None
    if singular and ("residual_sd" not in limit or _left_by_recipe(view) is None):
        return None
    return with_more(worst, **limit)


@_of_lmertest
def lmertest_steps(view: View) -> Evidence | None:
    """Numerical derivatives of the referee's own deviance, taken as lmerTest does, give its df."""
    worst = _worst(view, "lmertest-steps")
    if worst is None:
        return None
    left = _left_by_recipe(view)
    return None if left is None else with_more(worst, left=left)


def _left_by_recipe(view: View) -> float | None:
    """Return what numerical derivatives of the referee's deviance leave; None where it is much."""
    off, left, _ = _against_recipe(view)
    # A hundredth of how far they are off, and of lmerTest's own value where that is many times off.
    return left if left <= max(1e-6, 0.01 * min(off, 1.0)) else None


@_of_lmertest
def lmertest_rounding(view: View) -> Evidence | None:
    """Hold when what lme4's arithmetic rounds makes numerical df as uncertain as they are off."""
    worst = _worst(view, "lmertest-rounding")
    if worst is None:
        return None
    _, left, recipe = _against_recipe(view)
    likelihood, theta, sigma, _ = _native(view)
    deviance, variance, _ = rounding_of_lme4(view.case.design, likelihood.factors(theta), sigma)
    spread = max(
        _apart(recipe_df(likelihood, theta, sigma, noise=(deviance, variance), seed=seed), recipe)
        for seed in range(_DRAWS)
    )
    if not left <= _DRAWS * spread:
        return None
    return with_more(worst, deviance=deviance, spread=spread)


def _native(view: View) -> tuple[Likelihood, Array, float, Array]:
    ((fit, audit),) = view.judged()
    return view.likelihood, np.array(audit.theta), math.sqrt(fit.residual_variance), _stated_df(fit)


def _against_recipe(view: View) -> tuple[float, float, Array]:
    """Compare printed df with the analytic and with the recipe's, relative; and the recipe's."""
    likelihood, theta, sigma, printed = _native(view)
    assert view.audit is not None
    analytic = np.array([c.df for c in view.audit.coefficients], dtype=np.float64)
    recipe = recipe_df(likelihood, theta, sigma)
    return _apart(printed, analytic), _apart(printed, recipe), recipe


def _apart(a: Array, b: Array) -> float:
    return float(np.abs(a / b - 1.0).max())


_STEP_LIMIT = math.sqrt(np.finfo(float).eps / 7e-7)
"""numDeriv's ``zero.tol``: a parameter below it is moved by an absolute 1e-4, not by a tenth."""

_EIGENVALUE_LIMIT = 1e-8
"""lmerTest leaves out directions in which the Hessian is flatter than this."""


def _absolute_limit(view: View) -> dict[str, float] | None:
    likelihood, theta, sigma, _ = _native(view)
    if sigma < _STEP_LIMIT:
        return {"residual_sd": sigma}
    size = np.abs(theta)
    small = size[(size > 0.0) & (size < _STEP_LIMIT)]
    if small.size:
        return {"theta": float(small.min())}
    flattest = float(np.linalg.eigvalsh(likelihood.at(theta).hessian(sigma))[0])
    if flattest < _EIGENVALUE_LIMIT:
        return {"eigenvalue": flattest}
    return None
