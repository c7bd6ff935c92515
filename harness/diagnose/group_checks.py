"""What the grouping factors are in the data, held against the formula."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.base.text import count, number
from harness.diagnose.diagnosis import Check
from harness.model.case import Case
from harness.model.design import RandomDesign
from harness.model.formula import Name
from harness.model.model import column_of
from harness.model.table import FactorColumn

FEW = 5
"""Fewer levels than this give a variance hardly any information."""

Codes = NDArray[np.int32]


def group_checks(case: Case) -> Iterator[Check]:
    """Look at group sizes, numbers of effects, slopes without variation and nesting."""
    for term in case.design.random:
        yield from sizes(term)
        yield from too_many(term, len(case.design.y))
        yield from constant_slopes(term)
    yield from nesting(case)


def sizes(term: RandomDesign) -> Iterator[Check]:
    """Rows per group: one each is not enough."""
    n = len(term.codes)
    rows = np.bincount(term.codes, minlength=len(term.levels))
    effects = ", ".join(term.names)
    numbers = (
        ("groups", len(term.levels)),
        ("fewest", int(rows.min())),
        ("median", float(np.median(rows))),
        ("most", int(rows.max())),
        ("singletons", int((rows == 1).sum())),
    )
    if len(term.levels) >= n:
        yield Check(
            key="one-row-per-group",
            level="stop",
            sentence=f"{term.group} has {count(len(term.levels), 'group')} for {count(n, 'row')}"
            + (
                ": with one row per group its variance and the residual variance cannot be told "
                "apart. lme4 refuses (levels < rows does not hold); statsmodels fits, and what it "
                "says of the split is arbitrary."
                if _takes_the_residual(term)
                else ". lme4 refuses (levels < rows does not hold)."
            ),
            columns=(term.group,),
            numbers=numbers,
        )
        return
    few = len(term.levels) < FEW
    single = int((rows == 1).sum())
    low, high = int(rows.min()), int(rows.max())
    sizes_text = f"{low}" if low == high else f"{low} to {high}"
    sentence = (
        f"({effects} | {term.group}): {count(len(term.levels), 'group')} of {sizes_text} rows"
        + (f", {single} of them with a single row" if single else "")
        + ("; a variance of so few groups is hardly known." if few else ".")
    )
    yield Check(
        key="groups",
        level="warning" if few else "fine",
        sentence=sentence,
        columns=(term.group,),
        numbers=numbers,
    )


def too_many(term: RandomDesign, n: int) -> Iterator[Check]:
    """As many random effects as rows: lme4's condition, and which numbers break it."""
    effects = term.width
    if len(term.levels) < n <= effects:
        yield Check(
            key="too-many-effects",
            level="stop",
            sentence=f"{term.group}: {len(term.levels)} groups x {len(term.names)} effects "
            f"= {effects} random effects for {count(n, 'row')}. lme4 asks for fewer effects than "
            f"rows, and {effects} < {n} does not hold"
            + (
                "; the residual variance is not identified."
                if _takes_the_residual(term)
                else f". The effects of {term.group} do not take the place of the residual "
                "variance: no variances of them make rows vary alike and independently."
            ),
            columns=(term.group,),
            numbers=(("effects", effects), ("rows", n)),
        )


def _takes_the_residual(term: RandomDesign) -> bool:
    """Whether some D has Z_g D Z_g' = I in every group: then only D + s2 I can be known."""
    q = term.z.shape[1]
    if np.bincount(term.codes).max() > q:  # the rank of Z_g D Z_g' is q at most
        return False
    a, b = np.triu_indices(q)
    equations, wanted = [], []
    for group in range(len(term.levels)):
        z = term.z[term.codes == group]
        i, j = np.triu_indices(len(z))
        equations.append(z[i][:, a] * z[j][:, b] + z[i][:, b] * z[j][:, a])
        wanted.append(i == j)
    left, right = np.concatenate(equations), np.concatenate(wanted).astype(float)
    size = np.linalg.norm(left, axis=0)
    left /= np.where(size > 0.0, size, 1.0)
    found = np.linalg.lstsq(left, right, rcond=None)[0]
    return bool(np.abs(left @ found - right).max() < 1e-8)


