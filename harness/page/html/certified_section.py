"""Digits against certified values: which engine is closer to the truth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from markupsafe import Markup

from harness.base.text import listed
from harness.engines.engine import Setting
from harness.judge.case_verdict import main_verdict
from harness.judge.certified_score import CertifiedQuantity, CertifiedScore
from harness.judge.records import CaseRecord, Run
from harness.page import appearance
from harness.page.html.context import Context
from harness.page.html.heat import HeatCell, HeatMap, HeatRow, level
from harness.page.numbers import (
    Number,
    common_prefix,
    digits_of_agreement,
    least_digits,
    number,
    sortable,
)

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


@dataclass(frozen=True)
class ScoredRow:
    """One fit's digits, quantity by quantity."""

    engine: str
    rank: int
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class ScoredLine:
    """One number of one fit against the certified one."""

    quantity: str
    item: str
    certified: str
    engine: str
    setting: str
    value: Markup
    digits: str


@dataclass(frozen=True)
class ScoredTable:
    """The digits of a case: a table of them, and the numbers that they come from."""

    heads: tuple[str, ...]
    groups: tuple[tuple[str, tuple[ScoredRow, ...]], ...]
    lines: tuple[ScoredLine, ...]


def scored_table(case: CaseRecord, ctx: Context) -> ScoredTable | None:
    """Return the digits of every fit of a case; None when it has no certified values."""
    if not case.certified:
        return None
    heads = tuple(q for q in QUANTITIES if any(s.quantity == q for s in case.certified))
    groups: list[tuple[str, tuple[ScoredRow, ...]]] = []
    for setting in ctx.settings:
        rows: list[ScoredRow] = []
        for engine in ctx.engines:
            own = {s.quantity: s for s in _scores(case, engine, setting)}
            if own:
                cells = tuple(_cell(own.get(q)) for q in heads)
                rows.append(ScoredRow(engine, ctx.rank(engine), cells))
        if rows:
            groups.append((f"{setting} setting", tuple(rows)))
    return ScoredTable(
        heads=tuple(QUANTITIES[q] for q in heads),
        groups=tuple(groups),
        lines=tuple(_lines(case, ctx, heads)),
    )


def _lines(
    case: CaseRecord, ctx: Context, quantities: Sequence[CertifiedQuantity]
) -> Iterator[ScoredLine]:
    """Yield the numbers by quantity and item, so that a certified value is shown once."""
    keys = dict.fromkeys((s.quantity, s.item) for s in case.certified)
    for quantity, item in sorted(keys, key=lambda key: quantities.index(key[0])):
        for setting in ctx.settings:
            for engine in ctx.engines:
                for score in _scores(case, engine, setting):
                    if (score.quantity, score.item) == (quantity, item):
                        yield ScoredLine(
                            quantity=QUANTITIES[quantity],
                            item=item,
                            certified=score.certified,
                            engine=engine,
                            setting=setting,
                            value=value_against(score),
                            digits=digits_of_agreement(score.digits),
                        )


def value_against(score: CertifiedScore) -> Markup:
    """Return an engine's number with all its digits, marked from where it leaves the certified."""
    try:
        decimals = SHOWN_DIGITS - 1 - Decimal(score.certified).adjusted()
    except InvalidOperation:
        decimals = MOST_DECIMALS
    plain = math.isfinite(score.value) and 0 <= decimals < MOST_DECIMALS
    if not plain or "e" in score.certified.lower():
        return Markup(number(score.value, SHOWN_DIGITS))
    text = f"{score.value:.{decimals}f}"
    return Number(text, common_prefix([text, score.certified])).html()


def certified_map(run: Run, ctx: Context) -> HeatMap:
    """Return the least digits of every fit: case by engine, a block of columns for each setting."""
    settings = tuple(s for s in ctx.settings if any(_setting(c, s) for c in run.cases))
    engines = tuple(
        e for e in ctx.engines if any(s.engine == e for c in run.cases for s in c.certified)
    )
    rows = []
    for case in run.cases:
        if not case.certified:
            continue
        cells: list[HeatCell] = []
        for setting in settings:
            first = _closer(case, engines, setting)
            cells += [_least(case, e, setting, closer=e == first) for e in engines]
        badge = ctx.badge(main_verdict(case))
        anchor, title = ctx.anchors[case.id], ctx.titles[case.id]
        rows.append(HeatRow(anchor, title, case.criterion, badge, tuple(cells), case.group))
    return HeatMap(settings, engines, tuple(rows))


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


def _least(case: CaseRecord, engine: str, setting: Setting, *, closer: bool) -> HeatCell:
    score = least_digits(_scores(case, engine, setting))
    audit = case.audit(engine, setting)
    wrong = audit is not None and appearance.CERTIFICATES[audit.certificate].family == "differ"
    return _cell(score, outside=wrong, closer=closer)


def _cell(score: CertifiedScore | None, *, outside: bool = False, closer: bool = False) -> HeatCell:
    if score is None:
        return HeatCell("", "none", "")
    item = f" of {score.item}" if score.item else ""
    name = QUANTITIES[score.quantity]
    return HeatCell(
        text=digits_of_agreement(score.digits),
        css="out" if outside else level(score.digits),
        hint=f"{name}{item}: certified {score.certified}, {score.engine} "
        f"{number(score.value, SHOWN_DIGITS)}",
        outside=outside,
        where=name if math.isfinite(score.digits) else "",
        closer=closer,
    )
