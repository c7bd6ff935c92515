"""What the referee says of each fit: a word or two for the ladder, every number for the card."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.engines.engine import Fit, Setting
from harness.judge.audit import Audit
from harness.judge.records import CaseRecord
from harness.page.appearance import CERTIFICATES, NOT_AUDITED, UNTRUE
from harness.page.numbers import ABSENT, number, short
from harness.page.page_line import EngineName, Line, Marked, Under
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.report.report_context import Context


def finding(case: CaseRecord, engine: str, setting: Setting) -> Line | None:
    """Return what the referee says of a fit, and what the engine states that is not so."""
    fit, audit = case.fit(engine, setting), case.audit(engine, setting)
    if not isinstance(fit, Fit):
        return None
    if audit is None:
        return Marked(NOT_AUDITED, NOT_AUDITED.label)
    look = CERTIFICATES[audit.certificate]
    short_of = look.family == "differ" and math.isfinite(audit.gap)
    said = f"{look.label}, +{short(audit.gap)} deviance" if short_of else look.label
    return (Marked(look, said), *(Under(Marked(UNTRUE, c)) for c in _untrue(fit, audit)))


def _untrue(fit: Fit, audit: Audit) -> tuple[str, ...]:
    claims = (
        (fit.converged, audit.converged_true, "converged"),
        (fit.singular, audit.singular_true, "singular"),
    )
    return tuple(
        f"says {'' if said else 'not '}{what}"
        for said, true, what in claims
        if said is not None and true is False
    )


def certificate(case: CaseRecord, ctx: Context) -> Table | None:
    """Return the referee's numbers for every audited fit: a column each, a row for each number."""
    seen: list[tuple[Fit, Audit]] = []
    over: list[tuple[str, int]] = []
    for setting in ctx.settings:
        here = [
            (fit, audit)
            for engine, fit in ctx.fits(case, setting)
            if (audit := case.audit(engine, setting)) is not None
        ]
        seen += here
        if here:
            over.append((f"{setting} setting", len(here)))
    if not seen:
        return None
    closed = all(audit.certificate == "closed form" for _, audit in seen)
    best = case.best_loglik
    known = "" if best is None else f". Best log-likelihood known: {number(best, 10)}"
    names = [EngineName(fit.engine, ctx.rank(fit.engine)) for fit, _ in seen]
    return Table(
        f"What the referee computes at each engine's estimates{known}",
        (Column("number", text=True), *(Column(name, text=True) for name in names)),
        one_group(
            [
                Row((label, Under(meaning)), tuple(cell(fit, audit) for fit, audit in seen))
                for label, meaning, optimum_only, cell in _NUMBERS
                if not (closed and optimum_only)
            ]
        ),
        over=over,
        named=True,
        kind="numbers certificate",
    )


_Cell = Callable[[Fit, Audit], Line]


def _ranks(fit: Fit, audit: Audit) -> str:
    sizes = [len(term.names) for term in fit.random]
    if len(sizes) != len(audit.ranks):
        return ", ".join(map(str, audit.ranks)) or ABSENT
    pairs = zip(audit.ranks, sizes, strict=True)
    return ", ".join(f"{rank} of {size}" for rank, size in pairs) or ABSENT


def _farthest(audit: Audit) -> str:
    if not audit.distances:
        return ABSENT
    item, distance = max(audit.distances, key=lambda pair: pair[1])
    return f"{short(distance)} SE, {item}"


def _stated(said: bool | None, true: bool | None) -> Line:
    if said is None:
        return "not stated"
    judged = {True: ", true", False: ", untrue", None: ", not judged"}[true]
    text = ("yes" if said else "no") + judged
    return Marked(UNTRUE, text) if true is False else text


# What it is called, what it means in a sentence, whether it says something of mixed models only.
_NUMBERS: tuple[tuple[str, str, bool, _Cell], ...] = (
    (
        "the point is",
        "What the referee finds at the engine's own estimates.",
        False,
        lambda _, a: CERTIFICATES[a.certificate].label,
    ),
    (
        "gap in deviance",
        "How much worse the fit is than the best point known: 0 at the optimum; a parameter is "
        "significant when it is worth about 4.",
        True,
        lambda _, a: short(a.gap),
    ),
    (
        "gradient",
        "How steep the deviance still is here, scaled: 0 at an interior optimum.",
        True,
        lambda _, a: short(a.gradient),
    ),
    (
        "dual eigenvalue",
        "Where a variance is zero, whether it should be: negative when the fit improves as it "
        "grows; – when no variance is zero.",
        True,
        lambda _, a: short(a.dual),
    ),
    (
        "rank",
        "How many independent random effects are left; fewer than there are means a singular fit.",
        True,
        _ranks,
    ),
    (
        "theta",
        "The variances as lme4 holds them, a Cholesky factor in units of the residual SD.",
        True,
        lambda _, a: ", ".join(number(t, 5) for t in a.theta) or ABSENT,
    ),
    (
        "log-likelihood",
        "What the referee computes, independently, at the engine's variances.",
        False,
        lambda _, a: number(a.loglik, 10),
    ),
    (
        "stated less computed",
        "Nothing but rounding when the engine means the same likelihood of the same model.",
        False,
        lambda _, a: short(a.loglik_error),
    ),
    (
        "distance from GLS",
        "How many standard errors the fixed effects are from the best ones for these variances.",
        False,
        lambda _, a: short(a.gls_distance),
    ),
    (
        "farthest parameter",
        "The fixed effect or variance that is farthest from its value at the best point, in "
        "standard errors there.",
        True,
        lambda _, a: _farthest(a),
    ),
    (
        "says converged",
        "Whether the engine claims to be at an optimum, and whether it is.",
        True,
        lambda f, a: _stated(f.converged, a.converged_true),
    ),
    (
        "says singular",
        "Whether the engine calls the fit singular, and whether the optimum is; judged at an "
        "optimum only.",
        True,
        lambda f, a: _stated(f.singular, a.singular_true),
    ),
)
