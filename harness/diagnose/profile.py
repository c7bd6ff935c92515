"""Profiles of the deviance of a case: one for each standard deviation, correlation and sigma.

They are those of :mod:`harness.referee.likelihood_profile`, by the criterion of the case.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.graphs import Profile
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.referee.likelihood_profile import of_parameter
from harness.referee.variance_parameter import Parameter, parameters

Array = NDArray[np.float64]

LEVEL = 0.95


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
    if bench.case.model.structured is not None:
        return (), "No profiles of the deviance: they are not made of structured random terms."
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
        out.append(
            Profile(
                parameter=parameter.label(design),
                scale=parameter.scale,
                grid=found.values,
                deviance=found.deviance,
                best=found.best,
                minimum=found.minimum,
                level=LEVEL,
                low=found.low,
                high=found.high,
                engines=_engines(parameter, record, engines),
            )
        )
    note = (
        f"No profile of the {' and of the '.join(left)}: a variance is 0 at the best point, and "
        "the deviance is the same for every correlation."
        if left
        else ""
    )
    return tuple(out), note


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
