"""Tables of a card: fixed effects, variances, what each engine reports."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from harness.engines.engine import RandomTerm, Setting
from harness.judge.records import CaseRecord
from harness.page.html.context import Context
from harness.page.numbers import (
    ABSENT,
    DF_DIGITS,
    ESTIMATE_DIGITS,
    P_DIGITS,
    SE_DIGITS,
    Number,
    align,
    number,
    pair,
    pair_of_p,
    seconds,
)

PERFECT = 1 - 1e-9


@dataclass(frozen=True)
class Table:
    """A table: column heads (with how many columns each spans), and groups of rows.

    A group shares its first cell, which spans the group's rows.
    """

    caption: str
    heads: tuple[str, ...]
    groups: tuple[tuple[str, tuple[TableRow, ...]], ...]
    over: tuple[tuple[str, int], ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableRow:
    """One engine's line in a group of a table."""

    label: str
    rank: int
    cells: tuple[Markup | str, ...]
    css: str = ""


def fixed_effects(case: CaseRecord, ctx: Context, setting: Setting) -> Table | None:
    """Return fixed effects: estimate, then what the engine prints, then like for like."""
    fits = ctx.fits(case, setting)
    names = list(dict.fromkeys(c.name for _, fit in fits for c in fit.coefficients))
    if not names:
        return None
    digits = (
        ESTIMATE_DIGITS,
        SE_DIGITS,
        DF_DIGITS,
        SE_DIGITS,
        P_DIGITS,
        SE_DIGITS,
        DF_DIGITS,
        SE_DIGITS,
        P_DIGITS,
    )
    lines: list[tuple[str, str, tuple[Number, ...]]] = []
    for name in names:
        values: dict[str, list[float | None]] = {}
        for engine, fit in fits:
            own = next((c for c in fit.coefficients if c.name == name), None)
            audit = case.audit(engine, setting)
            like = next((c for c in audit.coefficients if c.name == name), None) if audit else None
            values[engine] = [
                *((own.estimate, own.se, own.df, own.statistic, own.p) if own else [None] * 5),
                *((like.se, like.df, like.statistic, like.p) if like else [None] * 4),
            ]
        sides = list(zip(*values.values(), strict=True))
        columns = [
            pair_of_p(side) if i in (4, 8) else pair(side, digits[i])
            for i, side in enumerate(sides)
        ]
        for place, engine in enumerate(values):
            lines.append((name, engine, tuple(column[place] for column in columns)))
    aligned = [align(line[2][i] for line in lines) for i in range(len(digits))]
    groups: dict[str, list[TableRow]] = {name: [] for name in names}
    for place, (name, engine, _) in enumerate(lines):
        cells = tuple(column[place] for column in aligned)
        groups[name].append(TableRow(engine, ctx.rank(engine), cells))
    return Table(
        caption=f"Fixed effects, {setting} setting",
        heads=("estimate", "SE", "df", "t or z", "p", "SE", "df", "t", "p"),
        over=(("", 1), ("as the engine prints it", 4), ("referee at its point", 4)),
        groups=tuple((name, tuple(rows)) for name, rows in groups.items()),
    )


def variances(case: CaseRecord, ctx: Context, setting: Setting) -> Table | None:
    """Return variances, covariances and residual variance; SDs and correlations beside them."""
    found: dict[str, dict[str, tuple[float, float | None]]] = {}
    for engine, fit in ctx.fits(case, setting):
        for term in fit.random:
            for label, value, root in _components(term):
                found.setdefault(label, {})[engine] = (value, root)
        residual = fit.residual_variance
        found.setdefault("residual", {})[engine] = (residual, _root(residual))
    if not found:
        return None
    engines = [engine for engine, _ in ctx.fits(case, setting)]
    lines: list[tuple[str, str, Number, Number]] = []
    for label, values in found.items():
        first = pair([values.get(e, (None, None))[0] for e in engines])
        second = pair([values.get(e, (None, None))[1] for e in engines], SE_DIGITS)
        lines += [(label, e, a, b) for e, a, b in zip(engines, first, second, strict=True)]
    firsts, seconds_ = align(line[2] for line in lines), align(line[3] for line in lines)
    groups: dict[str, list[TableRow]] = {}
    for (label, engine, _, _), a, b in zip(lines, firsts, seconds_, strict=True):
        groups.setdefault(label, []).append(TableRow(engine, ctx.rank(engine), (a, b)))
    return Table(
        caption=f"Variance components, {setting} setting",
        heads=("(co)variance", "SD, correlation"),
        groups=tuple((label, tuple(rows)) for label, rows in groups.items()),
    )


def _components(term: RandomTerm) -> Iterable[tuple[str, float, float | None]]:
    for i, name in enumerate(term.names):
        variance = term.covariance[i][i]
        yield f"{term.group}: {name}", variance, _root(variance)
    for i, first in enumerate(term.names):
        for j in range(i):
            cross = term.covariance[i][j]
            scale = (_root(term.covariance[i][i]) or 0.0) * (_root(term.covariance[j][j]) or 0.0)
            correlation = cross / scale if scale > 0 else None
            if correlation is not None and abs(correlation) > PERFECT:
                correlation = math.copysign(1.0, correlation)
            yield f"{term.group}: {term.names[j]}, {first}", cross, correlation


def _root(value: float) -> float | None:
    return math.sqrt(value) if value >= 0 else None


def reported(case: CaseRecord, ctx: Context) -> Table | None:
    """Return what each engine reports of its own fit, beside the estimates."""
    rows: dict[str, list[TableRow]] = {}
    for setting in ctx.settings:
        fits = ctx.fits(case, setting)
        logliks = pair([fit.loglik for _, fit in fits], 10)
        for (engine, fit), loglik in zip(fits, logliks, strict=True):
            rows.setdefault(f"{setting} setting", []).append(
                TableRow(
                    engine,
                    ctx.rank(engine),
                    (
                        loglik.html(),
                        number(fit.aic),
                        number(fit.bic),
                        fit.fitter,
                        "; ".join(fit.settings) or ABSENT,
                        seconds(fit.seconds),
                    ),
                )
            )
    if not rows:
        return None
    return Table(
        caption="What each engine reports of its fit",
        heads=(
            "log-likelihood",
            "AIC",
            "BIC",
            "fitted by",
            "how",
            "time",
        ),
        groups=tuple((label, tuple(lines)) for label, lines in rows.items()),
        text=("fitted by", "how"),
    )
