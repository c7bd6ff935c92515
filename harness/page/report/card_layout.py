"""One case as a card: who is right, the numbers side by side, pictures, messages, evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.engines.engine import Failure, Fit
from harness.judge.case_verdict import Told, definitions, main_verdict, told
from harness.judge.listing_verdict import ListingVerdict
from harness.judge.records import CaseRecord
from harness.judge.sentence import sentences
from harness.page.appearance import NO_FIT, QUIET, VERDICTS
from harness.page.audit_layout import audit_answer, rules_of_df
from harness.page.audit_layout import printed_numbers as audited_numbers
from harness.page.page import (
    Beside,
    Block,
    Card,
    Details,
    Facts,
    Heading,
    Items,
    Paragraph,
    Pictures,
)
from harness.page.page_line import Code, Dim, Drawn, Line, Marked, Piece, with_commas
from harness.page.page_table import Row
from harness.page.provenance_layout import case_data
from harness.page.report.cause_layout import place, places
from harness.page.report.certificate_layout import certificate, finding
from harness.page.report.certified_layout import scored
from harness.page.report.comparison_tables import comparison_tables
from harness.page.report.estimate_tables import by_rules, fixed_effects, reported, variances
from harness.page.report.printed_layout import printed_numbers
from harness.page.report.report_context import Context, reason, sentence_of


def card(
    case: CaseRecord, ctx: Context, pictures: Sequence[Drawn] = (), *, opened: bool = True
) -> Card:
    """Return the card of a case; it is open, where it may be, if there is something to say."""
    main = main_verdict(case)
    graver = any(one.verdict not in QUIET for one in told(case))
    return Card(
        ctx.keys[case.id],
        VERDICTS[main.verdict],
        (ctx.titles[case.id], Dim(case.criterion)),
        sentence_of(main),
        tuple(_blocks(case, ctx, pictures)),
        opened=opened and graver,
    )


def _blocks(case: CaseRecord, ctx: Context, pictures: Sequence[Drawn]) -> Iterator[Block]:
    yield Beside((tuple(_why(case, ctx)), tuple(_model(case, ctx))))
    if pictures:
        yield from (Heading("Pictures"), Pictures(pictures))
    if case.listing is not None:
        yield from _audit(case.listing)
    if case.listing is None or len(case.engines) > 1:
        yield from _estimates(case, ctx)
    yield from printed_numbers(case, ctx)
    noted = [(ctx.cause(note.cause), place(note, ctx)) for note in definitions(case)]
    if noted:
        yield Heading("The same name, another quantity")
        yield places(
            "What is printed under one name, and the referee's value at the engine's point under "
            f"{ctx.reference}'s definition",
            "definition",
            [Row(link, cells) for link, cells in noted],
            ctx,
            named=True,
        )
    yield Heading("Data")
    yield Facts((*case_data(case), ("case", Code(case.id))))


def _audit(found: ListingVerdict) -> Iterator[Block]:
    """Yield the audit of printed numbers."""
    yield Heading(f"What {found.program} prints")
    yield Items(list(audit_answer(found)))
    yield from audited_numbers(found)
    rules = tuple(rules_of_df(found))
    if rules:
        yield Details("Degrees of freedom by every rule", rules)


def _estimates(case: CaseRecord, ctx: Context) -> Iterator[Block]:
    """Yield what the engines give, side by side, and what the referee finds of it."""
    fixed = [t for s in ctx.settings if (t := fixed_effects(case, ctx, s)) is not None]
    if fixed:
        yield from (Heading("Fixed effects"), fixed[0])
        yield from (Details(t.caption, (t,)) for t in fixed[1:])
    rules = by_rules(case)
    if rules is not None:
        yield from (Heading(f"Degrees of freedom of {case.focus} by every rule"), rules)
    parts = [t for s in ctx.settings if (t := variances(case, ctx, s)) is not None]
    if parts:
        yield from (Heading("Variances"), Beside([(t,) for t in parts]))
    beside = list(comparison_tables(case, ctx))
    if beside:
        yield from (Heading("What each prints, side by side"), beside[0])
        yield from (Details(t.caption, (t,)) for t in beside[1:])
    yield from scored(case, ctx)
    found, own = certificate(case, ctx), reported(case, ctx)
    if found or own:
        yield Heading("Is it an optimum?")
    if found:
        yield Details("The certificate, number by number", (found,))
    if own:
        yield Details(own.caption, (own,))
    yield from _messages(case, ctx)


def _why(case: CaseRecord, ctx: Context) -> Iterator[Block]:
    """Yield every verdict, each with what the referee finds of the fits that it is about."""
    yield Heading("Who is right, and why")
    several = len(ctx.engines) > 2
    first = sentence_of(main_verdict(case))
    for one in _everything(case, several=several):
        look, *rest = ctx.verdict(one)
        engine = (ctx.engine(one.engine),) if several else ()
        about = [p for p in rest if isinstance(p, str)]
        causes = with_commas([p for p in rest if not isinstance(p, str)])
        yield Paragraph((*engine, Dim(f"{one.setting} setting"), look, *about, *causes))
        if sentence_of(one) != first:
            yield Paragraph(sentence_of(one))
        lines: list[Line] = []
        for name in [one.engine] if several else ctx.engines:
            found = finding(case, name, one.setting)
            if found is not None:
                lines.append((ctx.engine(name), *(found if isinstance(found, tuple) else (found,))))
        lines += sentences(one.evidence)
        if lines:
            yield Items(lines)
    for fit in case.fits:
        if isinstance(fit, Failure):
            yield Paragraph(
                (Marked(NO_FIT, f"{fit.engine}, {fit.setting} setting, {reason(fit)}"),)
            )
    yield from (Paragraph(note, dim=True) for note in case.notes)


def _model(case: CaseRecord, ctx: Context) -> Iterator[Block]:
    yield Heading("The model")
    if case.words:
        yield Paragraph(case.words)
    others = [name for name in case.spelling if name not in ctx.engines]
    calls = [(e, Code(case.spelling[e])) for e in (*ctx.engines, *others) if e in case.spelling]
    yield Facts((("formula", Code(case.formula)), *calls))


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


def _messages(case: CaseRecord, ctx: Context) -> Iterator[Block]:
    said = [
        (engine, setting, outcome.messages)
        for engine in ctx.engines
        for setting in ctx.settings
        if (outcome := case.fit(engine, setting)) is not None and outcome.messages
    ]
    if said:
        yield Heading("What the engines said")
    elif any(isinstance(fit, Fit) for fit in case.fits):
        yield Heading("What the engines said")
        yield Paragraph("Nothing: no engine gave a message or a warning.", dim=True)
    for engine, setting, messages in said:
        yield Paragraph((ctx.engine(engine), Dim(f"{setting} setting")))
        lines: list[tuple[Piece, ...]] = []
        for message in messages:
            category = [Dim(f"({message.category})")] if message.category else []
            lines.append((Dim(message.kind), message.text, *category))
        yield Items(lines)
