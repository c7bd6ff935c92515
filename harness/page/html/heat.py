"""The heat map: digits of agreement by case and quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.comparison import Comparison
from harness.judge.records import Run
from harness.page.html import words
from harness.page.html.context import Badge, Context
from harness.page.html.format import (
    digits_of_agreement,
    least_digits,
    number,
    short,
)
from harness.page.run_summary import main_verdict


@dataclass(frozen=True)
class HeatCell:
    """The least digits of one kind; ``where`` names the quantity, ``closer`` the better engine."""

    text: str
    css: str
    hint: str
    outside: bool = False
    where: str = ""
    closer: bool = False


@dataclass(frozen=True)
class HeatRow:
    """One case in the heat map."""

    anchor: str
    title: str
    criterion: str
    badge: Badge
    cells: tuple[HeatCell, ...]
    group: str


@dataclass(frozen=True)
class HeatMap:
    """Case by quantity, or by engine: a block of columns for each setting."""

    settings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[HeatRow, ...]


def heat_map(run: Run, ctx: Context) -> HeatMap:
    """Return the least digits of agreement by case, quantity and setting."""
    present = {c.quantity for case in run.cases for c in case.comparisons}
    known = [q for q in words.QUANTITIES if q in present]
    quantities = tuple(known + sorted(present - set(known)))
    settings = tuple(
        s for s in ctx.settings if any(c.setting == s for k in run.cases for c in k.comparisons)
    )
    rows = []
    for case in run.cases:
        cells = tuple(
            _heat_cell(
                [c for c in case.comparisons if c.setting == setting and c.quantity == quantity]
            )
            for setting in settings
            for quantity in quantities
        )
        badge = ctx.badge(main_verdict(case))
        rows.append(
            HeatRow(
                ctx.anchors[case.id], ctx.titles[case.id], case.criterion, badge, cells, case.group
            )
        )
    return HeatMap(
        settings,
        tuple(words.SHORT.get(q, words.QUANTITIES.get(q, q)) for q in quantities),
        tuple(rows),
    )


def _heat_cell(comparisons: Sequence[Comparison]) -> HeatCell:
    # What is outside its tolerance is what a reader looks for, even when another item has fewer
    # digits but is within (a variance next to zero, for one).
    outside = [c for c in comparisons if not c.within]
    worst = least_digits(outside or comparisons)
    if worst is None:
        return HeatCell("", "none", "")
    text = digits_of_agreement(worst.digits)
    item = f" of {worst.item}" if worst.item else ""
    hint = (
        f"{worst.quantity}{item}: {number(worst.left)} and {number(worst.right)}; difference "
        f"{short(worst.difference)} {worst.unit}, tolerance {short(worst.tolerance)}"
    )
    if outside:
        return HeatCell(text, "out", hint, outside=True)
    return HeatCell(text, level(worst.digits), hint)


def level(digits: float) -> str:
    """Return the class of a cell's colour: a step for every two and a half digits."""
    if not digits > 0:
        return "in0"
    return "in5" if math.isinf(digits) else f"in{min(5, int(digits // 2.5))}"
