"""How well-posed the numbers are: condition of X and of the information, scales, the Hessian."""

from __future__ import annotations

import numpy as np

from harness.diagnose.bench import Bench
from harness.diagnose.data_checks import condition, numeric_predictors
from harness.diagnose.diagnosis import ColumnScale, Conditioning


def conditioning(bench: Bench) -> Conditioning:
    """Measure a case; what belongs to the best point is left out where there is none."""
    x = bench.case.design.x
    raw = np.linalg.svd(x, compute_uv=False)
    columns = [
        ColumnScale(name=name, mean=float(v.mean()), sd=float(v.std()))
        for name, v in numeric_predictors(bench.case).items()
    ]
    y = bench.case.design.y
    columns.insert(0, ColumnScale(name="outcome", mean=float(y.mean()), sd=float(y.std())))
    common = {
        "x_raw": float(raw[0] / raw[-1]) if raw[-1] > 0.0 else float("inf"),
        "x_scaled": condition(x),
        "columns": tuple(columns),
    }
    if bench.best is None:
        return Conditioning(**common)  # type: ignore[arg-type]
    point = bench.best.point
    covariance = point.to_data(np.asarray(point.c))
    size = np.sqrt(np.diag(covariance))
    hessian: tuple[float, ...] = ()
    if bench.case.design.random:
        twin, _ = point.conditioned()
        hessian = tuple(np.linalg.eigvalsh(twin.profiled_hessian()).tolist())
    return Conditioning(
        **common,  # type: ignore[arg-type]
        information=float(np.linalg.cond(covariance / np.outer(size, size))),
        hessian=hessian,
        gradient=bench.best.optimality.gradient,
    )
