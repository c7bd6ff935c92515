"""A diagnosis laid out as a page: the answer first, then causes and remedies, then the evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.diagnose.diagnosis import (
    Cause,
    Diagnosis,
    OptimizerRun,
    Remedy,
    Singular,
    Snapshot,
)
from harness.engines.engine import Failure, Fit
from harness.judge.case_verdict import definitions
from harness.judge.causes.entries import load_known
from harness.page.appearance import (
    AGREEMENTS,
    CERTIFICATES,
    HELPED,
    LEVELS,
    MATTERS,
    VERDICTS,
    Look,
)
from harness.page.html.provenance_section import case_data
from harness.page.interval_tables import fixed_intervals, variance_intervals
from harness.page.numbers import (
    ABSENT,
    DF_DIGITS,
    SE_DIGITS,
    Number,
    count,
    number,
    pair,
    pair_of_p,
    printed_number,
    seconds,
    short,
)
from harness.page.page import (
    Block,
    Box,
    Code,
    Column,
    Details,
    Dim,
    Drawn,
    EngineName,
    Facts,
    Heading,
    Items,
    Line,
    Listing,
    Note,
    Notes,
    Page,
    Paragraph,
    Pictures,
    Quote,
    Row,
    Section,
    Table,
    one_group,
)

_NOT_JUDGED = Look("not judged", "silent", "bar")


def shown_engines(found: Diagnosis) -> tuple[str, ...]:
    """Return the engines that a page shows: the user's, and the referee where there is but one."""
    engines = found.engines
    if len(engines) == 1:
        return (*engines, *[f.engine for f in found.case.fits if f.engine == "referee"][:1])
    return engines


def diagnosis_page(found: Diagnosis, pictures: Sequence[Drawn] = ()) -> Page:
    """Lay out a diagnosis; equal diagnoses give equal pages."""
    case, engines = found.case, shown_engines(found)
    groups = "".join(f", {count(n)} {g}" for g, n in case.data.groups.items())
    sections = (
        Section("sides", "Side by side", tuple(_sides(found, engines)), "Side by side"),
        Section("causes", "Causes and remedies", tuple(map(_cause, found.causes)), "Causes"),
        _p_values(found),
        Section("checks", "Data and model", tuple(_checks(found)), "Data"),
        Section("runs", "Every optimizer", tuple(_runs(found, engines)), "Optimizers"),
        Section("singular", "Singular terms", tuple(_singular(found.singular)), "Singular"),
        Section(
            "intervals",
            "Variance parameters",
            tuple(variance_intervals(found, engines)),
            "Variances",
        ),
        Section("fixed", "Intervals of fixed effects", tuple(fixed_intervals(found)), "Intervals"),
        Section("said", "What the engines said", tuple(_messages(found, engines)), "Messages"),
        Section("conditioning", "Conditioning", tuple(_conditioning(found))),
        Section("pictures", "Pictures", tuple(_pictures(found, pictures)), "Pictures", kept=True),
        Section("definitions", "Not the same by definition", tuple(_definitions(found))),
        Section("questions", "Asked next", tuple(_questions(found)), "Asked next"),
        Section("notes", "Notes", (Items(found.notes),) if found.notes else ()),
        Section("provenance", "Provenance", tuple(_provenance(found)), "Provenance", kept=True),
    )
    return Page(
        kind="Diagnosis",
        title=f"Diagnosis: {case.formula}",
        made_by=found.program,
        made=found.created,
        look=_agreement(found),
        subject=case.formula,
        about=f"{case.criterion}, {count(case.data.rows_used)} rows{groups}; {case.data.name}",
        answer=found.answer or ("Nothing was found.",),
        sections=tuple(s for s in sections if s.blocks),
        warning=found.absent,
    )


def _agreement(found: Diagnosis) -> Look:
    if found.agreement == "one engine":
        audit = found.case.audit(found.engines[0])
        if audit is not None and audit.certificate in CERTIFICATES:
            look = CERTIFICATES[audit.certificate]
            return Look(look.label.upper(), look.family, look.icon)
    return AGREEMENTS[found.agreement]


def _engine(name: str, engines: Sequence[str]) -> EngineName:
    return EngineName(name, engines.index(name) if name in engines else None)


