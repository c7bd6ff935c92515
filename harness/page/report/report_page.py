"""The report of a run: what it comes to, then every model, all laid out as one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from harness.judge.causes.entries import KnownDifference
from harness.judge.records import CaseRecord
from harness.judge.verdict import VerdictClass
from harness.page.appearance import UNTRUE, VERDICTS, severity
from harness.page.excerpt import Excerpt
from harness.page.excerpt_layout import headed_page
from harness.page.numbers import Number, count
from harness.page.page import Block, Card, Items, Page, Paragraph, Section
from harness.page.page_line import Code, Drawn, Line, Link, Sign, pieces
from harness.page.provenance_layout import provenance
from harness.page.report.card_layout import card
from harness.page.report.cause_layout import cause_keys, causes
from harness.page.report.certified_layout import certified_digits
from harness.page.report.digits_layout import digits_of
from harness.page.report.drawn_layout import drawn, tally
from harness.page.report.ladder_layout import ladder
from harness.page.report.overview_layout import DigitsPicture, overview
from harness.page.report.printed_layout import printed_tables
from harness.page.report.property_layout import properties
from harness.page.report.report_context import Context, context

OPENED, PICTURED = 5, 40
"""Cards of a large run that start open, and that have pictures: they make a page heavy and long."""

MOST_DIFFERING = 4
"""Models that differ, named at the top."""


@dataclass(frozen=True)
class Pencil:
    """What draws the pictures of a report: those of a case, and digits over all cases."""

    case: Callable[[CaseRecord, Context], Sequence[Drawn]]
    digits: DigitsPicture


def report_page(
    excerpt: Excerpt, known: Mapping[str, KnownDifference], pencil: Pencil | None = None
) -> Page:
    """Lay out a run, as much of it as the excerpt shows; equal excerpts give equal pages.

    Parameters
    ----------
    excerpt : Excerpt
    known : mapping
        Explanations by cause.
    pencil : Pencil, optional
        Draws the pictures; none are there without it.
    """
    run, summary = excerpt.run, excerpt.summary
    if excerpt.large:
        # Chosen in turn from every kind; read from the gravest on.
        cases = sorted(run.cases, key=severity, reverse=True)
        run = msgspec.structs.replace(run, cases=tuple(cases))
        excerpt = replace(excerpt, run=run)
    ctx = context(run)
    ctx.causes.update(cause_keys(summary, known))
    cards = list(_cards(excerpt, ctx, pencil))
    sections = [
        Section("summary", "", tuple(_summary(excerpt, cards))),
        Section("properties", "Properties", tuple(properties(excerpt, ctx)), "Properties"),
    ]
    if excerpt.large:
        numbers = overview(excerpt, ctx, known, pencil.digits if pencil is not None else None)
        sections.append(
            Section("numbers", "All cases in numbers", tuple(numbers), "All in numbers")
        )
    sections.append(Section("drawn", "What was drawn", tuple(drawn(excerpt)), "What was drawn"))
    if summary.cases or not summary.properties:
        sections += _one_by_one(excerpt, ctx, cards)
    explained = tuple(causes(excerpt, ctx, known))
    sections += [
        Section("causes", "Definitions and causes", explained, "Definitions"),
        provenance(excerpt),
    ]
    return headed_page(excerpt, [section for section in sections if section.blocks])


def _cards(excerpt: Excerpt, ctx: Context, pencil: Pencil | None) -> Iterator[Card]:
    for place, case in enumerate(excerpt.run.cases):
        drawn_ = pencil is not None and (place < PICTURED or not excerpt.large)
        pictures = pencil.case(case, ctx) if pencil is not None and drawn_ else ()
        yield card(case, ctx, pictures, opened=place < OPENED or not excerpt.large)


def _summary(excerpt: Excerpt, cards: Sequence[Card]) -> Iterator[Block]:
    """Yield the counts by verdict, what is shown of a large run, and the first that differ."""
    summary, file = excerpt.summary, excerpt.file
    verdicts: Counter[VerdictClass] = Counter()
    for (verdict, _), number in summary.blamed.items():
        verdicts[verdict] += number
    if verdicts:
        yield tally(verdicts)
    if excerpt.large:
        yield Paragraph(
            (
                f"{count(len(cards))} of {count(summary.cases)} cases are shown one by one: the "
                "worst, some of every cause, verdict and quantity, and the first. All are in the "
                "counts and distributions. To see another:",
                Code(f"lmm-parity report --from {file} --case ID"),
                "; every number of every case:",
                Code(f"lmm-parity export {file} --to numbers.parquet"),
                ".",
            ),
            dim=True,
        )
    grave = ("differ", "unexplained")
    lines: list[Line] = []
    for one in [c for c in cards if c.look.family in grave][:MOST_DIFFERING]:
        title, criterion = pieces(one.title)
        lines.append((Link(str(title), one.key), criterion, one.sentence))
    more = sum(n for v, n in verdicts.items() if VERDICTS[v].family in grave) - MOST_DIFFERING
    if lines and more > 0:
        below = "" if excerpt.large else ", marked in the table below"
        lines.append(f"and {count(more)} more{below}")
    if lines:
        yield Items(lines)


def _one_by_one(excerpt: Excerpt, ctx: Context, cards: Sequence[Card]) -> Iterator[Section]:
    run, large = excerpt.run, excerpt.large
    shown = f"{count(len(cards))} of {count(excerpt.summary.cases)} cases"
    yield Section(
        "ladder",
        "One by one: the worst, and some of every kind" if large else "The ladder",
        (
            _ladder_words(f"{shown}, the most wanted first. " if large else "", ctx.reference),
            ladder(run, ctx, headed=not large),
        ),
        "One by one" if large else "Ladder",
    )
    if not large:
        again = tuple(printed_tables(run, ctx))
        yield Section("printed", "The printed table, again", again, "Printed table")
    digits = (*digits_of(run, ctx), *certified_digits(run, ctx, counted=not large))
    yield Section("digits", "Digits of agreement", digits, "Digits")
    some = (
        f"{shown}; the first few are open where something differs and have pictures.",
        Code("--case ID"),
        "draws those of any case.",
    )
    said = some if large else ("A card opens where something differs.",)
    yield Section(
        "cases",
        "The cases shown" if large else "Every model",
        (
            Paragraph((*said, "All numbers behind a verdict are in its card."), dim=True),
            *cards,
        ),
        "Cases",
    )


def _ladder_words(shown: str, reference: str) -> Paragraph:
    return Paragraph(
        (
            f"{shown}The coefficient of interest of each model at default settings, as each engine "
            f"prints it. Where an engine defines a number otherwise than {reference}, what the "
            f"referee computes at the engine's own estimates under {reference}'s definition stands "
            "in columns of its own, and it is this that is compared.",
            Number("Marked", 0),
            "digits differ. Digits: how many agree in the worst of these numbers and the "
            "log-likelihood. Printed: what a source prints for the estimate, and which engine "
            "gives it. Referee: what an independent likelihood finds at the engine's estimates;",
            Sign(UNTRUE),
            "marks what the engine says and is not so.",
        ),
        dim=True,
    )
