"""The deviance over a pair of variance parameters, and the way the optimizers took across it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import OptimizerRun
from harness.diagnose.graphs import Contour, Path, Profile
from harness.diagnose.profile import covariances_of
from harness.diagnose.singular_term import Singular
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.referee.profiler import Profiler
from harness.referee.variance_parameter import Parameter

Array = NDArray[np.float64]

GRID = 15
"""Values of each parameter at which the deviance is profiled over all others."""


def contour(
    bench: Bench,
    record: CaseRecord,
    engines: Sequence[str],
    profiles: Sequence[Profile],
    singular: Sequence[Singular],
    runs: Sequence[OptimizerRun],
    statsmodels_path: Sequence[Sequence[Array]],
    *,
    budget: float = 20.0,
) -> tuple[Contour | None, str]:
    """Profile the deviance over a pair of parameters.

    Parameters
    ----------
    profiles : sequence of Profile
        They say how far to go.
    statsmodels_path : sequence of covariance matrices by term
        From :mod:`harness.diagnose.optimizer_path`; may be empty.
    budget : float
        Seconds that it may take; a grid that is not done by then is not returned.

    Returns
    -------
    contour : Contour or None
        None where there is no pair to choose, or no time.
    note : str
        Why there is none for lack of time; empty otherwise.
    """
    if bench.best is None or bench.likelihood is None or not profiles:
        return None, ""
    if bench.case.model.structured is not None:
        return None, ""  # a pair is held by rows of a factor, which a structure has not
    pair = _pair(bench, singular)
    if pair is None:
        return None, ""
    design, likelihood = bench.case.design, bench.likelihood
    scale = likelihood.products.basis.y_scale
    sigma = bench.best.point.sigma * scale
    covariances = [sigma**2 * psi for psi in bench.relative]
    by_label = {p.parameter: p for p in profiles}
    grids = [_grid(parameter, by_label.get(_label(parameter, bench))) for parameter in pair]
    if any(grid is None for grid in grids):
        return None, ""
    across, up = (grid for grid in grids if grid is not None)
    profiler = Profiler(
        design, bench.relative, sigma, pair, reml=likelihood.reml, phi=bench.best.phi
    )
    values = np.empty((len(up), len(across)))
    started = time.perf_counter()
    for i, y in enumerate(up):
        near = None
        # There and back again, so that a start is always a neighbour.
        order = range(len(across)) if i % 2 == 0 else range(len(across) - 1, -1, -1)
        for j in order:
            near = profiler.at([float(across[j]), float(y)], near)
            values[i, j] = near.deviance
        if time.perf_counter() - started > budget:
            note = (
                f"No contour of the deviance: {i + 1} of {len(up)} rows of its grid took "
                f"{time.perf_counter() - started:.0f} s (limit {budget:.0f} s)."
            )
            return None, note

    def place(matrices: Sequence[Array], at: float) -> tuple[float, float]:
        x, y = (p.value(matrices, at) for p in pair)
        return x, y

    marked = []
    for engine in engines:
        fit, audit = record.fit(engine), record.audit(engine)
        if isinstance(fit, Fit) and audit is not None and math.isfinite(audit.loglik):
            x, y = place(covariances_of(fit), math.sqrt(fit.residual_variance))
            marked.append((engine, x, y, -2.0 * audit.loglik))

    def path(engine: str, optimizer: str, points: Sequence[Sequence[Array]]) -> Path | None:
        found: list[tuple[float, float, float]] = []
        for relative in points:
            try:
                point = likelihood.at(likelihood.theta(relative))
                value = point.deviance()
            except (np.linalg.LinAlgError, ValueError):
                continue
            at = point.sigma * scale
            x, y = place([at**2 * psi for psi in relative], at)
            # A derivative-free optimizer looks around: the way is that of its best point so far.
            if math.isfinite(x) and math.isfinite(y) and (not found or value < found[-1][2]):
                found.append((x, y, value))
        if len(found) < 2:
            return None
        return Path(
            engine=engine,
            optimizer=optimizer,
            x=tuple(f[0] for f in found),
            y=tuple(f[1] for f in found),
            deviance=tuple(f[2] for f in found),
        )

    tracks = [path("statsmodels", "bfgs, lbfgs, cg", statsmodels_path)]
    for run in runs:
        if run.engine == "lme4" and run.default and run.path:
            relative = [[f @ f.T for f in likelihood.factors(theta)] for theta in run.path]
            tracks.append(path("lme4", run.optimizer, relative))
    x, y = place(covariances, sigma)
    found = Contour(
        x_name=_label(pair[0], bench),
        y_name=_label(pair[1], bench),
        x=tuple(across.tolist()),
        y=tuple(up.tolist()),
        deviance=tuple(map(tuple, values.tolist())),
        best=(x, y),
        minimum=bench.best.deviance,
        engines=tuple(marked),
        paths=tuple(track for track in tracks if track is not None),
    )
    return found, ""


def _label(parameter: Parameter, bench: Bench) -> str:
    if parameter.scale == "correlation":
        parameter = Parameter("correlation", parameter.term, tuple(sorted(parameter.effects)))
    return parameter.label(bench.case.design)


def _pair(bench: Bench, singular: Sequence[Singular]) -> tuple[Parameter, Parameter] | None:
    """Choose a standard deviation and a correlation of a term, a singular one first; else two SDs.

    The effect whose standard deviation is shown comes first in the pair: it is the later of the
    two, a slope rather than the intercept.
    """
    terms = bench.case.design.random
    correlated = [t for t, term in enumerate(terms) if len(term.names) > 1]
    if correlated:
        chosen, effects = correlated[0], (0, 1)
        for item in singular:
            t = next(
                (
                    t
                    for t in correlated
                    if (terms[t].group, terms[t].names) == (item.group, item.names)
                ),
                None,
            )
            if t is not None:
                chosen = t
                weights = [abs(w) for _, w in item.direction]
                if len(weights) > 2:
                    i, j = sorted(np.argsort(weights)[-2:].tolist())
                    effects = (i, j)
                break
        i, j = effects
        return Parameter("sd", chosen, (j,)), Parameter("correlation", chosen, (j, i))
    if len(terms) > 1:
        return Parameter("sd", 0, (0,)), Parameter("sd", 1, (0,))
    return None


def _grid(parameter: Parameter, profile: Profile | None) -> Array | None:
    if parameter.scale == "correlation":
        return np.linspace(-1.0, 1.0, GRID)
    if profile is None or len(profile.grid) < 3:
        return None
    low, high = min(profile.grid), max(profile.grid)
    engines = [value for _, value, _ in profile.engines]
    inside = [v for v in engines if v <= 2.0 * high]
    low, high = min([low, *engines]), max([high, *inside])
    margin = 0.05 * (high - low)
    return np.linspace(max(low - margin, 0.0), high + margin, GRID)
