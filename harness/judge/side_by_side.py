"""Two fits side by side, quantity by quantity."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.base.json import Matrix
from harness.engines.engine import Fit, RandomTerm
from harness.judge.comparison import Difference
from harness.judge.examination import Examined
from harness.judge.judgement import Judgement
from harness.judge.lre import lre
from harness.judge.statements import rows_of
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design, RandomDesign
from harness.referee.definitions import definition
from harness.referee.residual_matrix import sign_open

Array = NDArray[np.float64]


def differences(
    design: Design,
    one: Examined,
    own: Judgement,
    beside: Examined,
    reference: Judgement,
    *,
    singular: bool,
) -> tuple[Difference, ...]:
    """Compare a fit with that of the reference engine, in the same setting.

    Numbers under one definition are compared as they are printed. Where the engines print a
    quantity under different definitions, what the reference prints is set beside the referee's
    value at the engine's own point, under the reference's definition. ``singular`` says whether the
    optimum is. Nothing is compared between fits with different random effects, and no fixed effect
    between fits that code them differently: under one name they are not the same.
    """
    if random_effects(one.fit) != random_effects(beside.fit):
        return ()
    return tuple(_rows(design, one, own, beside, reference, singular=singular))


def random_effects(fit: Fit) -> list[tuple[str, int]]:
    """Return the grouping factor and the number of effects of each term."""
    return [(term.group, len(term.names)) for term in fit.random]


_FOLLOWS = {"se": (), "df": (), "statistic": ("se",), "p": ("se", "df", "statistic")}
"""Numbers of a coefficient, and on which others each depends."""


def like_for_like(
    one: Examined, own: Judgement, reference: Judgement, share: float = 1.0
) -> dict[str, list[float]]:
    """Return an engine's numbers under the definitions of the reference, where they differ.

    By quantity, a value for each coefficient, at the engine's own point; quantities that both
    print under one definition are left out, and those that the reference does not print. ``share``
    is what the residual variance is times, where the reference divides by another number.
    """
    at = one.standpoint
    if at is None:
        return {}
    if share != 1.0:
        at = dataclasses.replace(at, sigma=at.sigma * math.sqrt(share))
    rows = rows_of(one.fit)
    out: dict[str, list[float]] = {}
    for quantity, before in _FOLLOWS.items():
        wanted, has = _definition_of(reference, quantity), _definition_of(own, quantity)
        if not wanted or (wanted == has and share == 1.0 and not out.keys() & set(before)):
            continue
        under = definition(quantity, wanted)
        values = None if under is None else under.value(at, rows, math.nan)
        if values is None:
            continue
        out[quantity] = list(values)
        if quantity != "p":
            rows = tuple(
                dataclasses.replace(row, **{quantity: v})
                for row, v in zip(rows, values, strict=True)
            )
    return out


def _of_divisors(left: Fit, right: Fit, design: Design) -> float:
    """Return what a linear model's residual variance is times, by the divisor of the other fit."""
    n, p = design.x.shape
    if design.random:
        return 1.0
    by = [n if f.definitions.get("residual_variance") == "n" else n - p for f in (left, right)]
    return by[0] / by[1] if by[1] else 1.0


def _definition_of(judgement: Judgement, quantity: str) -> str:
    """Return the definition under which an engine states a quantity; empty where it does not."""
    return next((s.definition for s in judgement.statements if s.quantity == quantity), "")


