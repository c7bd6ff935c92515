"""Profiles of the deviance of a case: one for each variance parameter.

Those of standard deviations, correlations and sigma are of
:mod:`harness.referee.likelihood_profile`, those of the residual covariance of
:mod:`harness.referee.residual_profile`, all by the criterion of the case.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.graphs import Profile
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.model.design import Design
from harness.referee.likelihood_profile import Curve, of_parameter
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import ResidualPoint
from harness.referee.residual_profile import ResidualProfile
from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.structured_profile import (
    UNSTRUCTURED,
    StructuredProfile,
    has_profile,
    lower_end,
)
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
    if bench.best is None or bench.likelihood is None:
        return (), ""
    design, best = bench.case.design, bench.best
    wanted = parameters(design)
    if not design.random and design.residual is None:
        return (), ""
    too_long = _too_long(best, len(wanted), "variance", budget)
    if too_long:
        return (), too_long
    sigma = best.point.sigma * bench.likelihood.products.basis.y_scale
    covariances = [sigma**2 * psi for psi in bench.relative]
    out, left, beside = [], [], []
    for parameter in wanted:
        if math.isnan(parameter.value(covariances, sigma)):
            left.append(parameter.label(design))
            continue
        found = profile_of(parameter, design, best)
        if found is None:
            beside.append(parameter.label(design))
            continue
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
                least=_least(parameter, best),
                engines=_stated(partial(_value_of, parameter), record, engines),
            )
        )
    notes = []
    if left:
        notes.append(
            f"No profile of the {' and of the '.join(left)}: a variance is 0 at the best point, "
            "and the deviance is the same for every correlation."
        )
    if beside:
        notes.append(f"No profile of the {' and of the '.join(beside)}: {UNSTRUCTURED}.")
    return tuple(out), " ".join(notes)


def profile_of(parameter: Parameter, design: Design, best: Optimum) -> Curve[Any] | None:
    """Return the profile of a variance parameter about the best point; None where none is made."""
    if isinstance(best.point, StructuredPoint):
        if not has_profile(best.point.likelihood, parameter):
            return None
        return StructuredProfile(best, parameter).curve(design)
    likelihood = best.point.likelihood
    relative = [f @ f.T for f in likelihood.factors(best.point.theta)]
    return of_parameter(
        parameter,
        design,
        relative,
        best.sigma,
        best.deviance,
        reml=likelihood.reml,
        phi=best.phi,
    )


def _least(parameter: Parameter, best: Optimum) -> float | None:
    """Return the lower end of a correlation of a structure; None where it is -1."""
    if parameter.scale != "correlation" or not isinstance(best.point, StructuredPoint):
        return None
    least = lower_end(best.point.likelihood, parameter)
    return least if least > -1.0 else None


def residual_profiles(
    bench: Bench, record: CaseRecord, engines: Sequence[str], *, budget: float = 20.0
) -> tuple[tuple[Profile, ...], str]:
    """Profile every correlation and ratio of the residual covariance; see :func:`profiles`."""
    if bench.best is None or not isinstance(bench.best.point, ResidualPoint):
        return (), ""
    best = bench.best
    names = bench.best.point.likelihood.residual.names
    too_long = _too_long(best, len(names), "residual", budget)
    if too_long:
        return (), too_long
    out = []
    for i, name in enumerate(names):
        profile = ResidualProfile(best, i)
        found = profile.curve(level=LEVEL)
        least = profile.ends[0]
        out.append(
            Profile(
                parameter=residual_label(name),
                scale="correlation" if profile.correlation else "ratio",
                grid=found.values,
                deviance=found.deviance,
                best=found.best,
                minimum=found.minimum,
                level=LEVEL,
                low=found.low,
                high=found.high,
                engines=_stated(partial(_residual_value, name), record, engines),
                least=least if profile.correlation and least > -1.0 else None,
            )
        )
    return tuple(out), ""


def residual_label(name: str) -> str:
    """Return the name of a residual parameter beside those of random effects."""
    return f"residual {name}"


def _too_long(best: Optimum, many: int, what: str, budget: float) -> str:
    """Say that profiles would take too long; empty where they would not."""
    started = time.perf_counter()
    best.point.likelihood.at(best.point.theta).profiled_hessian()
    estimate = 150.0 * (time.perf_counter() - started) * many
    if estimate <= budget:
        return ""
    return (
        f"No profiles of the deviance: those of {many} {what} parameters would take about "
        f"{estimate:.0f} s (limit {budget:.0f} s)."
    )


def covariances_of(fit: Fit) -> list[Array]:
    """Covariance matrices of a fit, in squared units of the data."""
    return [np.array(term.covariance, dtype=np.float64) for term in fit.random]


def _stated(
    value_of: Callable[[Fit], float], record: CaseRecord, engines: Sequence[str]
) -> tuple[tuple[str, float, float], ...]:
    """Return the value of a parameter, and the deviance, by each engine that states it."""
    out = []
    for engine in engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if not isinstance(fit, Fit) or audit is None or not math.isfinite(audit.loglik):
            continue
        value = value_of(fit)
        if math.isfinite(value):
            out.append((engine, value, -2.0 * audit.loglik))
    return tuple(out)


def _value_of(parameter: Parameter, fit: Fit) -> float:
    return parameter.value(covariances_of(fit), math.sqrt(fit.residual_variance))


def _residual_value(name: str, fit: Fit) -> float:
    return dict(fit.residual).get(name, math.nan)
