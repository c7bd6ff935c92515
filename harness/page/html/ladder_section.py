"""The ladder table: a row for each case, a line for each engine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from harness.engines.engine import Coefficient, Failure, Fit, Setting
from harness.judge.records import CaseRecord, Run
from harness.page.html import words
from harness.page.html.certificates import Finding, finding
from harness.page.html.context import Badge, Context, reason
from harness.page.html.format import (
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
from harness.page.run_summary import main_verdict

# Quantities of the row's own coefficient: what the ladder's "digits" column is the least of.
INFERENCE = ("loglik", "estimate", "se", "df", "statistic", "p")


@dataclass(frozen=True)
class Line:
    """One engine's line of a row: its numbers, or why it has none."""

    engine: str
    rank: int
    cells: tuple[Markup, ...]
    note: str = ""
    fitter: str = ""
    finding: Finding | None = None


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
    digits: str
    digits_sort: float
    digits_in: str
    badge: Badge
    others: tuple[Badge, ...]
    group: str
    search: str


def ladder(run: Run, ctx: Context) -> tuple[LadderRow, ...]:
    """Return the ladder table, with every column lined up over all rows."""
    blocks = [_ladder_numbers(case, ctx) for case in run.cases]
    filled = [cells for block in blocks for _, cells, _ in block if cells]
    columns = [align(column) for column in zip(*filled, strict=True)]
    aligned = iter(zip(*columns, strict=True))
    return tuple(
        _ladder_row(
            case,
            ctx,
            tuple(
                Line(
                    engine,
                    ctx.rank(engine),
                    tuple(next(aligned)) if cells else (),
                    note,
                    _fitter(case, engine),
                    finding(case, ctx, engine, "default"),
                )
                for engine, cells, note in block
            ),
        )
        for case, block in zip(run.cases, blocks, strict=True)
    )


def _ladder_row(case: CaseRecord, ctx: Context, lines: tuple[Line, ...]) -> LadderRow:
    worst = least_digits(
        c
        for c in case.comparisons
        if c.setting == "default"
        and c.quantity in INFERENCE
        and (c.quantity == "loglik" or not case.focus or c.item == case.focus)
    )
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
        digits=digits_of_agreement(worst.digits if worst else None),
        digits_sort=sortable(worst.digits) if worst else 99.0,
        digits_in=words.QUANTITIES.get(worst.quantity, worst.quantity)
        if worst and not math.isinf(worst.digits)
        else "",
        badge=badge,
        # A verdict of another setting is worth a line only where it is not a milder one.
        others=tuple(
            ctx.badge(v)
            for v in case.verdicts
            if words.VERDICTS[v.verdict].family not in ("agree", badge.family)
        ),
        group=case.group,
        search=" ".join(
            [case.id, case.title, case.formula, case.criterion, badge.label, badge.engines]
            + [cause.text for cause in badge.causes]
        ).lower(),
    )


def _ladder_numbers(case: CaseRecord, ctx: Context) -> list[tuple[str, tuple[Number, ...], str]]:
    """Return for each engine its four numbers, or none and a note that says why."""
    found: dict[str, Coefficient] = {}
    notes: dict[str, str] = {}
    for engine in ctx.engines:
        outcome = case.fit(engine)
        if isinstance(outcome, Failure):
            notes[engine] = reason(outcome)
        elif outcome is not None:
            source = coefficients(case, engine, "default")
            row = next((c for c in source if c.name == _focus(case)), None)
            if row is None:
                notes[engine] = f"has no coefficient {_focus(case)!r}"
            else:
                found[engine] = row
        else:
            notes[engine] = "not run"
    columns = [
        pair(_compared(case, ctx, "estimate", found), ESTIMATE_DIGITS),
        pair(_compared(case, ctx, "se", found), SE_DIGITS),
        pair(_compared(case, ctx, "df", found), DF_DIGITS),
        pair_of_p(_compared(case, ctx, "p", found)),
    ]
    by_engine = {engine: tuple(column[i] for column in columns) for i, engine in enumerate(found)}
    return [(e, by_engine.get(e, ()), notes.get(e, "")) for e in ctx.engines]


def _compared(
    case: CaseRecord, ctx: Context, quantity: str, found: dict[str, Coefficient]
) -> list[float | None]:
    """Return the values that the verdict rests on, else those of the referee."""
    if tuple(found) == ctx.engines and len(found) == 2:
        for c in case.comparisons:
            if (c.setting, c.quantity, c.item) == ("default", quantity, _focus(case)):
                return [c.left, c.right]
    return [getattr(row, quantity) for row in found.values()]


def coefficients(case: CaseRecord, engine: str, setting: Setting) -> tuple[Coefficient, ...]:
    """Return like-for-like coefficients, or the engine's own where nothing was audited."""
    audit, outcome = case.audit(engine, setting), case.fit(engine, setting)
    if audit is not None:
        return audit.coefficients
    return outcome.coefficients if isinstance(outcome, Fit) else ()


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
