"""The heat map: digits of agreement by case and quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.case_verdict import main_verdict
from harness.judge.comparison import Comparison, Difference
from harness.judge.records import Run
from harness.page import words
from harness.page.html.context import Badge, Context
from harness.page.numbers import (
    digits_of_agreement,
    least_digits,
    number,
    short,
)


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
    """One case in the heat map; ``engine`` where more than one is compared with the reference."""

    anchor: str
    title: str
    criterion: str
    badge: Badge
    cells: tuple[HeatCell, ...]
    group: str
    engine: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Case by quantity, or by engine: a block of columns for each setting."""

    settings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[HeatRow, ...]


def heat_map(run: Run, ctx: Context) -> HeatMap:
    """Return the least digits of agreement by case, engine, quantity and setting."""
    present = {d.quantity for case in run.cases for c in case.comparisons for d in c.differences}
    known = [q for q in words.QUANTITIES if q in present]
    quantities = tuple(known + sorted(present - set(known)))
    settings = tuple(
        s
        for s in ctx.settings
        if any(c.setting == s and c.differences for k in run.cases for c in k.comparisons)
    )
    several = len(ctx.engines) > 2
    rows = []
    for case in run.cases:
        # A case of which nothing is compared has a row too: an empty one.
        for engine in dict.fromkeys(c.engine for c in case.comparisons) or ("",):
            found = {s: case.comparison(engine, s) for s in settings}
            cells = tuple(
                _heat_cell(_of_quantity(found[setting], quantity))
                for setting in settings
                for quantity in quantities
            )
            rows.append(
                HeatRow(
                    ctx.anchors[case.id],
                    ctx.titles[case.id],
                    case.criterion,
                    ctx.badge(case.comparison(engine, ctx.settings[0]) or main_verdict(case)),
                    cells,
                    case.group,
                    engine if several else "",
                )
            )
    return HeatMap(
        settings,
        tuple(words.SHORT.get(q, words.quantity(q)) for q in quantities),
        tuple(rows),
    )


def _of_quantity(one: Comparison | None, quantity: str) -> list[Difference]:
    return [d for d in one.differences if d.quantity == quantity] if one is not None else []


def _heat_cell(differences: Sequence[Difference]) -> HeatCell:
    # What is outside its tolerance is what a reader looks for, even when another item has fewer
    # digits but is within (a variance next to zero, for one).
    outside = [d for d in differences if not d.within]
    worst = least_digits(outside or differences)
    if worst is None:
        return HeatCell("", "none", "")
    text = digits_of_agreement(worst.digits)
    item = f" of {worst.item}" if worst.item else ""
    hint = (
        f"{worst.quantity}{item}: {number(worst.value)} and {number(worst.reference)}; difference "
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
