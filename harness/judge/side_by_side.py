"""Two fits side by side, quantity by quantity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.base.json import Matrix
from harness.engines.engine import Fit, RandomTerm, Setting
from harness.judge.audit import Audit
from harness.judge.comparison import Comparison
from harness.judge.lre import lre
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design

Array = NDArray[np.float64]


def compare(
    design: Design,
    left: Fit,
    left_audit: Audit,
    right: Fit,
    right_audit: Audit,
    *,
    singular: bool,
) -> tuple[Comparison, ...]:
    """Compare a fit with that of the reference engine, in the same setting.

    Standard errors are like for like on both sides: the referee's at each fit's own estimates. df,
    t and p of the reference are what it printed, those of the other side the referee's, so that
    lmerTest's numbers are checked and not assumed. ``singular`` says whether the optimum is.
    Nothing is compared between fits with different random effects, and no fixed effect between fits
    that code them differently: under one name they are not the same.
    """
    if random_effects(left) != random_effects(right):
        return ()
    return tuple(_rows(design, left, left_audit, right, right_audit, singular=singular))


def random_effects(fit: Fit) -> list[tuple[str, int]]:
    """Return the grouping factor and the number of effects of each term."""
    return [(term.group, len(term.names)) for term in fit.random]


def _rows(
    design: Design, left: Fit, left_audit: Audit, right: Fit, right_audit: Audit, *, singular: bool
) -> Iterator[Comparison]:
    def row(quantity: str, item: str, a: float, b: float, size: float | None = None) -> Comparison:
        tolerance = load_tolerances()[quantity].at(left.setting, singular=singular)
        return _comparison(left.setting, quantity, item, a, b, size, tolerance)

    if left.loglik is not None and right.loglik is not None:
        yield row("loglik", "", left.loglik, right.loglik)
    ours = {c.name: c for c in left_audit.coefficients}
    printed = {c.name: c for c in right.coefficients}
    for own in right_audit.coefficients if ours.keys() == printed.keys() else ():
        mine, native = ours.get(own.name), printed[own.name]
        if mine is None:
            continue
        # Without a standard error, as of a fit too far out to evaluate, the difference is a NaN.
        yield row("estimate", own.name, mine.estimate, own.estimate, own.se)
        for quantity, a, b in (
            ("se", mine.se, native.se if native.se is not None else own.se),
            ("df", mine.df, native.df),
            ("statistic", mine.statistic, native.statistic),
            ("p", mine.p, native.p),
        ):
            if a is not None and b is not None:
                yield row(quantity, own.name, a, b)
    sigma2 = right.residual_variance
    for mine_term, own_term in zip(left.random, right.random, strict=False):
        for item, a, b, size in _covariances(mine_term, own_term, sigma2):
            yield row("variance", item, a, b, size)
    yield row("residual_variance", "", left.residual_variance, sigma2)
    sigma = math.sqrt(max(sigma2, 0.0))
    for term, mine_term, own_term in zip(design.random, left.random, right.random, strict=False):
        if mine_term.effects is None or own_term.effects is None:
            continue
        width = np.sqrt((term.z**2).mean(axis=0))
        a, b = _farthest(_wide(mine_term.effects, width), _wide(own_term.effects, width))
        yield row("random_effect", term.group, a, b, sigma)
    if left.fitted and right.fitted:
        a, b = _farthest(np.array(left.fitted), np.array(right.fitted))
        yield row("fitted", "", a, b, sigma)


def _wide(effects: Matrix, width: Array) -> Array:
    """Effects in units of the outcome."""
    matrix = np.array(effects)
    return matrix * width if matrix.ndim == 2 and matrix.shape[1] == len(width) else matrix


def _covariances(
    left: RandomTerm, right: RandomTerm, sigma2: float
) -> Iterator[tuple[str, float, float, float]]:
    """Lower triangle of Psi: item, the two values and the size that a difference is relative to."""
    floor = load_tolerances()["variance"].floor * max(sigma2, 0.0)
    for i, name in enumerate(right.names):
        for j in range(i + 1):
            other = right.names[j]
            item = f"{right.group}: {name}" if i == j else f"{right.group}: {other} x {name}"
            size = math.sqrt(
                max(right.covariance[i][i], floor) * max(right.covariance[j][j], floor)
            )
            yield item, left.covariance[i][j], right.covariance[i][j], size


def _farthest(left: Array, right: Array) -> tuple[float, float]:
    """Return the pair of entries that differ most; NaN for other rows or levels."""
    if left.shape != right.shape:
        return math.nan, math.nan
    at = np.unravel_index(int(np.abs(left - right).argmax()), left.shape)
    return float(left[at]), float(right[at])


def _comparison(
    setting: Setting,
    quantity: str,
    item: str,
    a: float,
    b: float,
    size: float | None,
    tolerance: float,
) -> Comparison:
    rule = load_tolerances()[quantity]
    match rule.unit:
        case "absolute":
            difference = abs(a - b)
        case "SE":
            difference = abs(a - b) / size if size else math.nan
        case "relative":
            difference = _ratio(abs(a - b), size if size is not None else max(abs(b), rule.floor))
        case "log10":
            difference = _log_ratio(a, b)
    if a == b:
        difference = 0.0
    return Comparison(
        setting=setting,
        quantity=quantity,
        item=item,
        left=a,
        right=b,
        difference=difference,
        unit=rule.unit,
        digits=lre(a, b),
        tolerance=tolerance,
        within=difference <= tolerance,
    )


def _ratio(difference: float, size: float) -> float:
    return difference / size if size > 0.0 else math.nan


_UNDERFLOW = 1e-300
"""p values below this lose their digits, and become zero in one program before the other."""


def _log_ratio(a: float, b: float) -> float:
    if a < 0.0 or b < 0.0 or math.isnan(a) or math.isnan(b):
        return math.nan
    a, b = max(a, _UNDERFLOW), max(b, _UNDERFLOW)
    return abs(math.log10(a) - math.log10(b)) / max(1.0, abs(math.log10(b)))
