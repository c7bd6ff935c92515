"""Numbers of the engines side by side, and each difference held against its tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from harness.engines.engine import Setting
from harness.judge.comparison import Difference
from harness.judge.records import CaseRecord
from harness.page import words
from harness.page.html.context import Context
from harness.page.number_table import NumberColumn, NumberRow, number_table
from harness.page.numbers import count, digits_of_agreement, power, short

MOST_ITEMS = 30
"""Items shown of one quantity in the table of differences; the worst come first."""

_UNITS = {"SE": "SE", "log10": "in log10", "relative": "rel.", "absolute": "abs."}


@dataclass(frozen=True)
class DifferenceTable:
    """What the engines print in one setting, and how far each is from the reference.

    ``engines`` are those that are compared, a block of differences each; ``left_out`` says which
    rows are too many to show.
    """

    setting: Setting
    columns: tuple[NumberColumn, ...]
    engines: tuple[str, ...]
    rows: tuple[DifferenceRow, ...]
    left_out: str


@dataclass(frozen=True)
class DifferenceRow:
    """A quantity: a value for each column, a difference for each engine, what is tolerated."""

    label: str
    item: str
    values: tuple[Markup | str, ...]
    differences: tuple[DifferenceCell | None, ...]
    tolerance: str
    unit: str


@dataclass(frozen=True)
class DifferenceCell:
    """A difference, its digits and whether that is tolerated."""

    difference: str
    digits: str
    within: bool


def difference_tables(case: CaseRecord, ctx: Context) -> tuple[DifferenceTable, ...]:
    """Return a table for each setting in which anything was compared."""
    tables = []
    for setting in ctx.settings:
        found = number_table(case, [c for c in case.comparisons if c.setting == setting])
        if found is None:
            continue
        rows, left_out = _shown(found.rows)
        tables.append(
            DifferenceTable(
                setting,
                found.columns,
                tuple(c.engine for c in found.comparisons),
                tuple(_row(row) for row in rows),
                left_out,
            )
        )
    return tuple(tables)


def _shown(rows: tuple[NumberRow, ...]) -> tuple[list[NumberRow], str]:
    """Return the rows in the order of the quantities, and a line on those that are too many."""
    order = {q: i for i, q in enumerate(words.QUANTITIES)}
    shown: list[NumberRow] = []
    left_out: list[str] = []
    quantities = dict.fromkeys(row.quantity for row in rows)
    for quantity in sorted(quantities, key=lambda q: order.get(q, len(order))):
        here = [row for row in rows if row.quantity == quantity]
        if len(here) > MOST_ITEMS:
            here.sort(key=_badness)
            rest = here[MOST_ITEMS:]
            outside = sum(not d.within for row in rest for d in row.differences if d is not None)
            left_out.append(
                f"{count(len(rest))} more of {words.quantity(quantity)}, "
                + ("all within tolerance" if not outside else f"{outside} outside tolerance")
            )
        shown += here[:MOST_ITEMS]
    return shown, "; ".join(left_out)


def _badness(row: NumberRow) -> tuple[bool, float]:
    found = [d for d in row.differences if d is not None]
    digits = [-1.0 if math.isnan(d.digits) else d.digits for d in found]
    return all(d.within for d in found), min(digits, default=99.0)


def _row(row: NumberRow) -> DifferenceRow:
    numbers = row.numbers(row.digits())
    fraction = max((n.fraction for n in numbers if n is not None), default=0)
    there = [d for d in row.differences if d is not None]
    return DifferenceRow(
        words.quantity(row.quantity),
        row.item,
        tuple("" if n is None else n.html(fraction) for n in numbers),
        tuple(_cell(d) for d in row.differences),
        # One for all engines, but where some of them and the reference are singular.
        tolerance=" / ".join(dict.fromkeys(power(d.tolerance) for d in there)),
        unit=_UNITS[there[0].unit],
    )


def _cell(d: Difference | None) -> DifferenceCell | None:
    if d is None:
        return None
    return DifferenceCell(short(d.difference), digits_of_agreement(d.digits), d.within)
