"""One case as a card: who is right, the numbers side by side, pictures, messages, evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.campaign.records import CaseRecord
from harness.engines.base import Failure, Fit, Message, RandomTerm, Setting
from harness.report import axes, figures, words
from harness.report.figures import Figure, Rows, Trace
from harness.report.format import (
    ABSENT,
    DF_DIGITS,
    ESTIMATE_DIGITS,
    P_DIGITS,
    SE_DIGITS,
    Number,
    align,
    count,
    digits_of_agreement,
    number,
    pair,
    pair_of_p,
    seconds,
    short,
)
from harness.report.views import Badge, Context, Link, match_state, reason
from harness.verdicts.audit import Audit
from harness.verdicts.comparison import Comparison
from harness.verdicts.verdict import Verdict

MOST_ITEMS = 30
"""Items shown of one quantity in the table of differences; the worst come first."""

PERFECT = 1 - 1e-9


@dataclass(frozen=True)
class Judgement:
    """A verdict with its sentence and the numbers behind it."""

    badge: Badge
    sentence: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: column heads (with how many columns each spans), and groups of rows.

    A group shares its first cell, which spans the group's rows.
    """

    caption: str
    heads: tuple[str, ...]
    groups: tuple[tuple[str, tuple[TableRow, ...]], ...]
    over: tuple[tuple[str, int], ...] = ()
    note: str = ""
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableRow:
    """One engine's line in a group of a table."""

    label: str
    rank: int
    cells: tuple[Markup | str, ...]
    css: str = ""


@dataclass(frozen=True)
class DifferenceRow:
    """A quantity in both fits, with the difference judged, per setting."""

    label: str
    item: str
    sides: tuple[DifferenceCell | None, ...]


@dataclass(frozen=True)
class DifferenceCell:
    """Two values under one another, their difference, digits and whether that is tolerated."""

    left: Markup
    right: Markup
    difference: str
    unit: str
    digits: str
    tolerance: str
    within: bool


@dataclass(frozen=True)
class PrintedLine:
    """A published number and what an engine gives."""

    quantity: str
    item: str
    printed: str
    engine: str
    value: str
    state: str
    cause: Link | None


@dataclass(frozen=True)
class EngineMessages:
    """What one engine said in one setting."""

    engine: str
    rank: int
    setting: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Card:
    """Everything that is shown of a case."""

    anchor: str
    title: str
    id: str
    formula: str
    criterion: str
    opened: bool
    badge: Badge
    judgements: tuple[Judgement, ...]
    words: str
    spelling: tuple[tuple[str, str], ...]
    failures: tuple[tuple[str, str, str], ...]
    fixed: tuple[Table, ...]
    variances: tuple[Table, ...]
    statements: Table | None
    certificates: Table | None
    differences: tuple[DifferenceRow, ...]
    difference_settings: tuple[str, ...]
    left_out: str
    figures: tuple[Figure, ...]
    messages: tuple[EngineMessages, ...]
    silent: bool
    printed: tuple[PrintedLine, ...]
    definitions: tuple[tuple[Link, str, str, str, str], ...]
    notes: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    family: str


def card(case: CaseRecord, ctx: Context) -> Card:
    """Return the card of a case."""
    key = ctx.anchors[case.id]
    main = words.main_verdict(case)
    messages = _messages(case, ctx)
    differences, left_out = _differences(case, ctx)
    badge = ctx.badge(main)
    return Card(
        anchor=key,
        title=ctx.titles[case.id],
        id=case.id,
        formula=case.formula,
        criterion=case.criterion,
        opened=any(v.verdict not in words.QUIET for v in case.verdicts or (main,)),
        badge=badge,
        judgements=tuple(_judgement(v, ctx) for v in case.verdicts or (main,)),
        words=case.words,
        spelling=tuple(
            (e, case.spelling[e])
            for e in [*ctx.engines, *(s for s in case.spelling if s not in ctx.engines)]
            if e in case.spelling
        ),
        failures=tuple(
            (f.engine, f.setting, reason(f)) for f in case.fits if isinstance(f, Failure)
        ),
        fixed=tuple(t for s in ctx.settings if (t := _fixed(case, ctx, s)) is not None),
        variances=tuple(t for s in ctx.settings if (t := _variances(case, ctx, s)) is not None),
        statements=_statements(case, ctx),
        certificates=_certificates(case, ctx),
        differences=differences,
        difference_settings=tuple(
            s for s in ctx.settings if any(c.setting == s for c in case.comparisons)
        ),
        left_out=left_out,
        figures=_figures(case, ctx, key),
        messages=messages,
        silent=not messages and any(isinstance(f, Fit) for f in case.fits),
        printed=_printed(case, ctx),
        definitions=tuple(
            (
                ctx.cause(d.cause),
                d.item,
                number(d.left, 5),
                number(d.right, 5),
                number(d.like_for_like, 5),
            )
            for d in case.definitions
        ),
        notes=case.notes,
        data=_data(case),
        family=badge.family,
    )


