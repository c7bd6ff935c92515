"""A record file of any size as a run small enough to show: all of it in numbers, some of its cases.

A file of few cases is shown whole. Of a large one the worst cases are shown, some of every cause,
verdict and quantity, and the first ones; or those that were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.campaign.record_stream import Place, RecordStream
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import CaseRecord, Run
from harness.page.run_summary import Summary

LARGE_CASES = 400
"""Cases up to which all are shown."""

LARGE_BYTES = 16_000_000
"""Size of a record file up to which all its cases are shown; the page is about as large."""


@dataclass(frozen=True)
class Excerpt:
    """A run as far as it is shown.

    Attributes
    ----------
    run : Run
        With the cases shown only, and no properties; of a large run the most wanted case first.
    summary : Summary
        Of the whole file; of what was asked for, where something was.
    cases : int
        Number of cases in the file.
    large : bool
        ``run`` has the cases most worth showing, not all that ``summary`` counts.
    chosen : bool
        Only cases that were asked for are counted and shown.
    file : str
        Name of the file, without its folder.
    torn : bool
        The last line of the file broke off.
    """

    run: Run
    summary: Summary
    cases: int
    large: bool = False
    chosen: bool = False
    file: str = ""
    torn: bool = False

    def fewer(self, shown: int) -> Excerpt:
        """Return the excerpt with the first ``shown`` of its cases."""
        return replace(
            self, run=msgspec.structs.replace(self.run, cases=self.run.cases[:shown]), large=True
        )


def whole(run: Run) -> Excerpt:
    """Return a run in memory as an excerpt that shows all of it."""
    summary = Summary()
    for case in run.cases:
        summary.add(case)
    for outcome in run.properties:
        summary.add(outcome)
    return Excerpt(run, summary, len(run.cases))


def read_excerpt(path: Path, wanted: Sequence[str] = ()) -> Excerpt:
    """Read a record file of any size, finished or not, with bounded memory.

    Parameters
    ----------
    path : Path
    wanted : sequence of str
        Ids; only cases whose id is, or is under, one of them are kept. All where there are none.

    Raises
    ------
    BadInput
        When the file cannot be read or is not a record file, or when one of ``wanted`` matches
        nothing.
    """
    hits = dict.fromkeys(wanted, 0)
    summary, total, size = Summary(), 0, 0
    places: list[Place] = []
    with RecordStream(path) as stream:
        for place, record in stream:
            is_case = isinstance(record, CaseRecord)
            total += is_case
            if wanted and not _hit(record, hits):
                continue
            summary.add(record, place)
            if is_case:
                size += place.length
                if len(places) <= LARGE_CASES:
                    places.append(place)
        for prefix, count in hits.items():
            if not count:
                raise BadInput(f"{path}: no case {prefix!r}, and none under it")
        large = len(places) > LARGE_CASES or size > LARGE_BYTES
        shown = summary.shown() if large else places
        run = Run(
            header=stream.header,
            cases=tuple(stream.read(place) for place in shown),
            properties=(),
            footer=stream.footer,
        )
    return Excerpt(run, summary, total, large, bool(wanted), path.name, stream.torn)


def _hit(record: CaseRecord | PropertyOutcome, hits: dict[str, int]) -> bool:
    name = record.id if isinstance(record, CaseRecord) else record.case
    matched = [w for w in hits if name == w or name.startswith(f"{w}/")]
    for prefix in matched:
        hits[prefix] += 1
    return bool(matched)
