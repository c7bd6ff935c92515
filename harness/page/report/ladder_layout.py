"""The ladder: a group of rows for each case, a row for each engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from harness.base.text import listed
from harness.engines.engine import PRINTED as NOT_FITTED
from harness.engines.engine import Coefficient, Failure, Fit
from harness.judge.case_verdict import blamed, main_verdict
from harness.judge.comparison import Comparison, Difference
from harness.judge.records import CaseRecord, Run
from harness.page import words
from harness.page.appearance import HOLDS, VERDICTS
from harness.page.numbers import (
    DF_DIGITS,
    ESTIMATE_DIGITS,
    SE_DIGITS,
    Number,
    digits_of_agreement,
    least_digits,
    pair,
    pair_of_p,
    plain,
)
from harness.page.page_line import Code, Dim, Marked, Piece, Under
from harness.page.page_table import Cell, Column, Group, Row, Spanning, Table
from harness.page.report.certificate_layout import finding
from harness.page.report.report_context import Context, reason

# Quantities of the row's own coefficient: what the ladder's "digits" column is the least of.
INFERENCE = ("loglik", "estimate", "se", "df", "statistic", "p")

PRINTED, REFEREE = ("estimate", "se", "df", "p"), ("se", "df", "p")
"""Numbers of the coefficient of interest: as printed, and those that have several definitions."""

_NO_REFEREE = ("",) * len(REFEREE)

_Numbers = tuple[Number | None, ...]


def ladder(run: Run, ctx: Context, *, headed: bool) -> Table:
    """Return the ladder; ``headed`` when cases of one kind follow one another."""
    groups: list[Group] = []
    for name, cases in groupby(run.cases, key=lambda case: case.group):
        if headed and name:
            groups.append(Group(name, ()))
        groups += [_group(case, ctx, "" if headed else name) for case in cases]
    return Table(
        "One row group for each model, one row for each engine",
        (
            Column("Model", text=True, kind="title", sorts=True),
            Column("Engine", text=True),
            *map(Column, ("Estimate", "SE", "df", "p", "SE", "df", "p")),
            Column("Referee", text=True, kind="audit"),
            Column("Digits", kind="digits", sorts=True),
            Column("Verdict", text=True, kind="verdict", sorts=True),
        ),
        groups,
        over=(("as the engine prints it", 4), ("referee at its point", 3), ("", 3)),
        beside=True,
        units="group",
        kind="ladder",
    )


def _group(case: CaseRecord, ctx: Context, kind: str) -> Group:
    rows = [_row(case, ctx, e, numbers, note) for e, numbers, note in _ladder_numbers(case, ctx)]
    return Group(
        (*ctx.title(case), Under(_model(case, kind)), *_printed(case, len(rows))),
        rows,
        key=ctx.keys[case.id],
        look=VERDICTS[main_verdict(case).verdict],
    )


def _model(case: CaseRecord, kind: str) -> tuple[Piece, ...]:
    focus = _focus(case)
    model: list[Piece] = [f"{kind}:"] if kind else []
    model += [Code(focus), "in"] if focus else []
    return (*model, Code(case.formula))


def _printed(case: CaseRecord, engines: int) -> tuple[Piece, ...]:
    """Return what a source prints for the estimate, and which engines give it."""
    printed = [
        p
        for p in case.printed
        if p.quantity in ("table.Coef", "estimate") and p.item in ("", case.focus)
    ]
    if not printed:
        return ()
    # The same number is often printed twice; the form with most digits is the stronger test.
    text = max((p.printed for p in printed), key=len)
    held = [p for p in printed if p.printed == text]
    names = dict.fromkeys(p.engine for p in held)
    right = [e for e in names if any(p.matches for p in held if p.engine == e)]
    wrong = [e for e in names if e not in right]
    both = "both" if len(right) == 2 == engines else ", ".join(right)
    marked = [Marked(HOLDS["match"], both)] if right else []
    marked += [Marked(HOLDS["mismatch"], ", ".join(wrong))] if wrong else []
    return (Under((f"printed {text}", *marked)),)


def _row(case: CaseRecord, ctx: Context, engine: str, numbers: _Numbers, note: str) -> Row:
    fitter, found = _fitter(case, engine), finding(case, engine, "default")
    cells: list[Cell] = ["" if n is None else n for n in numbers]
    width = len(PRINTED) + len(REFEREE)
    if not numbers:
        cells = [Spanning(note, columns=width if found else width + 1)]
    if numbers or found:
        cells.append(found or "")
    return Row(
        (ctx.engine(engine), Dim(f"({fitter})")) if fitter else ctx.engine(engine),
        (*cells, *_outcome(case, ctx, engine)),
    )


def _outcome(case: CaseRecord, ctx: Context, engine: str) -> Sequence[Cell]:
    """Return digits and verdict beside an engine's row; one comparison speaks for both rows."""
    several = len(ctx.engines) > 2
    one = case.comparison(engine)
    if one is None:
        alone = case.judgement(engine) if several or not case.comparisons else None
        if alone is None:
            return ()
        look, *rest = ctx.verdict(alone)
        return "", (look, Dim("by itself"), *map(Under, rest))
    worst = _worst(case, one)
    digits: list[Piece] = [digits_of_agreement(worst.digits if worst else None)]
    if worst and not math.isinf(worst.digits):
        digits.append(Under(f"in {words.quantity(worst.quantity)}"))
    look, *rest = ctx.verdict(one)
    # A verdict of another setting is worth a line only where it is not a milder one.
    others = [
        other
        for other in case.comparisons
        if other.engine == engine
        and VERDICTS[other.verdict].family not in ("agree", VERDICTS[one.verdict].family)
    ]
    verdict = (look, *map(Under, rest), *map(_of_setting, others))
    rows = 1 if several else len(ctx.engines)
    return Spanning(tuple(digits), rows=rows), Spanning(verdict, rows=rows)


