"""The ladder table: a row for each case, a line for each engine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from harness.engines.engine import Coefficient, Failure, Fit
from harness.judge.case_verdict import main_verdict, told
from harness.judge.comparison import Comparison, Difference
from harness.judge.records import CaseRecord, Run
from harness.page import appearance, words
from harness.page.html.certificates import Finding, finding
from harness.page.html.context import Badge, Context, reason
from harness.page.numbers import (
    DF_DIGITS,
    ESTIMATE_DIGITS,
    SE_DIGITS,
    Number,
    align,
    digits_of_agreement,
    least_digits,
    pair,
    pair_of_p,
    sortable,
)

# Quantities of the row's own coefficient: what the ladder's "digits" column is the least of.
INFERENCE = ("loglik", "estimate", "se", "df", "statistic", "p")


@dataclass(frozen=True)
class Outcome:
    """What a comparison comes to, or the reference judged by itself; ``rows`` it speaks for."""

    rows: int
    badge: Badge
    digits: str
    digits_in: str
    others: tuple[Badge, ...]
    alone: bool = False


@dataclass(frozen=True)
class Line:
    """One engine's line of a row: its numbers, or why it has none.

    ``referee`` has the numbers that the referee computes at the engine's point where the engine
    defines them otherwise than the reference.
    """

    engine: str
    rank: int
    cells: tuple[Markup, ...]
    referee: tuple[Markup, ...]
    note: str = ""
    fitter: str = ""
    finding: Finding | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class LadderRow:
    """One case in the ladder table."""

    anchor: str
    title: str
    formula: str
    criterion: str
    focus: str
    lines: tuple[Line, ...]
    printed: str
    matches: tuple[tuple[str, str], ...]
    digits_sort: float
    badge: Badge
    group: str
    search: str


PRINTED, REFEREE = ("estimate", "se", "df", "p"), ("se", "df", "p")
"""Numbers of the coefficient of interest: as printed, and those that have several definitions."""

_Numbers = tuple[Number | None, ...]


def ladder(run: Run, ctx: Context) -> tuple[LadderRow, ...]:
    """Return the ladder table."""
    return tuple(_ladder_row(case, ctx, _ladder_lines(case, ctx)) for case in run.cases)


def _ladder_lines(case: CaseRecord, ctx: Context) -> tuple[Line, ...]:
    """Return a line for each engine, their numbers lined up: other cases have other units."""
    block = _ladder_numbers(case, ctx)
    aligned = iter(_aligned([numbers for _, numbers, _ in block if numbers]))
    width = len(PRINTED)
    return tuple(
        Line(
            engine,
            ctx.rank(engine),
            (cells := next(aligned) if numbers else ())[:width],
            cells[width:],
            note,
            _fitter(case, engine),
            finding(case, ctx, engine, "default"),
            _outcome(case, ctx, engine),
        )
        for engine, numbers, note in block
    )


def _aligned(rows: list[_Numbers]) -> list[tuple[Markup, ...]]:
    columns = []
    for column in zip(*rows, strict=True):
        there = iter(align(number for number in column if number is not None))
        columns.append([Markup() if number is None else next(there) for number in column])
    return list(zip(*columns, strict=True))


def _outcome(case: CaseRecord, ctx: Context, engine: str) -> Outcome | None:
    """Return the verdict beside an engine's line; one comparison speaks for both lines."""
    several = len(ctx.engines) > 2
    one = case.comparison(engine)
    if one is None:
        alone = case.judgement(engine) if several or not case.comparisons else None
        return None if alone is None else Outcome(1, ctx.badge(alone), "", "", (), alone=True)
    worst = _worst(case, one)
    badge = ctx.badge(one)
    return Outcome(
        rows=1 if several else len(ctx.engines),
        badge=badge,
        digits=digits_of_agreement(worst.digits if worst else None),
        digits_in=words.quantity(worst.quantity) if worst and not math.isinf(worst.digits) else "",
        # A verdict of another setting is worth a line only where it is not a milder one.
        others=tuple(
            ctx.badge(other)
            for other in case.comparisons
            if other.engine == engine
            and appearance.VERDICTS[other.verdict].family not in ("agree", badge.family)
        ),
    )


def _worst(case: CaseRecord, one: Comparison) -> Difference | None:
    return least_digits(
        d
        for d in one.differences
        if d.quantity in INFERENCE
        and (d.quantity == "loglik" or not case.focus or d.item == case.focus)
    )


