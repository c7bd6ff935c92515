"""The evidence of a diagnosis laid out: optimizers, singular terms, profiles, messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.diagnose.diagnosis import Diagnosis, OptimizerRun
from harness.diagnose.singular_term import Singular
from harness.judge.decision import OPTIMAL
from harness.page.appearance import (
    CERTIFICATES,
    LEVELS,
    MATTERS,
    ONE_OF_MANY,
    Look,
)
from harness.page.numbers import (
    Number,
    count,
    number,
    pair,
    pair_of_p,
    plain,
    power,
    seconds,
    short,
)
from harness.page.page import Block, Facts, Heading, Listing, Note, Notes, Paragraph, Quote
from harness.page.page_line import Code, Dim, EngineName, Line
from harness.page.page_table import Column, Group, Row, Table, one_group


def engine_name(name: str, engines: Sequence[str]) -> EngineName:
    """Return an engine with its colour among those shown."""
    return EngineName(name, engines.index(name) if name in engines else None)


def runs(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
    """Show what every optimizer came to, engine by engine."""
    if not found.runs:
        return
    yield Paragraph(
        "Each run judged by the referee, none by vote; * is what the program does by itself. Below "
        "best is in log-likelihood; gradient is the largest scaled derivative; a dual eigenvalue "
        "below -0.001 is a direction in which the likelihood still rises. Starts: the program's "
        "own, small variances, lme4's answer, the referee's optimum or enlarged from it.",
        dim=True,
    )
    # Not against one another: where the digits of twenty runs part says nothing.
    logliks = [plain(n.text) for n in pair([r.loglik for r in found.runs], 9)]
    groups: dict[str, list[Row]] = {}
    determined = all(judged.verdict != "UNDETERMINED" for judged in found.case.judgements)
    for run, loglik in zip(found.runs, logliks, strict=True):
        groups.setdefault(run.engine, []).append(_run(run, loglik, determined=determined))
    yield Table(
        "Every optimizer by its distance from the best log-likelihood",
        (
            Column("optimizer"),
            Column("start", text=True),
            Column("log-likelihood", spare=True),
            Column("below best"),
            Column("gradient"),
            Column("dual eigenvalue", spare=True),
            Column("evaluations", spare=True),
            Column("time"),
            Column("converged", text=True),
            Column("it is at", text=True),
        ),
        [Group(engine_name(name, engines), rows) for name, rows in groups.items()],
    )


def _run(run: OptimizerRun, loglik: Number, *, determined: bool) -> Row:
    head = f"{run.optimizer} *" if run.default else run.optimizer
    if run.error:
        return Row(head, (run.start,), instead=" ".join(run.error.split()))
    return Row(
        head,
        (
            run.start,
            loglik,
            "" if run.gap is None else short(max(run.gap, 0.0)),
            "" if run.gradient is None else power(run.gradient),
            "" if run.dual is None else power(run.dual),
            "" if run.evaluations is None else count(run.evaluations),
            seconds(run.seconds),
            {True: "yes", False: "no", None: ""}[run.converged],
            _at(run, determined=determined),
        ),
    )


def _at(run: OptimizerRun, *, determined: bool) -> Look:
    if not run.certificate:
        return MATTERS[None]
    if run.certificate in OPTIMAL and not determined:
        return ONE_OF_MANY
    return CERTIFICATES[run.certificate]


def singular(terms: Sequence[Singular]) -> Iterator[Block]:
    """Show each singular term: which direction is missing, and what leaving it out changes."""
    for term in terms:
        what = "truly singular" if term.truly else f"a false boundary of {term.fit}"
        yield Heading(f"({', '.join(term.names)} | {term.group}): {what}")
        yield Paragraph(term.sentence)
        yield Facts(tuple(_facts_of(term)))
        if term.reduced_python:
            yield Listing(term.reduced_python, "reduced model in Python")
        if term.shifts:
            yield _shifts(term)
        if term.df_warning:
            yield Notes([Note(LEVELS["warning"], term.df_warning)])


def _facts_of(term: Singular) -> Iterator[tuple[str, Line]]:
    yield "rank", f"{term.rank} of {len(term.names)}; {term.kind}"
    if term.direction:
        weights = ", ".join(f"{number(w, 3)} × {name}" for name, w in term.direction)
        yield "direction", (weights, Dim("(effects at unit root mean square)"))
    if term.proportions:
        shares = ", ".join(f"{100 * p:.1f} %" for p in term.proportions)
        yield "share of variance", (shares, Dim("by principal component"))
    if term.truly and term.loglik is not None and term.loglik_reduced is not None:
        full, reduced = pair([term.loglik, term.loglik_reduced], 9)
        yield "log-likelihood", f"{full.text}; of the reduced model {reduced.text}"
    if term.reduced_formula:
        yield "reduced model", Code(term.reduced_formula)


def _shifts(term: Singular) -> Table:
    rows = []
    for s in term.shifts:
        columns = [
            pair([s.estimate, s.estimate_reduced], 6),
            pair([s.se, s.se_reduced], 6),
            pair_of_p([s.p, s.p_reduced]),
        ]
        rows.append(Row(s.name, [column[side] for side in (0, 1) for column in columns]))
    heads = [Column(name) for _ in range(2) for name in ("estimate", "SE", "p")]
    return Table(
        "Fixed effects at the best points of the full and of the reduced model",
        (Column("fixed effect"), *heads),
        one_group(rows),
        over=(("full", 3), ("reduced", 3)),
        named=True,
    )


def messages(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
    """Put messages of one engine with the same meaning and reason together."""
    grouped: dict[tuple[str, str, str, bool | None], list[str]] = {}
    for t in found.translations:
        texts = grouped.setdefault((t.engine, t.meaning, t.because, t.matters), [])
        if t.text not in texts:
            texts.append(t.text)
    for (engine, meaning, because, matters), texts in grouped.items():
        look = MATTERS[matters]
        why = f"{look.label.capitalize()}, because {because}." if because else ""
        yield Paragraph((engine_name(engine, engines), look))
        yield from map(Quote, texts)
        yield Paragraph(" ".join(filter(None, (meaning, why))))


def conditioning(found: Diagnosis) -> Iterator[Block]:
    """Show how well the numbers of the problem are scaled."""
    about = found.conditioning
    if about is None:
        return
    scaled = f"{short(about.x_raw)}; {short(about.x_scaled)} with columns at unit length"
    facts: list[tuple[str, Line]] = [("condition of X", scaled)]
    if about.information is not None:
        told = f"{short(about.information)}, that on the fixed effects at the best point"
        facts.append(("information", told))
    if about.hessian:
        values = ", ".join(map(short, about.hessian))
        told = f"eigenvalues {values}, of the deviance at the best point, scale-free"
        facts.append(("Hessian", told))
    if about.gradient is not None:
        told = f"{short(about.gradient)}, the largest scaled derivative at the best point"
        facts.append(("gradient", told))
    yield Facts(facts)
    if about.columns:
        yield Table(
            "Columns on the rows used",
            (Column("column"), Column("mean"), Column("SD")),
            one_group(
                [
                    Row(c.name, (plain(number(c.mean, 5)), plain(number(c.sd, 5))))
                    for c in about.columns
                ]
            ),
            named=True,
        )
