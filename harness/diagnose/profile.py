"""Profiles of the deviance: one for each standard deviation, correlation and the residual's.

The profiled deviance at a value is the lowest that the model reaches with the parameter held there.
Where it lies less than the 0.95 quantile of chi-squared with one degree of freedom above the best
point, the value is in the likelihood-ratio interval (Bates, Maechler, Bolker and Walker 2015,
section 5.1, for lme4's ``profile``). The criterion is that of the case: an interval by REML differs
from lme4's, which profiles ML.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.diagnose.bench import Bench
from harness.diagnose.constraint import Minimum
from harness.diagnose.graphs import Profile
from harness.diagnose.parameter import Parameter, Profiler, parameters
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.model.design import Design

Array = NDArray[np.float64]

LEVEL = 0.95

FURTHEST = 2.8
"""Root of the rise in deviance up to which a profile is followed; 0.995 in probability."""

_STEP = 0.45
_MOST_STEPS = 24
_LEAST = 1e-3
"""Share of the best residual SD down to which that is followed: at 0 the deviance has a limit at
most, which it has where every row is a group."""

_EDGE = 1e-6
"""A correlation nearer to +-1 than this is at the boundary."""


def profiles(
    bench: Bench, record: CaseRecord, engines: Sequence[str], *, budget: float = 20.0
) -> tuple[tuple[Profile, ...], str]:
    """Profile every variance parameter of a case.

    Parameters
    ----------
    budget : float
        Seconds that it may take.

    Returns
    -------
    profiles : tuple of Profile
    note : str
        What was left out and why; empty when nothing was.
    """
    if bench.best is None or bench.likelihood is None or not bench.case.design.random:
        return (), ""
    design, best = bench.case.design, bench.best
    wanted = parameters(design)
    started = time.perf_counter()
    best.point.likelihood.at(best.point.theta).profiled_hessian()
    estimate = 150.0 * (time.perf_counter() - started) * len(wanted)
    if estimate > budget:
        return (), (
            f"No profiles of the deviance: those of {len(wanted)} variance parameters would take "
            f"about {estimate:.0f} s (limit {budget:.0f} s)."
        )
    sigma = best.point.sigma * bench.likelihood.products.basis.y_scale
    covariances = [sigma**2 * psi for psi in bench.relative]
    out, left = [], []
    for parameter in wanted:
        if math.isnan(parameter.value(covariances, sigma)):
            left.append(parameter.label(design))
            continue
        found = of_parameter(
            parameter, design, bench.relative, sigma, best.deviance, reml=bench.likelihood.reml
        )
        own = _engines(parameter, record, engines)
        out.append(msgspec.structs.replace(found, engines=own))
    note = (
        f"No profile of the {' and of the '.join(left)}: a variance is 0 at the best point, and "
        "the deviance is the same for every correlation."
        if left
        else ""
    )
    return tuple(out), note


def of_parameter(
    parameter: Parameter,
    design: Design,
    relative: Sequence[Array],
    sigma: float,
    minimum: float,
    *,
    reml: bool,
) -> Profile:
    """Profile one variance parameter.

    Parameters
    ----------
    relative : sequence of (q, q) arrays
        Covariance matrices at the best point, relative to the residual variance.
    sigma : float
        Residual standard deviation there, in the units of the data.
    minimum : float
        Deviance there.
    """
    covariances = [sigma**2 * psi for psi in relative]
    profiler = Profiler(design, relative, sigma, (parameter,), reml=reml)
    return _profile(
        parameter,
        design,
        partial(_at, profiler),
        parameter.value(covariances, sigma),
        minimum,
        _first_step(parameter, design, covariances, sigma),
    )


def _at(profiler: Profiler, x: float, near: Minimum | None) -> Minimum:
    return profiler.at([x], near)


def covariances_of(fit: Fit) -> list[Array]:
    """Covariance matrices of a fit, in squared units of the data."""
    return [np.array(term.covariance, dtype=np.float64) for term in fit.random]


def _engines(
    parameter: Parameter, record: CaseRecord, engines: Sequence[str]
) -> tuple[tuple[str, float, float], ...]:
    out = []
    for engine in engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if not isinstance(fit, Fit) or audit is None or not math.isfinite(audit.loglik):
            continue
        value = parameter.value(covariances_of(fit), math.sqrt(fit.residual_variance))
        if math.isfinite(value):
            out.append((engine, value, -2.0 * audit.loglik))
    return tuple(out)


def _first_step(
    parameter: Parameter, design: Design, covariances: Sequence[Array], sigma: float
) -> float:
    """Return a step that is small beside the parameter, or beside what the residuals could hide."""
    if parameter.scale == "correlation":
        return 0.05
    if parameter.scale == "sigma":
        return 0.02 * sigma
    term = design.random[parameter.term]
    width = float(np.sqrt((term.z[:, parameter.effects[0]] ** 2).mean())) or 1.0
    levels = max(len(term.levels), 1)
    hidden = sigma / width / math.sqrt(len(design.y) / levels)
    return max(0.1 * parameter.value(covariances, sigma), 0.1 * hidden)


Evaluate = Callable[[float, Minimum | None], Minimum]


def _profile(
    parameter: Parameter,
    design: Design,
    evaluate: Evaluate,
    best: float,
    minimum: float,
    step: float,
) -> Profile:
    known: dict[float, Minimum] = {}

    def root(x: float, near: Minimum | None) -> tuple[float, Minimum]:
        found = evaluate(x, near)
        known[x] = found
        return math.sqrt(max(found.deviance - minimum, 0.0)), found

    low, high = parameter.bounds
    if parameter.scale == "sigma":
        low = _LEAST * best
    ends = []
    for direction in (-1.0, 1.0):
        bound = high if direction > 0 else low
        points = [(best, 0.0, None), *_walk(root, best, direction, bound, step)]
        ends.append(crossing(root, points))
    values = {best: minimum} | {x: m.deviance for x, m in known.items()}
    grid = sorted(x for x, d in values.items() if d - minimum <= 1.5 * FURTHEST**2 or x == best)
    return Profile(
        parameter=parameter.label(design),
        scale=parameter.scale,
        grid=tuple(grid),
        deviance=tuple(max(values[x], minimum) for x in grid),
        best=best,
        minimum=minimum,
        level=LEVEL,
        low=ends[0],
        high=ends[1],
    )


Root = Callable[[float, Minimum | None], tuple[float, Minimum]]
Place = tuple[float, float, Minimum | None]


def _walk(
    root: Root, best: float, direction: float, bound: float, step: float
) -> Iterator[tuple[float, float, Minimum | None]]:
    """Go from the best value to one side, in steps that raise the root by about the same."""
    x, height, near = best, 0.0, None
    if abs(x - bound) <= _EDGE:
        return
    for _ in range(_MOST_STEPS):
        left = abs(bound - x)
        # Some more steps before a boundary, which is then met exactly.
        near_bound = left <= 0.02 * abs(bound - best) if math.isfinite(left) else False
        h = left if near_bound else min(step, left / 3.0)
        new = bound if near_bound else x + direction * h
        try:
            higher, found = root(new, near)
        except np.linalg.LinAlgError:  # so far out that rounding leaves no information
            return
        yield new, higher, found
        if higher > FURTHEST or new == bound:
            return
        rise = max(higher - height, 1e-3)
        step = h * min(max(_STEP / rise, 0.4), 2.5)
        x, height, near = new, higher, found


def crossing(root: Root, points: Sequence[tuple[float, float, Minimum | None]]) -> float | None:
    """Return where the deviance leaves the interval; None when it does not on this side."""
    wanted = math.sqrt(float(stats.chi2.ppf(LEVEL, 1)))
    for inside, outside in pairwise(points):
        if outside[1] > wanted:
            return _between(root, wanted, inside, outside)
    return None


def _between(root: Root, wanted: float, inside: Place, outside: Place) -> float:
    """Find where the root of the rise is ``wanted``, by the rule of false position."""
    for _ in range(12):
        (a, below, near), (b, above, _) = inside, outside
        share = (wanted - below) / (above - below)
        x = a + min(max(share, 0.05), 0.95) * (b - a)
        height, found = root(x, near)
        if abs(height - wanted) <= 1e-6:
            return x
        if height > wanted:
            outside = x, height, found
        else:
            inside = x, height, found
    return 0.5 * (inside[0] + outside[0])