def _judgement(verdict: Verdict, ctx: Context) -> Judgement:
    sentence = verdict.sentence or f"{words.VERDICTS[verdict.verdict].plain.capitalize()}."
    return Judgement(ctx.badge(verdict), sentence, verdict.evidence)


def _fits(case: CaseRecord, ctx: Context, setting: Setting) -> list[tuple[str, Fit]]:
    found = ((engine, case.fit(engine, setting)) for engine in ctx.engines)
    return [(engine, fit) for engine, fit in found if isinstance(fit, Fit)]


def _fixed(case: CaseRecord, ctx: Context, setting: Setting) -> Table | None:
    """Return fixed effects: estimate, then what the engine prints, then like for like."""
    fits = _fits(case, ctx, setting)
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
    groups = {name: [] for name in names}  # type: dict[str, list[TableRow]]
    for place, (name, engine, _) in enumerate(lines):
        cells = tuple(column[place] for column in aligned)
        groups[name].append(TableRow(engine, ctx.rank(engine), cells))
    return Table(
        caption=f"Fixed effects, {setting} setting",
        heads=("estimate", "SE", "df", "t or z", "p", "SE", "df", "t", "p"),
        over=(("", 1), ("as the engine prints it", 4), ("like for like", 4)),
        groups=tuple((name, tuple(rows)) for name, rows in groups.items()),
    )


def _variances(case: CaseRecord, ctx: Context, setting: Setting) -> Table | None:
    """Return variances, covariances and residual variance; SDs and correlations beside them."""
    found: dict[str, dict[str, tuple[float, float | None]]] = {}
    for engine, fit in _fits(case, ctx, setting):
        for term in fit.random:
            for label, value, root in _components(term):
                found.setdefault(label, {})[engine] = (value, root)
        residual = fit.residual_variance
        found.setdefault("residual", {})[engine] = (residual, _root(residual))
    if not found:
        return None
    engines = [engine for engine, _ in _fits(case, ctx, setting)]
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


def _statements(case: CaseRecord, ctx: Context) -> Table | None:
    """Return what each engine states about its own fit, and whether the referee finds it true."""
    rows: dict[str, list[TableRow]] = {}
    for setting in ctx.settings:
        fits = _fits(case, ctx, setting)
        logliks = pair([fit.loglik for _, fit in fits], 10)
        for (engine, fit), loglik in zip(fits, logliks, strict=True):
            audit = case.audit(engine, setting)
            rows.setdefault(f"{setting} setting", []).append(
                TableRow(
                    engine,
                    ctx.rank(engine),
                    (
                        loglik.html(),
                        number(fit.aic),
                        number(fit.bic),
                        _stated(fit.converged, audit.converged_true if audit else None),
                        _stated(fit.singular, audit.singular_true if audit else None),
                        fit.fitter,
                        "; ".join(fit.settings) or ABSENT,
                        seconds(fit.seconds),
                    ),
                )
            )
    if not rows:
        return None
    return Table(
        caption="What each engine states about its fit",
        heads=(
            "log-likelihood",
            "AIC",
            "BIC",
            "converged",
            "singular",
            "fitted by",
            "how",
            "time",
        ),
        groups=tuple((label, tuple(lines)) for label, lines in rows.items()),
        note="A statement that the referee finds false is marked.",
        text=("converged", "singular", "fitted by", "how"),
    )


def _stated(said: bool | None, true: bool | None) -> str:
    if said is None:
        return "not stated"
    text = "yes" if said else "no"
    return f"{text} (false)" if true is False else text


