"""A grouping factor: one column, or the interaction of several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.model.formula import Name
from harness.model.model import column_of
from harness.model.table import FactorColumn, Table


def grouping(group: tuple[str, ...], table: Table) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes and levels of a grouping factor, unused levels dropped, first column slowest."""
    codes = np.zeros(table.n_rows, dtype=np.int64)
    levels: list[str] = [""]
    for i, name in enumerate(group):
        column = column_of(table, Name(name, as_factor=True))
        assert isinstance(column, FactorColumn)
        codes = codes * len(column.levels) + column.codes
        levels = [f"{a}:{b}" if i else b for a in levels for b in column.levels]
    present, index = np.unique(codes, return_inverse=True)
    return index.astype(np.int32), tuple(levels[k] for k in present)
