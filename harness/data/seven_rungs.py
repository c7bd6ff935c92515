"""The tutorial's seven rungs on anyone's table, as ``fixtures/ladder.toml`` lists them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.ladder_file import TutorialRung, ladder_file
from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.model import Criterion, bind, parse_model
from harness.spelling.calls import quote_name

MIXED: tuple[Criterion, ...] = ("REML", "ML")
"""Criteria of a mixed model; a model without random effects is fitted once."""


def seven_rungs(
    data: Dataset, outcome: str, predictor: str, group: str, *, prefix: str = "tutorial"
) -> tuple[Rung, ...]:
    """Return the tutorial's seven rungs for a numeric predictor and a grouping factor.

    Hierarchical is one case per group for its first level and one for its second; the data of the
    second level are the exact least-squares slopes, so that both engines get the same.

    Raises
    ------
    BadInput
        When a column is missing, not usable in its role, or there are too few groups or rows.
    """
    columns = (outcome, predictor, group)
    if len(set(columns)) < 3:
        raise BadInput("outcome, predictor and group must be three different columns")
    y, x, g = (quote_name(name) for name in columns)
    # Binding the largest model checks all three columns and applies the missing-value rule once.
    full = parse_model(f"{y} ~ {x} + (1 | {g})")
    table = bind(full, data.frame, levels=data.levels)
    complete = data.frame.loc[table.complete, list(columns)].reset_index(drop=True)
    _check_roles(complete, outcome, predictor, group)
    used = replace(data, source=complete)
    levels = tuple(dict.fromkeys(_group_order(used, group)))
    tables = {
        "rows": ((None, data),),
        "means": ((None, _means(used, columns, levels)),),
        "within": tuple((level, _within(used, columns, level)) for level in levels),
        "slopes": ((None, _slopes(used, columns, levels)),),
    }
    return tuple(
        _rung(listed, source, columns, level, criterion, prefix)
        for listed in ladder_file().tutorial.rungs
        for level, source in tables[listed.data]
        for criterion in (MIXED if "|" in listed.formula else MIXED[:1])
    )


def _check_roles(frame: pd.DataFrame, outcome: str, predictor: str, group: str) -> None:
    for role, name in (("outcome", outcome), ("predictor", predictor)):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise BadInput(f"the {role} {name!r} is not numeric")
    groups = frame.groupby(group)
    sizes = groups[predictor].agg(["size", "nunique"])
    if len(sizes) < 3:
        raise BadInput(
            f"{group!r} has {len(sizes)} group{'s' if len(sizes) != 1 else ''} with complete rows; "
            "the ladder's aggregation needs at least 3"
        )
    thin = sizes.index[(sizes["nunique"] < 2) | (sizes["size"] < 3)]
    if len(thin):
        raise BadInput(
            f"group {str(thin[0])!r} has fewer than 3 rows or a constant {predictor!r}; "
            "the ladder fits a regression in every group"
        )
    flat = sizes.index[groups[outcome].nunique() < 2]
    if len(flat):
        raise BadInput(
            f"group {str(flat[0])!r} has a constant {outcome!r}; "
            "the ladder fits a regression in every group"
        )


def _group_order(data: Dataset, group: str) -> list[object]:
    present = data.frame[group].unique().tolist()
    if group in data.levels:
        order = data.levels[group]
        return sorted(present, key=lambda v: order.index(str(v)))
    return sorted(present)


def _means(used: Dataset, columns: tuple[str, str, str], levels: tuple[object, ...]) -> Dataset:
    outcome, predictor, group = columns
    means = used.frame.groupby(group, sort=False, observed=True)[[outcome, predictor]].agg(
        lambda values: math.fsum(values) / len(values)
    )
    means = means.loc[list(levels)].reset_index(drop=True)
    return replace(used, name=f"{used.name}, group means", levels={}, source=means)


def _within(used: Dataset, columns: tuple[str, str, str], level: object) -> Dataset:
    outcome, predictor, group = columns
    rows = used.frame[used.frame[group] == level]
    return replace(
        used,
        name=f"{used.name}, {group} = {level}",
        levels={},
        source=rows[[outcome, predictor]].reset_index(drop=True),
    )


def _slopes(used: Dataset, columns: tuple[str, str, str], levels: tuple[object, ...]) -> Dataset:
    outcome, predictor, _ = columns
    parts = [_within(used, columns, level).frame for level in levels]
    slopes = [_slope(p[predictor].to_numpy(float), p[outcome].to_numpy(float)) for p in parts]
    frame = pd.DataFrame({"beta": slopes, "group": [str(level) for level in levels]})
    return replace(used, name=f"{used.name}, slopes by group", levels={}, source=frame)


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the least-squares slope, rounded once: a BLAS would round as the processor has it."""
    xs, ys = ([Fraction(float(v)) for v in values] for values in (x, y))
    n, sum_x = len(xs), sum(xs)
    above = n * sum(a * b for a, b in zip(xs, ys, strict=True)) - sum_x * sum(ys)
    return float(above / (n * sum(a * a for a in xs) - sum_x**2))


def _rung(
    listed: TutorialRung,
    source: Dataset,
    columns: tuple[str, str, str],
    level: object,
    criterion: Criterion,
    prefix: str,
) -> Rung:
    _, predictor, group = columns
    y, x, g = (quote_name(name) for name in columns)
    model = parse_model(listed.formula.format(y=y, x=x, g=g), criterion)
    here = source.frame.columns
    table = bind(
        model,
        source.frame,
        factors=(group,) if group in here else (),
        levels={name: order for name, order in source.levels.items() if name in here},
    )
    name = listed.name if level is None else f"{listed.name}/{group}={level}"
    suffix = f"/{criterion}" if model.random else ""
    case = Case(f"{prefix}/{name}{suffix}", model, table)
    notes = tuple(filter(None, [listed.note.format(g=group, level=level)]))
    heading = ladder_file().tutorial.heading
    return Rung(case, listed.title, heading, listed.focus or predictor, source, notes=notes)
