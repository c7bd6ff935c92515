"""A diagnosis as one HTML file in the style of the parity report, and as a piece of a notebook."""

from __future__ import annotations

import contextlib
import html
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.base.errors import EnvironmentProblem
from harness.base.json import encode
from harness.diagnose.diagnosis import (
    Cause,
    Conclusion,
    Diagnosis,
    OptimizerRun,
    Remedy,
    Shift,
    Snapshot,
    Translation,
)
from harness.engines.engine import Failure, Fit
from harness.judge.causes.entries import load_known
from harness.page.html import words
from harness.page.html.diagnosis_pictures import pictures
from harness.page.html.format import (
    DF_DIGITS,
    SE_DIGITS,
    Number,
    align,
    count,
    number,
    pair,
    pair_of_p,
    printed_number,
    seconds,
    short,
)
from harness.page.html.parity_report import _asset, _csp_hash, _environment
from harness.page.html.provenance_section import case_data

NAME = "diagnosis"
"""Files are ``diagnosis.html`` and ``diagnosis.json``."""


@dataclass(frozen=True)
class Mark:
    """A word with its icon, so that colour is never the only sign."""

    word: str
    family: str
    icon: str


AGREEMENT = {
    "agree": Mark("AGREE", "agree", "check"),
    "differ": Mark("DIFFER", "differ", "warning"),
    "one engine": Mark("ONE ENGINE", "silent", "bar"),
    "no fit": Mark("NO FIT", "silent", "cross"),
}

LEVELS = {
    "fine": Mark("fine", "agree", "tick"),
    "note": Mark("note", "silent", "lead"),
    "warning": Mark("look", "differ", "warning"),
    "stop": Mark("stop", "unexplained", "cross"),
}

MATTERS = {
    True: Mark("matters here", "differ", "warning"),
    False: Mark("harmless here", "agree", "tick"),
    None: Mark("not judged", "silent", "bar"),
}

HELPED = {True: Mark("helped", "agree", "tick"), False: Mark("no help", "differ", "no")}


@dataclass(frozen=True)
class Said:
    """Messages with one meaning and one reason, said once."""

    engine: str
    texts: tuple[str, ...]
    meaning: str
    because: str
    mark: Mark


def render_diagnosis(found: Diagnosis) -> str:
    """Return the page of a diagnosis; equal diagnoses give equal pages, byte for byte."""
    case = found.case
    engines = list(found.engines)
    if len(engines) == 1:
        engines += [f.engine for f in case.fits if f.engine == "referee"][:1]
    style = _asset("report.css") + _asset("diagnosis.css")
    return (
        _environment()
        .get_template("diagnosis.html.j2")
        .render(
            found=found,
            case=case,
            engines=engines,
            rank={engine: i for i, engine in enumerate(engines)},
            agreement=_agreement(found),
            changed=[c for c in found.conclusions if c.changed],
            sides=_sides(found, engines),
            p_values=_p_values(found.conclusions, found.engines),
            causes=[_cause(cause) for cause in found.causes],
            checks=[(LEVELS[c.level], c) for c in found.checks],
            runs=_runs(found.runs),
            said=_said(found.translations),
            singular=[(s, _shifts(s.shifts)) for s in found.singular],
            conditioning=found.conditioning,
            scales=_scales(found),
            definitions=_definitions(found),
            figures=pictures(found, engines),
            data=case_data(case),
            number=number,
            short=short,
            took=seconds(found.seconds),
            style=Markup(style),
            style_hash=_csp_hash(style),
        )
    )


