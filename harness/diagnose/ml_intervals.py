"""Intervals as lme4's ``confint`` has them: by the profile of the maximum likelihood.

``profile`` of lme4 fits a REML model again by ML and profiles that, for fixed effects as for
variances.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from scipy import stats

from harness.diagnose.bench import Bench
from harness.diagnose.graphs import FixedInterval, Profile
from harness.diagnose.profile import LEVEL, profile_of, residual_label
from harness.model.design import Design
from harness.referee.best_point import find_optimum
from harness.referee.identifiability import undetermined_rows
from harness.referee.likelihood_profile import FixedProfile
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.residual_profile import ResidualProfile
from harness.referee.variance_parameter import parameters

_T = TypeVar("_T")


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
    if bench.best is None or bench.likelihood is None:
        return tuple(curves), (), ()
    if not bench.case.design.random and bench.case.design.residual is None:
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
    effects = range(design.x.shape[1])
    made_ends = (FixedProfile(best, j).interval(LEVEL) for j in effects)
    ends = _within(budget, made_ends, len(effects), "fixed effect", notes)
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
    residual = () if design.residual is None else design.residual.names
    residuals = {residual_label(name): i for i, name in enumerate(residual)}
    for curve in curves:
        if curve.parameter in residuals:
            own = ResidualProfile(best, residuals[curve.parameter]).curve(level=LEVEL, furthest=0.0)
            yield msgspec.structs.replace(curve, ml_best=own.best, ml_low=own.low, ml_high=own.high)
            continue
        parameter = known[curve.parameter]
        if math.isnan(parameter.value(covariances, best.sigma)):
            yield curve
            continue
        found = profile_of(parameter, design, best)
        assert found is not None  # that by REML is there
        yield msgspec.structs.replace(
            curve, ml_best=found.best, ml_low=found.low, ml_high=found.high
        )
