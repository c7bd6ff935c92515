"""Intervals as lme4's ``confint`` has them: by the profile of the maximum likelihood.

``profile`` of lme4 fits a REML model again by ML and profiles that, for fixed effects as for
variances. A fixed effect is held at a value by taking its column out and that much off the outcome.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec
import numpy as np
from scipy import stats

from harness.diagnose.bench import Bench
from harness.diagnose.constraint import Held, Minimum, lowest
from harness.diagnose.graphs import FixedInterval, Profile
from harness.diagnose.parameter import parameters
from harness.diagnose.profile import LEVEL, Place, crossing, of_parameter
from harness.model.design import Design
from harness.referee.best_point import find_optimum
from harness.referee.identifiability import undetermined_rows
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of

_MOST_STEPS = 12

_T = TypeVar("_T")

Ends = tuple[float | None, float | None]


def ml_intervals(
    bench: Bench, curves: Sequence[Profile], *, budget: float = 10.0
) -> tuple[tuple[Profile, ...], tuple[FixedInterval, ...], tuple[str, ...]]:
    """Return the profiles with the ends of their ML intervals, and intervals of fixed effects.

    Parameters
    ----------
    curves : sequence of Profile
        By the criterion of the case.
    budget : float
        Seconds that each of the two may take.

    Returns
    -------
    profiles : tuple of Profile
    fixed : tuple of FixedInterval
    notes : tuple of str
        What was left out and why.
    """
    if bench.best is None or bench.likelihood is None or not bench.case.design.random:
        return tuple(curves), (), ()
    design, best = bench.case.design, bench.best
    notes: list[str] = []
    out = list(curves)
    if bench.likelihood.reml:
        try:
            best = find_optimum(likelihood_of(design, reml=False), [bench.best.point.theta])
        except ValueError as error:
            return tuple(curves), (), (f"There are no intervals by ML: {error}.",)
        made = _within(budget, _by_ml(design, best, curves), len(curves), "variance", notes)
        out[: len(made)] = made
    ends = _within(budget, _fixed(design, best), design.x.shape[1], "fixed effect", notes)
    tests = bench.best.tests
    known = ~undetermined_rows(bench.best.point, np.eye(len(tests)))
    fixed = []
    for name, test, told, (low, high) in zip(design.x_names, tests, known, ends, strict=False):
        half = float(stats.t.ppf(0.5 + LEVEL / 2, test.df)) * test.se
        fixed.append(
            FixedInterval(
                name=name,
                estimate=test.estimate,
                low=test.estimate - half if told else None,
                high=test.estimate + half if told else None,
                ml_low=low,
                ml_high=high,
                level=LEVEL,
            )
        )
    return tuple(out), tuple(fixed), tuple(notes)


def _within(budget: float, made: Iterator[_T], many: int, what: str, notes: list[str]) -> list[_T]:
    """Take what is made one by one, unless all of it would take too long."""
    out: list[_T] = []
    started = time.perf_counter()
    for one in made:
        out.append(one)
        whole = (time.perf_counter() - started) * many / len(out)
        if whole > budget and len(out) < many:
            notes.append(
                f"ML intervals of {len(out)} of {many} {what}s only: all would take about "
                f"{whole:.0f} s (limit {budget:.0f} s)."
            )
            break
    return out


def _by_ml(design: Design, best: Optimum, curves: Sequence[Profile]) -> Iterator[Profile]:
    known = {parameter.label(design): parameter for parameter in parameters(design)}
    likelihood = best.point.likelihood
    relative = [f @ f.T for f in likelihood.factors(best.point.theta)]
    covariances = [best.sigma**2 * psi for psi in relative]
    for curve in curves:
        parameter = known[curve.parameter]
        if math.isnan(parameter.value(covariances, best.sigma)):
            yield curve
            continue
        found = of_parameter(parameter, design, relative, best.sigma, best.deviance, reml=False)
        yield msgspec.structs.replace(
            curve, ml_best=found.best, ml_low=found.low, ml_high=found.high
        )


def _fixed(design: Design, best: Optimum) -> Iterator[Ends]:
    """Yield the ends of the interval of each fixed effect, None where the profile has none."""
    start = Minimum(best.point.theta, best.sigma, best.deviance)
    for j, test in enumerate(best.tests):
        yield (
            _end(design, j, test.estimate, -test.se, start),
            _end(design, j, test.estimate, test.se, start),
        )


def _end(design: Design, j: int, estimate: float, step: float, best: Minimum) -> float | None:
    """Return where the profile of fixed effect ``j`` leaves the interval on the side of a step."""

    def root(value: float, near: Minimum | None) -> tuple[float, Minimum]:
        found = _lowest(design, j, value, near or best)
        return math.sqrt(max(found.deviance - best.deviance, 0.0)), found

    places: list[Place] = [(estimate, 0.0, None)]
    wanted = math.sqrt(float(stats.chi2.ppf(LEVEL, 1)))
    for _ in range(_MOST_STEPS):
        value = places[-1][0] + 2.0 * step
        height, found = root(value, places[-1][2])
        places.append((value, height, found))
        if height > wanted:
            return crossing(root, places)
        step *= 1.5
    return None


def _lowest(design: Design, j: int, value: float, near: Minimum) -> Minimum:
    """Return the best point by ML with one fixed effect held at a value."""
    others = [i for i in range(design.x.shape[1]) if i != j]
    held = replace(
        design,
        y=design.y - value * design.x[:, j],
        x=np.ascontiguousarray(design.x[:, others]),
        x_names=tuple(design.x_names[i] for i in others),
    )
    free = Held(np.zeros((0, len(near.theta))), np.zeros(0))
    return lowest(likelihood_of(held, reml=False), free, near.theta, near.sigma)
