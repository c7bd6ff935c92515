"""Properties that were checked: how often each holds, and every failure with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from harness.judge.property_outcome import PropertyOutcome, Status
from harness.judge.sentence import sentences
from harness.page.appearance import STATUSES
from harness.page.excerpt import Excerpt
from harness.page.numbers import ABSENT, count, plain, short
from harness.page.page import Block, Box, Details, Heading, Items, Paragraph
from harness.page.page_line import Dim, Line, Piece, Sign, with_commas
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.report.report_context import Context
from harness.page.run_summary import PropertyCount

FIRST_FAILURES = 2
"""Failures of a property that are shown at once; the others are a click away."""


def properties(excerpt: Excerpt, ctx: Context) -> Iterator[Block]:
    """Yield the properties of a run, if any were checked, the unexplained failures first."""
    counted = excerpt.summary.properties
    if not counted:
        return
    ordered = _ordered(counted)
    yield Paragraph(
        "What an engine must do on every case, checked one by one. Fails: it does not hold, and a "
        "named cause says why; unexplained: no cause was found. The worst discrepancy is in units "
        "of what is tolerated: above 1 the property does not hold.",
        dim=True,
    )
    yield Table(
        "Checks of each property by what came of them",
        (
            Column("property", text=True),
            *(Column(look, kind="status") for look in STATUSES.values()),
            Column("worst discrepancy"),
            Column("on case", text=True),
            Column("causes", text=True),
        ),
        one_group([_row(name, found, ctx) for name, found in ordered]),
        kind="numbers tabled properties",
    )
    broken = [one for one in ordered if one[1].statuses["fails"] or one[1].statuses["unexplained"]]
    if broken:
        yield Heading("Where a property does not hold")
    for name, found in broken:
        yield from _failures(name, found, excerpt.file or "RECORDS", ctx)


def _failures(name: str, found: PropertyCount, file: str, ctx: Context) -> Iterator[Block]:
    kept = [_failed(outcome, ctx) for outcome in found.failing]
    broken: dict[Status, str] = {"unexplained": "unexplained", "fails": "for a named cause"}
    counts = ", ".join(
        f"{count(found.statuses[s])} {how}" for s, how in broken.items() if found.statuses[s]
    )
    yield Heading((f"{name}:", Dim(counts)), minor=True)
    yield from kept[:FIRST_FAILURES]
    if rest := kept[FIRST_FAILURES:]:
        yield Details(f"{len(rest)} more of {name}", rest)
    if left := sum(found.statuses[s] for s in broken) - len(kept):
        yield Paragraph(
            f"And {count(left)} less far from holding; lmm-parity export {file} --table properties "
            "--to properties.csv has them all.",
            dim=True,
        )


def _failed(outcome: PropertyOutcome, ctx: Context) -> Box:
    held = f"held against {outcome.reference}, " if outcome.reference else ""
    where: list[Piece] = [
        STATUSES[outcome.status],
        ctx.engine(outcome.engine),
        f"{held}{outcome.setting} setting, on",
        ctx.case_link(outcome.case),
    ]
    if outcome.causes:
        where += [":", *with_commas([ctx.cause(key) for key in outcome.causes])]
    told: list[Block] = [Paragraph(tuple(where))]
    if outcome.sentence:
        told.append(Paragraph(outcome.sentence))
    times = f"{short(outcome.discrepancy)} times what is tolerated"
    return Box((*told, Items((times, *sentences(outcome.evidence), *outcome.notes))))


def _ordered(counted: Mapping[str, PropertyCount]) -> list[tuple[str, PropertyCount]]:
    """Return the properties, those with unexplained failures first, then those that fail."""
    return sorted(
        counted.items(),
        key=lambda item: (-item[1].statuses["unexplained"], -item[1].statuses["fails"], item[0]),
    )


def _row(name: str, found: PropertyCount, ctx: Context) -> Row:
    present: list[Status] = [s for s in ("unexplained", "fails", "holds") if found.statuses[s]]
    status: Status = present[0] if present else "not applicable"
    causes: list[Piece] = []
    for key, number in found.causes.most_common():
        causes += [*([","] if causes else []), ctx.cause(key), count(number)]
    worst = short(found.worst) if found.worst > -math.inf else ABSENT
    case: Line = ctx.case_link(found.worst_case) if found.worst_case else ""
    counts = [plain(count(n)) if (n := found.statuses[s]) else ABSENT for s in STATUSES]
    return Row((Sign(STATUSES[status]), name), (*counts, worst, case, tuple(causes) or ""))
