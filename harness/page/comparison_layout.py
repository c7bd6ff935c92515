"""Two nested models compared, laid out as a page: the test, both models, AIC and BIC."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness import __version__
from harness.base.text import significant
from harness.judge.model_comparison import Comparison
from harness.page.numbers import number, plain
from harness.page.page import Page, Paragraph, Section
from harness.page.page_line import Code
from harness.page.page_table import Column, Group, Row, Table, one_group

ALPHA = 0.05
"""Level at which a conclusion is drawn from a p value."""

_DIGITS = 7


def comparison_page(found: Comparison, rows: int, made: str = "") -> Page:
    """Lay out a comparison; ``rows`` are those of both models, ``made`` is when it was."""
    small, large = map(str, found.table.index)
    return Page(
        kind="Comparison",
        title=f"Comparison: {small} and {large}",
        made_by=f"lmm-parity {__version__}",
        made=made,
        subject=f"{small}   against   {large}",
        about=f"{found.criterion}, {rows} rows",
        answer=tuple(comparison_answer(found)),
        sections=(
            Section("models", "The two models", (_models(found),)),
            Section(
                "criteria", "AIC and BIC by each program's convention", (_criteria(found), _SMALLER)
            ),
        ),
    )


def comparison_answer(found: Comparison) -> Iterator[str]:
    """Say what the likelihood ratio comes to."""
    more = f"{found.parameters} more parameter{'' if found.parameters == 1 else 's'}"
    low, high = found.p_bounds
    ratio = f"likelihood ratio {number(found.statistic, 6)} for {more}"
    if math.isnan(found.p):
        yield f"p lies between {significant(low, 3)} and {significant(high, 3)}: {ratio}."
    else:
        verdict = (
            f"The larger model fits better at {ALPHA:g}"
            if found.p < ALPHA
            else f"The smaller model is enough at {ALPHA:g}"
        )
        yield f"{verdict}: p = {significant(found.p, 3)}, {ratio}."
    if low == high:
        yield f"The null distribution is {found.null}."
    else:
        yield (
            f"The null distribution is {found.null}: p lies between {significant(low, 3)} and "
            f"{significant(high, 3)}."
        )
    drawn = found.simulated
    if drawn is not None:
        yield (
            f"By simulation p = {significant(drawn.p, 3)}, with a Monte Carlo error of "
            f"{significant(drawn.error, 2)} ({drawn.draws} draws, seed {drawn.seed})."
        )
    if found.p_chi_square != found.p:
        # Unless told not to, R fits both again by ML.
        anova = "anova of R" if found.criterion == "ML" else "anova of R with refit = FALSE"
        yield (
            f"By chi-square({found.parameters}), as {anova} has it, p = "
            f"{significant(found.p_chi_square, 3)}."
        )


def _models(found: Comparison) -> Table:
    rows = [
        Row(
            (name, Code(str(formula))),
            (
                plain(str(int(one.parameters))),
                plain(number(one.loglik, _DIGITS)),
                plain(number(one.deviance, _DIGITS)),
            ),
        )
        for name, (formula, one) in zip(("small", "large"), found.table.iterrows(), strict=True)
    ]
    columns = (Column("model"), *map(Column, ("parameters", "log-likelihood", "deviance")))
    return Table("Both models at their best points", columns, one_group(rows))


_SMALLER = Paragraph(
    "Smaller is better; values of different programs are not comparable.", dim=True
)


def _criteria(found: Comparison) -> Table:
    rows = []
    for programs, values in found.criteria.dropna(how="all").iterrows():
        cells = [
            _told(values[name, size]) for name in ("AIC", "BIC") for size in ("small", "large")
        ]
        rows.append(Row(str(programs), tuple(map(plain, cells))))
    return Table(
        "AIC and BIC of both models",
        (Column("as printed by"), *(Column(size) for _ in "12" for size in ("small", "large"))),
        [Group(None, rows)],
        over=(("AIC", 2), ("BIC", 2)),
    )


def _told(value: float) -> str:
    return number(None if math.isnan(value) else value, _DIGITS)
