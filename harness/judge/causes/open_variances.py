"""What the data do not determine, in the names of the case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.judge.causes.view import View
from harness.judge.evidence import Evidence
from harness.model.design import RandomDesign
from harness.referee.identifiability import FreeDirection, null_directions
from harness.referee.optimum import Optimum

_DUMMY = re.compile(r"(?P<factor>[^\[\]]+)\[(?:T\.)?(?P<level>[^\[\]]+)\]")


def undetermined(view: View) -> Evidence | None:
    """Hold when as good a point as the best has other variances: nobody's number is the right one.

    The likelihood is then the same along a change of the variances whatever the outcome is: of
    groups whose means are used up by fixed effects, of two terms that make one covariance.
    """
    if view.best is None or not view.best.free or not view.judged():
        return None
    design = view.case.design
    free = view.best.free
    together = [d for d in free if _alone(d.changes, d.residual, design.random) is None]
    return _evidence(
        [(d.changes, d.residual) for d in free],
        design.random,
        correlated=[any(d.phi) for d in free],
        effects=tuple(design.x_names[j] for j in sorted(view.best.moved)),
        ranges=tuple(r for d in together if (r := _range(view.best, d, design.random))),
    )


def undetermined_failure(view: View) -> Evidence | None:
    """Hold when an engine meets a singular matrix, and the design leaves a variance open."""
    for failure in view.failures():
        if failure.reason != "error" or "ingular matrix" not in failure.text:
            continue
        try:
            directions = null_directions(view.likelihood)
        except ValueError:  # no likelihood: aliased fixed effects, or too large
            return None
        if directions:
            return _evidence(directions, view.case.design.random)
    return None


def is_open(view: View, quantity: str, item: str) -> bool:
    """Whether a number of a fit is one that the data do not determine.

    Names of coefficients and of variances are those of statements and differences. The residuals
    are s2 P y, and P does not change along a free direction: fitted values change with s2 only.
    """
    best = view.best
    if best is None or not best.free:
        return False
    design = view.case.design
    match quantity:
        case "estimate" | "se" | "df" | "statistic" | "p":
            return item in {design.x_names[j] for j in best.moved}
        case "residual_variance":
            return any(d.residual for d in best.free)
        case "fitted":
            return any(d.residual or any(d.phi) for d in best.free)
        case "residual":
            assert design.residual is not None
            changed = np.any([d.phi for d in best.free], axis=0)
            return bool(changed[design.residual.names.index(item)])
        case "random_effect":
            return any(
                term.group == item and bool(change.any())
                for d in best.free
                for term, change in zip(design.random, d.changes, strict=True)
            )
        case "variance" | "variance_se":
            names = {name for d in best.free for name, _ in _elements(d.changes, design.random)}
            return item in names
    return False


def _evidence(
    directions: Sequence[tuple[Sequence[NDArray[np.float64]], float]],
    terms: Sequence[RandomDesign],
    correlated: Sequence[bool] = (),
    **more: tuple[str, ...],
) -> Evidence:
    correlated = correlated or [False] * len(directions)
    single = [
        None if beside else _alone(*direction, terms)
        for direction, beside in zip(directions, correlated, strict=True)
    ]
    words = tuple(
        ", ".join(
            filter(
                None,
                (in_names(*direction, terms), "the residual covariance as well" if beside else ""),
            )
        )
        for direction, beside, one in zip(directions, correlated, single, strict=True)
        if one is None
    )
    alone = tuple(one for one in single if one is not None)
    open_ = tuple(
        dict.fromkeys(name for changes, _ in directions for name, _ in _elements(changes, terms))
    )
    return Evidence(
        cause="undetermined-variance",
        texts=_factor(directions, terms),
        lists={"directions": words, "alone": alone, "open": open_, **more},
    )


def _alone(
    changes: Sequence[NDArray[np.float64]], residual: float, terms: Sequence[RandomDesign]
) -> str | None:
    """Return the name of the one variance that a direction changes; None where it is several."""
    names = [name for name, _ in _elements(changes, terms)]
    return names[0] if len(names) == 1 and not residual else None


def in_names(
    changes: Sequence[NDArray[np.float64]], residual: float, terms: Sequence[RandomDesign]
) -> str:
    """Write a change of the variances in the user's names: ``g: Intercept +1, residual -1``."""
    by: dict[str, list[str]] = {}
    for name, change in _elements(changes, terms):
        by.setdefault(f"{change:+.3g}", []).append(name)
    if residual:
        by.setdefault(f"{residual:+.3g}", []).append("residual variance")
    return ", ".join(f"{name} {size}" for size, names in by.items() for name in names)


def _elements(
    changes: Sequence[NDArray[np.float64]], terms: Sequence[RandomDesign]
) -> Iterator[tuple[str, float]]:
    for term, change in zip(terms, changes, strict=True):
        for a, b in zip(*np.triu_indices(len(change)), strict=True):
            if change[a, b]:
                names = " x ".join(dict.fromkeys((term.names[a], term.names[b])))
                yield f"{term.group}: {names}", float(change[a, b])


def _range(best: Optimum, direction: FreeDirection, terms: Sequence[RandomDesign]) -> str:
    """Say between which values the first variance that grows along a direction may be."""
    if direction.phi:
        return ""  # only the tangent is known
    here = best.point.likelihood.factors(best.point.theta)
    for term, factor, change in zip(terms, here, direction.changes, strict=True):
        for a, name in enumerate(term.names):
            if change[a, a] > 0.0:
                value = best.sigma**2 * float(factor[a] @ factor[a])
                low = max(value + direction.low * change[a, a], 0.0)
                low = 0.0 if low < 1e-6 * max(value, best.sigma**2) else low
                high = value + direction.high * change[a, a]
                upper = f"to {high:.4g}" if np.isfinite(high) else "up"
                return f"the variance of {term.group}: {name} may be any from {low:.4g} {upper}"
    return ""


def _factor(
    directions: Sequence[tuple[Sequence[NDArray[np.float64]], float]],
    terms: Sequence[RandomDesign],
) -> dict[str, str]:
    """Name a factor whose effects beside an intercept make one covariance twice."""
    for changes, residual in directions:
        if residual or sum(bool(change.any()) for change in changes) < 2:
            continue
        for term, change in zip(terms, changes, strict=True):
            dummies = [_DUMMY.fullmatch(name) for name in term.names]
            levels = [m for m in dummies if m is not None]
            if change.any() and len(levels) > 1 and len({m["factor"] for m in levels}) == 1:
                return {
                    "factor": levels[0]["factor"],
                    "group": term.group,
                    "level": levels[-1]["level"],
                }
    return {}
