"""One case as a card: who is right, the numbers side by side, pictures, messages, evidence."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.engine import Failure, Fit, Message
from harness.judge.case_verdict import Told, definitions, main_verdict, told
from harness.judge.records import CaseRecord
from harness.judge.sentence import sentences
from harness.page import appearance
from harness.page.html.case_table import Table, fixed_effects, reported, variances
from harness.page.html.cause_section import Instance, instance
from harness.page.html.certificates import Certificate, Finding, certificate, findings
from harness.page.html.certified_section import ScoredTable, scored_table
from harness.page.html.context import Badge, Context, Link, reason
from harness.page.html.differences import DifferenceTable, difference_tables
from harness.page.html.pictures import case_figures
from harness.page.html.printed_section import PrintedLine, printed_lines
from harness.page.html.svg import Figure
from harness.page.provenance_layout import case_data

OPENED, PICTURED = 5, 40
"""Cards of a large run that start open, and that have pictures."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with its sentence and the numbers behind it.

    ``engine`` is empty where only one is compared with the reference.
    """

    engine: str
    badge: Badge
    sentence: str
    evidence: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class EngineMessages:
    """What one engine said in one setting."""

    engine: str
    rank: int
    setting: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Card:
    """Everything that is shown of a case."""

    anchor: str
    title: str
    id: str
    formula: str
    criterion: str
    opened: bool
    badge: Badge
    sentence: str
    judgements: tuple[Judgement, ...]
    words: str
    spelling: tuple[tuple[str, str], ...]
    failures: tuple[tuple[str, str, str], ...]
    fixed: tuple[Table, ...]
    variances: tuple[Table, ...]
    certificate: Certificate | None
    reported: Table | None
    scored: ScoredTable | None
    differences: tuple[DifferenceTable, ...]
    figures: tuple[Figure, ...]
    messages: tuple[EngineMessages, ...]
    silent: bool
    printed: tuple[PrintedLine, ...]
    definitions: tuple[tuple[Link, Instance], ...]
    notes: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    family: str


def card(case: CaseRecord, ctx: Context, place: int | None = None) -> Card:
    """Return the card of a case; ``place`` is its place among the cases of a large run.

    There pictures and an open card are for the first cases only: they are what makes a page heavy
    and long.
    """
    key = ctx.anchors[case.id]
    main = main_verdict(case)
    messages = _messages(case, ctx)
    badge = ctx.badge(main)
    return Card(
        anchor=key,
        title=ctx.titles[case.id],
        id=case.id,
        formula=case.formula,
        criterion=case.criterion,
        opened=any(v.verdict not in appearance.QUIET for v in told(case))
        and (place is None or place < OPENED),
        badge=badge,
        sentence=_sentence(main),
        judgements=_judgements(case, ctx),
        words=case.words,
        spelling=tuple(
            (e, case.spelling[e])
            for e in [*ctx.engines, *(s for s in case.spelling if s not in ctx.engines)]
            if e in case.spelling
        ),
        failures=tuple(
            (f.engine, f.setting, reason(f)) for f in case.fits if isinstance(f, Failure)
        ),
        fixed=tuple(t for s in ctx.settings if (t := fixed_effects(case, ctx, s)) is not None),
        variances=tuple(t for s in ctx.settings if (t := variances(case, ctx, s)) is not None),
        certificate=certificate(case, ctx),
        reported=reported(case, ctx),
        scored=scored_table(case, ctx),
        differences=difference_tables(case, ctx),
        figures=case_figures(case, ctx, key) if place is None or place < PICTURED else (),
        messages=messages,
        silent=not messages and any(isinstance(f, Fit) for f in case.fits),
        printed=printed_lines(case, ctx),
        definitions=tuple(
            (ctx.cause(d.cause), instance(ctx.card_link(case), d)) for d in definitions(case)
        ),
        notes=case.notes,
        data=case_data(case),
        family=badge.family,
    )


def _judgements(case: CaseRecord, ctx: Context) -> tuple[Judgement, ...]:
    """Return every verdict, each with what the referee finds of the fits that it is about."""
    several = len(ctx.engines) > 2
    shown: list[Judgement] = []
    for one in _everything(case, several=several):
        engine = one.engine if several else ""
        here = tuple(
            f for f in findings(case, ctx, one.setting) if not several or f.engine == one.engine
        )
        shown.append(
            Judgement(engine, ctx.badge(one), _sentence(one), sentences(one.evidence), here)
        )
    return tuple(shown)


def _everything(case: CaseRecord, *, several: bool) -> list[Told]:
    """Return what is told of a case; of several engines the reference too, judged by itself."""
    found = list(told(case))
    if several and case.comparisons:
        for setting in case.settings:
            alone = case.judgement(case.reference, setting)
            last = max(i for i, one in enumerate(found) if one.setting == setting)
            if alone is not None:
                found.insert(last + 1, alone)
    return found


def _sentence(one: Told) -> str:
    return one.sentence or f"{appearance.VERDICTS[one.verdict].plain.capitalize()}."


def _messages(case: CaseRecord, ctx: Context) -> tuple[EngineMessages, ...]:
    return tuple(
        EngineMessages(engine, ctx.rank(engine), setting, outcome.messages)
        for engine in ctx.engines
        for setting in ctx.settings
        if (outcome := case.fit(engine, setting)) is not None and outcome.messages
    )
