"""Digits against certified values: which engine is closer to the truth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from harness.base.text import listed
from harness.engines.engine import Setting
from harness.judge.certified_score import CertifiedQuantity, CertifiedScore
from harness.judge.records import CaseRecord, Run
from harness.page.appearance import CERTIFICATES, CLOSER, NO_OPTIMUM, Look
from harness.page.numbers import (
    Number,
    common_prefix,
    digits_of_agreement,
    least_digits,
    number,
    plain,
    sortable,
)
from harness.page.page import Block, Details, Heading, Items, Legend, Paragraph
from harness.page.page_line import Dim, Graded, Sign
from harness.page.page_table import Column, Group, Row, Table
from harness.page.report.digits_layout import graded, heat_table, steps
from harness.page.report.report_context import Context

QUANTITIES: dict[CertifiedQuantity, str] = {
    "loglik": "log-lik",
    "estimate": "estimate",
    "se": "SE",
    "df": "df",
    "variance": "variance",
    "residual_variance": "residual variance",
}
"""In the order in which they are shown; ``estimate`` to ``variance`` are the worst item's."""

# Closer by less than a digit, or when the other has this many digits already, is no merit: beyond
# twelve digits the order of the additions decides.
LEAD, ENOUGH = 1.0, 12.0
SHOWN_DIGITS = 16
MOST_DECIMALS = 30


def certified_digits(run: Run, ctx: Context, *, counted: bool) -> Iterator[Block]:
    """Yield the true digits of every fit of a run; ``counted`` where no case is left out."""
    table = certified_map(run, ctx)
    if table is None:
        return
    yield Heading("Digits against certified values")
    yield Paragraph(
        (
            "Certified values are correct to 20 digits: each optimum was computed in many more "
            "digits by two independent routes that had to agree, and is proved to be a local one; "
            "that none is higher is what the referee's search says "
            "(fixtures/certified/README.md). Each cell is the number of true digits of an "
            "engine's worst quantity, and which that is; SE and df count like for like, as in the "
            "ladder.",
            Sign(CLOSER),
            "is the engine closer to the truth, by a digit or more where the other has fewer than "
            "twelve.",
        ),
        dim=True,
    )
    if counted:
        yield Items(who_is_closer(run, ctx))
    yield Legend(
        (*steps(), "true digits", Graded("0.7", looks=(NO_OPTIMUM,)), "not at the optimum")
    )
    yield table


def certified_map(run: Run, ctx: Context) -> Table | None:
    """Return the least digits of every fit: case by engine, a block of columns for each setting."""
    settings = tuple(s for s in ctx.settings if any(_setting(c, s) for c in run.cases))
    engines = tuple(
        e for e in ctx.engines if any(s.engine == e for c in run.cases for s in c.certified)
    )
    rows = []
    for case in run.cases:
        if not case.certified:
            continue
        cells: list[Graded] = []
        for setting in settings:
            first = _closer(case, engines, setting)
            cells += [_least(case, e, setting, closer=e == first) for e in engines]
        rows.append(Row(ctx.title(case), cells, key=ctx.keys[case.id]))
    if not rows:
        return None
    return heat_table(
        "Digits against certified values by model, engine and setting",
        settings,
        [ctx.engine(e) for e in engines],
        rows,
        "heat certified",
    )


def scored(case: CaseRecord, ctx: Context) -> Iterator[Block]:
    """Yield the true digits of every fit of a case, and the numbers that they come from."""
    if not case.certified:
        return
    quantities = [q for q in QUANTITIES if any(s.quantity == q for s in case.certified)]
    groups = []
    for setting in ctx.settings:
        rows: list[Row] = []
        for engine in ctx.engines:
            own = {s.quantity: s for s in _scores(case, engine, setting)}
            if own:
                rows.append(Row(ctx.engine(engine), [_graded(own.get(q)) for q in quantities]))
        if rows:
            groups.append(Group(f"{setting} setting", rows))
    yield Heading("Digits against certified values")
    yield Table(
        "How many digits of each fit are true; = is the double nearest to the certified value",
        (
            Column("setting", text=True),
            Column("engine", text=True),
            *(Column(QUANTITIES[q]) for q in quantities),
        ),
        groups,
        named=True,
        beside=True,
        kind="numbers scored",
    )
    values = Table(
        "The worst number of each kind; underlined where it leaves the certified value",
        (
            Column("quantity", text=True),
            Column("value of", text=True),
            Column("value", text=True, kind="value"),
            Column("digits"),
        ),
        list(_values(case, ctx, quantities)),
        named=True,
        beside=True,
        kind="numbers values",
    )
    yield Details("The certified values, and what each engine has", (values,))


