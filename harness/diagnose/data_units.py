"""A fit of the same model in other columns, told in the columns and units of the data as they are.

With X' = X A and y' = y / s the fixed effects are b = s A b', and a test of one of them is that of
the contrast A[j] of b'. The log-likelihood is that of y' less n log s by ML; by REML less
(n - p) log s, and it has half of log |X'X|, which the coding moves.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.diagnose.bench import Bench
from harness.diagnose.diagnosis import FocusRow, Snapshot
from harness.engines.engine import Fit, Outcome
from harness.judge.examination import point_of
from harness.referee.nested_models import log_volume
from harness.referee.satterthwaite import contrast_tests

Array = NDArray[np.float64]

NOTHING = 1e-9
"""A share of a coefficient, at unit length of the columns, that is rounding."""


def in_units_of(bench: Bench, other: Bench, outcome: Outcome, after: Snapshot) -> Snapshot:
    """Return the state of a fit of ``other`` with the numbers that it has in ``bench``.

    Parameters
    ----------
    bench, other : Bench
        The case in its own columns, and in columns that span the same spaces.
    outcome : Outcome
        Of ``other``; what ``after`` is the snapshot of.
    """
    if not isinstance(outcome, Fit) or after.loglik is None or other.likelihood is None:
        return after
    point = point_of(other.likelihood, outcome)
    one, two = bench.case.design, other.case.design
    if point is None or len(outcome.coefficients) != two.x.shape[1]:
        return after
    scale = float(two.y @ one.y / (two.y @ two.y))
    reml = bench.case.model.criterion == "REML"
    n, p = two.x.shape
    loglik = after.loglik - (n - p * reml) * math.log(scale)
    if reml:
        loglik += log_volume(two.x) - log_volume(one.x)
    focus = after.focus
    if focus is not None and bench.rung.focus in one.x_names:
        row = _coefficients(one.x, two.x)[one.x_names.index(bench.rung.focus)]
        beta = np.array([c.estimate for c in outcome.coefficients])
        sigma = math.sqrt(outcome.residual_variance)
        (test,) = contrast_tests(point, row, sigma=sigma, beta=beta)
        focus = FocusRow(
            name=bench.rung.focus,
            estimate=scale * test.estimate,
            se=scale * test.se,
            df=test.df,
            p=test.p,
        )
    return msgspec.structs.replace(after, loglik=loglik, focus=focus)


def _coefficients(x: Array, rewritten: Array) -> Array:
    """Return A of X' = X A, what is rounding taken out."""
    widths, own = (np.linalg.norm(columns, axis=0) for columns in (rewritten, x))
    back, *_ = np.linalg.lstsq(rewritten / widths, x / own, rcond=None)
    forth = np.linalg.inv(back)
    forth[np.abs(forth) < NOTHING * np.abs(forth).max(axis=1, keepdims=True)] = 0.0
    return np.asarray(forth * widths / own[:, None])