def _sides(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
    case = found.case
    lines: list[tuple[str, bool, list[float | None], Line]] = []
    failed = []
    open_ = any(c.name == case.focus and c.because == "undetermined" for c in found.conclusions)
    for engine in engines:
        fit, audit = case.fit(engine), case.audit(engine)
        if isinstance(fit, Failure):
            failed.append(Row(_engine(engine, engines), instead=" ".join(fit.text.split())))
        if not isinstance(fit, Fit):
            continue
        own = next((c for c in fit.coefficients if c.name == case.focus), None)
        gap = None if audit is None else max(0.5 * audit.gap, 0.0)
        values = [None] * 4 if own is None else [own.estimate, own.se, own.df, own.p]
        where: Line = "" if audit is None else CERTIFICATES[audit.certificate]
        lines.append((engine, False, [fit.loglik, gap, *values], where))
        fair = audit and next((c for c in audit.coefficients if c.name == case.focus), None)
        if fair and own is not None and fair.se is not None and engine != "referee":
            values = [fair.estimate, fair.se, fair.df, fair.p]
            if open_:
                values[1:] = [None, None, None]
            lines.append((engine, True, [None, None, *values], "not determined" if open_ else ""))
    text = (
        f"The effect {case.focus} as each engine prints it, and like for like: with the standard "
        "error and degrees of freedom of the referee at the engine's own variances."
    )
    if case.best_loglik is not None:
        text += f" Best log-likelihood known: {number(case.best_loglik, 9)}."
    yield Paragraph(text, dim=True)
    columns = [list(column) for column in zip(*(values for _, _, values, _ in lines), strict=True)]
    shown: list[list[Number]] = []
    if columns:
        shown = [
            pair(columns[0], 9),
            [_plain("" if v is None else short(v)) for v in columns[1]],
            pair(columns[2], 6),
            pair(columns[3], SE_DIGITS),
            [_plain(_df(v, DF_DIGITS - 1)) for v in columns[4]],
            pair_of_p(columns[5]),
        ]
    rows = []
    for i, (engine, like, values, where) in enumerate(lines):
        cells = [
            "" if like and value is None else column[i]
            for value, column in zip(values, shown, strict=True)
        ]
        head: Line = "like for like" if like else _engine(engine, engines)
        rows.append(Row(head, (*cells, where), under=like))
    heads = ("below best", case.focus, "SE", "df", "p")
    yield Table(
        f"Log-likelihood and the effect {case.focus} by engine",
        (
            Column("engine"),
            Column("log-likelihood", spare=True),
            *map(Column, heads),
            Column("the fit is at", text=True),
        ),
        one_group([*rows, *failed]),
    )


def _plain(text: str) -> Number:
    """Return a number that is not held against another one."""
    return Number(text, len(text))


def _df(value: float | None, digits: int) -> str:
    return "z" if value is not None and math.isinf(value) else number(value, digits)


def _cause(cause: Cause) -> Box:
    who = (Dim(f"({', '.join(cause.engines)})"),) if cause.engines else ()
    upstream = f" Upstream: {', '.join(cause.upstream)}." if cause.upstream else ""
    blocks: list[Block] = [
        Heading((cause.title, *who, Code(cause.key))),
        Paragraph(cause.evidence),
    ]
    if cause.definition or upstream:
        blocks.append(Paragraph(f"{cause.definition}{upstream}", dim=True))
    ordered = sorted(cause.remedies, key=lambda remedy: not remedy.helped)
    blocks += [_remedy(remedy, first=i == 0) for i, remedy in enumerate(ordered)]
    return Box(blocks, main=cause.main)


def _remedy(remedy: Remedy, *, first: bool) -> Box:
    """Show what was tried, with its numbers, and how to do the same where it helped."""
    head: tuple[str | Look | Dim, ...] = (HELPED[remedy.helped], remedy.title)
    if not remedy.same_model:
        head = (*head, Dim("another model"))
    # An arrow of two characters breaks at the end of a line.
    line = remedy.sentence.replace(" -> ", " → ")
    line = f"{line[:1].upper()}{line[1:]}{'' if line.endswith('.') else '.'}"
    blocks: list[Block] = [Heading(head), Paragraph(line)]
    rows = [row for row in _before_after(remedy.before, remedy.after) if row is not None]
    if rows:
        table = Table(
            f"Before and after: {remedy.title}",
            (Column(""), Column("before", text=True), Column("after", text=True)),
            one_group(rows),
        )
        summary = "Before and after" + (f", {remedy.engine}" if remedy.engine else "")
        blocks.append(Details(summary, (table,), opened=remedy.helped and first))
    if remedy.helped:
        codes = ((remedy.python_code, "Python"), (remedy.r_code, "R"))
        blocks += [Listing(code, language) for code, language in codes if code]
    return Box(blocks, inner=True)


def _before_after(before: Snapshot, after: Snapshot) -> Iterator[Row | None]:
    """Rows of what differs, or says where the fits stand."""
    if before.formula != after.formula:
        yield Row("formula", (Code(before.formula), Code(after.formula)))
    yield _two("log-likelihood", pair([before.loglik, after.loglik], 9))
    gaps = [None if s.gap is None else max(s.gap, 0.0) for s in (before, after)]
    yield _two("below the best point", [_plain(short(gap)) for gap in gaps])
    if before.certificate or after.certificate:
        looks: list[Line] = [
            CERTIFICATES[s.certificate] if s.certificate else ABSENT for s in (before, after)
        ]
        yield Row("the fit is at", looks)
    if before.verdict or after.verdict:
        looks = [VERDICTS[s.verdict] if s.verdict else ABSENT for s in (before, after)]
        yield Row("verdict", looks)
    one, two = before.focus, after.focus
    what = " / ".join(dict.fromkeys(f.name for f in (one, two) if f is not None))
    for label, read in (("estimate", "estimate"), ("SE", "se"), ("df", "df"), ("p", "p")):
        values = [None if f is None else getattr(f, read) for f in (one, two)]
        cells = pair_of_p(values) if read == "p" else pair(values, 5)
        if read == "df":
            cells = [_plain("z") if cell.text == "∞" else cell for cell in cells]
        yield _two(f"{what}: {label}", cells)
    if before.text or after.text:
        yield Row("", (before.text, after.text))


def _two(label: str, cells: Sequence[Number]) -> Row | None:
    """Return a row of two numbers, no digit of them marked: that they differ is what is wanted."""
    if all(cell.text == ABSENT for cell in cells):
        return None
    return Row(label, [_plain(cell.text) for cell in cells])


def _p_values(found: Diagnosis) -> Section:
    changed = [c for c in found.conclusions if c.changed]
    title = f"p values: {'conclusions that change' if changed else 'no conclusion changes'}"
    if not found.conclusions:
        return Section("conclusions", title, ())
    named = [e for e in found.engines if any(e in dict(c.printed) for c in found.conclusions)]
    look = Look(f"crosses {found.alpha:g}", "differ", "warning")
    rows = []
    for conclusion in found.conclusions:
        printed = dict(conclusion.printed)
        cells: list[Line] = [*pair_of_p([*(printed.get(e) for e in named), conclusion.right])]
        open_ = "not determined" if conclusion.because == "undetermined" else "same"
        rows.append(Row(conclusion.name, (*cells, look if conclusion.changed else open_)))
    table = Table(
        "p as each engine prints it, and at the best point known with Satterthwaite's degrees of "
        f"freedom; level {found.alpha:g}",
        (
            Column("fixed effect"),
            *map(Column, named),
            Column("best point"),
            Column("conclusion", text=True),
        ),
        one_group(rows),
        named=True,
    )
    warning = LEVELS["warning"]
    said = (Notes([Note(warning, c.sentence) for c in changed]),) if changed else ()
    return Section("conclusions", title, (*said, table), "p values")


def _checks(found: Diagnosis) -> Iterator[Block]:
    if found.case.words:
        yield Paragraph(found.case.words, dim=True)
    if found.checks:
        yield Notes([Note(LEVELS[c.level], c.sentence, c.advice) for c in found.checks])
    if found.case.spelling:
        yield Heading("The model in both languages")
        for name, text in found.case.spelling.items():
            yield Listing(text, name)


def _runs(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
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
    logliks = [_plain(n.text) for n in pair([r.loglik for r in found.runs], 9)]
    groups: dict[str, list[Row]] = {}
    for run, loglik in zip(found.runs, logliks, strict=True):
        groups.setdefault(run.engine, []).append(_run(run, loglik))
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
        [(_engine(name, engines), rows) for name, rows in groups.items()],
    )


def _run(run: OptimizerRun, loglik: Number) -> Row:
    head = f"{run.optimizer} *" if run.default else run.optimizer
    if run.error:
        return Row(head, (run.start,), instead=" ".join(run.error.split()))
    return Row(
        head,
        (
            run.start,
            loglik,
            "" if run.gap is None else short(max(run.gap, 0.0)),
            "" if run.gradient is None else f"{run.gradient:.0e}",
            "" if run.dual is None else f"{run.dual:.0e}",
            "" if run.evaluations is None else count(run.evaluations),
            seconds(run.seconds),
            {True: "yes", False: "no", None: ""}[run.converged],
            CERTIFICATES[run.certificate] if run.certificate else _NOT_JUDGED,
        ),
    )


def _singular(terms: Sequence[Singular]) -> Iterator[Block]:
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
        yield "log-likelihood", f"{full.text}; without the direction {reduced.text}"
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


def _messages(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
    """Put messages of one engine with the same meaning and reason together."""
    grouped: dict[tuple[str, str, str, bool | None], list[str]] = {}
    for t in found.translations:
        texts = grouped.setdefault((t.engine, t.meaning, t.because, t.matters), [])
        if t.text not in texts:
            texts.append(t.text)
    for (engine, meaning, because, matters), texts in grouped.items():
        look = MATTERS[matters]
        why = f"{look.label.capitalize()}, because {because}." if because else ""
        yield Paragraph((_engine(engine, engines), look))
        yield from map(Quote, texts)
        yield Paragraph(" ".join(filter(None, (meaning, why))))


def _conditioning(found: Diagnosis) -> Iterator[Block]:
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
                    Row(c.name, (_plain(number(c.mean, 5)), _plain(number(c.sd, 5))))
                    for c in about.columns
                ]
            ),
            named=True,
        )


