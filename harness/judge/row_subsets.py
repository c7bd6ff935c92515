"""Which rows of a table a program may have used, where its n is not that of the complete ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.data.rungs import Rung
from harness.judge.listing_source import ListingSource
from harness.model.table import FactorColumn

Mask = NDArray[np.bool_]

_LEVELS = 60
"""Levels of a factor, at most, of which each is left out in turn."""

_FEW = 6
"""Values of a column that the model has not, at most, by which rows may have been chosen."""


def subsets(source: ListingSource, rung: Rung) -> Iterator[tuple[str, Mask]]:
    """Yield rules by which rows may have been left out, in words, and the rows that they keep.

    Each keeps fewer rows than the model has complete ones, and some.
    """
    table = rung.case.table
    complete = np.asarray(table.complete)
    seen = {complete.tobytes()}
    for rule, mask in _rules(source, rung):
        kept = mask & complete
        if kept.any() and kept.tobytes() not in seen:
            seen.add(kept.tobytes())
            yield rule, kept


def _rules(source: ListingSource, rung: Rung) -> Iterator[tuple[str, Mask]]:
    frame, case = source.dataset.frame, rung.case
    yield "rows without a missing value in any column", frame.notna().all(axis=1).to_numpy()
    rows = np.flatnonzero(case.table.complete)
    for term in case.design.random:
        sizes = np.bincount(term.codes)
        mask = np.zeros(len(frame), dtype=bool)
        mask[rows] = sizes[term.codes] > 1
        yield f"groups of {term.group} with more than one row", mask
    yield "rows of which no other is a copy before them", ~frame.duplicated().to_numpy()
    used = [name for name in case.table.names if name in frame]
    copies = frame.duplicated(subset=used).to_numpy()
    yield "rows that repeat no other in the model's columns", ~copies
    outcome = case.model.formula.outcome
    positive = np.zeros(len(frame), dtype=bool)
    positive[rows] = case.design.y > 0.0
    if outcome is not None:
        yield "rows with an outcome above 0", positive
    for column in case.table.columns:
        if isinstance(column, FactorColumn) and len(column.levels) <= _LEVELS:
            for code in (len(column.levels) - 1, *range(len(column.levels) - 1)):
                level = column.levels[code]
                yield f"rows without {level} of {column.name}", np.asarray(column.codes != code)
    for name in frame.columns:
        # A statement like SAS's WHERE may be on a column that the model has not.
        values = frame[name].astype(str).where(frame[name].notna())
        levels = values.dropna().unique().tolist()
        if name in case.table.names or not 1 < len(levels) <= _FEW:
            continue
        for level in levels:
            yield f"rows with {level} of {name}", (values == level).to_numpy()
        for level in levels if len(levels) > 2 else ():
            yield f"rows without {level} of {name}", (values != level).to_numpy()
    order = np.arange(len(frame))
    yield "all rows but the first", order > rows[0]
    yield "all rows but the last", order < rows[-1]
