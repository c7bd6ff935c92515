"""The same model in other columns: centred, divided by a standard deviation, or both.

Each step is run in every engine. The first after which all of them are right ends the list; where
none is, other optimizers are tried for the engines that are still wrong: on the columns that
brought most of them to the optimum, and before that on the columns as they are, where those
brought none there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.base.text import listed
from harness.data.rungs import Rung
from harness.diagnose import remodel
from harness.diagnose.data_checks import numeric_predictors
from harness.diagnose.diagnosis import Remedy
from harness.diagnose.remedies import rewritten
from harness.diagnose.remedy_code import Writing
from harness.diagnose.remodel import r_text
from harness.diagnose.routes import other_routes
from harness.diagnose.workshop import RIGHT, WRONG, Workshop, expressible, mended, state
from harness.model.case import Case
from harness.model.expression_text import render_name
from harness.model.formula import names_in
from harness.model.model import Model
from harness.referee.covariance_space import same_model

MANY_SDS = 3.0
"""Standard deviations from zero beyond which centring a predictor is tried."""

Numbers = dict[str, float]


def writings(shop: Workshop) -> list[Remedy]:
    """Run the model in other columns, once for a diagnosis, what mends most engines first."""
    if not shop.writings:
        shop.writings.extend(_run(shop))
    return shop.writings


COLUMNS = frozenset(
    {
        "beyond-precision",
        "df-rounding",
        "df-steps",
        "engine-error",
        "lme4-normal-equations",
        "lmertest-rounding",
        "lmertest-steps",
        "lmertest-units",
        "se-pseudo-inverse",
        "sm-llf-conditioning",
    }
)
"""Causes that columns written otherwise may cure; those of a wrong optimum beside them."""


def _run(shop: Workshop) -> list[Remedy]:
    able = expressible(shop.record, shop.engines)
    gone = [cause for cause in shop.verdict.causes if cause in COLUMNS]
    out: list[Remedy] = []
    best: tuple[int, Writing] | None = None
    for writing in candidates(shop.bench.rung):
        remedy = rewritten(shop, writing, gone)
        if remedy is None:
            continue
        out.append(remedy)
        record = shop.refit(writing).record
        right = [e for e in able if state(record, e) != WRONG]
        if remedy.helped and all(state(record, e) == RIGHT for e in able):
            return [remedy, *(other for other in out if other is not remedy)]
        if right and (best is None or len(right) > best[0]):
            best = len(right), writing
    # What mends most engines as they come is shown first.
    out.sort(key=lambda remedy: (not remedy.helped, -len(remedy.mends)))
    if best is not None:
        record = shop.refit(best[1]).record
        mends = mended(shop.record, record, able)
        for engine in able:
            if state(record, engine) == WRONG == state(shop.record, engine):
                alone = [] if mends else other_routes(shop, engine, starts=False)
                out += alone
                if not any(remedy.helped for remedy in alone):
                    out += other_routes(shop, engine, best[1])
    return out


def candidates(rung: Rung) -> Iterator[Writing]:
    """Write the columns otherwise, the least change first; the model stays what it is.

    Centre, scale, both; and where the outcome is far from 1 as well, scale and both with it.
    """
    means, sizes = far_means(rung), _sizes(rung.case)
    outcome = next((n.name for n in rung.case.model.names()), "")
    predictors = {k: s for k, s in sizes.items() if k != outcome}
    steps: list[tuple[Numbers, Numbers]] = [(means, {}), ({}, predictors), (means, predictors)]
    if outcome in sizes:
        steps += [({}, sizes), (means, sizes)]
    seen: list[tuple[Numbers, Numbers]] = [({}, {})]
    for step in steps:
        if step not in seen:
            seen.append(step)
            yield written(rung, *step)


def written(rung: Rung, means: Numbers, sizes: Numbers) -> Writing:
    """Return a case in columns less some numbers, then divided by some."""
    changed = remodel.rescaled(remodel.centred(rung, means), sizes)
    parts: list[str] = []
    r: list[str] = []
    python: list[str] = []
    if means:
        parts.append(f"centre {listed([f'{k} at {m:.12g}' for k, m in means.items()])}")
    if sizes:
        parts.append(f"divide {listed([f'{k} by {s:.12g}' for k, s in sizes.items()])}")
    for name in dict.fromkeys([*means, *sizes]):
        less = f" - {means[name]!r}" if name in means else ""
        by = f" / {sizes[name]!r}" if name in sizes else ""
        for lines, column, gets in (
            (r, f"data[[{r_text(name)}]]", "<-"),
            (python, f"data[{name!r}]", "="),
        ):
            value = f"({column}{less})" if less and by else f"{column}{less}"
            lines.append(f"{column} {gets} {value}{by}")
    return Writing(
        changed,
        "centre" if means and not sizes else "rescale",
        ", then ".join(parts),
        "\n".join(r),
        "\n".join(python),
        (*(["centre"] if means else []), *(["scale"] if sizes else [])),
        _meaning(rung.case.model, means),
    )


def _meaning(model: Model, means: Numbers) -> str:
    """Say which coefficients are at a centred predictor's new zero: those it interacts with."""
    moved: list[str] = []
    for term in model.fixed.terms:
        rest = [a for a in term if not any(n.name in means for n in names_in(a))]
        if rest and len(rest) < len(term):
            moved.append(":".join(render_name(a) for a in rest))
    if not moved:
        return ""
    names = ["the intercept"] * model.fixed.intercept + list(dict.fromkeys(moved))
    at = listed([f"{k} = {m:.12g}" for k, m in means.items()])
    return (
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} then at {at} and no longer at zero, "
        "with other p values than those of the columns as they are"
    )


