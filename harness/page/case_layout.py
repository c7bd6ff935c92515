"""One case laid out as a page: fits side by side, verdicts, and what differs by definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.base.text import whose
from harness.engines.engine import Failure, Fit
from harness.judge.case_verdict import Told, examples, told
from harness.judge.causes.entries import load_known
from harness.judge.comparison import Difference
from harness.judge.definition_notes import DefinitionNote
from harness.judge.records import CaseRecord
from harness.judge.sentence import sentence
from harness.page import words
from harness.page.appearance import VERDICTS, WITHIN
from harness.page.number_table import NumberTable, number_alone, number_table
from harness.page.numbers import digits_of_agreement, number, power
from harness.page.page import Block, Box, Facts, Note, Notes, Page, Paragraph, Section
from harness.page.page_line import EngineName, Line, Sign
from harness.page.page_table import Column, Row, Table, one_group

_NOT_RUN = "to try is not run here: lmm-parity diagnose runs what may help"


def case_page(case: CaseRecord, versions: Mapping[str, str]) -> Page:
    """Lay out one case at default settings; ``versions`` are those of the engines that fitted."""
    data = case.data
    dropped = data.rows - data.rows_used
    rows = f"{data.rows_used} rows" + (
        f" ({dropped} with missing values left out)" if dropped else ""
    )
    groups = ", ".join(f"{n} {g}" for g, n in data.groups.items())
    return Page(
        kind="Fit",
        title=f"Fit: {case.formula}",
        look=VERDICTS[case.verdict],
        subject=f"{case.formula}   {case.criterion}   {rows}{groups and f', groups: {groups}'}",
        sections=(Section("fit", "", tuple(_blocks(case, versions))),),
    )


def _blocks(case: CaseRecord, versions: Mapping[str, str]) -> Iterator[Block]:
    compared = [one for one in case.comparisons if one.setting == "default" and one.differences]
    whole = number_table(case, compared)
    if whole is not None:
        single = [number_table(case, [one]) for one in compared] if len(compared) > 1 else []
        yield _table(whole, versions, [_table(one, versions) for one in single if one])
    beside = {engine for one in compared for engine in (one.engine, one.reference)}
    for fit in case.fits:
        if fit.setting == "default" and fit.engine not in beside:
            yield Paragraph(_alone(fit))
    explained: set[str] = set()
    for one in told(case):
        if one.setting == "default":
            yield from _verdict(one, explained, named=len(case.engines) > 2)
    known = load_known()
    if any(known[key].remedy for key in explained):
        yield Box((Paragraph(_NOT_RUN),), inner=True)
    notes = [("note", _definition(case, note)) for note in examples(case)]
    notes += [
        ("said", f"{fit.engine}: {' '.join(message.text.split())}")
        for fit in case.fits
        if fit.setting == "default"
        for message in fit.messages
        if message.kind != "note"
    ]
    notes += [("note", remark) for remark in case.notes]
    yield from _inner(notes)


def _inner(rows: Sequence[tuple[str, Line]]) -> Iterator[Block]:
    if rows:
        yield Box((Facts(rows),), inner=True)


def _verdict(one: Told, explained: set[str], *, named: bool) -> Iterator[Block]:
    """Yield a verdict with its causes; what one is and what often helps, the first time only."""
    line: Line = (EngineName(f"{one.engine}:"), one.sentence) if named else one.sentence
    yield Notes([Note(VERDICTS[one.verdict], line)])
    known = load_known()
    rows: list[tuple[str, Line]] = []
    for evidence in one.evidence:
        cause = known[evidence.cause]
        title = "" if evidence.cause in explained else f" {cause.title}."
        rows.append(("cause", f"{evidence.cause}:{title} {sentence(evidence)}"))
        if cause.remedy and evidence.cause not in explained:
            rows.append(("to try", cause.remedy))
        explained.add(evidence.cause)
    yield from _inner(rows)


def _definition(case: CaseRecord, note: DefinitionNote) -> str:
    values = [
        f"{note.engine} {number_alone(note.quantity, note.value)}",
        f"{case.reference} "
        + ("none" if note.reference is None else number_alone(note.quantity, note.reference)),
    ]
    if note.like_for_like is not None:
        like = number_alone(note.quantity, note.like_for_like)
        values.append(f"referee at {whose(note.engine)} point {like}")
    what = note.item or words.QUANTITIES.get(note.quantity, note.quantity.upper())
    title = load_known()[note.cause].title
    return f"{title}: {what} {', '.join(values)} ({note.cause})"


def _alone(fit: Fit | Failure) -> str:
    if isinstance(fit, Failure):
        return f"{fit.engine}: no fit ({fit.reason}): {fit.text}"
    shown = ", ".join(f"{c.name} {number(c.estimate)}" for c in fit.coefficients)
    loglik = "" if fit.loglik is None else f"logLik {number(fit.loglik)}, "
    return f"{fit.engine}: {loglik}{shown}, residual variance {number(fit.residual_variance)}"


def _table(numbers: NumberTable, versions: Mapping[str, str], apart: Sequence[Table] = ()) -> Table:
    columns = [Column(""), Column("", text=True)]
    for column in numbers.columns:
        lines = ("referee at", whose(column.engine), "point")
        version = versions.get(column.engine, "")
        head = "\n".join(lines) if column.referee else f"{column.engine} {version}".strip()
        columns.append(Column(head))
    several = len(numbers.comparisons) > 1
    for one in numbers.comparisons:
        columns.append(Column(f"{one.engine}\ndiffers by" if several else "difference"))
        columns.append(Column("digits"))
    rows, shown = [], ""
    for row in numbers.rows:
        item = row.item if row.quantity not in ("random_effect", "fitted") else "largest"
        label = words.LONG.get(row.quantity) or words.quantity(row.quantity)
        cells: list[Line] = [label, *("" if cell is None else cell for cell in row.numbers())]
        for difference in row.differences:
            cells += _difference(difference)
        rows.append(Row("" if item == shown and row.quantity != "estimate" else item, cells))
        shown = row.item
    caption = f"What each engine prints, beside {numbers.columns[-1].engine}"
    return Table(caption, columns, one_group(rows), apart=apart)


NOTHING = 1e-8
"""Random effects that differ by less, in residual SD, and agree in no digit are rounding."""


def _digits(difference: Difference) -> str:
    rounding = difference.quantity == "random_effect" and difference.difference < NOTHING
    if rounding and difference.digits < 1.0:
        return "both ~0"
    return digits_of_agreement(difference.digits)


def _difference(difference: Difference | None) -> tuple[Line, Line]:
    if difference is None:
        return "", ""
    unit = difference.unit if difference.unit in ("SE", "log10") else ""
    return (
        " ".join(filter(None, (power(difference.difference, 2), unit))),
        (_digits(difference), Sign(WITHIN[difference.within])),
    )
