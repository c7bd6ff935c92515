"""Digits of agreement by case and quantity, as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.engines.engine import Setting
from harness.judge.case_verdict import main_verdict
from harness.judge.comparison import Comparison, Difference
from harness.judge.records import Run
from harness.page import words
from harness.page.appearance import VERDICTS, WITHIN, Look
from harness.page.numbers import digits_of_agreement, least_digits, number, short
from harness.page.page import Block, Legend, Paragraph
from harness.page.page_line import Graded, Line, Piece, Sign
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.report.report_context import Context

_STEPS = ("0", "2.5", "5", "7.5", "10", "12.5+")


def digits_of(run: Run, ctx: Context) -> Sequence[Block]:
    """Return the least digits of agreement by case, engine, quantity and setting."""
    settings = tuple(
        s
        for s in ctx.settings
        if any(c.setting == s and c.differences for k in run.cases for c in k.comparisons)
    )
    if not settings:
        return (Paragraph("No two fits were compared in this run.", dim=True),)
    several = len(ctx.engines) > 2
    said = f"A row is a model and an engine beside {ctx.reference}. " if several else ""
    return (
        Paragraph(
            f"{said}Each cell is the log relative error, −log₁₀(|a − b| / |b|), of the worst "
            "number of its kind: 8.0 means eight significant digits agree, = that all do. A number "
            "next to zero can have few digits and still be within its tolerance, which is measured "
            "in standard errors or units of the residual variance. Coef are fixed effects, var "
            "variances and covariances, σ² the residual variance, BLUP predicted random effects.",
            dim=True,
        ),
        Legend(
            (
                *steps(),
                "digits, within tolerance",
                Graded("3.1", looks=(WITHIN[False],)),
                "outside tolerance",
                Graded(""),
                "not compared",
            )
        ),
        _heat_map(run, ctx, settings),
    )


def _heat_map(run: Run, ctx: Context, settings: Sequence[Setting]) -> Table:
    present = {d.quantity for case in run.cases for c in case.comparisons for d in c.differences}
    known = [q for q in words.QUANTITIES if q in present]
    quantities = known + sorted(present - set(known))
    several = len(ctx.engines) > 2
    rows = []
    for case in run.cases:
        # A case of which nothing is compared has a row too: an empty one.
        compared = (c.engine for c in case.comparisons if c.engine in ctx.asked)
        for engine in dict.fromkeys(compared) or ("",):
            one = case.comparison(engine, ctx.settings[0]) or main_verdict(case)
            name: list[Piece] = [Sign(VERDICTS[one.verdict]), *ctx.title(case)]
            found = [case.comparison(engine, s) for s in settings]
            cells = [_graded(_of_quantity(c, q)) for c in found for q in quantities]
            rows.append(
                Row(
                    (*name, ctx.engine(engine)) if several and engine else tuple(name),
                    cells,
                    key=ctx.keys[case.id],
                )
            )
    return heat_table(
        "Digits of agreement by model, quantity and setting",
        settings,
        [words.SHORT.get(q, words.quantity(q)) for q in quantities],
        rows,
    )


def heat_table(
    caption: str,
    settings: Sequence[Setting],
    columns: Sequence[Line],
    rows: Sequence[Row],
    kind: str = "heat",
) -> Table:
    """Return a table of graded digits: a block of columns for each setting."""
    heads = [
        Column(column, kind="" if place else "start")
        for _ in settings
        for place, column in enumerate(columns)
    ]
    return Table(
        caption,
        (Column("Model", text=True), *heads),
        one_group(rows),
        over=[(f"{setting} setting", len(columns)) for setting in settings],
        kind=kind,
    )


def steps() -> tuple[Graded, ...]:
    """Return every ground with the digits that it begins at."""
    return tuple(Graded(text, step) for step, text in enumerate(_STEPS))


def graded(digits: float, hint: str, looks: Sequence[Look] = (), where: str = "") -> Graded:
    """Return digits on their ground: a step for every two and a half."""
    step = 0
    if digits > 0:
        step = 5 if math.isinf(digits) else min(5, int(digits // 2.5))
    return Graded(digits_of_agreement(digits), step, hint, looks, where)


def _of_quantity(one: Comparison | None, quantity: str) -> list[Difference]:
    return [d for d in one.differences if d.quantity == quantity] if one is not None else []


def _graded(differences: Sequence[Difference]) -> Graded:
    # What is outside its tolerance is what a reader looks for, even when another item has fewer
    # digits but is within (a variance next to zero, for one).
    outside = [d for d in differences if not d.within]
    worst = least_digits(outside or differences)
    if worst is None:
        return Graded("")
    item = f" of {worst.item}" if worst.item else ""
    hint = (
        f"{worst.quantity}{item}: {number(worst.value)} and {number(worst.reference)}; difference "
        f"{short(worst.difference)} {worst.unit}, tolerance {short(worst.tolerance)}"
    )
    return graded(worst.digits, hint, [WITHIN[False]] if outside else [])