def _sizes(case: Case) -> Numbers:
    """Return the standard deviations, rounded, that are far from 1; of the outcome as well."""
    linear = remodel.linear_columns(case.model)
    outcome = next((n.name for n in case.model.names()), "")
    spread = {k: float(v.std()) for k, v in numeric_predictors(case).items() if k in linear}
    if outcome in linear:
        spread[outcome] = float(case.design.y.std())
    return {k: float(f"{s:.3g}") for k, s in spread.items() if s > 0.0 and not 0.1 <= s <= 10.0}


def _varying(case: Case) -> dict[str, NDArray[np.float64]]:
    """Return numeric predictors that can be centred: neither constant nor inside a function."""
    linear = remodel.linear_columns(case.model)
    return {k: v for k, v in numeric_predictors(case).items() if k in linear and v.std() > 0.0}


def far_means(rung: Rung) -> Numbers:
    """Return the means, rounded, of predictors far from zero that can be centred.

    With ``(x || g)``, without an intercept, or with an interaction without its main effects,
    centring gives another model: such a predictor is left as it is.
    """
    out: Numbers = {}
    for name, values in _varying(rung.case).items():
        mean, sd = float(values.mean()), float(values.std())
        if abs(mean) <= MANY_SDS * sd:
            continue
        at = _rounded(mean, sd)
        try:
            centred = remodel.centred(rung, {name: at})
        except BadInput:
            continue
        if same_model(rung.case.design, centred.case.design):
            out[name] = at
    return out


def _rounded(mean: float, sd: float) -> float:
    """Round a mean to a power of ten below a fifth of the standard deviation."""
    unit = 10.0 ** math.floor(math.log10(sd / 5.0))
    return float(f"{round(mean / unit) * unit:.12g}")


def most_mended(tried: Sequence[Remedy]) -> int:
    """Return how many engines the best of some remedies mends."""
    return max((len(remedy.mends) for remedy in tried if remedy.helped), default=0)


def first_that_mends(tried: Sequence[Remedy]) -> Remedy | None:
    """Return the least change of the columns after which most engines are right as they come."""
    helped = [r for r in tried if r.helped and r.kind in ("centre", "rescale")]
    most = most_mended(helped)
    return next((remedy for remedy in helped if len(remedy.mends) == most), None)