def _values(
    case: CaseRecord, ctx: Context, quantities: Sequence[CertifiedQuantity]
) -> Iterator[Group]:
    """Yield the numbers by quantity and item, so that a certified value is shown once."""
    keys = dict.fromkeys((s.quantity, s.item) for s in case.certified)
    for quantity, item in sorted(keys, key=lambda key: quantities.index(key[0])):
        found = [
            score
            for setting in ctx.settings
            for engine in ctx.engines
            for score in _scores(case, engine, setting)
            if (score.quantity, score.item) == (quantity, item)
        ]
        name = QUANTITIES[quantity]
        certified = dict.fromkeys(score.certified for score in found)
        yield Group(
            (name, Dim(item)) if item else name,
            [
                *(Row("certified", (plain(value), "")) for value in certified),
                *(
                    Row(
                        f"{score.engine}, {score.setting}",
                        (value_against(score), digits_of_agreement(score.digits)),
                    )
                    for score in found
                ),
            ],
        )


def value_against(score: CertifiedScore) -> Number:
    """Return an engine's number with all its digits, marked from where it leaves the certified."""
    try:
        decimals = SHOWN_DIGITS - 1 - Decimal(score.certified).adjusted()
    except InvalidOperation:
        decimals = MOST_DECIMALS
    finite = math.isfinite(score.value) and 0 <= decimals < MOST_DECIMALS
    if not finite or "e" in score.certified.lower():
        return plain(number(score.value, SHOWN_DIGITS))
    text = f"{score.value:.{decimals}f}"
    return Number(text, common_prefix([text, score.certified]))


def who_is_closer(run: Run, ctx: Context) -> tuple[str, ...]:
    """Return for each setting a sentence that counts where which engine is closer."""
    sentences = []
    for setting in ctx.settings:
        cases = [c for c in run.cases if len({s.engine for s in _setting(c, setting)}) > 1]
        if not cases:
            continue
        counts = Counter(_closer(case, ctx.engines, setting) for case in cases)
        parts = [f"{e} is closer in {counts[e]}" for e in ctx.engines if counts[e]]
        if counts[""]:
            parts.append(f"{counts['']} {'is' if counts[''] == 1 else 'are'} level")
        models = f"{len(cases)} model{'' if len(cases) == 1 else 's'}"
        sentences.append(f"{setting.capitalize()} setting, {models}: {listed(parts)}.")
    return tuple(sentences)


def _setting(case: CaseRecord, setting: Setting) -> list[CertifiedScore]:
    return [s for s in case.certified if s.setting == setting]


def _scores(case: CaseRecord, engine: str, setting: Setting) -> list[CertifiedScore]:
    return [s for s in _setting(case, setting) if s.engine == engine]


def _closer(case: CaseRecord, engines: Sequence[str], setting: Setting) -> str:
    """Return the engine that leads all others in its worst number, or nothing."""
    worst = {e: least_digits(_scores(case, e, setting)) for e in engines}
    digits = sorted(((sortable(s.digits), e) for e, s in worst.items() if s), reverse=True)
    if len(digits) < 2 or digits[1][0] >= ENOUGH or digits[0][0] - digits[1][0] < LEAD:
        return ""
    return digits[0][1]


def _least(case: CaseRecord, engine: str, setting: Setting, *, closer: bool) -> Graded:
    score = least_digits(_scores(case, engine, setting))
    audit = case.audit(engine, setting)
    wrong = audit is not None and CERTIFICATES[audit.certificate].family == "differ"
    looks = [NO_OPTIMUM] * wrong + [CLOSER] * closer
    where = QUANTITIES[score.quantity] if score and math.isfinite(score.digits) else ""
    return _graded(score, looks, where)


def _graded(score: CertifiedScore | None, looks: Sequence[Look] = (), where: str = "") -> Graded:
    if score is None:
        return Graded("")
    item = f" of {score.item}" if score.item else ""
    hint = (
        f"{QUANTITIES[score.quantity]}{item}: certified {score.certified}, {score.engine} "
        f"{number(score.value, SHOWN_DIGITS)}"
    )
    return graded(score.digits, hint, looks, where)