def _certificates(case: CaseRecord, ctx: Context) -> Table | None:
    """Return the referee's numbers for every fit."""
    rows: dict[str, list[TableRow]] = {}
    for setting in ctx.settings:
        for engine in ctx.engines:
            audit = case.audit(engine, setting)
            if audit is None:
                continue
            rows.setdefault(f"{setting} setting", []).append(
                TableRow(engine, ctx.rank(engine), _certificate_cells(audit))
            )
    if not rows:
        return None
    best = (
        f" Best log-likelihood known: {number(case.best_loglik, 10)}."
        if case.best_loglik is not None
        else ""
    )
    return Table(
        caption="The referee's certificate",
        heads=(
            "the point is",
            "referee's log-lik",
            "stated less referee's",
            "gap in deviance",
            "gradient",
            "dual eigenvalue",
            "ranks of Psi",
            "distance from GLS, SE",
        ),
        groups=tuple((label, tuple(lines)) for label, lines in rows.items()),
        note="At an optimum gap and gradient are 0 and the dual eigenvalue is not negative." + best,
        text=("the point is",),
    )


def _certificate_cells(audit: Audit) -> tuple[Markup | str, ...]:
    return (
        audit.certificate,
        number(audit.loglik, 10),
        short(audit.loglik_error),
        short(audit.gap),
        short(audit.gradient),
        short(audit.dual),
        ", ".join(map(str, audit.ranks)) or ABSENT,
        short(audit.gls_distance),
    )


def _differences(case: CaseRecord, ctx: Context) -> tuple[tuple[DifferenceRow, ...], str]:
    settings = [s for s in ctx.settings if any(c.setting == s for c in case.comparisons)]
    keys = list(dict.fromkeys((c.quantity, c.item) for c in case.comparisons))
    order = {q: i for i, q in enumerate(words.QUANTITIES)}
    keys.sort(key=lambda k: order.get(k[0], len(order)))
    by_key: dict[tuple[str, str, str], Comparison] = {}
    for c in case.comparisons:
        by_key.setdefault((c.quantity, c.item, c.setting), c)
    rows: list[DifferenceRow] = []
    left_out: list[str] = []
    for quantity in dict.fromkeys(k[0] for k in keys):
        items = [k[1] for k in keys if k[0] == quantity]
        if len(items) > MOST_ITEMS:
            items.sort(key=lambda item: _badness(quantity, item, settings, by_key))
            rest = items[MOST_ITEMS:]
            outside = sum(
                not held.within
                for item in rest
                for s in settings
                if (held := by_key.get((quantity, item, s))) is not None
            )
            left_out.append(
                f"{count(len(rest))} more of {words.QUANTITIES.get(quantity, quantity)}, "
                + ("all within tolerance" if not outside else f"{outside} outside tolerance")
            )
            items = items[:MOST_ITEMS]
        for item in items:
            sides = tuple(_difference(by_key.get((quantity, item, s))) for s in settings)
            rows.append(DifferenceRow(words.QUANTITIES.get(quantity, quantity), item, sides))
    return tuple(rows), "; ".join(left_out)


def _badness(
    quantity: str,
    item: str,
    settings: Sequence[Setting],
    by_key: dict[tuple[str, str, str], Comparison],
) -> tuple[bool, float]:
    found = [c for s in settings if (c := by_key.get((quantity, item, s))) is not None]
    digits = [-1.0 if math.isnan(c.digits) else c.digits for c in found]
    return all(c.within for c in found), min(digits, default=99.0)


def _difference(c: Comparison | None) -> DifferenceCell | None:
    if c is None:
        return None
    # Six digits more than the first that differs, so that a tight fit shows where it parts.
    digits = ESTIMATE_DIGITS if not math.isfinite(c.digits) else min(15, max(7, int(c.digits) + 3))
    left, right = pair([c.left, c.right], digits)
    fraction = max(left.fraction, right.fraction)
    return DifferenceCell(
        left=left.html(fraction),
        right=right.html(fraction),
        difference=short(c.difference),
        unit={"SE": "SE", "log10": "in log10", "relative": "rel.", "absolute": "abs."}[c.unit],
        digits=digits_of_agreement(c.digits),
        tolerance=f"{c.tolerance:.0e}",
        within=c.within,
    )


