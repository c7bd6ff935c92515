"""Published numbers laid out: who printed how many right digits, and what is not right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import __version__
from harness.base.text import listed
from harness.base.text import number as in_words
from harness.judge.published_verdict import PublishedNumber, PublishedVerdict, program_name
from harness.judge.same_model import SameModel, SameNumber, same_models
from harness.page.appearance import Look
from harness.page.audit_layout import NEAR, RIGHT, WRONG, quantity_name
from harness.page.numbers import count, plain
from harness.page.page import Block, Box, Heading, Page, Paragraph, Section
from harness.page.page_line import Code, Dim, Line, Link
from harness.page.page_table import Column, Group, Row, Table, one_group

CUT = Look("cut, not rounded", "differ", "no", "x")
OTHER = Look("another quantity", "differ", "no", "x")

_LOOKS = {
    "right": RIGHT,
    "last digits": NEAR,
    "cut, not rounded": CUT,
    "mistake": OTHER,
    "wrong": WRONG,
}

_FEW = 3
"""Cases up to which a terminal is shown what is not right, number by number."""


def published_page(verdicts: Sequence[PublishedVerdict], made: str = "") -> Page:
    """Lay out the judgement of published cases; ``made`` is when it was."""
    off = [one for one in verdicts if one.off]
    sections = [
        Section("programs", "By program", (_programs(verdicts),), "Programs"),
        Section("cases", "Case by case", tuple(_cases(verdicts)), "Cases"),
    ]
    rivals = same_models(verdicts)
    if rivals:
        sections.append(
            Section(
                "same", "The same model by several programs", tuple(_rivals(rivals)), "Same model"
            )
        )
    if off:
        blocks = [Box(tuple(_off(one)), key=_key(one)) for one in off]
        kept = len(verdicts) > _FEW
        sections.append(
            Section("off", "What is not right to its digits", blocks, "Not right", kept=kept)
        )
    return Page(
        kind="Published numbers",
        title="Published numbers",
        made_by=f"lmm-parity {__version__}",
        made=made,
        answer=tuple(published_answer(verdicts)),
        sections=tuple(sections),
    )


def published_answer(verdicts: Sequence[PublishedVerdict]) -> Iterator[str]:
    """Say what published cases come to."""
    total = sum(len(one.numbers) for one in verdicts)
    right, near = (sum(v.count(f) for v in verdicts) for f in ("right", "last digits"))
    sources = len({one.source for one in verdicts})
    yield (
        f"{count(right)} of {count(total)} printed numbers are right to their last digit: "
        f"{_many(len(verdicts), 'case')} from {_many(sources, 'source')}."
    )
    if near:
        verb = "is" if near == 1 else "are"
        yield (
            f"{count(near)} more {verb} right but for the last digits, which optimizers and "
            "numerical derivatives left."
        )
    wrong = total - right - near
    if wrong:
        yield f"{count(wrong)} {'is' if wrong == 1 else 'are'} wrong."


def _many(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _programs(verdicts: Sequence[PublishedVerdict]) -> Table:
    programs: dict[str, list[PublishedVerdict]] = {}
    for one in verdicts:
        programs.setdefault(program_name(one.program), []).append(one)
    rows = [Row(name, (plain(str(len(of))), *_counts(of))) for name, of in sorted(programs.items())]
    columns = (Column("program"), Column("cases"), *_COUNTED)
    return Table("Published numbers by program", columns, one_group(rows))


_COUNTED = (
    Column("numbers"),
    Column("right"),
    Column("but for last digits"),
    Column("wrong"),
    Column("right digits"),
    Column("printed"),
)


def _counts(verdicts: Sequence[PublishedVerdict]) -> tuple[Line, ...]:
    wrong = sum(v.count("cut, not rounded", "mistake", "wrong") for v in verdicts)
    found = (
        sum(len(v.numbers) for v in verdicts),
        sum(v.count("right") for v in verdicts),
        sum(v.count("last digits") for v in verdicts),
        wrong,
        sum(v.digits[0] for v in verdicts),
        sum(v.digits[1] for v in verdicts),
    )
    return tuple(plain(str(one)) for one in found)


def _cases(verdicts: Sequence[PublishedVerdict]) -> Iterator[Block]:
    yield Paragraph(
        "Scored by certified values where the model has them (marked), else by the referee's "
        "optimum. Fewest: the right digits, and the printed ones, of the number that lacks most. "
        "Below: how far the printed variances are below the best log-likelihood.",
        dim=True,
    )
    groups: dict[str, list[PublishedVerdict]] = {}
    for one in verdicts:
        groups.setdefault(one.source, []).append(one)
    columns = (
        Column("case"),
        Column("program", text=True),
        *_COUNTED[:4],
        Column("fewest", text=True),
        Column("below"),
        Column("certified", text=True, spare=True),
    )
    table = [
        Group(Link(source, page=of[0].address), [_case(one) for one in of])
        for source, of in groups.items()
    ]
    yield Table("Published numbers by case", columns, table)


def _case(one: PublishedVerdict) -> Row:
    least = fewest(one)
    return Row(
        Link(one.id, key=_key(one)) if one.off else one.id,
        (
            one.program,
            *_counts([one])[:4],
            f"{least.right_digits} of {least.digits}" if least is not None else "",
            plain(in_words(one.gap) if one.gap > 0.0 else ""),
            "yes" if one.certified else "",
        ),
    )


def _rivals(models: Sequence[SameModel]) -> Iterator[Block]:
    for model in models:
        text = agreement(model)
        if text:
            yield Paragraph(_model(model, f": {text}"))
    table = [
        Group(
            _model(model),
            [row for one in model.numbers if not one.agreed for row in _rival(one)],
        )
        for model in models
        if not agreement(model)
    ]
    columns = (
        Column("number"),
        Column("program", text=True),
        Column("printed"),
        Column("right"),
        Column("right digits", text=True),
    )
    if table:
        yield Paragraph("Of the others, the numbers that some program does not print right:")
        yield Table("Numbers of one model by several programs", columns, table, units="row")


def agreement(model: SameModel) -> str:
    """Say that all numbers which several programs print are right; ``""`` where one is not."""
    if not all(one.agreed for one in model.numbers):
        return ""
    number = len(model.numbers)
    said = "the number" if number == 1 else f"all {number} numbers"
    return f"{said} that {listed(model.programs)} print {'is' if number == 1 else 'are'} right."


def _model(model: SameModel, more: str = "") -> tuple[Code | str, ...]:
    first = model.cases[0]
    return Code(first.formula), f" on {first.data}, {first.criterion}{more}"


def _rival(one: SameNumber) -> Iterator[Row]:
    for verdict, n in one.printed:
        cells = (
            verdict.program,
            plain(n.text),
            plain(right_text(n)),
            f"{n.right_digits} of {n.digits}",
        )
        yield Row(of_what(one.quantity, one.name), cells)


def of_what(quantity: str, item: str) -> str:
    """Return what a number is of: ``"standard error of Days"``."""
    return f"{quantity_name(quantity)} of {item}" if item else quantity_name(quantity)


def right_text(n: PublishedNumber) -> str:
    """Return what is right, to two digits more than are printed; to one where those are many."""
    # The referee's optimum is known to nine digits or more.
    digits = max(n.digits + 1, min(n.digits + 2, 9))
    return f"{n.right:.{digits}g}"


def _key(one: PublishedVerdict) -> str:
    return "off-" + one.id.replace("/", "-")


def fewest(one: PublishedVerdict) -> PublishedNumber | None:
    """Return the number of a case that lacks most of its digits; None where all are right."""
    off = [n for n in one.off if n.digits]
    return max(off, key=lambda n: (n.digits - n.right_digits, -n.right_digits)) if off else None


def _off(one: PublishedVerdict) -> Iterator[Block]:
    yield Heading((one.id, " ", Dim(one.program)))
    yield Paragraph(
        (Code(one.formula), f" on {one.data}, {one.criterion}; {one.where}; ", _source(one))
    )
    if one.stated_criterion and one.stated_criterion != one.criterion:
        yield Paragraph(f"The source says {one.stated_criterion}.")
    if one.why:
        yield Paragraph(one.why)
    rows = []
    for n in one.off:
        digits = f"{n.right_digits} of {n.digits}" if n.digits else ""
        cells = (plain(n.text), plain(right_text(n)), digits, _LOOKS[n.found])
        rows.append(Row(of_what(n.quantity, n.item), cells))
    yield Table(
        f"Numbers of {one.id} that are not right to their digits",
        (
            Column("number"),
            Column("printed"),
            Column("right"),
            Column("right digits", text=True),
            Column("found", text=True),
        ),
        one_group(rows),
        units="row",
    )


def _source(one: PublishedVerdict) -> Link:
    return Link(one.source, page=one.address)
