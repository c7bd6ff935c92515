"""The ladder: the tutorial's seven rungs, and rungs beyond it on public data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.datasets import Dataset, load_dataset
from harness.data.printed_numbers import (
    PrintedNumber,
    group_slopes,
    notebook_numbers,
    tutorial_numbers,
)
from harness.model.case import Case
from harness.model.model import Criterion, bind, parse_model
from harness.spelling.calls import quote_name

MIXED: tuple[Criterion, ...] = ("REML", "ML")


@dataclass(frozen=True)
class Rung:
    """A case of the ladder with what the report says about it.

    Attributes
    ----------
    case : Case
    title : str
        The tutorial's name where it has one.
    group : str
        Heading under which it stands.
    focus : str
        The fixed effect of interest.
    data : Dataset
    printed : tuple of PrintedNumber
        What publications print for it, for its criterion.
    notes : tuple of str
    """

    case: Case
    title: str
    group: str
    focus: str
    data: Dataset
    printed: tuple[PrintedNumber, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Beyond:
    """A rung beyond the tutorial, as listed."""

    id: str
    title: str
    data: str
    formula: str
    focus: str
    notebook: str = ""


_FLAT_VALLEY = (
    "The optimum lies on the boundary, at the end of a flat valley. Where along it a run with "
    "default tolerances stops depends on rounding, so the digits of a default run beyond the "
    "fourth belong to the run and not to the data; the numbers printed for lmerTest come from such "
    "a run."
)

_CLASSIC = "Classic data sets"
_NOTEBOOKS = "statsmodels notebooks the tutorial cites"

_BEYOND: dict[str, tuple[_Beyond, ...]] = {
    _CLASSIC: (
        _Beyond(
            "sleepstudy/intercept",
            "sleepstudy, random intercept",
            "sleepstudy",
            "Reaction ~ Days + (1 | Subject)",
            "Days",
        ),
        _Beyond(
            "sleepstudy/slope",
            "sleepstudy, correlated slope",
            "sleepstudy",
            "Reaction ~ Days + (Days | Subject)",
            "Days",
        ),
        _Beyond(
            "sleepstudy/uncorrelated",
            "sleepstudy, uncorrelated slope",
            "sleepstudy",
            "Reaction ~ Days + (Days || Subject)",
            "Days",
        ),
        _Beyond("dyestuff", "Dyestuff", "Dyestuff", "Yield ~ 1 + (1 | Batch)", "Intercept"),
        _Beyond(
            "dyestuff2",
            "Dyestuff2, zero variance",
            "Dyestuff2",
            "Yield ~ 1 + (1 | Batch)",
            "Intercept",
        ),
        _Beyond(
            "pastes", "Pastes, nested", "Pastes", "strength ~ 1 + (1 | batch/cask)", "Intercept"
        ),
        _Beyond(
            "penicillin",
            "Penicillin, crossed",
            "Penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            "Intercept",
        ),
        _Beyond(
            "cake",
            "cake, factor interaction",
            "cake",
            "angle ~ recipe * temperature + (1 | recipe:replicate)",
            "recipe[T.B]",
        ),
    ),
    _NOTEBOOKS: (
        _Beyond(
            "dietox/intercept",
            "dietox, random intercept",
            "dietox",
            "Weight ~ Time + (1 | Pig)",
            "Time",
            "dietox_intercept",
        ),
        _Beyond(
            "dietox/slope",
            "dietox, correlated slope",
            "dietox",
            "Weight ~ Time + (Time | Pig)",
            "Time",
            "dietox_slope",
        ),
        _Beyond(
            "dietox/uncorrelated",
            "dietox, independent slope",
            "dietox",
            "Weight ~ Time + (Time || Pig)",
            "Time",
            "dietox_uncorrelated",
        ),
        _Beyond(
            "sitka/slope",
            "Sitka, random slope",
            "Sitka",
            "size ~ Time + (Time | tree)",
            "Time",
            "sitka_slope",
        ),
        _Beyond(
            "nested",
            "Nested variance components, simulated",
            "nested",
            "y ~ 1 + (1 | group1/group2)",
            "Intercept",
        ),
    ),
}


def full_ladder() -> tuple[Rung, ...]:
    """Return every rung, each mixed model in REML and ML."""
    return (*tutorial_ladder(), *_beyond())


def select(rungs: Iterable[Rung], wanted: Iterable[str]) -> tuple[Rung, ...]:
    """Return rungs whose id is, or begins with, one of ``wanted``.

    Raises
    ------
    BadInput
        When one of them matches nothing.
    """
    rungs, chosen = tuple(rungs), []
    for prefix in wanted:
        hits = [r for r in rungs if r.case.id == prefix or r.case.id.startswith(f"{prefix}/")]
        if not hits:
            raise BadInput(f"no rung {prefix!r}; `lmm-parity ladder` lists them")
        chosen += [r for r in hits if r not in chosen]
    return tuple(chosen)


def tutorial_ladder() -> tuple[Rung, ...]:
    """Return the tutorial's rungs on its own data, with the numbers it prints."""
    rungs = seven_rungs(load_dataset("score_parentedu_byclass"), "score", "edu", "classroom")
    slopes = group_slopes()
    out = []
    for rung in rungs:
        name, _, criterion = rung.case.id.removeprefix("tutorial/").partition("/")
        if name.startswith("hierarchical-level-1"):
            level = rung.case.id.rpartition("=")[2]
            numbers = (PrintedNumber("tutorial", "estimate", "edu", "statsmodels", slopes[level]),)
            out.append(replace(rung, printed=numbers))
        elif criterion != "ML":
            notes = rung.notes + ((_FLAT_VALLEY,) if rung.title == "LMM-Full" else ())
            out.append(replace(rung, printed=tutorial_numbers(rung.title), notes=notes))
        else:
            out.append(rung)
    return tuple(out)


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
    return tuple(_seven(used, data, columns, levels, prefix))


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


