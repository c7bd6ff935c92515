"""Predicates for degrees of freedom that lmerTest gives otherwise than its own point has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from harness.judge.causes.same_point import df_off
from harness.judge.causes.view import LMER, View
from harness.judge.evidence import Evidence, found, with_more
from harness.judge.tolerances import load_tolerances
from harness.referee.deviance import Likelihood
from harness.referee.lmertest_recipe import recipe_df, rounding_of_lme4

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


def _of_lmertest(
    predicate: Callable[[View], Evidence | None],
) -> Callable[[View], Evidence | None]:
    """Ask a predicate of lmerTest's fits only."""

    @wraps(predicate)
    def ask(view: View) -> Evidence | None:
        fit = view.fit
        return None if fit is None or fit.fitter != "lmerTest::lmer" else predicate(view)

    return ask


def residual_share(view: View) -> Evidence | None:
    """Hold when df are the analytic ones but for the share of the residual variance.

    With the variances relative to the residual one, 1/df is what their uncertainty adds to 1/m,
    where m = n - p by REML and n by ML are the df of the residual variance. An engine may leave 1/m
    out, or take the m of the other criterion. No df below one is what some programs allow.
    """
    worst = _worst(view, "df-residual-share")
    if worst is None:
        return None
    ((fit, audit),) = view.judged()
    n, p = view.case.design.x.shape
    own = view.likelihood.m
    fair = np.array([c.df for c in audit.coefficients], dtype=np.float64)
    stated = np.array([math.nan if c.df is None else c.df for c in fit.coefficients])
    limit = 0.5 * load_tolerances()["df"].default
    if not (stated > 0.0).all():  # nor any number that is not there
        return None
    for used in (math.inf, n - p, n):
        if used == own:
            continue
        share = np.minimum(1.0, 1.0 / fair - 1.0 / own + 1.0 / used)
        if bool((np.abs(1.0 / stated - share) <= limit / fair).all()):
            share_of = with_more(worst, residual=float(own))
            return share_of if math.isinf(used) else with_more(share_of, used=float(used))
    return None


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
    """At lme4's own full-rank point lmerTest's df are off, and an absolute limit is met."""
    worst = _worst(view, "lmertest-units")
    if worst is None or view.audit is None or view.audit.dual is not None:
        return None
    limit = _absolute_limit(view)
    return None if limit is None else with_more(worst, **limit)


@_of_lmertest
def lmertest_steps(view: View) -> Evidence | None:
    """Numerical derivatives of the referee's own deviance, taken as lmerTest does, give its df."""
    worst = _worst(view, "lmertest-steps")
    if worst is None:
        return None
    off, left, _ = _against_recipe(view)
    # A hundredth of how far they are off, and of lmerTest's own value where that is many times off.
    if not left <= max(1e-6, 0.01 * min(off, 1.0)):
        return None
    return with_more(worst, left=left)


@_of_lmertest
def lmertest_rounding(view: View) -> Evidence | None:
    """Hold when what lme4's arithmetic rounds makes numerical df as uncertain as they are off."""
    worst = _worst(view, "lmertest-rounding")
    if worst is None:
        return None
    _, left, recipe = _against_recipe(view)
    likelihood, theta, sigma, _ = _native(view)
    deviance, variance, _ = rounding_of_lme4(view.case.design, theta, sigma)
    spread = max(
        _apart(recipe_df(likelihood, theta, sigma, noise=(deviance, variance), seed=seed), recipe)
        for seed in range(_DRAWS)
    )
    if not left <= _DRAWS * spread:
        return None
    return with_more(worst, deviance=deviance, spread=spread)


def _native(view: View) -> tuple[Likelihood, Array, float, Array]:
    ((fit, audit),) = view.judged()
    df = np.array([math.nan if c.df is None else c.df for c in fit.coefficients])
    return view.likelihood, np.array(audit.theta), math.sqrt(fit.residual_variance), df


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
