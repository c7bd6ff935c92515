"""Estimates of a case, engine under engine: fixed effects, variances, what each reports."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.base.text import significant
from harness.engines.engine import RandomTerm, Setting
from harness.judge.records import CaseRecord
from harness.page.numbers import (
    ABSENT,
    DF_DIGITS,
    ESTIMATE_DIGITS,
    P_DIGITS,
    SE_DIGITS,
    number,
    pair,
    pair_of_p,
    plain,
    seconds,
)
from harness.page.page_table import Column, Group, Row, Table
from harness.page.report.report_context import Context
from harness.referee.definitions import of_quantity

PERFECT = 1 - 1e-9
"""Correlations beyond it are 1 but for rounding."""


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
    groups = []
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
        rows = [
            Row(ctx.engine(engine), tuple(column[place] for column in columns))
            for place, engine in enumerate(values)
        ]
        groups.append(Group(name, rows))
    heads = ("estimate", "SE", "df", "t or z", "p", "SE", "df", "t", "p")
    return Table(
        f"Fixed effects, {setting} setting",
        (Column("coefficient", text=True), _ENGINE, *map(Column, heads)),
        groups,
        over=(("", 1), ("as the engine prints it", 4), ("referee at its point", 4)),
        named=True,
        beside=True,
    )


def by_rules(case: CaseRecord) -> Table | None:
    """Return the effect of interest by every rule of degrees of freedom; None without any."""
    if not case.rules:
        return None
    programs = {found.key: ", ".join(found.programs) for found in of_quantity("df")}
    rows = [
        Row(
            one.rule,
            (
                plain("z" if math.isinf(one.df) else significant(one.df, DF_DIGITS)),
                number(one.se, SE_DIGITS),
                number(one.p, P_DIGITS),
                programs.get(one.rule, ""),
            ),
        )
        for one in case.rules
    ]
    return Table(
        f"{case.focus} by every rule of degrees of freedom, at the referee's best point",
        (Column("rule"), Column("df"), Column("SE"), Column("p"), Column("printed by", text=True)),
        [Group(None, rows)],
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
    groups = []
    for label, values in found.items():
        first = pair([values.get(e, (None, None))[0] for e in engines])
        second = pair([values.get(e, (None, None))[1] for e in engines], SE_DIGITS)
        rows = [Row(ctx.engine(e), (a, b)) for e, a, b in zip(engines, first, second, strict=True)]
        groups.append(Group(label, rows))
    return Table(
        f"Variance components, {setting} setting",
        (
            Column("component", text=True),
            _ENGINE,
            Column("(co)variance"),
            Column("SD, correlation"),
        ),
        groups,
        named=True,
        beside=True,
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
    groups = []
    for setting in ctx.settings:
        fits = ctx.fits(case, setting)
        logliks = pair([fit.loglik for _, fit in fits], 10)
        rows = [
            Row(
                ctx.engine(engine),
                (
                    loglik,
                    number(fit.aic),
                    number(fit.bic),
                    fit.fitter,
                    "; ".join(fit.settings) or ABSENT,
                    seconds(fit.seconds),
                ),
            )
            for (engine, fit), loglik in zip(fits, logliks, strict=True)
        ]
        if rows:
            groups.append(Group(f"{setting} setting", rows))
    if not groups:
        return None
    return Table(
        "What each engine reports of its fit",
        (
            Column("setting", text=True),
            _ENGINE,
            *map(Column, ("log-likelihood", "AIC", "BIC")),
            Column("fitted by", text=True),
            Column("how", text=True),
            Column("time"),
        ),
        groups,
        named=True,
        beside=True,
    )


_ENGINE = Column("engine", text=True)