def _seven(
    used: Dataset,
    data: Dataset,
    columns: tuple[str, str, str],
    levels: tuple[object, ...],
    prefix: str,
) -> Iterator[Rung]:
    outcome, predictor, group = columns
    y, x, g = (quote_name(name) for name in columns)
    heading = "The tutorial's ladder"

    def rung(
        name: str,
        title: str,
        formula: str,
        source: Dataset,
        focus: str,
        criterion: Criterion = "OLS",
        note: str = "",
    ) -> Rung:
        model = parse_model(formula, "REML" if criterion == "OLS" else criterion)
        suffix = "" if criterion == "OLS" else f"/{criterion}"
        factors = (group,) if group in source.frame.columns else ()
        table = bind(
            model,
            source.frame,
            factors=factors,
            levels={
                name: order for name, order in source.levels.items() if name in source.frame.columns
            },
        )
        notes = (note,) if note else ()
        case = Case(f"{prefix}/{name}{suffix}", model, table)
        return Rung(case, title, heading, focus, source, notes=notes)

    yield rung(
        "lm-global",
        "LM-Global",
        f"{y} ~ {x}",
        data,
        predictor,
        note="Biased: it takes the rows of a group for independent.",
    )
    yield rung(
        "ancova-inter",
        "ANCOVA-Inter",
        f"{y} ~ {x} + {g}",
        data,
        predictor,
        note="Groups as fixed effects.",
    )
    means = used.frame.groupby(group, sort=False, observed=True)[[outcome, predictor]].agg(
        lambda values: math.fsum(values) / len(values)
    )
    aggregated = replace(
        used,
        name=f"{data.name}, group means",
        levels={},
        source=means.loc[list(levels)].reset_index(drop=True),
    )
    yield rung(
        "aggregation",
        "Aggregation",
        f"{y} ~ {x}",
        aggregated,
        predictor,
        note="Group means: independent, but few.",
    )
    slopes = []
    for level in levels:
        rows = used.frame[used.frame[group] == level]
        part = replace(
            used,
            name=f"{data.name}, {group} = {level}",
            levels={},
            source=rows[[outcome, predictor]].reset_index(drop=True),
        )
        yield rung(
            f"hierarchical-level-1/{group}={level}",
            "Hierarchical, level 1",
            f"{y} ~ {x}",
            part,
            predictor,
            note=f"The regression within {group} {level}.",
        )
        slopes.append(_slope(rows[predictor].to_numpy(float), rows[outcome].to_numpy(float)))
    beta = replace(
        used,
        name=f"{data.name}, slopes by group",
        levels={},
        source=pd.DataFrame({"beta": slopes, "group": [str(level) for level in levels]}),
    )
    yield rung(
        "hierarchical",
        "Hierarchical",
        "beta ~ 1",
        beta,
        "Intercept",
        note="The slopes of level 1 tested across groups.",
    )
    for criterion in MIXED:
        yield rung("lmm-inter", "LMM-Inter", f"{y} ~ {x} + (1 | {g})", data, predictor, criterion)
    yield rung(
        "ancova-full",
        "ANCOVA-Full",
        f"{y} ~ {x} + {g} + {x}:{g}",
        data,
        predictor,
        note="Groups and their slopes as fixed effects.",
    )
    for criterion in MIXED:
        yield rung("lmm-full", "LMM-Full", f"{y} ~ {x} + ({x} | {g})", data, predictor, criterion)


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the least-squares slope, rounded once: a BLAS would round as the processor has it."""
    xs, ys = ([Fraction(float(v)) for v in values] for values in (x, y))
    n, sum_x = len(xs), sum(xs)
    above = n * sum(a * b for a, b in zip(xs, ys, strict=True)) - sum_x * sum(ys)
    return float(above / (n * sum(a * a for a in xs) - sum_x**2))


def _beyond() -> Iterator[Rung]:
    for heading, listed in _BEYOND.items():
        for entry in listed:
            data = load_dataset(entry.data)
            for criterion in MIXED:
                model = parse_model(entry.formula, criterion)
                used = {name.name for name in model.names()}
                levels = {c: order for c, order in data.levels.items() if c in used}
                table = bind(model, data.frame, levels=levels)
                case = Case(f"{entry.id}/{criterion}", model, table)
                numbers = notebook_numbers(entry.notebook) if criterion == "REML" else ()
                yield Rung(case, entry.title, heading, entry.focus, data, numbers)