def _pictures(found: Diagnosis, drawn: Sequence[Drawn]) -> Iterator[Block]:
    if drawn and found.profiles:
        yield Paragraph(
            f"A profile is the lowest {found.case.criterion} deviance with one parameter held at "
            "a value, less that of the best point; the values below the dashed line are the "
            "interval.",
            dim=True,
        )
    if drawn:
        yield Pictures(drawn)


def _questions(found: Diagnosis) -> Iterator[Block]:
    if found.questions:
        yield Facts([(asked.question, asked.answer) for asked in found.questions])


def _definitions(found: Diagnosis) -> Iterator[Block]:
    """Show what the engines print under one name though it is not the same, an example each."""
    notes = definitions(found.case)
    keys = sorted({d.cause for d in notes})
    if not keys or len(found.engines) < 2:
        return
    known, rows = load_known(), []
    for key in keys:
        d = next(d for d in notes if d.cause == key)
        values = (d.value, d.reference, d.like_for_like)
        head = (known[key].title if key in known else key, Code(key))
        rows.append(
            Row(
                head,
                (
                    f"{d.engine}, {d.item}" if d.item else d.engine,
                    *(_plain(printed_number(v)) for v in values),
                ),
            )
        )
    yield Table(
        "Other quantities under one name: no disagreement",
        (
            Column("what"),
            Column("of", text=True),
            Column("it prints"),
            Column(f"{found.case.reference} prints"),
            Column("like for like"),
        ),
        one_group(rows),
        named=True,
    )


def _provenance(found: Diagnosis) -> Iterator[Block]:
    if found.command:
        yield Paragraph("This command makes this diagnosis:", dim=True)
        yield Listing(found.command, "shell")
    yield Heading("Data")
    yield Facts(case_data(found.case))
    yield Heading("Run")
    yield Facts(
        (
            ("program", found.program),
            ("made", found.created),
            ("took", seconds(found.seconds)),
            ("format", str(found.format)),
        )
    )
    yield Heading("Versions")
    yield Facts(tuple(found.versions.items()))