def _of_setting(one: Comparison) -> Under:
    engines = listed(blamed(one))
    return Under((f"{one.setting} setting:", VERDICTS[one.verdict], engines))


def _worst(case: CaseRecord, one: Comparison) -> Difference | None:
    return least_digits(
        d
        for d in one.differences
        if d.quantity in INFERENCE
        and (d.quantity == "loglik" or not case.focus or d.item == case.focus)
    )


def _ladder_numbers(case: CaseRecord, ctx: Context) -> list[tuple[str, _Numbers, str]]:
    """Return for each engine its numbers, or none and a note that says why."""
    found: dict[str, Coefficient] = {}
    notes: dict[str, str] = {}
    for engine in ctx.beside(case):
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
    texts = {engine: _as_printed(case, engine) for engine in found}
    texts = {engine: text for engine, text in texts.items() if text}
    found = {engine: row for engine, row in found.items() if engine not in texts}
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
    numbers: dict[str, _Numbers] = {
        engine: tuple(plain(text[q]) if q in text else None for q in (*PRINTED, *_NO_REFEREE))
        for engine, text in texts.items()
    }
    numbers |= {
        engine: (
            *(by_quantity[quantity][engine, False] for quantity in PRINTED),
            *(by_quantity[quantity].get((engine, True)) for quantity in REFEREE),
        )
        for engine in found
    }
    return [(e, numbers.get(e, ()), notes.get(e, "")) for e in ctx.beside(case)]


def _as_printed(case: CaseRecord, engine: str) -> dict[str, str]:
    """Return the numbers of the coefficient of interest that were printed, and not fitted here."""
    fit = case.fit(engine)
    if case.listing is None or not isinstance(fit, Fit) or fit.fitter != NOT_FITTED:
        return {}
    labels = [c.name for c in fit.coefficients]
    label = fit.native_names[labels.index(_focus(case))]
    return {f.quantity: f.text for f in case.listing.findings if f.item == label}


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
