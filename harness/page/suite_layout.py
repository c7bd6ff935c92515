"""A suite on the terminal: a line per property, what failed, what was expected, the sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.conformance.suite_result import (
    OutcomeStanding,
    SuiteResult,
    by_kind,
    by_property,
    kind,
    laid_to,
    times,
    titled,
    why_expected,
)
from harness.judge.records import Header
from harness.judge.sentence import sentences
from harness.page.appearance import PASSED, STANDINGS
from harness.page.excerpt_layout import written
from harness.page.numbers import plain
from harness.page.page import Block, Box, Facts, Heading, Items, Page, Paragraph, Section
from harness.page.page_line import Line
from harness.page.page_table import Column, Row, Table, one_group

_MOST_KINDS = 20

_HEADS = {"expected": "expected", "another's": "another's", "not applicable": "n/a"}
"""Heads of narrow columns, where they are shorter than the word."""

_FAILING = ("expected", "unexpected", "another's")


def suite_page(judgement: SuiteResult, header: Header, records: Path, page: Path | None) -> Page:
    """Lay out what a suite found; ``page`` is its report, where one was made."""
    sections = [
        Section("properties", "", (_properties(judgement),)),
        *(Section(f"failures-{i}", "", (block,)) for i, block in enumerate(_unexpected(judgement))),
        Section("expected", "", tuple(_said(judgement))),
        written(records, page),
    ]
    return Page(
        kind="Conformance",
        title=header.title,
        made_by=header.program,
        made=header.created,
        look=PASSED[judgement.passed],
        answer=(judgement.headline,),
        sections=sections,
    )


def _properties(judgement: SuiteResult) -> Table:
    rows = []
    for name, group in by_property(judgement.judged).items():
        counts = Counter(j.standing for j in group)
        cells: list[Line] = [plain(str(counts[s])) if counts[s] else "" for s in STANDINGS]
        rows.append(Row(name, (*cells, _causes(group))))
    heads = [Column(_HEADS.get(s, look.label)) for s, look in STANDINGS.items()]
    return Table(
        "Checks of each property by what came of them",
        (Column("property"), *heads, Column("why it fails", text=True)),
        one_group(rows),
    )


def _unexpected(judgement: SuiteResult) -> Iterator[Block]:
    groups = by_kind(judgement.of("unexpected"))
    look = STANDINGS["unexpected"]
    for name, group in list(groups.items())[:_MOST_KINDS]:
        worst = group[0].outcome
        evidence = (*sentences(worst.evidence), *worst.notes)[:5]
        lines = [times(group), f"{worst.property}, {worst.case}", worst.sentence, *evidence]
        lines += [f"saved as {j.saved}" for j in group if j.saved]
        yield Box((Heading((look, titled(name))), Items([line for line in lines if line])))
    if len(groups) > _MOST_KINDS:
        yield Paragraph(f"... and {len(groups) - _MOST_KINDS} kinds of failure more")


def _said(judgement: SuiteResult) -> Iterator[Block]:
    rows = [
        ("expected", f"{name}, {len(group)} times: {why_expected(group)}")
        for name, group in by_kind(judgement.of("expected")).items()
    ]
    rows += [
        (f"laid to {laid_to(group)}", f"{name}, {len(group)} times")
        for name, group in by_kind(judgement.of("another's")).items()
    ]
    rows += [("stale", line) for line in judgement.stale]
    rows += [("note", line) for line in judgement.notes]
    if rows:
        yield Facts(rows)


def _causes(group: list[OutcomeStanding]) -> str:
    """Return the first cause of each failure, the most frequent ones first."""
    failing = [j.outcome for j in group if j.standing in _FAILING]
    found = Counter(kind(o).partition(",")[0] for o in failing)
    return ", ".join(f"{cause} {count}" for cause, count in found.most_common(3))