def _rows(
    design: Design,
    one: Examined,
    own: Judgement,
    beside: Examined,
    reference: Judgement,
    *,
    singular: bool,
) -> Iterator[Difference]:
    left, right = one.fit, beside.fit

    def row(
        quantity: str,
        item: str,
        a: float,
        b: float,
        size: float | None = None,
        *,
        referee: bool = False,
    ) -> Difference:
        tolerance = load_tolerances()[quantity].at(left.setting, singular=singular)
        return _difference(quantity, item, a, b, size, tolerance, referee=referee)

    if left.loglik is not None and right.loglik is not None:
        yield row("loglik", "", left.loglik, right.loglik)
    printed = {c.name: i for i, c in enumerate(left.coefficients)}
    same_names = printed.keys() == {c.name for c in right.coefficients}
    share = _of_divisors(left, right, design)
    fair = like_for_like(one, own, reference, share) if same_names else {}
    for native, seen in zip(right.coefficients, beside.audit.coefficients, strict=False):
        if not same_names:
            break
        at = printed[native.name]
        mine = left.coefficients[at]
        # Without a standard error, as of a fit too far out to evaluate, the difference is a NaN.
        yield row("estimate", native.name, mine.estimate, native.estimate, seen.se)
        for quantity in _FOLLOWS:
            b = getattr(native, quantity)
            a = fair[quantity][at] if quantity in fair else getattr(mine, quantity)
            if a is not None and b is not None:
                yield row(quantity, native.name, a, b, referee=quantity in fair)
    sigma2 = right.residual_variance
    for term, mine_term, own_term in zip(design.random, left.random, right.random, strict=False):
        for item, a, b, size in _covariances(mine_term, own_term, sigma2, _widths(term)):
            yield row("variance", item, a, b, size)
    mine_sigma2 = share * left.residual_variance
    yield row("residual_variance", "", mine_sigma2, sigma2, referee=share != 1.0)
    theirs = dict(right.residual)
    for name, value in left.residual:
        if name in theirs:
            # Where rho and -rho are one model they differ in nothing.
            same = name == "rho" and design.residual is not None and sign_open(design.residual)
            like = math.copysign(value, theirs[name]) if same else value
            yield msgspec.structs.replace(row("residual", name, like, theirs[name]), value=value)
    sigma = math.sqrt(max(sigma2, 0.0))
    for term, mine_term, own_term in zip(design.random, left.random, right.random, strict=False):
        if mine_term.effects is None or own_term.effects is None:
            continue
        width = _widths(term)
        a, b = _farthest(_wide(mine_term.effects, width), _wide(own_term.effects, width))
        yield row("random_effect", term.group, a, b, sigma)
    if left.fitted and right.fitted:
        a, b = _farthest(np.array(left.fitted), np.array(right.fitted))
        yield row("fitted", "", a, b, sigma)


def _widths(term: RandomDesign) -> Array:
    """Return the root mean square of each effect's column: what an effect is in the outcome."""
    return np.asarray(np.sqrt((term.z**2).mean(axis=0)))


def _wide(effects: Matrix, width: Array) -> Array:
    """Effects in units of the outcome."""
    matrix = np.array(effects)
    return matrix * width if matrix.ndim == 2 and matrix.shape[1] == len(width) else matrix


def _covariances(
    left: RandomTerm, right: RandomTerm, sigma2: float, widths: Array
) -> Iterator[tuple[str, float, float, float]]:
    """Lower triangle of Psi: item, the two values and the size that a difference is relative to.

    The floor is a share of the residual variance in the units of each effect: a slope whose
    variance shifts no row by more than that is as good as none, whatever the units of its column.
    """
    share = load_tolerances()["variance"].floor * max(sigma2, 0.0)
    widths = widths if len(widths) == len(right.names) else np.ones(len(right.names))
    floor = share / np.where(widths > 0.0, widths, 1.0) ** 2
    for i, name in enumerate(right.names):
        for j in range(i + 1):
            other = right.names[j]
            item = f"{right.group}: {name}" if i == j else f"{right.group}: {other} x {name}"
            size = math.sqrt(
                max(right.covariance[i][i], floor[i]) * max(right.covariance[j][j], floor[j])
            )
            yield item, left.covariance[i][j], right.covariance[i][j], size


def _farthest(left: Array, right: Array) -> tuple[float, float]:
    """Return the pair of entries that differ most; NaN for other rows or levels."""
    if left.shape != right.shape:
        return math.nan, math.nan
    at = np.unravel_index(int(np.abs(left - right).argmax()), left.shape)
    return float(left[at]), float(right[at])


def _difference(
    quantity: str,
    item: str,
    a: float,
    b: float,
    size: float | None,
    tolerance: float,
    *,
    referee: bool,
) -> Difference:
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
    if a == b or (math.isnan(a) and math.isnan(b)):
        difference = 0.0
    return Difference(
        quantity=quantity,
        item=item,
        value=a,
        reference=b,
        referee=referee,
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
