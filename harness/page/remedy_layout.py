"""Causes laid out: what holds, and what was tried against it, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.base.text import listed
from harness.diagnose.diagnosis import Cause, Remedy, Snapshot
from harness.judge.tolerances import load_tolerances
from harness.page.appearance import (
    CERTIFICATES,
    HELPED,
    ONE_OF_MANY,
    VERDICTS,
    Look,
)
from harness.page.numbers import (
    ABSENT,
    Number,
    pair,
    pair_of_p,
    plain,
    short,
)
from harness.page.page import Block, Box, Details, Heading, Listing, Paragraph
from harness.page.page_line import Code, Dim, Line
from harness.page.page_table import Column, Row, Table, one_group


def cause_box(cause: Cause) -> Box:
    """Show a cause with its remedies, those that helped most engines first."""
    who = (Dim(f"({', '.join(cause.engines)})"),) if cause.engines else ()
    upstream = f" Upstream: {', '.join(cause.upstream)}." if cause.upstream else ""
    blocks: list[Block] = [
        Heading((cause.title, *who, Code(cause.key))),
        Paragraph(cause.evidence),
    ]
    if cause.definition or upstream:
        blocks.append(Paragraph(f"{cause.definition}{upstream}", dim=True))
    ordered = sorted(cause.remedies, key=lambda r: (not r.helped, -len(r.mends)))
    blocks += [_remedy(remedy, first=i == 0) for i, remedy in enumerate(ordered)]
    return Box(blocks, main=cause.main)


def _remedy(remedy: Remedy, *, first: bool) -> Box:
    """Show what was tried, with its numbers, and how to do the same where it helped."""
    head: tuple[str | Look | Dim, ...] = (_came(remedy), remedy.title)
    if not remedy.same_model:
        head = (*head, Dim("another model"))
    line = remedy.sentence
    line = f"{line[:1].upper()}{line[1:]}{'' if line.endswith('.') else '.'}"
    blocks: list[Block] = [Heading(head), Paragraph(line)]
    rows = [row for row in _before_after(remedy.before, remedy.after) if row is not None]
    if rows:
        table = Table(
            f"Before and after: {remedy.title}",
            (Column(""), Column("before", text=True), Column("after", text=True)),
            one_group(rows),
        )
        summary = "Before and after" + (f", {remedy.engine}" if remedy.engine else "")
        blocks.append(Details(summary, (table,), opened=remedy.helped and first))
    if remedy.helped:
        codes = ((remedy.python_code, "Python"), (remedy.r_code, "R"))
        blocks += [Listing(code, language) for code, language in codes if code]
    return Box(blocks, inner=True)


def _came(remedy: Remedy) -> Look:
    """Say what came of a remedy: of one for a single engine, or with a fit still short, which."""
    look = HELPED[remedy.helped]
    if not remedy.helped:
        return look
    if remedy.kind == "rows" and (remedy.after.gap or 0.0) > load_tolerances()["loglik"].default:
        return replace(look, label="gives a fit, not yet a right one")
    told = not remedy.engine or (
        remedy.mends in ((), (remedy.engine,)) and remedy.engine in remedy.title
    )
    return (
        look if told else replace(look, label=f"helped {listed(remedy.mends or (remedy.engine,))}")
    )


def _before_after(before: Snapshot, after: Snapshot) -> Iterator[Row | None]:
    """Rows of what differs, or says where the fits stand."""
    if before.formula != after.formula:
        yield Row("formula", (Code(before.formula), Code(after.formula)))
    yield _two("log-likelihood", pair([before.loglik, after.loglik], 9))
    gaps = [None if s.gap is None else max(s.gap, 0.0) for s in (before, after)]
    yield _two("below the best point", [plain(short(gap)) for gap in gaps])
    if before.certificate or after.certificate:
        looks: list[Line] = [
            ABSENT
            if not s.certificate
            else ONE_OF_MANY
            if s.verdict == "UNDETERMINED"
            else CERTIFICATES[s.certificate]
            for s in (before, after)
        ]
        yield Row("the fit is at", looks)
    # One engine run by itself has no verdict: that is on all of them.
    if before.verdict and after.verdict and before.verdict != after.verdict:
        yield Row("verdict", (VERDICTS[before.verdict], VERDICTS[after.verdict]))
    one, two = before.focus, after.focus
    what = " / ".join(dict.fromkeys(f.name for f in (one, two) if f is not None))
    for label, read in (("estimate", "estimate"), ("SE", "se"), ("df", "df"), ("p", "p")):
        values = [None if f is None else getattr(f, read) for f in (one, two)]
        cells = pair_of_p(values) if read == "p" else pair(values, 5)
        if read == "df":
            cells = [plain("z") if cell.text == "∞" else cell for cell in cells]
        yield _two(f"{what}: {label}", cells)
    if before.text or after.text:
        yield Row("", (before.text, after.text))


def _two(label: str, cells: Sequence[Number]) -> Row | None:
    """Return a row of two numbers, no digit of them marked: that they differ is what is wanted."""
    if all(cell.text == ABSENT for cell in cells):
        return None
    return Row(label, [plain(cell.text) for cell in cells])
