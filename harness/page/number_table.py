"""Numbers of engines beside the reference's: what each prints, and what the referee computes.

A number that an engine prints under another definition than the reference stands in the engine's
column as it is printed. What is compared is then the referee's value at the engine's point, in a
column of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.base.text import whose
from harness.engines.engine import Fit
from harness.judge.comparison import Comparison, Difference
from harness.judge.records import CaseRecord
from harness.page.numbers import ESTIMATE_DIGITS, Number, number, pair, pair_of_p, plain


@dataclass(frozen=True)
class NumberColumn:
    """A column: what an engine prints, or what the referee has at its point."""

    engine: str
    referee: bool = False

    @property
    def head(self) -> str:
        """Its heading."""
        return f"referee at {whose(self.engine)} point" if self.referee else self.engine


@dataclass(frozen=True)
class NumberRow:
    """A quantity: a value for each column (None for none), a difference for each comparison."""

    quantity: str
    item: str
    values: tuple[float | None, ...]
    compared: tuple[bool, ...]
    differences: tuple[Difference | None, ...]

    def numbers(self, digits: int = ESTIMATE_DIGITS) -> tuple[Number | None, ...]:
        """Return the values as text; digits are marked in those that are compared only."""
        among = [i for i, compared in enumerate(self.compared) if compared]
        values = [self.values[i] for i in among]
        alike = pair_of_p(values) if self.quantity == "p" else pair(values, digits)
        shown = dict(zip(among, alike, strict=True))
        return tuple(
            shown[i] if i in shown else _alone(self.quantity, v) for i, v in enumerate(self.values)
        )

    def digits(self) -> int:
        """Return how many digits show where the values part: a few more than agree."""
        apart = [d.digits for d in self.differences if d is not None and math.isfinite(d.digits)]
        return min(15, max(ESTIMATE_DIGITS, int(max(apart)) + 3)) if apart else ESTIMATE_DIGITS


@dataclass(frozen=True)
class NumberTable:
    """Engines beside the reference in one setting; the reference's column is the last."""

    columns: tuple[NumberColumn, ...]
    comparisons: tuple[Comparison, ...]
    rows: tuple[NumberRow, ...]


def number_table(case: CaseRecord, comparisons: Sequence[Comparison]) -> NumberTable | None:
    """Return the table of some comparisons in one setting, or None where nothing is compared."""
    compared = tuple(c for c in comparisons if c.differences)
    if not compared:
        return None
    columns: list[NumberColumn] = []
    for one in compared:
        columns.append(NumberColumn(one.engine))
        if any(d.referee for d in one.differences):
            columns.append(NumberColumn(one.engine, referee=True))
    columns.append(NumberColumn(case.reference))
    by_key = [{_key(d): d for d in one.differences} for one in compared]
    keys = dict.fromkeys(key for found in by_key for key in found)
    rows = []
    for key in keys:
        quantity, item, _ = key
        found = tuple(differences.get(key) for differences in by_key)
        cells = [_cell(case, column, compared, found) for column in columns]
        rows.append(
            NumberRow(quantity, item, tuple(v for v, _ in cells), tuple(c for _, c in cells), found)
        )
    return NumberTable(tuple(columns), compared, tuple(rows))


def number_alone(quantity: str, value: float) -> str:
    """Return a value that is compared with none as text; a p too small for a float is not zero."""
    return pair_of_p([value])[0].text if quantity == "p" else number(value)


def _alone(quantity: str, value: float | None) -> Number | None:
    return None if value is None else plain(number_alone(quantity, value))


def _key(difference: Difference) -> tuple[str, str, str]:
    """Tell rows apart: of random effects each engine has another level that differs most."""
    return difference.quantity, difference.item, repr(difference.reference)


def printed(case: CaseRecord, comparison: Comparison, difference: Difference) -> float | None:
    """Return what the engine prints where a difference has the referee's value at its point."""
    if not difference.referee:
        return difference.value
    fit = case.fit(comparison.engine, comparison.setting)
    if not isinstance(fit, Fit):
        return None
    row = next((c for c in fit.coefficients if c.name == difference.item), None)
    value: float | None = getattr(row, difference.quantity, None)
    return value


def _cell(
    case: CaseRecord,
    column: NumberColumn,
    comparisons: Sequence[Comparison],
    differences: Sequence[Difference | None],
) -> tuple[float | None, bool]:
    """Return a value, and whether it is one of those that are compared."""
    if column.engine == case.reference:
        return next((d.reference for d in differences if d is not None), None), True
    for one, difference in zip(comparisons, differences, strict=True):
        if one.engine != column.engine or difference is None:
            continue
        if column.referee:
            return (difference.value, True) if difference.referee else (None, False)
        return printed(case, one, difference), not difference.referee
    return None, False
