"""Numbers of the engines side by side, and each difference held against its tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from harness.judge.comparison import Difference
from harness.judge.records import CaseRecord
from harness.page import words
from harness.page.appearance import WITHIN
from harness.page.number_table import NumberRow, NumberTable, number_table
from harness.page.numbers import ABSENT, count, digits_of_agreement, power, short
from harness.page.page_line import Dim, Marked
from harness.page.page_table import Cell, Column, Group, Row, Table
from harness.page.report.report_context import Context

MOST_ITEMS = 30
"""Items shown of one quantity in the table of differences; the worst come first."""

MANY = 4
"""Columns of numbers from which on they are set smaller."""

_UNITS = {"SE": "SE", "log10": "in log10", "relative": "rel.", "absolute": "abs."}


def comparison_tables(case: CaseRecord, ctx: Context) -> Iterator[Table]:
    """Yield a table for each setting in which anything was compared."""
    for setting in ctx.settings:
        found = number_table(case, [c for c in case.comparisons if c.setting == setting])
        if found is not None:
            yield _table(found, f"Side by side, {setting} setting")


def _table(found: NumberTable, name: str) -> Table:
    rows, left_out = _shown(found.rows)
    engines = [c.engine for c in found.comparisons]
    over = [("", len(found.columns)), *((f"{e} differs by", 2) for e in engines), ("", 1)]
    blocks = [(Column("difference", kind="start"), Column("digits")) for _ in engines]
    return Table(
        f"{name}; not shown: {left_out}" if left_out else name,
        (
            Column("quantity", text=True),
            Column("of", text=True),
            *(Column(c.head) for c in found.columns),
            *(column for block in blocks for column in block),
            Column("tolerated", kind="start dim"),
        ),
        [
            Group(words.quantity(quantity), [_row(row) for row in group])
            for quantity, group in groupby(rows, key=lambda row: row.quantity)
        ],
        over=over if len(engines) > 1 else (),
        named=True,
        beside=True,
        units="row",
        kind="numbers differences many" if len(found.columns) > MANY else "numbers differences",
    )


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


def _row(row: NumberRow) -> Row:
    there = [d for d in row.differences if d is not None]
    # One for all engines, but where some of them and the reference are singular.
    tolerance = " / ".join(dict.fromkeys(power(d.tolerance) for d in there))
    return Row(
        row.item,
        (
            *("" if n is None else n for n in row.numbers(row.digits())),
            *(cell for d in row.differences for cell in _difference(d)),
            (tolerance, Dim(_UNITS[there[0].unit])),
        ),
    )


def _difference(d: Difference | None) -> tuple[Cell, Cell]:
    if d is None:
        return ABSENT, ""
    size = short(d.difference)
    return size if d.within else Marked(WITHIN[False], size), digits_of_agreement(d.digits)
