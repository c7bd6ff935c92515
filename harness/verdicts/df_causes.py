"""Predicates for degrees of freedom that differ at one and the same point."""

from __future__ import annotations

import math

import numpy as np

from harness.engines.base import Fit
from harness.referee.deviance import Likelihood
from harness.verdicts.comparison import Comparison
from harness.verdicts.seen import Seen, ranks_in_words


def _df_off(seen: Seen) -> Comparison | None:
    """Find the worst df that lmerTest and the referee give at one and the same point."""
    if not isinstance(seen.right, Fit) or seen.right_audit is None:
        return None
    worst: tuple[float, float, float, str] | None = None
    for native, audited in zip(
        seen.right.coefficients, seen.right_audit.coefficients, strict=False
    ):
        if native.df is None or audited.df is None or native.df == audited.df:
            continue
        off = abs(native.df - audited.df) / audited.df
        if worst is None or not off <= worst[0]:
            worst = (off, native.df, audited.df, native.name)
    if worst is None or worst[0] <= 1e-3:
        return None
    off, a, b, name = worst
    return Comparison(
        setting=seen.right.setting,
        quantity="df",
        item=name,
        left=b,
        right=a,
        difference=off,
        unit="relative",
        digits=0.0,
        tolerance=1e-3,
        within=False,
    )


def singular_df(seen: Seen) -> str | None:
    """At lme4's own singular point the numerical and the analytic df differ."""
    off = _df_off(seen)
    if off is None or seen.right_audit is None or seen.right_audit.dual is None:
        return None
    return (
        f"df of {off.item} at lme4's own estimates: lmerTest {off.right:.6g}, "
        f"analytic {off.left:.6g}; "
        f"{ranks_in_words(seen.right_audit)}"
    )


def lmertest_units(seen: Seen) -> str | None:
    """At lme4's own full-rank point lmerTest's df are off, and an absolute limit is met."""
    off = _df_off(seen)
    if off is None or seen.right_audit is None or seen.right_audit.dual is not None:
        return None
    limit = _absolute_limit(seen)
    if limit is None:
        return None
    return (
        f"df of {off.item} at lme4's own estimates: lmerTest {off.right:.6g}, "
        f"analytic {off.left:.6g}; {limit}"
    )


_STEP_LIMIT = math.sqrt(np.finfo(float).eps / 7e-7)
"""numDeriv's ``zero.tol``: a parameter below it is moved by an absolute 1e-4, not by a tenth."""


_EIGENVALUE_LIMIT = 1e-8
"""lmerTest leaves out directions in which the Hessian is flatter than this."""


def _absolute_limit(seen: Seen) -> str | None:
    assert isinstance(seen.right, Fit)
    assert seen.right_audit is not None
    sigma = math.sqrt(seen.right.residual_variance)
    if sigma < _STEP_LIMIT:
        return f"residual SD {sigma:.2g}, below the step of its numerical derivatives"
    theta = np.abs(seen.right_audit.theta)
    small = theta[(theta > 0.0) & (theta < _STEP_LIMIT)]
    if small.size:
        return f"theta {small.min():.2g}, below the step of its numerical derivatives"
    likelihood = Likelihood(seen.case.design, reml=seen.case.model.criterion != "ML")
    hessian = likelihood.at(seen.right_audit.theta).hessian(sigma)
    flattest = float(np.linalg.eigvalsh(hessian)[0])
    if flattest < _EIGENVALUE_LIMIT:
        return f"eigenvalue {flattest:.2g} of the Hessian, below its cut-off of 1e-8"
    return None
