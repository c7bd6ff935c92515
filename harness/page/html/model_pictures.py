"""Pictures of models for a notebook: of an exploration, of a rung of the ladder, of a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.rungs import Rung
from harness.diagnose.ladder_fits import FittedLadder, FittedRung
from harness.engines.engine import Fit
from harness.engines.referee_engine import fit_at
from harness.judge.case_record import case_record
from harness.judge.judge import Judged, judge_outcomes
from harness.page.html.case_pictures import case_pictures
from harness.page.html.case_rows import case_rows, traces_of
from harness.page.html.fitted_picture import data_figure
from harness.page.html.picture import Picture
from harness.page.html.svg import Figure, Rows, Trace
from harness.page.html.two_levels import Slopes, means_figures, slopes_figure
from harness.page.report.report_context import Context
from harness.referee.exploration import Exploration

_KEYS = count(1)


def picture(
    what: Exploration | FittedRung | FittedLadder | pd.DataFrame,
    *,
    x: str = "",
    y: str = "",
    group: str = "",
    line: str = "",
) -> Picture:
    """Draw a model, the two-level analyses of a ladder, or columns of a table.

    Parameters
    ----------
    what : Exploration, FittedRung, FittedLadder or DataFrame
        Of an exploration or a rung: data with fitted lines by group, residuals against fitted
        values, their densities by group, predicted random effects; of a rung those of every engine.
        Of a ladder: the analyses in two levels, means of groups and slopes of groups.
    x, y, group, line : str
        Of a table: its columns. Points are y over x, and lines ``line`` over x, both by group;
        without x points are in a strip for each group, with a bar at ``line``. Of a rung ``group``
        only: a column of its data by which rows are told apart, the model's own without it.

    Raises
    ------
    BadInput
        For a column that is not there, and a ladder without the models that are drawn.
    """
    if isinstance(what, Exploration):
        return Picture(_of_exploration(what))
    if isinstance(what, FittedRung):
        return Picture(_of_case(what.rung, what.judged, group))
    if isinstance(what, FittedLadder):
        return Picture(_of_ladder(what))
    return Picture((_of_table(what, x, y, group, line),))


def _of_exploration(found: Exploration) -> tuple[Figure, ...]:
    case = found.case
    fit = fit_at(case, "default", found.best, 0.0)
    data = Dataset("data", case.table.frame(), "")
    names = case.design.x_names
    rung = Rung(case, case.model.formula.text, "", names[-1], data)
    return _of_case(rung, judge_outcomes(case, [fit], best=found.best))


def _of_case(rung: Rung, judged: Judged, group: str = "") -> tuple[Figure, ...]:
    record = case_record(judged, rung)
    if group:
        frame = rung.data.frame
        _require(frame, group)
        codes, levels = pd.factorize(frame.loc[rung.case.table.complete, group], sort=True)
        data = msgspec.structs.replace(
            record.data,
            group_name=group,
            group=tuple(codes.tolist()),
            group_levels=tuple(map(str, levels)),
        )
        record = msgspec.structs.replace(record, data=data)
    return case_pictures(record, _context(judged, record.id))


def _context(judged: Judged, case: str) -> Context:
    reference = judged.reference
    engines = (*(e for e in judged.engines if e != reference), reference)
    return Context(engines, reference, ("default",), {case: f"picture-{next(_KEYS)}"}, {})


def _of_ladder(found: FittedLadder) -> tuple[Figure, ...]:
    try:
        means, slopes = found["Aggregation"], found["Hierarchical"]
    except KeyError as error:
        raise BadInput(f"the ladder has no analysis in two levels: {error.args[0]}") from error
    rows = _rows(found["LMM-Inter"])
    own = _rows(means)
    labels = [str(value) for value in slopes.rung.data.frame["group"]]
    key = f"picture-{next(_KEYS)}"
    traces = _traces(means)
    at_means = Rows(
        rows.x_name, rows.y_name, rows.group_name, own.x, own.y, np.arange(len(own.y)), rows.levels
    )
    first = means_figures(key, rows, at_means, traces)
    mean = [
        Slopes(
            trace.engine,
            trace.rank,
            slopes.rung.case.design.y,
            (row := slopes.fit(trace.engine).coefficients[0]).estimate,
            row.p,
        )
        for trace in _traces(slopes)
    ]
    within = _within(found, rows)
    lines = data_figure(f"{key}-within", rows, within)
    lines = Figure("Level 1: regressions within groups", lines.svg, lines.caption, lines.wide)
    return (*first, lines, slopes_figure(f"{key}-slopes", labels, mean))


def _rows(one: FittedRung) -> Rows:
    return case_rows(case_record(one.judged, one.rung))


def _traces(one: FittedRung) -> list[Trace]:
    judged = one.judged
    engines = _context(judged, "").engines
    fits = [o for o in judged.outcomes if isinstance(o, Fit)]
    placed = ((f.engine, engines.index(f.engine), f) for f in fits)
    return traces_of(sorted(placed, key=lambda own: own[1]))


def _within(found: FittedLadder, rows: Rows) -> Sequence[Trace]:
    """Return the fitted values of the regressions within groups, on the rows of the whole table."""
    fitted: dict[tuple[str, int], Any] = {}
    for one in found.within():
        level = rows.levels.index(one.rung.case.id.rpartition("=")[2])
        for trace in _traces(one):
            whole = fitted.setdefault((trace.engine, trace.rank), np.full(rows.y.size, np.nan))
            whole[rows.of(level)] = trace.fitted
    return [Trace(name, rank, value, rows.y - value) for (name, rank), value in fitted.items()]


def _of_table(frame: Any, x: str, y: str, group: str, line: str) -> Figure:
    if not isinstance(frame, pd.DataFrame):
        raise BadInput(
            "a picture is of an exploration, a ladder, one of its models, or a DataFrame, not of "
            f"{type(frame).__name__}"
        )
    if not y:
        raise BadInput("name the column to draw: picture(frame, y=..., x=..., group=...)")
    _require(frame, *filter(None, (x, y, group, line)))
    codes, levels = pd.factorize(frame[group]) if group else (np.zeros(len(frame), int), [""])
    values = frame[y].to_numpy(dtype=np.float64)
    rows = Rows(
        x,
        y,
        group or "group",
        frame[x].to_numpy(dtype=np.float64) if x else np.empty(0),
        values,
        np.asarray(codes, dtype=np.intp),
        tuple(map(str, levels)),
    )
    traces = []
    if line:
        fitted = frame[line].to_numpy(dtype=np.float64)
        traces = [Trace(line, 0, fitted, values - fitted)]
    made = data_figure(f"picture-{next(_KEYS)}", rows, traces)
    title = f"{y} by {group}" if not x else f"{y} over {x}"
    return Figure(title, made.svg, made.caption, made.wide)


def _require(frame: pd.DataFrame, *names: str) -> None:
    for name in names:
        if name not in frame.columns:
            raise BadInput(f"no column {name!r} in the table")
