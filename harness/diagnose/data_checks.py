"""What the data and the fixed effects have in them, looked at before any fit is."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.base.text import count, listed, number
from harness.data.own_table import no_bar
from harness.diagnose.diagnosis import Check
from harness.diagnose.user_engines import USER_ENGINES
from harness.model.case import Case
from harness.model.formula import Name, names_in
from harness.model.level_order import as_numbers, locale_key
from harness.model.model import column_of
from harness.model.table import FactorColumn, NumericColumn, Table, are_codes
from harness.referee.crossproducts import EXACT, aliased_columns
from harness.spelling.mixedlm_spelling import missing_rows, mixedlm_spelling
from harness.spelling.patsy_language import NotExpressible

Array = NDArray[np.float64]

FAR = 10.0
"""A predictor whose mean is this many standard deviations from zero is far from it: its slope and
the intercept then correlate at 0.995 and more."""

SCALES = 1e3
"""Standard deviations of columns this far apart are badly scaled: lme4 warns of eigenvalue ratios
that are the square of it."""


def data_checks(case: Case, engines: Sequence[str] = USER_ENGINES) -> Iterator[Check]:
    """Look at random terms, rows, outcome, factors, rank, codes and scales.

    Parameters
    ----------
    engines : sequence of str
        Whose habits with such data are told.
    """
    usual = set(engines) <= {*USER_ENGINES, "referee"}
    if case.model.criterion == "OLS":
        yield Check(key="no-random-term", level="note", sentence=no_bar(case.model))
    yield rows(case, usual=usual)
    yield from labels(case)
    yield from outcome(case)
    yield from factors(case, usual=usual)
    yield from rank(case)
    yield from codes(case)
    yield from scales(case)
    yield from far_from_zero(case)


def rows(case: Case, *, usual: bool = True) -> Check:
    """Which rows are used, and why others are not."""
    table = case.table
    used, total = int(table.complete.sum()), table.n_rows
    if used == total:
        who = " and used by both programs" if usual else " and used by every engine"
        # Neither of the two has such a model.
        if usual and (case.model.residual is not None or case.model.structured is not None):
            who = ""
        sentence = f"All {count(total, 'row')} are complete{who}."
        return Check(key="rows", level="fine", sentence=sentence, numbers=(("rows", total),))
    missing = {
        c.name: int(c.missing.sum())
        for c in table.columns
        if c.missing.any() and not c.name.startswith("factor(")
    }
    where = listed([f"{name} {n}" for name, n in missing.items()])
    habits = (
        f"R leaves them out without a word{_blanks(table)}, statsmodels' formula interface stops "
        f"{missing_rows(case.model)}. Both got the same {used} complete rows here."
        if usual
        else f"what an engine makes of them is its own. Each was judged on the {used} complete "
        "rows here."
    )
    sentence = (
        f"{count(total - used, 'row')} of {total} {'misses' if total - used == 1 else 'miss'} a "
        f"value ({where}): {habits}"
    )
    return Check(
        key="rows",
        level="note",
        sentence=sentence,
        columns=tuple(missing),
        numbers=(("rows", total), ("used", used), *missing.items()),
    )


def _blanks(table: Table) -> str:
    """Say of text that read.csv keeps a blank as a level: R then uses those rows."""
    texts = [
        c.name
        for c in table.columns
        if isinstance(c, FactorColumn) and c.missing.any() and not c.name.startswith("factor(")
    ]
    if not texts:
        return ""
    return (
        f" where they are NA (read.csv takes a blank in {listed(texts)} for a level of its own "
        "unless na.strings = c('NA', '') is given)"
    )


def labels(case: Case) -> Iterator[Check]:
    """Labels of the index for several rows each, where MixedLM goes by them."""
    if not case.table.labels_repeat:
        return
    try:
        spelling = mixedlm_spelling(case.model, case.table, aliased=False)
    except NotExpressible:
        return
    if spelling.vc_formula:
        yield Check(
            key="repeated-labels",
            level="note",
            sentence="Labels of the data frame's index stand for several rows each. "
            "smf.mixedlm with vc_formula= takes rows by label, and stops with a ValueError about "
            "the shapes or dimensions of arrays.",
            advice="Give it data.reset_index(drop=True), as the code here does.",
        )


def outcome(case: Case) -> Iterator[Check]:
    """Look for an outcome of two values, and one that the fixed effects fit exactly."""
    x, y = case.design.x, case.design.y
    name = case.model.formula.outcome
    shown = name.name if isinstance(name, Name) else "the outcome"
    values, counts = np.unique(y, return_counts=True)
    if len(values) == 2:
        low, high = (f"{v:g} ({count(int(n), 'row')})" for v, n in zip(values, counts, strict=True))
        yield Check(
            key="binary-outcome",
            level="note",
            sentence=f"{shown} has two values only, {low} and {high}: this is a linear model of a "
            "proportion. Its normal errors and what is said of p values below are approximations; "
            "a logistic mixed model (lme4::glmer) is another model, which is not compared here.",
            columns=(shown,) if isinstance(name, Name) else (),
            numbers=tuple((f"rows of {v:g}", int(n)) for v, n in zip(values, counts, strict=True)),
        )
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    left, largest = float(np.sqrt(np.mean((y - fitted) ** 2))), float(np.abs(y).max())
    if left <= EXACT * largest:
        yield Check(
            key="exact-fit",
            level="stop",
            sentence=f"The fixed effects alone fit {shown} exactly: what they leave is "
            f"{number(left)} on values up to {number(largest)}, rounding. No variance is left to "
            "estimate, and standard errors and p values mean nothing. It is so when a predictor is "
            f"computed from {shown}.",
            columns=(shown,) if isinstance(name, Name) else (),
            numbers=(("residual", left), ("largest", largest)),
        )


def factors(case: Case, *, usual: bool = True) -> Iterator[Check]:
    """Look at levels and contrasts of the factors among the fixed effects."""
    used = case.table.rows(case.table.complete)
    who = "both programs" if usual else "every engine"
    seen = set()
    for node in names_in(case.model.formula.fixed):
        column = column_of(used, node)
        if not isinstance(column, FactorColumn) or column.name in seen:
            continue
        seen.add(column.name)
        present, sizes = np.unique(column.codes, return_counts=True)
        levels = [column.levels[k] for k in present]
        yield Check(
            key="contrasts",
            level="fine",
            sentence=f"{node.name} is a factor with {count(len(levels), 'level')} in "
            f"{_coding_in_words(node, levels, who)} (smallest level: {int(sizes.min())} rows).",
            columns=(node.name,),
            numbers=(("levels", len(levels)), ("smallest", int(sizes.min()))),
        )
        absent = [level for level in column.levels if level not in levels]
        if absent:
            yield Check(
                key="levels",
                level="note",
                sentence=f"{node.name}: {count(len(absent), 'level')} without a row "
                f"({listed(absent[:5])}) {'is' if len(absent) == 1 else 'are'} left out.",
                columns=(node.name,),
                numbers=(("absent", len(absent)),),
            )
        if node.coding is None:
            yield from _other_order(node.name, column, levels)


def _coding_in_words(node: Name, levels: list[str], who: str) -> str:
    kind = "treatment" if node.coding is None else node.coding.kind
    if kind in ("treatment", "SAS"):
        reference = levels[-1] if kind == "SAS" else levels[0]
        if node.coding is not None and node.coding.reference:
            reference = node.coding.reference
        return f"treatment coding; {reference!r} is the reference in {who}"
    return {
        "sum": "sum coding: each coefficient is a level's difference from the mean of all levels",
        "helmert": "Helmert coding: each coefficient is of a level against those before it",
        "poly": "polynomial coding, its levels at equal distances",
    }[kind]


def _other_order(name: str, column: FactorColumn, levels: list[str]) -> Iterator[Check]:
    """Say where R would put another level first than Python does, by the type of the column.

    Both sort numbers as numbers; an order that was stated is nobody's own.
    """
    if column.order not in ("text", "categories"):
        return
    own = "its categories begin with" if column.order == "categories" else "Python begins with"
    values = as_numbers(levels)
    if values is None:
        what = "text"
        first = min(levels, key=locale_key)
        r = f"R begins with {first!r} in an English locale"
    else:
        what = "numbers as text"
        first = levels[int(np.argmin(values))]
        r = f"R's read.csv makes numbers of them, a slope, and factor() begins with {first!r}"
        merged = len(levels) - len(set(values))
        r += f", {count(merged, 'level')} fewer" if merged else ""
    if first == levels[0] and (values is None or len(set(values)) == len(levels)):
        return
    yield Check(
        key="levels",
        level="warning",
        sentence=f"{name} holds {what} in {len(levels)} levels: {own} {levels[0]!r} as the "
        f"reference, {r}; coefficients of {name} from two scripts would then not be comparable. "
        "Both got the same order here.",
        columns=(name,),
        numbers=(("levels", len(levels)),),
        advice="Give the order yourself: --levels " + shlex.quote(f"{name}={','.join(levels)}"),
    )


def rank(case: Case) -> Iterator[Check]:
    """Linear dependence among the fixed effects: QR in column order, as R pivots."""
    x, names = case.design.x, case.design.x_names
    gone = aliased_columns(x)
    if not gone:
        yield Check(
            key="rank",
            level="fine",
            sentence=f"{count(len(names), 'fixed-effects column')}, linearly independent "
            f"(condition {number(condition(x))} at unit length).",
            numbers=(("columns", len(names)), ("condition", condition(x))),
        )
        return
    for j in gone:
        combination = alias_of(x, names, j, gone)
        yield Check(
            key="rank",
            level="stop",
            sentence=f"{names[j]} is a linear combination of the columns before it: "
            f"{names[j]} = {combination}.",
            columns=(names[j],),
            numbers=(("rank", len(names) - len(gone)), ("columns", len(names))),
        )


def condition(x: Array) -> float:
    """Condition number of X with columns of unit length."""
    lengths = np.linalg.norm(x, axis=0)
    values = np.linalg.svd(x / np.where(lengths > 0.0, lengths, 1.0), compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 0.0 else float("inf")


def alias_of(x: Array, names: tuple[str, ...], j: int, gone: list[int]) -> str:
    """Write column ``j`` as a combination of the independent columns before it."""
    before = [i for i in range(j) if i not in gone]
    if not before or not x[:, j].any():
        return "0"
    solution, *_ = np.linalg.lstsq(x[:, before], x[:, j], rcond=None)
    size = np.abs(solution) * np.linalg.norm(x[:, before], axis=0)
    parts = [
        (w, names[i])
        for w, i, s in zip(solution, before, size, strict=True)
        if s > 1e-8 * float(np.linalg.norm(x[:, j]))
    ]
    text = ""
    for weight, name in parts:
        size_text = number(abs(weight))
        shown = name if size_text == "1" else f"{size_text} {name}"
        minus = weight < 0.0
        text += f"{' - ' if minus else ' + '}{shown}" if text else f"{'-' if minus else ''}{shown}"
    return text or "0"


def codes(case: Case) -> Iterator[Check]:
    """Whole numbers of few values, read as a number, that may be codes."""
    used = case.table.rows(case.table.complete)
    for name in coded_columns(case):
        column = used[name]
        assert isinstance(column, NumericColumn)
        values = np.unique(column.values)
        shown = listed([f"{v:g}" for v in values])
        yield Check(
            key="coded-factor",
            level="note",
            sentence=f"{name} holds only the whole numbers {shown} and is read as a number: one "
            f"slope for equal steps. As a factor it has {count(len(values) - 1, 'coefficient')}.",
            columns=(name,),
            numbers=(("values", len(values)),),
        )


def coded_columns(case: Case) -> list[str]:
    """Return the numeric columns among the fixed effects that look like codes of a factor."""
    used = case.table.rows(case.table.complete)
    out = []
    alone = (a for term in case.model.fixed.terms for a in term if isinstance(a, Name))
    for node in dict.fromkeys(alone):
        column = column_of(used, node)
        if not isinstance(column, NumericColumn) or node.name in out:
            continue
        if are_codes(column.values) and len(np.unique(column.values)) > 2:
            out.append(node.name)
    return out


def numeric_predictors(case: Case) -> dict[str, Array]:
    """Return the numeric columns of fixed and random effects on the rows used, by name."""
    used = case.table.rows(case.table.complete)
    nodes = [*names_in(case.model.formula.fixed)]
    for bar in case.model.formula.bars:
        nodes += names_in(bar.effects)
    out = {}
    for node in dict.fromkeys(nodes):
        column = column_of(used, Name(node.name, node.as_factor))
        if isinstance(column, NumericColumn):
            out[node.name] = column.values
    return out


def scales(case: Case) -> Iterator[Check]:
    """Compare the standard deviations of outcome and predictors."""
    spread = {name: float(np.std(v)) for name, v in numeric_predictors(case).items()}
    spread = {name: sd for name, sd in spread.items() if sd > 0.0}
    spread["the outcome"] = float(np.std(case.design.y))
    low, high = min(spread, key=spread.__getitem__), max(spread, key=spread.__getitem__)
    ratio = spread[high] / spread[low] if spread[low] > 0.0 else float("inf")
    if ratio < SCALES and SCALES > spread["the outcome"] > 1.0 / SCALES:
        return
    yield Check(
        key="scale",
        level="warning",
        sentence=f"The scales are far apart: the standard deviation of {high} is "
        f"{number(spread[high])}, that of {low} {number(spread[low])} "
        f"(ratio {number(ratio)})."
        if ratio >= SCALES
        else f"The outcome has a standard deviation of {number(spread['the outcome'])}: absolute "
        "limits inside the programs do not fit its units.",
        columns=tuple(name for name in (high, low) if name != "the outcome"),
        numbers=tuple(spread.items()),
    )


def far_from_zero(case: Case) -> Iterator[Check]:
    """Predictors whose mean is many standard deviations from zero."""
    for name, values in numeric_predictors(case).items():
        mean, sd = float(values.mean()), float(values.std())
        if sd > 0.0 and abs(mean) > FAR * sd:
            yield Check(
                key="far-from-zero",
                level="warning",
                sentence=f"{name} is far from zero: mean {_mean(mean, sd)}, standard deviation "
                f"{number(sd)}. The intercept is {number(abs(mean) / sd)} standard deviations "
                "outside the data, and it and the slope are nearly collinear.",
                columns=(name,),
                numbers=(("mean", mean), ("sd", sd)),
            )


def _mean(mean: float, sd: float) -> str:
    """Write a mean to a tenth of the standard deviation: three digits of a year say little."""
    decimals = max(0, 1 - math.floor(math.log10(sd)))
    return f"{mean:.{decimals}f}" if decimals < 8 and abs(mean) < 1e12 else number(mean)