def _ladder_row(case: CaseRecord, ctx: Context, lines: tuple[Line, ...]) -> LadderRow:
    first = [one for one in case.comparisons if one.setting == "default"]
    worst = least_digits(d for one in first if (d := _worst(case, one)) is not None)
    printed = [
        p
        for p in case.printed
        if p.quantity in ("table.Coef", "estimate") and p.item in ("", case.focus)
    ]
    # The same number is often printed twice; the form with most digits is the stronger test.
    text = max((p.printed for p in printed), key=len, default="")
    held = [p for p in printed if p.printed == text]
    badge = ctx.badge(main_verdict(case))
    return LadderRow(
        anchor=ctx.anchors[case.id],
        title=ctx.titles[case.id],
        formula=case.formula,
        criterion=case.criterion,
        focus=_focus(case),
        lines=lines,
        printed=text,
        matches=tuple(
            (engine, "match" if any(p.matches for p in held if p.engine == engine) else "mismatch")
            for engine in dict.fromkeys(p.engine for p in held)
        ),
        digits_sort=sortable(worst.digits) if worst else 99.0,
        badge=badge,
        group=case.group,
        search=" ".join(
            [case.id, case.title, case.formula, case.criterion]
            + [text for one in told(case) for text in _words(ctx.badge(one))]
        ).lower(),
    )


def _words(badge: Badge) -> list[str]:
    return [badge.label, badge.engines, *(cause.text for cause in badge.causes)]


def _ladder_numbers(case: CaseRecord, ctx: Context) -> list[tuple[str, _Numbers, str]]:
    """Return for each engine its numbers, or none and a note that says why."""
    found: dict[str, Coefficient] = {}
    notes: dict[str, str] = {}
    for engine in ctx.engines:
        outcome = case.fit(engine)
        if isinstance(outcome, Failure):
            notes[engine] = reason(outcome)
        elif outcome is not None:
            row = next((c for c in outcome.coefficients if c.name == _focus(case)), None)
            if row is None:
                notes[engine] = f"has no coefficient {_focus(case)!r}"
            else:
                found[engine] = row
        else:
            notes[engine] = "not run"
    fair = {engine: _at_its_point(case, engine) for engine in found}
    columns: list[dict[tuple[str, bool], Number]] = []
    for quantity in PRINTED:
        # Numbers of one definition are held against each other: digits that part are marked.
        keys = [(engine, quantity in fair[engine]) for engine in found]
        values = [
            fair[engine][quantity] if referee else getattr(found[engine], quantity)
            for engine, referee in keys
        ]
        shown = dict(zip(keys, _pair(quantity, values), strict=True))
        for engine, referee in keys:
            if referee:
                shown[engine, False] = _pair(quantity, [getattr(found[engine], quantity)])[0]
        columns.append(shown)
    by_quantity = dict(zip(PRINTED, columns, strict=True))
    numbers = {
        engine: (
            *(by_quantity[quantity][engine, False] for quantity in PRINTED),
            *(by_quantity[quantity].get((engine, True)) for quantity in REFEREE),
        )
        for engine in found
    }
    return [(e, numbers.get(e, ()), notes.get(e, "")) for e in ctx.engines]


def _pair(quantity: str, values: list[float | None]) -> list[Number]:
    digits = {"estimate": ESTIMATE_DIGITS, "se": SE_DIGITS, "df": DF_DIGITS}
    return pair_of_p(values) if quantity == "p" else pair(values, digits[quantity])


def _at_its_point(case: CaseRecord, engine: str) -> dict[str, float]:
    """Return the referee's numbers where an engine defines its own otherwise than the reference."""
    one = case.comparison(engine)
    return {
        d.quantity: d.value
        for d in (one.differences if one is not None else ())
        if d.referee and d.item == _focus(case)
    }


def _fitter(case: CaseRecord, engine: str) -> str:
    """Return what fitted a linear model, where the criterion does not say so: lme4 fits none."""
    outcome = case.fit(engine)
    if case.criterion != "OLS" or not isinstance(outcome, Fit) or outcome.fitter == "OLS":
        return ""
    return "R lm" if outcome.fitter == "lm" else outcome.fitter


def _focus(case: CaseRecord) -> str:
    if case.focus:
        return case.focus
    for outcome in case.fits:
        if isinstance(outcome, Fit) and outcome.coefficients:
            return outcome.coefficients[-1].name
    return ""
