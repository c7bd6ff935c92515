"""The tutorial's seven rungs on anyone's table, as ``fixtures/ladder.toml`` lists them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.ladder_file import TutorialRung, ladder_file
from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.design import Design
from harness.model.model import Criterion, bind, parse_model
from harness.spelling.lme4_spelling import quote_name

MIXED: tuple[Criterion, ...] = ("REML", "ML")
"""Criteria of a mixed model; a model without random effects is fitted once."""

_NAMED_AT_MOST = 4

_CELLS_AT_MOST = 500_000
"""Size of the indicators of a table that is looked at for an exact fit."""

_EXACT = 1e-12
"""Residuals relative to the outcome's spread that are rounding only."""

_SAME = 1e-13
"""Relative spread below which means differ by their rounding only."""


class SevenRungs(NamedTuple):
    """The rungs that a table allows.

    Attributes
    ----------
    rungs : tuple of Rung
    left_out : tuple of str
        The others: which, and why they cannot be made.
    """

    rungs: tuple[Rung, ...]
    left_out: tuple[str, ...]


def seven_rungs(
    data: Dataset, outcome: str, predictor: str, group: str, *, prefix: str = "tutorial"
) -> SevenRungs:
    """Return the tutorial's seven rungs for a numeric predictor and a grouping factor.

    Hierarchical is one case per group for its first level and one for its second; the data of the
    second level are the exact least-squares slopes, so that both engines get the same. A rung that
    the table does not allow is left out, and stands with its reason in the notes of the first.

    Raises
    ------
    BadInput
        When a column is missing, not usable in its role, or there is a single group.
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
    obstacles = {level: _obstacle_within(used, columns, level) for level in levels}
    able = tuple(level for level in levels if not obstacles[level])
    tables: dict[str, list[tuple[object, Dataset]]] = {
        "rows": [(None, data)],
        "means": [(None, _means(used, columns, levels))],
        "within": [(level, _within(used, columns, level)) for level in able],
        "slopes": [(None, _slopes(used, columns, able))] if able else [],
    }
    rungs: list[Rung] = []
    left_out: list[str] = []
    for listed in ladder_file().tutorial.rungs:
        if listed.data == "within":
            left_out += _left_out_within(listed.title, group, obstacles)
        if listed.data == "slopes" and not able:
            left_out.append(f"{listed.title}: no group has a slope")
        for level, source in tables[listed.data]:
            criteria = MIXED if "|" in listed.formula else MIXED[:1]
            made = [_rung(listed, source, columns, level, c, prefix) for c in criteria]
            why = _obstacle(made[0], columns)
            if why:
                left_out.append(f"{listed.title}: {why}")
            elif listed.data == "slopes" and len(able) < len(levels):
                note = f"Of {len(able)} of the {len(levels)} groups; the others have no slope."
                rungs += [replace(r, notes=(*r.notes, note)) for r in made]
            else:
                rungs += made
    if rungs and left_out:
        note = f"Left out of this ladder: {'; '.join(left_out)}."
        rungs[0] = replace(rungs[0], notes=(*rungs[0].notes, note))
    return SevenRungs(tuple(rungs), tuple(left_out))


def _check_roles(frame: pd.DataFrame, outcome: str, predictor: str, group: str) -> None:
    for role, name in (("outcome", outcome), ("predictor", predictor)):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise BadInput(f"the {role} {name!r} is not numeric")
    if frame[predictor].nunique() < 2:
        raise BadInput(f"the predictor {predictor!r} is the same in every row used")
    if frame[group].nunique() == len(frame):
        raise BadInput(f"every group of {group!r} has one row; the ladder needs rows within groups")


def _obstacle_within(used: Dataset, columns: tuple[str, str, str], level: object) -> str:
    """Say why no regression can be fitted in a group; empty where one can."""
    outcome, predictor, _ = columns
    rows = _within(used, columns, level).frame
    if len(rows) < 3:
        return f"{len(rows)} row{'s' if len(rows) != 1 else ''}, a regression takes 3"
    for name in (predictor, outcome):
        if rows[name].nunique() < 2:
            return f"{name} is constant"
    return ""


def _left_out_within(title: str, group: str, obstacles: dict[object, str]) -> list[str]:
    """Name the groups without a regression of their own, those of one reason together."""
    reasons = dict.fromkeys(filter(None, obstacles.values()))
    return [
        f"{title}, {group} {_named([v for v, why in obstacles.items() if why == reason])}: {reason}"
        for reason in reasons
    ]


def _named(levels: list[object]) -> str:
    shown = ", ".join(map(str, levels[:_NAMED_AT_MOST]))
    more = len(levels) - _NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown


def _obstacle(rung: Rung, columns: tuple[str, str, str]) -> str:
    """Say why a rung cannot be fitted; empty where it can."""
    _, predictor, group = columns
    design = rung.case.design
    rows, width = design.x.shape
    if rows <= width:
        what = "row" if group in rung.data.frame.columns else "group"
        what += "s" if rows != 1 else ""
        return f"{rows} {what} for {width} coefficient{'s' if width != 1 else ''}"
    if np.ptp(design.y) <= _SAME * np.abs(design.y).max():
        return "its outcome is the same in every row"
    scale = np.abs(design.x).max(axis=0)
    rank = int(np.linalg.matrix_rank(design.x / np.where(scale > 0, scale, 1.0)))
    if rank < width:
        return _why_aliased(rung, predictor, group)
    for term in design.random:
        effects = term.z.shape[1] * (int(term.codes.max()) + 1)
        if rows <= effects:
            return f"{rows} rows for {effects} random effects, which lme4 refuses"
    if _fits_exactly(design):
        return "it fits every row exactly, which leaves no residual variance"
    return ""


def _fits_exactly(design: Design) -> bool:
    columns = [design.x]
    for term in design.random:
        levels = int(term.codes.max()) + 1
        if levels * term.z.size > _CELLS_AT_MOST:
            return False
        indicators = np.eye(levels)[term.codes]
        columns += [indicators * z[:, None] for z in term.z.T]
    x = np.hstack(columns)
    norms = np.linalg.norm(x, axis=0)
    x = x / np.where(norms > 0, norms, 1.0)
    centred = design.y - design.y.mean()
    residual = centred - x @ np.linalg.lstsq(x, centred, rcond=None)[0]
    return bool(np.linalg.norm(residual) <= _EXACT * np.linalg.norm(centred))


def _why_aliased(rung: Rung, predictor: str, group: str) -> str:
    """Say which groups keep the coefficients of a rung from being determined."""
    frame = rung.data.frame
    if group not in frame.columns:
        return f"{predictor} has the same mean in every group"
    kinds = frame.loc[rung.case.table.complete].groupby(group)[predictor].nunique()
    constant = kinds.index[kinds < 2].tolist()
    if len(constant) == len(kinds):
        return f"{predictor} is constant in every {group}, so that it cannot be told from {group}"
    if constant:
        return f"{predictor} is constant in {group} {_named(constant)}, which has no slope"
    return "its coefficients cannot be told apart"


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
