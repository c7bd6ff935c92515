"""The counts by verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.campaign.records import Run
from harness.report import words


@dataclass(frozen=True)
class TallyRow:
    """How many cases have a verdict; ``start`` and ``width`` are its part of the bar."""

    label: str
    plain: str
    family: str
    icon: str
    count: int
    start: float
    width: float


def tally(run: Run) -> tuple[TallyRow, ...]:
    """Return the counts by verdict, as parts of a bar 100 units long."""
    counts = Counter(words.main_verdict(case).verdict for case in run.cases)
    start, rows = 0.0, []
    for verdict, shown in words.VERDICTS.items():
        if not counts[verdict]:
            continue
        width = 100.0 * counts[verdict] / len(run.cases)
        rows.append(
            TallyRow(
                shown.label, shown.plain, shown.family, shown.icon, counts[verdict], start, width
            )
        )
        start += width
    return tuple(rows)
