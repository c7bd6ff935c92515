"""The counts by verdict, in words and as parts of a bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.judge.case_verdict import main_verdict
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass
from harness.page import appearance


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


def tally(counts: Mapping[VerdictClass, int]) -> tuple[TallyRow, ...]:
    """Return counts by verdict, as parts of a bar 100 units long."""
    total = sum(counts.values())
    start, rows = 0.0, []
    for verdict, shown in appearance.VERDICTS.items():
        number = counts.get(verdict, 0)
        if not number:
            continue
        width = 100.0 * number / total
        rows.append(
            TallyRow(shown.label, shown.plain, shown.family, shown.icon, number, start, width)
        )
        start += width
    return tuple(rows)


def tally_of(cases: Iterable[CaseRecord]) -> tuple[TallyRow, ...]:
    """Return the counts of cases by their main verdict."""
    return tally(Counter(main_verdict(case).verdict for case in cases))
