"""Which group, or which row, a singular fit rests on: what the term would be without it.

One scoring step from the best point, for each group and each row left out, says which; what is said
of that one is its best point, searched for anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.singular_term import Without
from harness.model.design import Design, RandomDesign
from harness.referee.best_point import find_optimum
from harness.referee.deviance import Point
from harness.referee.kenward_roger import KenwardRogerUndefined
from harness.referee.optimality import optimality
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.scoring_step import scoring_step

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_GROUPS, _ROWS, _SIZE = 200, 250, 2000
"""Groups and rows that are left out in turn, of a case of so many rows at most."""

_FEW = 3
"""Groups of which it may be so; where it is of more, the answer rests on none of them."""

_SOME = 0.02
"""Part of the residual variance, or of a correlation's distance from 1, that is a difference."""


@dataclass(frozen=True)
class Step:
    """Where a scoring step leads without the rows that are not kept."""

    place: int
    keep: Mask
    covariances: tuple[Array, ...]
    residual: float


Steps = dict[str, list[Step]]
"""By ``row``, and by the names of grouping factors: each row, or group, left out in turn."""


def influence(bench: Bench, t: int, effect: int | None, steps: Steps) -> Without | None:
    """Find the one row, or else the group, without which a term would not be singular.

    Parameters
    ----------
    effect : int or None
        The effect whose variance is zero; None for two effects with a correlation of 1 or -1.
    steps : dict
        Those that are known of this case; what is computed is added.
    """
    n = len(bench.case.design.y)
    if bench.best is None or n > _SIZE:
        return None
    row = _the_one(bench, t, effect, "row", steps) if n <= _ROWS else None
    if row is None and len(bench.case.design.random[t].levels) <= _GROUPS:
        return _the_one(bench, t, effect, "group", steps)
    return row


def _the_one(
    bench: Bench, t: int, effect: int | None, kind: Literal["row", "group"], steps: Steps
) -> Without | None:
    design = bench.case.design
    term = design.random[t]
    key = "row" if kind == "row" else f"by {term.group}"
    if key not in steps:
        steps[key] = list(_steps(bench, term, kind))
    found: list[tuple[float, float, Step]] = []
    for step in steps[key]:
        size, value = _measured(step.covariances[t], step.residual, term, effect)
        if size > _SOME:
            found.append((size, value, step))
    few = 1 if kind == "row" else min(_FEW, len(steps[key]) // 2)
    if not 0 < len(found) <= few:
        return None
    _, about, step = max(found, key=lambda one: one[0])
    right = _refitted(bench, t, effect, step.keep)
    if right is None:
        return None
    return Without(
        kind=kind,
        label=str(design.rows[step.place] + 1) if kind == "row" else term.levels[step.place],
        rows=int((~step.keep).sum()),
        value_now=_now(bench, t, effect),
        value=right,
        about=about,
        like_it=len(found),
        of=len(steps[key]),
    )


def _steps(bench: Bench, term: RandomDesign, kind: str) -> Iterator[Step]:
    for place, keep in _left_out(bench.case.design, term, kind):
        point = _without(bench, keep)
        if point is None:
            continue
        try:
            yield Step(place, keep, *scoring_step(point))
        except (KenwardRogerUndefined, np.linalg.LinAlgError):
            continue


def _left_out(design: Design, term: RandomDesign, kind: str) -> Iterator[tuple[int, Mask]]:
    if kind == "group":
        for level in range(len(term.levels)):
            yield level, term.codes != level
        return
    for i in range(len(design.y)):
        keep = np.ones(len(design.y), dtype=np.bool_)
        keep[i] = False
        yield i, keep


def _without(bench: Bench, keep: Mask) -> Point | None:
    """Return the best point of all rows as a point of some."""
    assert bench.best is not None
    reml = bench.best.point.likelihood.reml
    try:
        return likelihood_of(some_rows(bench.case.design, keep), reml=reml).at(
            bench.best.point.theta
        )
    except (ValueError, np.linalg.LinAlgError):  # a fixed effect that is then not determined
        return None


def some_rows(design: Design, keep: Mask) -> Design:
    """Return a design of some of its rows; levels without a row are left out."""
    random = []
    for term in design.random:
        present, codes = np.unique(term.codes[keep], return_inverse=True)
        random.append(
            replace(
                term,
                z=np.ascontiguousarray(term.z[keep]),
                codes=codes.astype(np.int32),
                levels=tuple(term.levels[k] for k in present),
            )
        )
    return replace(
        design,
        y=design.y[keep],
        weights=None if design.weights is None else design.weights[keep],
        offset=None if design.offset is None else design.offset[keep],
        x=np.ascontiguousarray(design.x[keep]),
        random=tuple(random),
        rows=design.rows[keep],
    )


def _measured(
    covariance: Array, residual: float, term: RandomDesign, effect: int | None
) -> tuple[float, float]:
    """Return how far from singular a covariance is, without units, and the number to be told."""
    if effect is not None:
        value = float(covariance[effect, effect])
        return value * float((term.z[:, effect] ** 2).mean()) / residual, value
    product = float(covariance[0, 0] * covariance[1, 1])
    if not (covariance[0, 0] > 0.0 and product > 0.0):
        return -math.inf, math.nan
    correlation = float(covariance[0, 1]) / math.sqrt(product)
    return 1.0 - abs(correlation), correlation


def _now(bench: Bench, t: int, effect: int | None) -> float:
    return 0.0 if effect is not None else math.copysign(1.0, bench.relative[t][0, 1])


def _refitted(bench: Bench, t: int, effect: int | None, keep: Mask) -> float | None:
    """Return the number at the best point without these rows; None where it is singular too."""
    start = _without(bench, keep)
    assert start is not None
    try:
        best = find_optimum(start.likelihood, [start.theta])
    except (ValueError, np.linalg.LinAlgError):
        return None
    term = bench.case.design.random[t]
    if optimality(best.point).ranks[t] < len(term.names):
        return None
    factor = best.point.likelihood.factors(best.point.theta)[t]
    covariance = best.sigma**2 * (factor @ factor.T)
    size, value = _measured(covariance, best.sigma**2, term, effect)
    return value if size > _SOME else None
