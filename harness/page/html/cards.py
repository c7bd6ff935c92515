"""One case as a card: who is right, the numbers side by side, pictures, messages, evidence."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.engine import Failure, Fit, Message
from harness.judge.records import CaseRecord
from harness.judge.verdict import Verdict
from harness.page.html import words
from harness.page.html.case_table import Table, fixed_effects, reported, variances
from harness.page.html.certificates import Certificate, Finding, certificate, findings
from harness.page.html.certified_section import ScoredTable, scored_table
from harness.page.html.context import Badge, Context, Link, reason
from harness.page.html.differences import DifferenceRow, differences
from harness.page.html.format import number, printed_number
from harness.page.html.pictures import case_figures
from harness.page.html.printed_section import PrintedLine, printed_lines
from harness.page.html.provenance_section import case_data
from harness.page.html.svg import Figure
from harness.page.run_summary import main_verdict

OPENED, PICTURED = 5, 40
"""Cards of a large run that start open, and that have pictures."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with its sentence and the numbers behind it."""

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
    judgements: tuple[Judgement, ...]
    words: str
    spelling: tuple[tuple[str, str], ...]
    failures: tuple[tuple[str, str, str], ...]
    fixed: tuple[Table, ...]
    variances: tuple[Table, ...]
    certificate: Certificate | None
    reported: Table | None
    scored: ScoredTable | None
    differences: tuple[DifferenceRow, ...]
    difference_settings: tuple[str, ...]
    left_out: str
    figures: tuple[Figure, ...]
    messages: tuple[EngineMessages, ...]
    silent: bool
    printed: tuple[PrintedLine, ...]
    definitions: tuple[tuple[Link, str, str, str, str], ...]
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
    rows, left_out = differences(case, ctx)
    badge = ctx.badge(main)
    return Card(
        anchor=key,
        title=ctx.titles[case.id],
        id=case.id,
        formula=case.formula,
        criterion=case.criterion,
        opened=any(v.verdict not in words.QUIET for v in case.verdicts or (main,))
        and (place is None or place < OPENED),
        badge=badge,
        judgements=tuple(_judgement(case, v, ctx) for v in case.verdicts or (main,)),
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
        differences=rows,
        difference_settings=tuple(
            s for s in ctx.settings if any(c.setting == s for c in case.comparisons)
        ),
        left_out=left_out,
        figures=case_figures(case, ctx, key) if place is None or place < PICTURED else (),
        messages=messages,
        silent=not messages and any(isinstance(f, Fit) for f in case.fits),
        printed=printed_lines(case, ctx),
        definitions=tuple(
            (
                ctx.cause(d.cause),
                d.item,
                number(d.left, 5),
                printed_number(d.right),
                number(d.like_for_like, 5),
            )
            for d in case.definitions
        ),
        notes=case.notes,
        data=case_data(case),
        family=badge.family,
    )


def _judgement(case: CaseRecord, verdict: Verdict, ctx: Context) -> Judgement:
    sentence = verdict.sentence or f"{words.VERDICTS[verdict.verdict].plain.capitalize()}."
    return Judgement(
        ctx.badge(verdict), sentence, verdict.evidence, findings(case, ctx, verdict.setting)
    )


def _messages(case: CaseRecord, ctx: Context) -> tuple[EngineMessages, ...]:
    return tuple(
        EngineMessages(engine, ctx.rank(engine), setting, outcome.messages)
        for engine in ctx.engines
        for setting in ctx.settings
        if (outcome := case.fit(engine, setting)) is not None and outcome.messages
    )