def _figures(case: CaseRecord, ctx: Context, key: str) -> tuple[Figure, ...]:
    traces = [
        Trace(
            engine,
            ctx.rank(engine),
            np.asarray(fit.fitted, dtype=np.float64),
            np.asarray(fit.residuals, dtype=np.float64),
        )
        for engine, fit in _fits(case, ctx, "default")
        if fit.fitted and len(fit.fitted) == len(fit.residuals)
    ]
    rows = _rows(case, traces)
    drawn: list[Figure | None] = []
    if rows.y.size and (rows.x.size or len(rows.present) > 1):
        drawn.append(figures.data_figure(f"{key}-data", rows, traces))
    drawn.append(figures.residual_figure(f"{key}-residuals", rows, traces))
    drawn.append(figures.density_figure(f"{key}-density", rows, traces))
    drawn += _random_effects(case, ctx, key)
    return tuple(figure for figure in drawn if figure is not None)


def _rows(case: CaseRecord, traces: Sequence[Trace]) -> Rows:
    data = case.data
    y = np.asarray(data.y, dtype=np.float64)
    x = np.asarray(data.x, dtype=np.float64)
    group = np.asarray(data.group, dtype=np.intp)
    if len(group) != len(y):
        group = np.zeros(len(y), dtype=np.intp)
    if not len(y) and traces:
        group = np.zeros(0, dtype=np.intp)
    return Rows(
        x_name=data.x_name,
        y_name=data.y_name or "outcome",
        group_name=data.group_name or "group",
        x=x if len(x) == len(y) else np.empty(0),
        y=y,
        group=group,
        levels=data.group_levels if len(data.group) == len(y) else (),
    )


def _random_effects(case: CaseRecord, ctx: Context, key: str) -> list[Figure]:
    found: dict[tuple[str, str], list[tuple[str, int, axes.Array]]] = {}
    levels: dict[tuple[str, str], tuple[str, ...]] = {}
    for engine, fit in _fits(case, ctx, "default"):
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
        figures.random_effects_figure(
            f"{key}-effects-{number_}", f"{name} by {group}", levels[group, name], effects
        )
        for number_, ((group, name), effects) in enumerate(found.items(), 1)
    ]


def _messages(case: CaseRecord, ctx: Context) -> tuple[EngineMessages, ...]:
    return tuple(
        EngineMessages(engine, ctx.rank(engine), setting, outcome.messages)
        for engine in ctx.engines
        for setting in ctx.settings
        if (outcome := case.fit(engine, setting)) is not None and outcome.messages
    )


def _printed(case: CaseRecord, ctx: Context) -> tuple[PrintedLine, ...]:
    lines = []
    for entry in case.printed:
        state, cause = match_state(case, entry, ctx)
        quantity = entry.quantity.replace("table.", "final table, ").replace("_", " ")
        lines.append(
            PrintedLine(
                quantity, entry.item, entry.printed, entry.engine, number(entry.value), state, cause
            )
        )
    return tuple(lines)


def _data(case: CaseRecord) -> tuple[tuple[str, str], ...]:
    data = case.data
    dropped = data.rows - data.rows_used
    facts = [
        ("data", data.name),
        (
            "rows",
            count(data.rows_used)
            + (f" of {count(data.rows)}; {dropped} with missing values" if dropped else ""),
        ),
        ("groups", ", ".join(f"{name} {count(k)}" for name, k in data.groups.items()) or "none"),
        (
            "columns",
            "; ".join(
                c.name
                + (f" (factor: {axes.shortened(', '.join(c.levels), 60)})" if c.levels else "")
                + (f", {c.missing} missing" if c.missing else "")
                for c in data.columns
            ),
        ),
        ("from", data.origin),
        ("checksum", data.checksum),
    ]
    received = {
        f.engine: f.data_checksum for f in case.fits if isinstance(f, Fit) and f.data_checksum
    }
    if received:
        same = all(value == data.checksum for value in received.values())
        facts.append(
            (
                "received by",
                words.join(list(received)) + (" unchanged" if same else ": not the same data"),
            )
        )
    return tuple(facts)
