"""Differences like for like, each held against its tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.engines.engine import Setting
from harness.judge.comparison import Comparison
from harness.judge.records import CaseRecord
from harness.page.html import words
from harness.page.html.context import Context
from harness.page.html.format import (
    ESTIMATE_DIGITS,
    count,
    digits_of_agreement,
    pair,
    short,
)

MOST_ITEMS = 30
"""Items shown of one quantity in the table of differences; the worst come first."""


@dataclass(frozen=True)
class DifferenceRow:
    """A quantity in both fits, with the difference judged, per setting."""

    label: str
    item: str
    sides: tuple[DifferenceCell | None, ...]


@dataclass(frozen=True)
class DifferenceCell:
    """Two values under one another, their difference, digits and whether that is tolerated."""

    left: Markup
    right: Markup
    difference: str
    unit: str
    digits: str
    tolerance: str
    within: bool


def differences(case: CaseRecord, ctx: Context) -> tuple[tuple[DifferenceRow, ...], str]:
    """Return every comparison of a case, and a line on those that are too many to show."""
    settings = [s for s in ctx.settings if any(c.setting == s for c in case.comparisons)]
    keys = list(dict.fromkeys((c.quantity, c.item) for c in case.comparisons))
    order = {q: i for i, q in enumerate(words.QUANTITIES)}
    keys.sort(key=lambda k: order.get(k[0], len(order)))
    by_key: dict[tuple[str, str, str], Comparison] = {}
    for c in case.comparisons:
        by_key.setdefault((c.quantity, c.item, c.setting), c)
    rows: list[DifferenceRow] = []
    left_out: list[str] = []
    for quantity in dict.fromkeys(k[0] for k in keys):
        items = [k[1] for k in keys if k[0] == quantity]
        if len(items) > MOST_ITEMS:
            items.sort(key=lambda item: _badness(quantity, item, settings, by_key))
            rest = items[MOST_ITEMS:]
            outside = sum(
                not held.within
                for item in rest
                for s in settings
                if (held := by_key.get((quantity, item, s))) is not None
            )
            left_out.append(
                f"{count(len(rest))} more of {words.QUANTITIES.get(quantity, quantity)}, "
                + ("all within tolerance" if not outside else f"{outside} outside tolerance")
            )
            items = items[:MOST_ITEMS]
        for item in items:
            sides = tuple(_difference(by_key.get((quantity, item, s))) for s in settings)
            rows.append(DifferenceRow(words.QUANTITIES.get(quantity, quantity), item, sides))
    return tuple(rows), "; ".join(left_out)


def _badness(
    quantity: str,
    item: str,
    settings: Sequence[Setting],
    by_key: dict[tuple[str, str, str], Comparison],
) -> tuple[bool, float]:
    found = [c for s in settings if (c := by_key.get((quantity, item, s))) is not None]
    digits = [-1.0 if math.isnan(c.digits) else c.digits for c in found]
    return all(c.within for c in found), min(digits, default=99.0)


def _difference(c: Comparison | None) -> DifferenceCell | None:
    if c is None:
        return None
    # Six digits more than the first that differs, so that a tight fit shows where it parts.
    digits = ESTIMATE_DIGITS if not math.isfinite(c.digits) else min(15, max(7, int(c.digits) + 3))
    left, right = pair([c.left, c.right], digits)
    fraction = max(left.fraction, right.fraction)
    return DifferenceCell(
        left=left.html(fraction),
        right=right.html(fraction),
        difference=short(c.difference),
        unit={"SE": "SE", "log10": "in log10", "relative": "rel.", "absolute": "abs."}[c.unit],
        digits=digits_of_agreement(c.digits),
        tolerance=f"{c.tolerance:.0e}",
        within=c.within,
    )