def constant_slopes(term: RandomDesign) -> Iterator[Check]:
    """Random slopes of predictors that do not vary within groups."""
    k = len(term.levels)
    rows = np.bincount(term.codes, minlength=k)
    for i, name in enumerate(term.names):
        if name == "Intercept":
            continue
        low, high = np.full(k, np.inf), np.full(k, -np.inf)
        np.minimum.at(low, term.codes, term.z[:, i])
        np.maximum.at(high, term.codes, term.z[:, i])
        varying = int((high > low).sum())
        able = int((rows > 1).sum())
        numbers = (("groups", k), ("varying", varying))
        if varying == 0:
            yield Check(
                key="slope-constant-within-groups",
                level="warning",
                sentence=f"{name} varies within none of the {k} groups of {term.group}: no group "
                f"has a slope of {name} to be seen, so its random slope rests on the shape of the "
                "differences between groups alone.",
                columns=(name, term.group),
                numbers=numbers,
            )
        elif varying < 0.5 * able:
            yield Check(
                key="slope-constant-within-groups",
                level="note",
                sentence=f"{name} varies within {varying} of the {k} groups of {term.group}; the "
                "others say nothing of its random slope.",
                columns=(name, term.group),
                numbers=numbers,
            )


def nesting(case: Case) -> Iterator[Check]:
    """Nesting and crossing as found in the data against as written."""
    used = case.table.rows(case.table.complete)
    written = list(dict.fromkeys(term.group for term in case.model.random))

    def codes_of(name: str) -> Codes:
        column = column_of(used, Name(name, as_factor=True))
        assert isinstance(column, FactorColumn)
        return column.codes

    for group in (g for g in written if len(g) > 1 and g[:-1] in written):
        outer, inner = group[:-1], group[-1]
        reused, parents = _reused(codes_of(inner), [codes_of(n) for n in outer])
        text = f"(1 | {'/'.join(group)})"
        if reused:
            yield Check(
                key="reused-labels",
                level="note",
                sentence=f"{inner}: {reused} of its labels occur in several {':'.join(outer)} (up "
                f"to {parents}). {text} takes them for different groups; (1 | {':'.join(outer)}) "
                f"+ (1 | {inner}) would take them for the same ones, another model.",
                columns=(*outer, inner),
                numbers=(("reused", reused), ("parents", parents)),
            )
        else:
            yield Check(
                key="nesting",
                level="fine",
                sentence=f"{inner} is nested in {':'.join(outer)} in the data (none of its labels "
                f"occurs in two), as {text} says.",
                columns=(*outer, inner),
                numbers=(("reused", 0),),
            )
    single = [g[0] for g in written if len(g) == 1]
    for a, b in combinations(single, 2):
        yield from _pair(a, b, codes_of(a), codes_of(b))


def _reused(inner: Codes, outer: list[Codes]) -> tuple[int, int]:
    """How many labels of the inner factor occur in several groups of the outer; in how many."""
    above = np.unique(np.column_stack(outer), axis=0, return_inverse=True)[1]
    pairs = np.unique(np.column_stack([inner, above.ravel()]), axis=0)
    parents = np.bincount(pairs[:, 0])
    return int((parents > 1).sum()), int(parents.max())


def _pair(a: str, b: str, codes_a: Codes, codes_b: Codes) -> Iterator[Check]:
    pairs = np.unique(np.column_stack([codes_a, codes_b]), axis=0)
    levels_a, levels_b = len(np.unique(codes_a)), len(np.unique(codes_b))
    share = len(pairs) / (levels_a * levels_b)
    numbers = (
        (f"levels of {a}", levels_a),
        (f"levels of {b}", levels_b),
        ("combinations", len(pairs)),
    )
    if len(pairs) in (levels_a, levels_b):
        inner, outer = (b, a) if len(pairs) == levels_b else (a, b)
        yield Check(
            key="nesting",
            level="note",
            sentence=f"{inner} is nested in {outer} in the data: each of its "
            f"{max(levels_a, levels_b)} labels occurs in one {outer}. "
            f"(1 | {outer}) + (1 | {inner}) is the same model as (1 | {outer}/{inner}) here.",
            columns=(a, b),
            numbers=numbers,
        )
        return
    yield Check(
        key="crossing",
        level="fine",
        sentence=f"{a} and {b} are crossed in the data: {len(pairs)} of {levels_a} x {levels_b} "
        f"combinations occur ({number(100 * share)} %), as (1 | {a}) + (1 | {b}) says.",
        columns=(a, b),
        numbers=numbers,
    )
