"""Intervals of variance parameters and fixed effects, as tables of a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.user_engines import written_otherwise
from harness.page.numbers import Number, correlation, number
from harness.page.page import Block, Paragraph
from harness.page.page_table import Column, Row, Table, one_group


def variance_intervals(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
    """Likelihood-ratio intervals by the criterion of the case, and by ML where that is REML."""
    if not found.profiles:
        return
    named = [e for e in engines if any(e in {n for n, *_ in p.engines} for p in found.profiles)]
    by_ml = any(p.ml_best is not None for p in found.profiles)
    rows = []
    for profile in found.profiles:
        least, most = ("-1", "1") if profile.scale == "correlation" else ("0", "unbounded")
        least = least if profile.least is None else number(profile.least, 4)
        own = {engine: value for engine, value, _ in profile.engines}
        told = correlation if profile.scale == "correlation" else number
        cells = [told(profile.best, 4), *_ends(profile.low, profile.high, least, most, told)]
        if by_ml and profile.ml_best is not None:
            cells += _ends(profile.ml_low, profile.ml_high, least, most, told)
        elif by_ml:
            cells += ["", ""]
        cells += ["" if e not in own else told(own[e], 4) for e in named]
        rows.append(_row(profile.parameter, cells))
    titles = ("best point", "from", "to", *(("ML from", "ML to") if by_ml else ()), *named)
    yield Table(
        f"At the best point, with {100 * found.profiles[0].level:g} % likelihood-ratio intervals",
        (Column("parameter"), *map(Column, titles)),
        one_group(rows),
        named=True,
    )
    if by_ml:
        by_lme4 = (
            " confint() of lme4 profiles ML also of a REML fit: ML from and ML to, but for the "
            "splines by which it joins the points of a profile."
        )
        how = "" if written_otherwise(found.case) else by_lme4
        yield Paragraph(f"From and to are by REML, as the model is fitted.{how}", dim=True)


def fixed_intervals(found: Diagnosis) -> Iterator[Block]:
    """Intervals of the fixed effects by t and by the profile of ML."""
    if not found.fixed_intervals:
        return
    rows = [
        _row(
            each.name,
            [
                number(each.estimate, 4),
                *_ends(each.low, each.high, "open", "open"),
                *_ends(each.ml_low, each.ml_high, "unbounded", "unbounded"),
            ],
        )
        for each in found.fixed_intervals
    ]
    titles = ("best point", "t from", "t to", "ML from", "ML to")
    yield Table(
        f"At the best point, with {100 * found.fixed_intervals[0].level:g} % intervals",
        (Column("fixed effect"), *map(Column, titles)),
        one_group(rows),
        named=True,
    )
    if any(each.low is None for each in found.fixed_intervals):
        yield Paragraph(
            "Open where the data do not determine a variance that the standard error depends on.",
            dim=True,
        )
    by_others = (
        "By t with Satterthwaite's degrees of freedom (harness.satterthwaite has those of a "
        "result), and by the profile of ML, as confint() of lme4 but for the splines by which "
        "it joins the points of a profile. conf_int() of "
        "statsmodels is the estimate give or take 1.96 of the standard error that it prints."
    )
    plainly = "By t with Satterthwaite's degrees of freedom, and by the profile of ML."
    yield Paragraph(plainly if written_otherwise(found.case) else by_others, dim=True)


def _ends(
    low: float | None,
    high: float | None,
    least: str,
    most: str,
    told: Callable[[float | None, int], str] = number,
) -> list[str]:
    return [least if low is None else told(low, 4), most if high is None else told(high, 4)]


def _row(name: str, cells: Sequence[str]) -> Row:
    # None of these is held against another.
    return Row(name, [Number(cell, len(cell)) for cell in cells])
