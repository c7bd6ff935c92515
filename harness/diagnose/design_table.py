"""Design matrices as a table: their columns stand for the data, under their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.user_columns import number_column
from harness.model.design import Design
from harness.model.model import Criterion
from harness.spelling.lme4_spelling import quote_name

Array = NDArray[np.float64]


def by_matrices(
    design: Design,
    outcome: str,
    criterion: Criterion,
    origin: str,
    *,
    groupings: Sequence[Mapping[str, Any]] = (),
    used: pd.DataFrame | None = None,
) -> Rung:
    """Return the case whose columns are those of the design matrices.

    Parameters
    ----------
    groupings : sequence of mapping
        For each random term the columns whose interaction is its grouping factor; without it they
        are columns of the term's own name and levels.
    used : DataFrame, optional
        The rows of the user's data: its columns give their names to those of the same values.

    Raises
    ------
    BadInput
        When the table cannot be used.
    """
    table = _Table(used)
    left = table.add(outcome, design.y)
    fixed = [table.effect(n, v) for n, v in zip(design.x_names, design.x.T, strict=True)]
    bars: list[str] = []
    taken: set[tuple[frozenset[str], str]] = set()
    for i, term in enumerate(design.random):
        effects = [table.effect(n, v) for n, v in zip(term.names, term.z.T, strict=True)]
        labels = pd.Categorical.from_codes(term.codes, categories=list(term.levels))
        columns = groupings[i] if groupings else {term.group: labels}
        names = [table.add(name, values) for name, values in columns.items()]
        if any((frozenset(names), effect) in taken for effect in effects):
            # The same effect of the same groups again: lme4's language has a second name for that.
            names = [table.new(term.group, labels)]
        taken |= {(frozenset(names), effect) for effect in effects}
        bars.append(f"({_sum(effects)} | {':'.join(map(quote_name, names))})")
    text = f"{quote_name(left)} ~ {' + '.join([_sum(fixed), *bars])}"
    return own_rung("data", Dataset("data", pd.DataFrame(table.columns), origin), text, criterion)


class _Table:
    """Columns by name; one of the same values is not made twice."""

    def __init__(self, used: pd.DataFrame | None) -> None:
        self.columns: dict[str, Any] = {}
        self._used = used

    def add(self, name: str, values: Any) -> str:
        """Return the name of a column with these values, made where there is none under it."""
        known = self._known(values)
        if known:
            name = known
        own = self.columns.get(name)
        if own is not None and np.array_equal(np.asarray(own), np.asarray(values)):
            return name
        return self.new(name, values)

    def new(self, name: str, values: Any) -> str:
        while name in self.columns:
            name += "_"
        self.columns[name] = values
        return name

    def effect(self, name: str, values: Array) -> str:
        """Return how a formula has a column of numbers."""
        if (values == 1.0).all():
            return "1"
        for own, known in self.columns.items():
            if np.asarray(known).dtype == np.float64 and np.array_equal(known, values):
                return quote_name(own)
        return quote_name(self.add(name, values))

    def _known(self, values: Any) -> str | None:
        if self._used is None or np.asarray(values).dtype != np.float64:
            return None
        return number_column(values, self._used)


def _sum(terms: Sequence[str]) -> str:
    return " + ".join(terms if "1" in terms else ["0", *terms])