def write_diagnosis(found: Diagnosis, folder: Path) -> Path:
    """Write ``diagnosis.html`` and ``diagnosis.json`` to a folder and return the page's path.

    Each file is there whole or not at all; the page comes last.

    Raises
    ------
    EnvironmentProblem
        When the folder cannot be written.
    """
    page = folder / f"{NAME}.html"
    files = ((folder / f"{NAME}.json", encode(found) + b"\n"), (page, None))
    for path, content in files:
        partial = path.with_name(path.name + ".partial")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(render_diagnosis(found).encode() if content is None else content)
            os.replace(partial, path)
        except OSError as error:
            raise EnvironmentProblem(
                f"{path}: cannot be written: {error.strerror or error}"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    return page


def notebook_html(found: Diagnosis, *, height: int = 720) -> str:
    """Return the page in a frame of its own: neither its styles nor a notebook's leak.

    The frame may run nothing: the page has no scripts, and its policy allows none.
    """
    content = html.escape(render_diagnosis(found), quote=True)
    title = html.escape(f"Diagnosis of {found.case.formula}", quote=True)
    return (
        f'<iframe title="{title}" sandbox="allow-popups" width="100%" height="{height}" '
        f'style="border: 1px solid #8888; border-radius: 3px" srcdoc="{content}"></iframe>'
    )


def _agreement(found: Diagnosis) -> Mark:
    if found.agreement == "one engine":
        audit = found.case.audit(found.engines[0])
        if audit is not None and audit.certificate in words.CERTIFICATES:
            mark = words.CERTIFICATES[audit.certificate]
            return Mark(mark.label.upper(), mark.family, mark.icon)
    return AGREEMENT[found.agreement]


@dataclass(frozen=True)
class Side:
    """One engine's line of the comparison; ``failure`` in place of numbers."""

    engine: str
    rank: int
    like: bool
    cells: tuple[Markup, ...] = ()
    certificate: Mark | None = None
    failure: str = ""


def _sides(found: Diagnosis, engines: Sequence[str]) -> list[Side]:
    case = found.case
    lines: list[tuple[str, bool, list[float | None], Mark | None]] = []
    failed = []
    for rank, engine in enumerate(engines):
        fit, audit = case.fit(engine), case.audit(engine)
        if isinstance(fit, Failure):
            failed.append(Side(engine, rank, False, failure=" ".join(fit.text.split())))
        if not isinstance(fit, Fit):
            continue
        mark = None
        if audit is not None:
            shown = words.CERTIFICATES[audit.certificate]
            mark = Mark(shown.label, shown.family, shown.icon)
        own = next((c for c in fit.coefficients if c.name == case.focus), None)
        gap = None if audit is None else max(0.5 * audit.gap, 0.0)
        row = [None] * 4 if own is None else [own.estimate, own.se, own.df, own.p]
        lines.append((engine, False, [fit.loglik, gap, *row], mark))
        like = (
            next((c for c in audit.coefficients if c.name == case.focus), None) if audit else None
        )
        if like is not None and own is not None and like.se is not None and engine != "referee":
            row = [like.estimate, like.se, like.df, like.p]
            lines.append((engine, True, [None, None, *row], None))
    if not lines:
        return failed
    columns = [list(column) for column in zip(*(line[2] for line in lines), strict=True)]
    texts = [
        align(pair(columns[0], 9)),
        [Markup(short(v) if v is not None else "") for v in columns[1]],
        align(pair(columns[2], 6)),
        align(pair(columns[3], SE_DIGITS)),
        [
            Markup("z" if v is not None and math.isinf(v) else number(v, DF_DIGITS - 1))
            for v in columns[4]
        ],
        align(pair_of_p(columns[5])),
    ]
    out = []
    for i, (engine, is_like, values, mark) in enumerate(lines):
        cells = tuple(
            Markup("") if is_like and values[j] is None else column[i]
            for j, column in enumerate(texts)
        )
        out.append(Side(engine, list(engines).index(engine), is_like, cells, mark))
    return out + failed


def _p_values(
    conclusions: Sequence[Conclusion], engines: Sequence[str]
) -> list[tuple[str, list[Markup], bool]]:
    named = [e for e in engines if any(e in dict(c.printed) for c in conclusions)]
    out = []
    for conclusion in conclusions:
        printed = dict(conclusion.printed)
        values = [printed.get(e) for e in named]
        cells = [cell.html() for cell in pair_of_p([*values, conclusion.right])]
        out.append((conclusion.name, cells, conclusion.changed))
    return out


@dataclass(frozen=True)
class RemedyView:
    """A remedy with the table of what it changed."""

    remedy: Remedy
    mark: Mark
    rows: tuple[tuple[str, str, str], ...]

    @property
    def sentence(self) -> str:
        """The outcome as a sentence of its own."""
        text = self.remedy.sentence.replace(" -> ", " → ")  # "->" breaks at the end of a line
        return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _cause(cause: Cause) -> tuple[Cause, list[RemedyView]]:
    ordered = sorted(cause.remedies, key=lambda r: not r.helped)
    return cause, [RemedyView(r, HELPED[r.helped], _before_after(r)) for r in ordered]


def _before_after(remedy: Remedy) -> tuple[tuple[str, str, str], ...]:
    """Rows of a before-and-after table: only what differs or says where the fits stand."""
    before, after = remedy.before, remedy.after

    def both(label: str, read: str, digits: int = 7) -> tuple[str, str, str] | None:
        values = [getattr(before, read), getattr(after, read)]
        if values == [None, None]:
            return None
        a, b = (cell.text for cell in pair(values, digits))
        return label, a, b

    rows: list[tuple[str, str, str] | None] = []
    if before.formula != after.formula:
        rows.append(("formula", before.formula, after.formula))
    rows.append(both("log-likelihood", "loglik", 9))
    gaps = [None if s.gap is None else max(s.gap, 0.0) for s in (before, after)]
    if gaps != [None, None]:
        rows.append(("below the best point", short(gaps[0]), short(gaps[1])))
    if before.certificate or after.certificate:
        rows.append(("the fit is at", _where(before), _where(after)))
    if before.verdict or after.verdict:
        rows.append(("verdict", _verdict(before), _verdict(after)))
    rows += _focus(before, after)
    if before.text or after.text:
        rows.append(("", before.text, after.text))
    return tuple(row for row in rows if row is not None)


def _verdict(snapshot: Snapshot) -> str:
    return words.VERDICTS[snapshot.verdict].label if snapshot.verdict else "–"


def _where(snapshot: Snapshot) -> str:
    if not snapshot.certificate:
        return "–"
    return words.CERTIFICATES[snapshot.certificate].label


def _focus(before: Snapshot, after: Snapshot) -> list[tuple[str, str, str] | None]:
    one, two = before.focus, after.focus
    if one is None and two is None:
        return []
    names = list(dict.fromkeys(f.name for f in (one, two) if f is not None))
    what = " / ".join(names)
    out: list[tuple[str, str, str] | None] = []
    for label, read in (("estimate", "estimate"), ("SE", "se"), ("df", "df"), ("p", "p")):
        values = [None if f is None else getattr(f, read) for f in (one, two)]
        if values == [None, None]:
            continue
        cells = pair_of_p(values) if read == "p" else pair(values, 5)
        a, b = (cell.text.replace("∞", "z") for cell in cells)
        out.append((f"{what}: {label}", a, b))
    return out


@dataclass(frozen=True)
class RunRow:
    """A line of the table of optimizers."""

    run: OptimizerRun
    cells: tuple[str | Markup, ...]
    mark: Mark


def _runs(runs: Sequence[OptimizerRun]) -> dict[str, list[RunRow]]:
    out: dict[str, list[RunRow]] = {}
    # Not against one another: where the digits of twenty runs part says nothing.
    logliks = align(Number(n.text, len(n.text)) for n in pair([r.loglik for r in runs], 9))
    for run, loglik in zip(runs, logliks, strict=True):
        if run.error:
            left_out = run.error.startswith("not run")
            mark = Mark(
                "not run" if left_out else "no fit", "silent", "bar" if left_out else "cross"
            )
        elif run.certificate:
            shown = words.CERTIFICATES[run.certificate]
            mark = Mark(shown.label, shown.family, shown.icon)
        else:
            mark = Mark("not judged", "silent", "bar")
        says = {True: "converged", False: "not converged", None: ""}[run.converged]
        cells = (
            loglik,
            "" if run.gap is None else short(max(run.gap, 0.0)),
            "" if run.gradient is None else f"{run.gradient:.0e}",
            "" if run.dual is None else f"{run.dual:.0e}",
            "" if run.evaluations is None else count(run.evaluations),
            seconds(run.seconds),
            says,
        )
        out.setdefault(run.engine, []).append(RunRow(run, cells, mark))
    return out


def _said(translations: Sequence[Translation]) -> list[Said]:
    """Put messages of one engine with the same meaning and reason together."""
    grouped: dict[tuple[str, str, str, bool | None], list[str]] = {}
    for t in translations:
        texts = grouped.setdefault((t.engine, t.meaning, t.because, t.matters), [])
        if t.text not in texts:
            texts.append(t.text)
    return [
        Said(engine, tuple(texts), meaning, because, MATTERS[matters])
        for (engine, meaning, because, matters), texts in grouped.items()
    ]


def _shifts(shifts: Sequence[Shift]) -> list[tuple[str, list[Markup]]]:
    """Return rows of fixed effects: estimate, SE and p in the full model, then in the reduced."""
    cells = [
        [pair([s.estimate, s.estimate_reduced], 6) for s in shifts],
        [pair([s.se, s.se_reduced], 6) for s in shifts],
        [pair_of_p([s.p, s.p_reduced]) for s in shifts],
    ]
    columns = [align(row[side] for row in column) for side in (0, 1) for column in cells]
    return [(s.name, [column[i] for column in columns]) for i, s in enumerate(shifts)]


def _scales(found: Diagnosis) -> list[tuple[str, str, str]]:
    if found.conditioning is None:
        return []
    return [(c.name, number(c.mean, 5), number(c.sd, 5)) for c in found.conditioning.columns]


def _definitions(found: Diagnosis) -> list[tuple[str, str, str, str, str, str]]:
    """Return what the engines print under one name though it is not the same, an example each."""
    if len(found.engines) < 2:
        return []
    known, out = load_known(), []
    for key in sorted({d.cause for d in found.case.definitions}):
        d = next(d for d in found.case.definitions if d.cause == key)
        title = known[key].title if key in known else key
        like = printed_number(d.like_for_like)
        left, right = printed_number(d.left), printed_number(d.right)
        out.append((title, key, d.item, left, right, like))
    return out
