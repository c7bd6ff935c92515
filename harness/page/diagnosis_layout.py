"""A diagnosis laid out as a page: the answer first, then causes and remedies, then the evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.base.text import listed
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.user_engines import USER_ENGINES, written_otherwise
from harness.engines.engine import Failure, Fit
from harness.judge.case_verdict import definitions
from harness.judge.causes.entries import load_known
from harness.page.appearance import (
    AGREEMENTS,
    CERTIFICATES,
    LEVELS,
    ONE_OF_MANY,
    Look,
)
from harness.page.evidence_layout import (
    conditioning,
    engine_name,
    messages,
    runs,
    singular,
)
from harness.page.interval_tables import fixed_intervals, variance_intervals
from harness.page.numbers import (
    DF_DIGITS,
    SE_DIGITS,
    Number,
    count,
    number,
    pair,
    pair_of_p,
    plain,
    printed_number,
    seconds,
    short,
)
from harness.page.page import (
    Block,
    Facts,
    Heading,
    Items,
    Listing,
    Note,
    Notes,
    Page,
    Paragraph,
    Pictures,
    Section,
)
from harness.page.page_line import Code, Dim, Drawn, Line
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.provenance_layout import case_data
from harness.page.remedy_layout import cause_box


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
        Section("causes", "Causes and remedies", tuple(map(cause_box, found.causes)), "Causes"),
        _p_values(found),
        Section("checks", "Data and model", tuple(_checks(found)), "Data"),
        Section("runs", "Every optimizer", tuple(runs(found, engines)), "Optimizers"),
        Section("singular", "Singular terms", tuple(singular(found.singular)), "Singular"),
        Section(
            "intervals",
            "Variance parameters",
            tuple(variance_intervals(found, engines)),
            "Variances",
        ),
        Section("fixed", "Intervals of fixed effects", tuple(fixed_intervals(found)), "Intervals"),
        Section("said", "What the engines said", tuple(messages(found, engines)), "Messages"),
        Section("conditioning", "Conditioning", tuple(conditioning(found))),
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
            judgement = found.case.judgement(found.engines[0])
            if judgement is not None and judgement.verdict == "UNDETERMINED":
                look = ONE_OF_MANY
            return Look(look.label.upper(), look.family, look.icon)
    return AGREEMENTS[found.agreement]


def _where(found: Diagnosis, engine: str) -> Line:
    """Say where a fit is, in its own model; at no optimum where many points are as good."""
    audit, judgement = found.case.audit(engine), found.case.judgement(engine)
    if audit is None:
        return ""
    if judgement is not None and judgement.verdict == "UNDETERMINED":
        return ONE_OF_MANY
    look = CERTIFICATES[audit.certificate]
    own = any(model.engine == engine for model in found.fitted)
    return (look, Dim("of its own model")) if own else look


def _sides(found: Diagnosis, engines: Sequence[str]) -> Iterator[Block]:
    case = found.case
    lines: list[tuple[str, bool, list[float | None], Line]] = []
    failed = []
    open_ = any(c.name == case.focus and c.because == "undetermined" for c in found.conclusions)
    for engine in engines:
        fit, audit = case.fit(engine), case.audit(engine)
        if isinstance(fit, Failure):
            failed.append(Row(engine_name(engine, engines), instead=" ".join(fit.text.split())))
        if not isinstance(fit, Fit):
            continue
        own = next((c for c in fit.coefficients if c.name == case.focus), None)
        gap = None if audit is None else max(0.5 * audit.gap, 0.0)
        values = [None] * 4 if own is None else [own.estimate, own.se, own.df, own.p]
        where = _where(found, engine)
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
        of = f" of {case.formula}" if found.fitted else ""
        text += f" Best log-likelihood known{of}: {number(case.best_loglik, 9)}."
    for model in found.fitted:
        what = (
            f"the model fitted, {model.formula}" if model.formula else "the model that was fitted"
        )
        text += f" The row of {model.engine} is of {what}"
        if model.best_loglik is not None:
            text += f", whose best log-likelihood is {number(model.best_loglik, 9)}"
        text += "."
    yield Paragraph(text, dim=True)
    columns = [list(column) for column in zip(*(values for _, _, values, _ in lines), strict=True)]
    shown: list[list[Number]] = []
    if columns:
        shown = [
            pair(columns[0], 9),
            [plain("" if v is None else short(v)) for v in columns[1]],
            pair(columns[2], 6),
            pair(columns[3], SE_DIGITS),
            [plain(_df(v, DF_DIGITS - 1)) for v in columns[4]],
            pair_of_p(columns[5]),
        ]
    rows = []
    for i, (engine, like, values, where) in enumerate(lines):
        cells = [
            "" if like and value is None else column[i]
            for value, column in zip(values, shown, strict=True)
        ]
        head: Line = "like for like" if like else engine_name(engine, engines)
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


def _df(value: float | None, digits: int) -> str:
    return "z" if value is not None and math.isinf(value) else number(value, digits)


def _p_values(found: Diagnosis) -> Section:
    changed = [c for c in found.conclusions if c.changed]
    title = f"p values: {'conclusions that change' if changed else 'no conclusion changes'}"
    if not found.conclusions:
        return Section("conclusions", title, ())
    named = [e for e in found.engines if any(e in dict(c.printed) for c in found.conclusions)]
    if not named:
        title = "p values at the best point"
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
    spelling = found.case.spelling
    if written_otherwise(found.case):
        # How another engine's user writes it is not known; nobody else's way is of use.
        spelling = {name: text for name, text in spelling.items() if name in found.case.engines}
    if spelling:
        usual = set(spelling) == set(USER_ENGINES)
        where = "both languages" if usual else listed(list(spelling))
        yield Heading(f"The model in {where}")
        for name, text in spelling.items():
            yield Listing(text, name)


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
                    *(plain(printed_number(v)) for v in values),
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
