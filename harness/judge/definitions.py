"""Differences by definition: two quantities under one name, with the numbers of this case."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.engines.engine import Fit
from harness.judge.audit import Audit
from harness.judge.side_by_side import random_effects
from harness.judge.verdict import Definition

SHOWN = 1e-9
"""Relative difference above which two values are shown as different."""


def definitions(left: Fit, left_audit: Audit, right: Fit) -> tuple[Definition, ...]:
    """Find where statsmodels (left) and R (right) print different quantities under one name."""
    if left.engine != "statsmodels" or right.engine != "lme4":
        return ()
    return tuple(_found(left, left_audit, right))


def _found(left: Fit, audit: Audit, right: Fit) -> Iterator[Definition]:
    mixed = left.fitter == "MixedLM"
    printed = {c.name: c for c in right.coefficients}
    alike = printed.keys() == {c.name for c in left.coefficients}
    for own, fair in zip(left.coefficients, audit.coefficients, strict=True):
        # In another coding a coefficient of the same name is another one.
        other = printed[own.name] if alike else None
        if not mixed:
            continue
        if (
            own.df == math.inf
            and other is not None
            and other.df is not None
            and own.p is not None
            and other.p is not None
        ):
            yield Definition(
                cause="z-for-t", item=own.name, left=own.p, right=other.p, like_for_like=fair.p
            )
        if own.se is None or fair.se is None:
            continue
        if _differ(own.se, fair.se, 1e-4):
            yield Definition(
                cause="se-joint-hessian",
                item=own.name,
                left=own.se,
                right=other.se if other is not None else None,
                like_for_like=fair.se,
            )
    comparable = random_effects(left) == random_effects(right) and left.residual_variance > 0.0
    if mixed and comparable:
        for term, same in zip(left.random, right.random, strict=False):
            for i, name in enumerate(term.names):
                variance = term.covariance[i][i]
                if _differ(left.residual_variance, 1.0, 1e-4):
                    yield Definition(
                        cause="scaled-params",
                        item=f"{term.group}: {name}",
                        left=variance / left.residual_variance,
                        right=same.covariance[i][i],
                        like_for_like=variance,
                    )
        for (item, shown), error in zip(left.variance_se, audit.variance_se, strict=False):
            if _differ(shown, error, 1e-4):
                yield Definition(
                    cause="variance-se-column",
                    item=item,
                    left=shown,
                    right=None,
                    like_for_like=error,
                )
        warned = any("boundary" in m.text for m in left.messages)
        if right.singular is not None and warned != right.singular:
            smallest = min(t.covariance[i][i] for t in left.random for i in range(len(t.names)))
            yield Definition(
                cause="absolute-boundary-warning",
                item=f"smallest variance, {smallest / left.residual_variance:.2g} of the residual",
                left=smallest,
                right=None,
            )
    yield from _criteria(left, right, mixed=mixed)


def _criteria(left: Fit, right: Fit, *, mixed: bool) -> Iterator[Definition]:
    for item, a, b in (("AIC", left.aic, right.aic), ("BIC", left.bic, right.bic)):
        if a is None or b is None or left.loglik is None or right.loglik is None:
            continue
        if mixed and math.isnan(a) and not math.isnan(b):
            yield Definition(cause="aic-under-reml", item=item, left=a, right=b)
        penalty = 2.0 if item == "AIC" else math.log(left.n_obs)
        if (
            not mixed
            and abs(b - a - penalty) < 1e-6
            and not _differ(left.loglik, right.loglik, SHOWN)
        ):
            yield Definition(cause="aic-counts-scale", item=item, left=a, right=b)


def _differ(a: float, b: float, share: float) -> bool:
    return not abs(a - b) <= share * abs(b)
