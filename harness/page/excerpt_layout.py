"""A run laid out in short: a line per case shown, the sentence that sums up, what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.engines.engine import Setting
from harness.judge.case_verdict import Told, told
from harness.judge.records import CaseRecord
from harness.page import words
from harness.page.appearance import VERDICTS
from harness.page.excerpt import Excerpt
from harness.page.numbers import count, digits_of_agreement, plain
from harness.page.page import Block, Listing, Page, Paragraph, Section
from harness.page.page_line import Line
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.run_summary import Summary

MOST_LINES = 20
"""Cases of a large run that the terminal lists."""


def excerpt_page(excerpt: Excerpt, written_to: Section | None = None) -> Page:
    """Lay out a run for a terminal; ``written_to`` is where its files are."""
    summary = excerpt.summary
    cases = excerpt.run.cases[:MOST_LINES] if excerpt.large else excerpt.run.cases
    blocks: list[Block] = []
    if cases:
        blocks += [
            _table(cases, several=max(len(case.engines) for case in cases) > 2),
            Paragraph(
                "digits: fewest digits of agreement on any coefficient's estimate, SE, df or p"
            ),
        ]
    if len(cases) < summary.cases:
        blocks.append(Paragraph(f"the {len(cases)} worst of {summary.cases} cases"))
    sections = [Section("cases", "", blocks)]
    return headed_page(excerpt, [*sections, written_to] if written_to is not None else sections)


def headed_page(excerpt: Excerpt, sections: Sequence[Section]) -> Page:
    """Return a page about a run: what it comes to, what is missing, and these sections."""
    header = excerpt.run.header
    return Page(
        kind="Report",
        title=header.title,
        made_by=header.program,
        made=header.created,
        about=_chosen(excerpt),
        answer=tuple(_answer(excerpt.summary)),
        warning=_missing(excerpt),
        sections=sections,
    )


def _answer(summary: Summary) -> Iterator[str]:
    if summary.cases or not summary.properties:
        said = words.headline_of(summary.blamed)
        yield from filter(None, (said.lead, said.rest))
    if summary.properties:
        yield words.headline_of_properties(summary.properties)


def _missing(excerpt: Excerpt) -> str:
    """Say what is not in the file."""
    have, planned = count(excerpt.cases), count(excerpt.run.header.planned)
    there = f"{have} of {planned} planned cases are in "
    if excerpt.run.footer is None:
        torn = " The last line broke off and is not counted." if excerpt.torn else ""
        return f"This run did not finish: {there}the file, and nothing is known of the rest.{torn}"
    return f"{there}this file." if excerpt.cases < excerpt.run.header.planned else ""


def _chosen(excerpt: Excerpt) -> str:
    if not excerpt.chosen:
        return ""
    return (
        f"Only what was asked for is shown: {count(excerpt.summary.cases)} of the "
        f"{count(excerpt.cases)} cases in the file."
    )


def written(records: Path, page: Path | None) -> Section:
    """Return where records and report are, as a section to end with."""
    lines = [f"report   {page}"] if page is not None else []
    return Section("written", "", (Listing("\n".join([*lines, f"records  {records}"]), "files"),))


def _table(cases: Sequence[CaseRecord], *, several: bool) -> Table:
    rows = []
    for case in cases:
        for place, one in enumerate(lines_of(case, several=several)):
            cells: list[Line] = [one.engine] if several else []
            cells += [VERDICTS[one.verdict], ", ".join(one.causes)]
            cells += [_least_digits(case, one.engine, s) for s in ("default", "tight")]
            rows.append(Row("" if place else case.id, cells))
    columns = [
        Column("case"),
        *([Column("engine", text=True)] if several else []),
        Column("verdict", text=True),
        Column("cause", text=True),
        Column("digits"),
        Column("tight"),
    ]
    return Table("Every case and its verdict", columns, one_group(rows))


def lines_of(case: CaseRecord, *, several: bool) -> tuple[Told, ...]:
    """Return what is told of a case; of several engines the reference too, judged by itself."""
    first = tuple(one for one in told(case) if one.setting == told(case)[0].setting)
    alone = case.judgement(case.reference, first[0].setting) if several else None
    return first if alone is None or alone in first else (*first, alone)


def _least_digits(case: CaseRecord, engine: str, setting: Setting) -> Line:
    one = case.comparison(engine, setting)
    found = [
        d.digits
        for d in (one.differences if one is not None else ())
        if d.quantity in ("estimate", "se", "df", "p")
    ]
    if not found or any(map(math.isnan, found)):
        return ""
    return plain(digits_of_agreement(min(found)))
