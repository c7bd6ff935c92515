"""What the referee says of each fit: a word or two for the ladder, every number for the card."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.engines.engine import Fit, Setting
from harness.judge.audit import Audit
from harness.judge.records import CaseRecord
from harness.page import appearance
from harness.page.html.context import Context
from harness.page.numbers import ABSENT, number, short


@dataclass(frozen=True)
class Finding:
    """The referee's word on one fit; ``untrue`` is what the engine states and is not so."""

    engine: str
    rank: int
    word: str
    gap: str
    icon: str
    family: str
    untrue: tuple[str, ...]


@dataclass(frozen=True)
class CertificateRow:
    """One number of the certificate: what it is called, what it means, its value for each fit.

    A cell is marked when it is a statement that the referee finds untrue.
    """

    label: str
    meaning: str
    cells: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Certificate:
    """The certificates of a case: a column for each audited fit, a row for each number."""

    over: tuple[tuple[str, int], ...]
    columns: tuple[tuple[str, int], ...]
    rows: tuple[CertificateRow, ...]
    best: str


def finding(case: CaseRecord, ctx: Context, engine: str, setting: Setting) -> Finding | None:
    """Return what the referee says of a fit, or None where there is no fit."""
    fit, audit = case.fit(engine, setting), case.audit(engine, setting)
    if not isinstance(fit, Fit):
        return None
    if audit is None:
        return Finding(engine, ctx.rank(engine), "not audited", "", "bar", "silent", ())
    shown = appearance.CERTIFICATES[audit.certificate]
    short_of = shown.family == "differ" and math.isfinite(audit.gap)
    return Finding(
        engine=engine,
        rank=ctx.rank(engine),
        word=shown.label,
        gap=f"+{short(audit.gap)} deviance" if short_of else "",
        icon=shown.icon,
        family=shown.family,
        untrue=_untrue(fit, audit),
    )


def findings(case: CaseRecord, ctx: Context, setting: Setting) -> tuple[Finding, ...]:
    """Return what the referee says of every fit in one setting."""
    found = (finding(case, ctx, engine, setting) for engine in ctx.engines)
    return tuple(f for f in found if f is not None)


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


def certificate(case: CaseRecord, ctx: Context) -> Certificate | None:
    """Return the referee's numbers for every audited fit of a case."""
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
    return Certificate(
        over=tuple(over),
        columns=tuple((fit.engine, ctx.rank(fit.engine)) for fit, _ in seen),
        rows=tuple(
            CertificateRow(label, meaning, tuple(cell(fit, audit) for fit, audit in seen))
            for label, meaning, optimum_only, cell in _NUMBERS
            if not (closed and optimum_only)
        ),
        best="" if case.best_loglik is None else number(case.best_loglik, 10),
    )


Cell = Callable[[Fit, Audit], tuple[str, bool]]


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


def _stated(said: bool | None, true: bool | None) -> tuple[str, bool]:
    if said is None:
        return "not stated", False
    judged = {True: ", true", False: ", untrue", None: ", not judged"}[true]
    return ("yes" if said else "no") + judged, true is False


# What it is called, what it means in a sentence, whether it says something of mixed models only.
_NUMBERS: tuple[tuple[str, str, bool, Cell], ...] = (
    (
        "the point is",
        "What the referee finds at the engine's own estimates.",
        False,
        lambda _, a: (appearance.CERTIFICATES[a.certificate].label, False),
    ),
    (
        "gap in deviance",
        "How much worse the fit is than the best point known: 0 at the optimum; a parameter is "
        "significant when it is worth about 4.",
        True,
        lambda _, a: (short(a.gap), False),
    ),
    (
        "gradient",
        "How steep the deviance still is here, scaled: 0 at an interior optimum.",
        True,
        lambda _, a: (short(a.gradient), False),
    ),
    (
        "dual eigenvalue",
        "Where a variance is zero, whether it should be: negative when the fit improves as it "
        "grows; – when no variance is zero.",
        True,
        lambda _, a: (short(a.dual), False),
    ),
    (
        "rank",
        "How many independent random effects are left; fewer than there are means a singular fit.",
        True,
        lambda f, a: (_ranks(f, a), False),
    ),
    (
        "theta",
        "The variances as lme4 holds them, a Cholesky factor in units of the residual SD.",
        True,
        lambda _, a: (", ".join(number(t, 5) for t in a.theta) or ABSENT, False),
    ),
    (
        "log-likelihood",
        "What the referee computes, independently, at the engine's variances.",
        False,
        lambda _, a: (number(a.loglik, 10), False),
    ),
    (
        "stated less computed",
        "Nothing but rounding when the engine means the same likelihood of the same model.",
        False,
        lambda _, a: (short(a.loglik_error), False),
    ),
    (
        "distance from GLS",
        "How many standard errors the fixed effects are from the best ones for these variances.",
        False,
        lambda _, a: (short(a.gls_distance), False),
    ),
    (
        "farthest parameter",
        "The fixed effect or variance that is farthest from its value at the best point, in "
        "standard errors there.",
        True,
        lambda _, a: (_farthest(a), False),
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
