"""Predicates for degrees of freedom that lmerTest gives otherwise than its own point has them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Fit
from harness.judge.causes.same_point import df_off
from harness.judge.causes.view import Seen, ranks_in_words
from harness.referee.deviance import Likelihood
from harness.referee.lmertest_recipe import recipe_df, rounding_of_lme4

Array = NDArray[np.float64]

_DRAWS = 5
"""Random roundings tried; the largest spread is compared, with a factor of as much again."""


def _worst(seen: Seen) -> tuple[str, float, float] | None:
    """Name, printed and analytic df of the coefficient that is farthest off at lme4's own point."""
    if not isinstance(seen.right, Fit) or seen.right_audit is None:
        return None
    off = df_off(seen.right, seen.right_audit)
    if not off:
        return None
    name = max(off, key=lambda key: abs(off[key][0] / off[key][1] - 1.0))
    return (name, *off[name])


def _at_its_own(worst: tuple[str, float, float]) -> str:
    name, printed, analytic = worst
    return f"df of {name} at lme4's own estimates: lmerTest {printed:.6g}, analytic {analytic:.6g}"


def singular_df(seen: Seen) -> str | None:
    """At lme4's own singular point the numerical and the analytic df differ."""
    worst = _worst(seen)
    if worst is None or seen.right_audit is None or seen.right_audit.dual is None:
        return None
    return f"{_at_its_own(worst)}; {ranks_in_words(seen.right_audit)}"


def lmertest_units(seen: Seen) -> str | None:
    """At lme4's own full-rank point lmerTest's df are off, and an absolute limit is met."""
    worst = _worst(seen)
    if worst is None or seen.right_audit is None or seen.right_audit.dual is not None:
        return None
    limit = _absolute_limit(seen)
    return None if limit is None else f"{_at_its_own(worst)}; {limit}"


def lmertest_steps(seen: Seen) -> str | None:
    """Numerical derivatives of the referee's own deviance, taken as lmerTest does, give its df."""
    worst = _worst(seen)
    if worst is None:
        return None
    off, left, _ = _against_recipe(seen)
    # A hundredth of how far they are off, and of lmerTest's own value where that is many times off.
    if not left <= max(1e-6, 0.01 * min(off, 1.0)):
        return None
    return (
        f"{_at_its_own(worst)}; its steps on the referee's deviance give lmerTest's, to {left:.1g}"
    )


def lmertest_rounding(seen: Seen) -> str | None:
    """Hold when what lme4's arithmetic rounds makes numerical df as uncertain as they are off."""
    worst = _worst(seen)
    if worst is None:
        return None
    _, left, recipe = _against_recipe(seen)
    likelihood, theta, sigma, _ = _native(seen)
    deviance, variance, _ = rounding_of_lme4(seen.case.design, theta, sigma)
    spread = max(
        _apart(recipe_df(likelihood, theta, sigma, noise=(deviance, variance), seed=seed), recipe)
        for seed in range(_DRAWS)
    )
    if not left <= _DRAWS * spread:
        return None
    return (
        f"{_at_its_own(worst)}; rounding of lme4's deviance by {deviance:.1g} moves numerical df "
        f"by {spread:.1g}, relative"
    )


def _native(seen: Seen) -> tuple[Likelihood, Array, float, Array]:
    assert isinstance(seen.right, Fit)
    assert seen.right_audit is not None
    likelihood = Likelihood(seen.case.design, reml=seen.case.model.criterion != "ML")
    df = np.array([math.nan if c.df is None else c.df for c in seen.right.coefficients])
    sigma = math.sqrt(seen.right.residual_variance)
    return likelihood, np.array(seen.right_audit.theta), sigma, df


def _against_recipe(seen: Seen) -> tuple[float, float, Array]:
    """Compare printed df with the analytic and with the recipe's, relative; and the recipe's."""
    likelihood, theta, sigma, printed = _native(seen)
    assert seen.right_audit is not None
    analytic = np.array([c.df for c in seen.right_audit.coefficients], dtype=np.float64)
    recipe = recipe_df(likelihood, theta, sigma)
    return _apart(printed, analytic), _apart(printed, recipe), recipe


def _apart(a: Array, b: Array) -> float:
    return float(np.abs(a / b - 1.0).max())


_STEP_LIMIT = math.sqrt(np.finfo(float).eps / 7e-7)
"""numDeriv's ``zero.tol``: a parameter below it is moved by an absolute 1e-4, not by a tenth."""

_EIGENVALUE_LIMIT = 1e-8
"""lmerTest leaves out directions in which the Hessian is flatter than this."""


def _absolute_limit(seen: Seen) -> str | None:
    likelihood, theta, sigma, _ = _native(seen)
    if sigma < _STEP_LIMIT:
        return f"residual SD {sigma:.2g}, below the step of its numerical derivatives"
    size = np.abs(theta)
    small = size[(size > 0.0) & (size < _STEP_LIMIT)]
    if small.size:
        return f"theta {small.min():.2g}, below the step of its numerical derivatives"
    flattest = float(np.linalg.eigvalsh(likelihood.at(theta).hessian(sigma))[0])
    if flattest < _EIGENVALUE_LIMIT:
        return f"eigenvalue {flattest:.2g} of the Hessian, below its cut-off of 1e-8"
    return None
