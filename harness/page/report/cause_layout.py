"""Definitions and causes, each explained once, with the cases that show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.judge.case_verdict import definitions, told
from harness.judge.causes.entries import KnownDifference
from harness.judge.definition_notes import DefinitionNote
from harness.page import words
from harness.page.excerpt import Excerpt
from harness.page.numbers import count, number, plain, printed_number
from harness.page.page import Block, Box, Details, Heading, Paragraph
from harness.page.page_line import Code, Dim, Line, Link, Piece, with_commas
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.report.report_context import Context
from harness.page.run_summary import Summary

KINDS = {
    "defect": ("Defects", "An engine does something wrong."),
    "data": ("Data and model", "A property of the data or the model; no engine is at fault."),
    "tolerance": ("Tolerances", "How far an engine goes before it stops, or where it cuts off."),
    "": ("Others", "No explanation is on file."),
}
"""Kinds of causes of disagreement, in the order in which they are shown."""


SHOWN_PLACES = 6
"""Places of a large run that are listed for each cause; all are counted."""

MOST_OPEN = 4
"""Places of a definition that are shown at once."""


def cause_keys(summary: Summary, known: Mapping[str, KnownDifference]) -> dict[str, str]:
    """Return a key for every cause that the run names, known or not."""
    keys: dict[str, str] = {}
    for cause in _named(summary, known):
        keys[cause] = words.anchor("cause", cause, set(keys.values()))
    return keys


def causes(excerpt: Excerpt, ctx: Context, known: Mapping[str, KnownDifference]) -> Iterator[Block]:
    """Yield the definitional differences, and the causes of disagreement by kind."""
    most = SHOWN_PLACES if excerpt.large else None
    rows: dict[str, list[Row]] = {}
    links: dict[str, list[Link]] = {}
    for case in excerpt.run.cases:
        link = ctx.card_link(case)
        for note in definitions(case):
            rows.setdefault(note.cause, []).append(Row(link, place(note, ctx)))
        for one in told(case):
            for cause in one.causes:
                if link not in links.setdefault(cause, []):
                    links[cause].append(link)
    kinds: dict[str, list[Block]] = {}
    for cause in _named(excerpt.summary, known):
        entry, shown = known.get(cause), rows.get(cause, [])[:most]
        kind: str = entry.kind if entry else "definition" if shown else ""
        told_ = tuple(_explained(cause, kind, entry))
        where = tuple(_where(cause, excerpt, shown, links.get(cause, [])[:most], ctx))
        kinds.setdefault(kind, []).append(Box((*told_, *where), key=ctx.causes[cause]))
    if "definition" in kinds:
        yield Heading("Differences by definition")
        yield Paragraph(
            "Not disagreements: the engines print different quantities under one name. Each is "
            "explained once, here, with what is printed in this run; none is a number that an "
            "engine does not print.",
            dim=True,
        )
        yield from kinds.pop("definition")
    if kinds:
        yield Heading("Causes of disagreement")
        yield Paragraph(
            "What verdicts name as their cause: each is tested for, never assumed.", dim=True
        )
    for kind, (title, meaning) in KINDS.items():
        if kind in kinds:
            yield Heading((f"{title}:", Dim(meaning)))
            yield from kinds[kind]


def place(note: DefinitionNote, ctx: Context) -> tuple[Line, ...]:
    """Return where a definition shows: what is printed, and the referee's value there."""
    return (
        note.item,
        ctx.engine(note.engine),
        plain(number(note.value, 5)),
        plain(printed_number(note.reference)),
        plain(number(note.like_for_like, 5)),
    )


def places(caption: str, head: str, rows: Sequence[Row], ctx: Context, *, named: bool) -> Table:
    """Return a table of where definitions show."""
    return Table(
        caption,
        (
            Column(head, text=True),
            Column("of", text=True),
            Column("engine", text=True),
            Column("it prints"),
            Column(f"{ctx.reference} prints"),
            Column("referee at its point"),
        ),
        one_group(rows),
        named=named,
        units="row",
    )


def _explained(cause: str, kind: str, entry: KnownDifference | None) -> Iterator[Block]:
    title = entry.title if entry else cause
    heading: list[Piece] = [title, *([Dim(kind)] if kind else [])]
    heading += [Code(cause)] if title != cause else []
    yield Heading(tuple(heading), minor=True)
    if entry is None:
        yield Paragraph("No explanation is on file.")
        return
    yield Paragraph(entry.definition)
    if entry.evidence:
        yield Paragraph(f"Evidence: {entry.evidence}")
    if entry.remedy:
        yield Paragraph(f"{'What to do' if kind == 'definition' else 'To try'}: {entry.remedy}")
    if entry.upstream:
        yield Paragraph(f"Upstream: {', '.join(entry.upstream)}", dim=True)


def _where(
    cause: str, excerpt: Excerpt, rows: Sequence[Row], links: Sequence[Link], ctx: Context
) -> Iterator[Block]:
    """Yield what a run shows of a cause."""
    here = "among the cases shown" if excerpt.large else "in this run"
    if noted := _noted(cause, excerpt):
        yield Paragraph(" ".join(noted))
    if links:
        yield Paragraph((f"{here[0].upper()}{here[1:]}:", *with_commas(links)))
    if rows:
        table = places(f"Where {cause} shows", "model", rows, ctx, named=False)
        few = len(rows) <= MOST_OPEN
        yield table if few else Details(f"{len(rows)} places {here}", (table,))


def _noted(key: str, excerpt: Excerpt) -> list[str]:
    """Return how often a cause was named, where the page does not list every place."""
    summary = excerpt.summary
    notes = []
    if excerpt.large and key in summary.causes:
        found = summary.causes[key]
        if found.cases:
            notes.append(f"Named by the verdicts of {_cases(found.cases)}.")
        if found.definitions:
            notes.append(f"Shows in {_cases(found.definitions)}.")
    failed = sum(p.causes[key] for p in summary.properties.values())
    if failed:
        checks = words.plural(failed, "check")
        notes.append(f"Named as the cause of {count(failed)} failed {checks}.")
    return notes


def _cases(number: int) -> str:
    return f"{count(number)} {words.plural(number, 'case')}"


def _named(summary: Summary, known: Mapping[str, KnownDifference]) -> list[str]:
    used = set(summary.causes)
    used |= {key for p in summary.properties.values() for key in p.causes}
    return [key for key in known if key in used] + sorted(used - set(known))
