"""From a case to its pictures."""

from __future__ import annotations

import numpy as np

from harness.judge.records import CaseRecord
from harness.page.html import axes
from harness.page.html.case_rows import case_rows, traces_of
from harness.page.html.density import density_figure
from harness.page.html.effects import random_effects_figure
from harness.page.html.fitted_picture import data_figure
from harness.page.html.residuals import residual_figure
from harness.page.html.svg import Figure
from harness.page.report.report_context import Context


def case_pictures(case: CaseRecord, ctx: Context) -> tuple[Figure, ...]:
    """Return the pictures of a case: data, residuals, densities, random effects."""
    key = ctx.keys[case.id]
    fits = ctx.fits(case, "default")
    traces = traces_of((engine, ctx.rank(engine), fit) for engine, fit in fits)
    rows = case_rows(case)
    drawn: list[Figure | None] = []
    if rows.y.size and (rows.x.size or len(rows.present) > 1):
        drawn.append(data_figure(f"{key}-data", rows, traces))
    drawn.append(residual_figure(f"{key}-residuals", rows, traces))
    drawn.append(density_figure(f"{key}-density", rows, traces))
    drawn += _random_effects(case, ctx, key)
    return tuple(figure for figure in drawn if figure is not None)


def _random_effects(case: CaseRecord, ctx: Context, key: str) -> list[Figure]:
    found: dict[tuple[str, str], list[tuple[str, int, axes.Array]]] = {}
    levels: dict[tuple[str, str], tuple[str, ...]] = {}
    for engine, fit in ctx.fits(case, "default"):
        for term in fit.random:
            if not term.effects or not term.levels:
                continue
            values = np.asarray(term.effects, dtype=np.float64)
            for column, name in enumerate(term.names):
                place = (term.group, name)
                # Engines may list the groups in another order: put every engine in the first one's.
                order = levels.setdefault(place, term.levels)
                at = {level: i for i, level in enumerate(term.levels)}
                aligned = np.array([values[at[lv], column] if lv in at else np.nan for lv in order])
                found.setdefault(place, []).append((engine, ctx.rank(engine), aligned))
    return [
        random_effects_figure(
            f"{key}-effects-{number_}", f"{name} by {group}", levels[group, name], effects
        )
        for number_, ((group, name), effects) in enumerate(found.items(), 1)
    ]
