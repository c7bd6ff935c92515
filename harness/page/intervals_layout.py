"""Confidence intervals of a model's parameters laid out as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness import __version__
from harness.judge.parameter_intervals import Intervals
from harness.page.numbers import correlation, number, plain
from harness.page.page import Items, Page, Section
from harness.page.page_table import Column, Group, Row, Table

_DIGITS = 5

_GROUPS = {
    "Fixed effects": ("fixed effect",),
    "Standard deviations and correlations": ("sd", "correlation", "ratio"),
    "Variances": ("variance",),
}


def intervals_page(found: Intervals, formula: str, rows: int, made: str = "") -> Page:
    """Lay out intervals; ``rows`` are those that the model uses, ``made`` is when it was."""
    blocks = [Table("Estimates and intervals", _COLUMNS, list(_groups(found)))]
    notes = [Items([f"{note[0].upper()}{note[1:]}." for note in found.notes])]
    sections = [Section("intervals", "", [*blocks, *(notes if found.notes else ())])]
    return Page(
        kind="Intervals",
        title=f"Intervals: {formula}",
        made_by=f"lmm-parity {__version__}",
        made=made,
        subject=formula,
        about=f"{found.criterion}, {rows} rows",
        answer=tuple(_how(found)),
        sections=sections,
    )


_COLUMNS = (Column("parameter"), Column("estimate"), Column("from"), Column("to"))


def _how(found: Intervals) -> Iterator[str]:
    level = f"{100 * found.level:g} %"
    if found.kind == "profile":
        own = found.criterion == "ML" and not _of_residuals(found)
        whose = ", as confint of lme4 has them" if own else ""
        yield f"{level} intervals by the profile of the {found.criterion} likelihood{whose}."
        return
    yield f"{level} Wald intervals by {found.criterion}."
    df = "z" if found.df == "none" else f"t with {found.df} df"
    yield (
        f"Fixed effects by {df}; standard deviations are symmetric in the logarithm, "
        "correlations in Fisher's z, as intervals of nlme has them."
    )


def _of_residuals(found: Intervals) -> bool:
    """Whether the residuals have a covariance with parameters of its own."""
    beside = found.table.index[found.table.quantity.isin(["correlation", "ratio"])]
    return any(str(label).startswith("residual ") for label in beside)


def _groups(found: Intervals) -> Iterator[Group]:
    for name, quantities in _GROUPS.items():
        rows = [
            Row(
                str(label), tuple(map(plain, _cells(row.quantity, row.estimate, row.low, row.high)))
            )
            for label, row in found.table.iterrows()
            if row.quantity in quantities
        ]
        if rows:
            yield Group(name, rows)


def _cells(quantity: str, *values: float) -> list[str]:
    told = correlation if quantity == "correlation" else number
    return [_unbounded(v) if math.isinf(v) else told(_absent(v), _DIGITS) for v in values]


def _absent(value: float) -> float | None:
    return None if math.isnan(value) else value


def _unbounded(value: float) -> str:
    return "unbounded" if value > 0 else "-unbounded"
