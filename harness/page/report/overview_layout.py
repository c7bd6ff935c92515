"""A large run in numbers: verdicts, causes, digits, findings of the referee, times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from harness.engines.engine import Setting
from harness.judge.causes.entries import KnownDifference
from harness.page import words
from harness.page.appearance import (
    CERTIFICATES,
    NO_FIT,
    NOT_AUDITED,
    UNTRUE,
    VERDICTS,
    WITHIN,
    Look,
)
from harness.page.distribution import Digits
from harness.page.excerpt import Excerpt
from harness.page.numbers import ABSENT, count, digits_of_agreement, plain, seconds, share
from harness.page.page import Beside, Block, Details, Heading, Items, Paragraph
from harness.page.page_line import Drawn, Line, Link, Marked, Sketch
from harness.page.page_table import Cell, Column, Group, Row, Table, one_group
from harness.page.report.report_context import Context
from harness.page.run_summary import Summary

QUANTILES = {"fewest digits": 0.0, "1 in 100": 0.01, "1 in 10": 0.1, "median": 0.5}

DigitsPicture = Callable[[Digits, str, Setting], Drawn]
"""Draws the digits of a quantity over all cases."""

_SHARE = Column("share", kind="dim")


def overview(
    excerpt: Excerpt, ctx: Context, known: Mapping[str, KnownDifference], draw: DigitsPicture | None
) -> Iterator[Block]:
    """Yield the tables of a large run."""
    summary = excerpt.summary
    singular = f"{count(summary.singular)} ({share(summary.singular, summary.cases)})"
    yield Paragraph(
        f"Everything here is of all {count(summary.cases)} cases. The optimum is on the boundary "
        f"(a singular fit) in {singular}.",
        dim=True,
    )
    settings = [s for s in ctx.settings if s in summary.verdicts]
    parts: list[tuple[Block, ...]] = [(Heading("Verdicts"), _verdicts(summary, settings))]
    if summary.causes:
        parts.append((Heading("Causes"), _causes(summary, ctx, known)))
    yield Beside(parts)
    yield from _digits(summary, settings, draw)
    yield from _fits(summary, ctx)


def _verdicts(summary: Summary, settings: list[Setting]) -> Table:
    rows = []
    for verdict, look in VERDICTS.items():
        numbers = [(summary.verdicts[s][verdict], summary.verdicts[s].total()) for s in settings]
        if any(number for number, _ in numbers):
            rows.append(Row(look, [cell for n, all_ in numbers for cell in _counted(n, all_)]))
    columns = [column for s in settings for column in (Column(f"{s} setting"), _SHARE)]
    return Table(
        "Cases by verdict and setting",
        (Column("verdict", text=True), *columns),
        one_group(rows),
        named=True,
        kind="numbers tabled",
    )


def _causes(summary: Summary, ctx: Context, known: Mapping[str, KnownDifference]) -> Table:
    rows = []
    for key in sorted(summary.causes, key=lambda k: (-summary.causes[k].cases, k)):
        found = summary.causes[key]
        title = known[key].title if key in known else key
        cells = [plain(count(n)) if n else "" for n in (found.cases, found.definitions)]
        rows.append(Row(Link(title, ctx.cause(key).key), cells))
    return Table(
        "In how many cases a verdict names the cause, or a definition shows",
        (Column("cause", text=True), Column("named by verdicts"), Column("by definition")),
        one_group(rows),
        named=True,
        kind="numbers tabled",
    )


def _digits(
    summary: Summary, settings: list[Setting], draw: DigitsPicture | None
) -> Iterator[Block]:
    groups = []
    for setting in settings:
        here = {q: d for (s, q), d in summary.digits.items() if s == setting}
        order = [q for q in words.QUANTITIES if q in here]
        order += sorted(set(here) - set(order))
        rows = []
        for quantity in order:
            found = here[quantity]
            outside = plain(count(found.outside))
            part = share(found.outside, found.cases) if found.outside else ""
            cells: list[Cell] = [
                plain(count(found.cases)),
                Marked(WITHIN[False], outside.text) if found.outside else outside,
                part,
                count(found.nan) if found.nan else ABSENT,
                *(digits_of_agreement(found.quantile(q)) for q in QUANTILES.values()),
                Sketch(draw(found, quantity, setting)) if draw is not None else "",
            ]
            rows.append(Row(words.quantity(quantity), cells))
        if rows:
            groups.append(Group(f"{setting} setting", rows))
    if not groups:
        return
    yield Heading("Digits of agreement")
    yield Paragraph(
        "The log relative error of the worst number of its kind in each case: the fewest digits, "
        "those that one case in a hundred, one in ten and every other case does not exceed; = is "
        "agreement in all digits. The bars count cases from 0 digits at the left to 16 and equal "
        "at the right.",
        dim=True,
    )
    yield Table(
        "Digits of agreement by setting and quantity",
        (
            Column("quantity", text=True),
            Column("cases"),
            Column("outside tolerance"),
            _SHARE,
            Column("NaN"),
            *map(Column, QUANTILES),
            Column("0 to 16 digits", text=True, kind="histogram"),
        ),
        groups,
        kind="numbers tabled",
    )


def _fits(summary: Summary, ctx: Context) -> Iterator[Block]:
    """Yield what an independent likelihood finds at the estimates of each engine, and times."""
    columns = [(s, e) for s in ctx.settings for e in ctx.engines if (s, e) in summary.fits]
    if not columns:
        return
    fits = [summary.fits[column] for column in columns]
    rows = []
    for name, look in _FINDINGS.items():
        numbers = [summary.certificates[column][name] for column in columns]
        rows.append((look, look.label, numbers))
    for claim in ("converged", "singular"):
        numbers = [summary.untrue[(*column, claim)] for column in columns]
        rows.append((UNTRUE, f"says {claim} or not, untruly", numbers))
    found = [
        Row(
            Marked(look, said),
            [c for n, all_ in zip(numbers, fits, strict=True) for c in _counted(n, all_)],
        )
        for look, said, numbers in rows
        if any(numbers)
    ]
    taken = [summary.seconds[column] for column in columns]
    times = [
        Row("fits", [cell for n in fits for cell in (plain(count(n)), "")]),
        Row(
            "time of a fit, mean",
            [c for t, n in zip(taken, fits, strict=True) for c in (seconds(t / n), "")],
        ),
        Row("time of all fits", [cell for t in taken for cell in (seconds(t), "")]),
    ]
    heads = [column for _, e in columns for column in (Column(ctx.engine(e)), _SHARE)]
    over = Counter(f"{setting} setting" for setting, _ in columns)
    yield Heading("What the referee finds, and time")
    yield Table(
        "Fits by what an independent likelihood finds at the engine's estimates",
        (Column("finding", text=True), *heads),
        (Group(None, found), Group(None, times)),
        over=[(name, 2 * span) for name, span in over.items()],
        named=True,
        kind="numbers tabled",
    )
    slowest: list[Line] = [
        (
            ctx.engine(s.engine),
            f"{s.setting} setting, {seconds(s.seconds)}:",
            ctx.case_link(s.case),
        )
        for s in summary.slowest
    ]
    yield Details("The slowest fits", (Items(slowest),))


def _counted(number: int, whole: int) -> tuple[Cell, Cell]:
    return (plain(count(number)), share(number, whole)) if number else (ABSENT, "")


_FINDINGS: dict[str, Look] = {
    **dict(CERTIFICATES.items()),
    "not audited": NOT_AUDITED,
    **{name: replace(NO_FIT, label=f"no fit: {text}") for name, text in words.REASONS.items()},
}
