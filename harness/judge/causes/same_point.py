"""Are an engine's numbers those of its own point, and are two points as near as their gaps say.

Two fits whose deviances are equal to the tolerance need not have equal estimates: the distance of
a point from the optimum, in asymptotic standard errors, is the square root of its gap in deviance
(which is quadratic there, with Hessian 2 Var^-1). When each engine's printed numbers are right for
its own point, and the points are no farther apart than their gaps allow, every difference between
them follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.engines.engine import Coefficient, Fit, RandomTerm
from harness.judge.audit import Audit
from harness.judge.causes.view import LMER, Pair, View
from harness.judge.evidence import Evidence, found, with_more
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design
from harness.referee.conditional_modes import conditional_modes
from harness.referee.satterthwaite import two_sided_p

SLACK = 2.0
"""The deviance is quadratic near the optimum only to first order."""


def df_off(fit: Fit, audit: Audit) -> dict[str, tuple[float, float]]:
    """Coefficients whose printed df are not those of the fit's own point: (printed, analytic)."""
    tolerance = 0.5 * _tolerance("df", fit, audit)
    out = {}
    for native, fair in zip(fit.coefficients, audit.coefficients, strict=False):
        if native.df is None or fair.df is None or math.isinf(native.df):
            continue
        if not abs(native.df - fair.df) <= tolerance * fair.df:
            out[native.name] = (native.df, fair.df)
    return out


def _tolerance(quantity: str, fit: Fit, audit: Audit) -> float:
    singular = audit.certificate == "boundary optimum"
    return load_tolerances()[quantity].at(fit.setting, singular=singular)


def true_to_itself(view: View, fit: Fit, audit: Audit) -> bool:
    """Whether SE, random effects and fitted values are what the fit's own variances give.

    Printed SE are compared where they are defined like the referee's (lme4); df are another matter,
    see :func:`df_off`.
    """
    if fit.fitter in LMER:
        for native, fair in zip(fit.coefficients, audit.coefficients, strict=True):
            if native.se is None or fair.se is None:
                continue
            if not abs(native.se - fair.se) <= _tolerance("se", fit, audit) * fair.se:
                return False
            if not _p_follows(native):
                return False
    return effects_off(view, fit, audit) <= _tolerance("random_effect", fit, audit)


def effects_off(view: View, fit: Fit, audit: Audit) -> float:
    """Return the largest error of a random effect or a fitted value, in residual SD.

    They are held to what the fit's own variances and fixed effects give.
    """
    modes = modes_at(view, audit)
    off = modes_off(view, fit, modes)
    if fit.fitted:
        design = view.case.design
        fitted = design.x @ np.array([c.estimate for c in fit.coefficients])
        for term, right in zip(design.random, modes, strict=True):
            fitted = fitted + (term.z * right[term.codes]).sum(axis=1)
        off = float(np.maximum(off, np.abs(np.array(fit.fitted) - fitted).max()))
    return off / math.sqrt(fit.residual_variance)


def modes_at(view: View, audit: Audit) -> list[NDArray[np.float64]]:
    """Return the conditional modes at the fit's own variances, a k x q matrix for each term."""
    return list(conditional_modes(view.likelihood.at(audit.theta)))


def modes_off(view: View, fit: Fit, modes: Sequence[NDArray[np.float64]]) -> float:
    """Return the largest error of a predicted random effect, in what it adds to a fitted value."""
    far = 0.0
    for term, own, right in zip(view.case.design.random, fit.random, modes, strict=True):
        if own.effects is not None:
            width = np.sqrt((term.z**2).mean(axis=0))
            far = max(far, float(np.abs((np.array(own.effects) - right) * width).max()))
    return far


def _p_follows(row: Coefficient) -> bool:
    """Whether t is estimate / SE, and p that of t on the row's own df."""
    if row.statistic is None or row.df is None or row.p is None or row.se is None:
        return True
    t = row.estimate / row.se
    p = two_sided_p(row.statistic, row.df)
    table = load_tolerances()
    return table["statistic"].allows(row.statistic, t) and table["p"].allows(row.p, p)


def as_near_as_their_gaps(pair: Pair) -> Evidence | None:
    """Hold when all that differs follows from two points of equal deviance.

    At an interior optimum the variances have to be within the distance that the gaps allow; on the
    boundary the deviance is not quadratic, and the gaps themselves have to do.
    """
    if not all(true_to_itself(v, *one) for v in pair.views for one in v.judged()):
        return None
    near = points_near(pair)
    return None if near is None else with_more(found("flat-optimum"), **near)


def rounding_of(design: Design, fit: Fit, audit: Audit) -> float:
    """Return how far rounding moves an engine's deviance at a fit, so that it sees no difference.

    It has terms of its own size; and where y'V^-1 y is what a subtraction leaves, as in MixedLM's
    ``_smw_solver``, rounding costs eps e'e / sigma^2, once in each of two sums; e is the outcome
    less its least-squares fit, so that its origin does not count.
    """
    eps = float(np.finfo(float).eps)
    own = abs(audit.loglik) * 2.0 + fit.n_obs
    e = design.y - design.x @ np.linalg.lstsq(design.x, design.y, rcond=None)[0]
    return eps * (16.0 * own + 2.0 * float(e @ e) / fit.residual_variance)


def points_near(pair: Pair) -> dict[str, float | str] | None:
    """Say how near two optimal points are, unless variances are farther apart than the gaps.

    What the engines print beside their variances does not count here.
    """
    pairs = pair.judged()
    if len(pairs) != 2 or not all(
        audit.certificate in ("interior optimum", "boundary optimum") for _, audit in pairs
    ):
        return None
    (left, one), (right, two) = pairs
    rounding = rounding_of(pair.case.design, right, two)
    reach = SLACK * (
        math.sqrt(max(one.gap, 0.0) + rounding) + math.sqrt(max(two.gap, 0.0) + rounding)
    )
    near: dict[str, float | str] = {
        "one": left.engine,
        "two": right.engine,
        "gap_one": max(one.gap, 0.0),
        "gap_two": max(two.gap, 0.0),
    }
    if one.certificate == "boundary optimum":
        return near
    farthest = max(
        (
            abs(a.covariance[i][i] - b.covariance[i][i]) / error
            for a, b, i, error in _diagonals(left, right, two)
            if error > 0.0
        ),
        default=0.0,
    )
    if not farthest <= reach:
        return None
    return near | {"reach": reach, "farthest": farthest}


def _diagonals(
    left: Fit, right: Fit, audit: Audit
) -> Iterator[tuple[RandomTerm, RandomTerm, int, float]]:
    errors = iter(audit.variance_se)
    for a, b in zip(left.random, right.random, strict=True):
        for i in range(len(b.names)):
            yield a, b, i, next(errors)
