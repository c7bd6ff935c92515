"""What pictures draw of a case: its rows, and what engines make of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.page.html.svg import Rows, Trace


def case_rows(case: CaseRecord) -> Rows:
    """Return the rows of the data; without groups where the record has none for them."""
    data = case.data
    y, x = np.asarray(data.y, dtype=np.float64), np.asarray(data.x, dtype=np.float64)
    grouped = len(data.group) == len(y)
    group = np.asarray(data.group if grouped else np.zeros(len(y)), dtype=np.intp)
    return Rows(
        x_name=data.x_name,
        y_name=data.y_name or "outcome",
        group_name=data.group_name or "group",
        x=x if len(x) == len(y) else np.empty(0),
        y=y,
        group=group,
        levels=data.group_levels if grouped else (),
    )


def traces_of(fits: Iterable[tuple[str, int, Fit]]) -> list[Trace]:
    """Return fitted values and residuals, from engines, their places and fits that state both."""
    return [
        Trace(
            engine,
            rank,
            np.asarray(fit.fitted, dtype=np.float64),
            np.asarray(fit.residuals, dtype=np.float64),
        )
        for engine, rank, fit in fits
        if fit.fitted and len(fit.fitted) == len(fit.residuals)
    ]
