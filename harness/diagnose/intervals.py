"""Random effects of each engine with intervals: modes, and their conditional variances.

The conditional variance of the effects of a level, given the data and the variance parameters, is
Psi - Psi Z'V^-1 Z Psi, as ``ranef(condVar = TRUE)`` has it: the fixed effects count as known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.graphs import EffectIntervals, EngineEffects
from harness.engines.engine import Fit
from harness.judge.examination import point_of
from harness.judge.records import CaseRecord
from harness.referee.conditional_modes import conditional_modes
from harness.referee.deviance import Point

Array = NDArray[np.float64]

MOST_LEVELS = 2000


def conditional_errors(point: Point, sigma: float) -> list[Array]:
    """Conditional standard deviations of the random effects by term, (k, q) each.

    Parameters
    ----------
    sigma : float
        Residual standard deviation; its units are those of the result.
    """
    out = []
    products = point.likelihood.products
    for t, (q, levels) in enumerate(zip(products.sizes, products.levels, strict=True)):
        psi = point.lambdas[t] @ point.lambdas[t].T
        back = np.linalg.inv(products.basis.effects[t])
        variances = np.empty((levels, q))
        for part in point.solved:
            at = part.bucket.slots[t]
            blocks = part.s[at.block[:, None, None], at.columns[:, :, None], at.columns[:, None, :]]
            inside = back @ (psi - psi @ blocks @ psi) @ back.T
            variances[at.level] = np.diagonal(inside, axis1=1, axis2=2)
        out.append(sigma * np.sqrt(np.maximum(variances, 0.0)))
    return out


def effect_intervals(
    bench: Bench, record: CaseRecord, engines: Sequence[str]
) -> tuple[EffectIntervals, ...]:
    """Return the random effects of every engine, each with the referee's conditional SDs.

    The modes are the engine's own; where it gives none they are those of its variances.
    """
    if bench.likelihood is None or bench.best is None:
        return ()
    out = []
    for t, term in enumerate(bench.case.design.random):
        if len(term.levels) > MOST_LEVELS:
            continue
        for i, name in enumerate(term.names):
            rows = [
                row
                for engine in engines
                if (row := _of_engine(bench, record, engine, t, i)) is not None
            ]
            if rows:
                out.append(
                    EffectIntervals(
                        group=term.group, name=name, levels=term.levels, engines=tuple(rows)
                    )
                )
    return tuple(out)


def _of_engine(
    bench: Bench, record: CaseRecord, engine: str, t: int, i: int
) -> EngineEffects | None:
    fit = record.fit(engine)
    assert bench.likelihood is not None
    if not isinstance(fit, Fit):
        return None
    try:
        point = point_of(bench.likelihood, fit)
        if point is None:
            return None
        errors = conditional_errors(point, math.sqrt(fit.residual_variance))[t][:, i]
        own = fit.random[t].effects
        modes = conditional_modes(point)[t] if own is None else np.array(own)
    except np.linalg.LinAlgError:
        return None
    levels = bench.case.design.random[t].levels
    place = {level: k for k, level in enumerate(fit.random[t].levels or levels)}
    if own is None:
        place = {level: k for k, level in enumerate(levels)}
    values = [float(modes[place[level], i]) if level in place else math.nan for level in levels]
    return EngineEffects(
        engine=engine, own=own is not None, effects=tuple(values), errors=tuple(errors.tolist())
    )
