"""The issue text of a reproduction bundle, in markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment

from harness.data.exact_csv import csv_text, missing_mark
from harness.engines.engine import Failure, Fit
from harness.judge.case_verdict import Told, blamed, examples, main_verdict, told
from harness.judge.causes.entries import load_known
from harness.judge.records import CaseRecord, Header
from harness.judge.sentence import sentences
from harness.model.case import Case
from harness.page.bundle.bundle_columns import bundle_columns
from harness.page.bundle.bundle_scripts import Ran
from harness.page.bundle.template_environment import environment
from harness.page.numbers import significant

TABLE_ROWS = 40
"""Rows up to which the data are in the text itself."""


@dataclass(frozen=True)
class Shown:
    """One script's run as the issue shows it; ``unlike`` says where it departs from the record."""

    engine: str
    command: str
    ran: Ran
    unlike: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it printed."""
        return self.ran.text.strip("\n")

    @property
    def problem(self) -> str:
        """Why it printed no more."""
        return self.ran.problem


def issue_text(
    case: Case,
    record: CaseRecord,
    header: Header,
    shown: Sequence[Shown],
    anonymised: str,
    answer: Sequence[str] = (),
    main: str = "",
) -> str:
    """Return the text of an issue about a case: what is wrong, how to see it, and why.

    ``answer`` has the sentences of a diagnosis, in place of the verdict's, and ``main`` the title
    of the cause that it puts first.
    """
    lines = list(csv.reader(io.StringIO(csv_text(case.table), newline="")))
    whole = len(lines) - 1 <= TABLE_ROWS
    first = main_verdict(record)
    call = record.spelling.get("statsmodels", "")
    # How another program's user writes it is in its script.
    beside = "statsmodels" in record.engines
    expressible = not call.lstrip().startswith("# not expressible")
    return (
        _environment()
        .get_template("issue.md.j2")
        .render(
            title=issue_title(record, main),
            sentences=[_markdown(text) for text in answer or (first.sentence,)],
            diagnosed=bool(answer),
            record=record,
            lme4=record.spelling.get("lme4", record.formula),
            statsmodels="below" if expressible else _cell(call.lstrip("# ")),
            python_call=call if expressible and beside else "",
            beside=beside,
            criterion={"OLS": "least squares"}.get(record.criterion, record.criterion),
            rows=_rows(record),
            whole=whole,
            missing=_missing(case),
            heads=lines[0],
            table=lines[1:] if whole else lines[1:11],
            factors=[(c.name, _levels(c.levels)) for c in bundle_columns(case.table) if c.levels],
            runs=shown,
            others=_others(record, {one.engine for one in shown}),
            best=""
            if record.best_loglik is None
            else f" (log-likelihood {significant(record.best_loglik, 10)})",
            audits=list(_audits(record)),
            verdicts=[
                {
                    "label": v.verdict.replace("_", " "),
                    "engine": v.engine if len(record.engines) > 2 else "",
                    "setting": v.setting,
                    "sentence": _markdown(v.sentence),
                }
                for v in told(record)
            ],
            notes=record.notes,
            causes=list(_causes(told(record))),
            definitions=list(_definitions(record)),
            versions=header.versions,
            blas=header.blas,
            program=header.program,
            anonymised=anonymised,
        )
    )


def issue_title(record: CaseRecord, main: str = "") -> str:
    """Return a title: who, what, on which model; ``main`` is what a diagnosis puts first."""
    first = main_verdict(record)
    known = load_known()
    who = " and ".join(blamed(first))
    verdict = first.verdict.replace("_", " ").lower()
    what = main or (known[first.causes[0]].title if first.causes else verdict)
    # A title that names the engine already needs it no second time.
    lead = f"{who}: " if who and not any(e in what for e in blamed(first)) else ""
    return f"{lead}{what} in {record.formula} ({record.criterion})"


def _missing(case: Case) -> str:
    if case.table.complete.all():
        return ""
    mark = missing_mark(case.table)
    return f"; {_code_cell(mark) if mark else 'an empty cell'} is a missing value"


def _rows(record: CaseRecord) -> str:
    dropped = record.data.rows - record.data.rows_used
    return f"{record.data.rows_used}" + (
        f" ({dropped} more have missing values and are left out)" if dropped else ""
    )


def _levels(levels: tuple[str, ...]) -> str:
    few = [_cell(level) for level in levels[:12]]
    more = f", ... ({len(levels)} in all)" if len(levels) > len(few) else ""
    return ", ".join(few) + more


def _others(record: CaseRecord, scripted: Set[str]) -> str:
    """Return what engines without a script gave; empty when there are none."""
    lines = []
    for fit in record.fits:
        if fit.engine in scripted:
            continue
        if isinstance(fit, Failure):
            lines.append(f"{fit.engine}, {fit.setting}: no fit ({fit.reason}): {fit.text}")
            continue
        lines.append(f"{fit.engine}, {fit.setting}: logLik {_digits(fit.loglik)}")
        lines += [
            f"  {c.name}: estimate {_digits(c.estimate)}, SE {_digits(c.se)}, df {_digits(c.df)}, "
            f"p {_digits(c.p)}"
            for c in fit.coefficients
        ]
        lines += [
            f"  variance {t.group}: {name} {_digits(t.covariance[i][i])}"
            for t in fit.random
            for i, name in enumerate(t.names)
        ]
        lines.append(f"  variance residual {_digits(fit.residual_variance)}")
    return "\n".join(lines)


def _digits(value: float | None) -> str:
    return significant(value, 15)


def _audits(record: CaseRecord) -> Iterator[tuple[str, ...]]:
    for judgement in record.judgements:
        audit = judgement.audit
        if audit is None:
            continue
        yield (
            audit.engine,
            audit.setting,
            audit.certificate,
            significant(audit.loglik, 10),
            significant(audit.gap, 3),
            significant(audit.gradient, 3),
            "" if audit.dual is None else significant(audit.dual, 3),
        )
    for fit in record.fits:
        if not isinstance(fit, Fit):
            text = f"no fit ({fit.reason}): {_cell(fit.text)}"
            yield (fit.engine, fit.setting, text, "", "", "", "")


def _causes(verdicts: Sequence[Told]) -> Iterator[dict[str, Any]]:
    known = load_known()
    seen = set()
    for verdict in verdicts:
        for key in verdict.causes:
            if key not in seen:
                seen.add(key)
                about = known[key]
                yield {
                    "key": key,
                    "title": about.title,
                    "definition": _markdown(about.definition),
                    "evidence": _markdown(
                        "; ".join(sentences(e for e in verdict.evidence if e.cause == key))
                    ),
                    "remedy": _markdown(about.remedy),
                    "upstream": [_issue_link(name) for name in about.upstream],
                }


_TRACKERS = {
    "statsmodels": "https://github.com/statsmodels/statsmodels/issues/",
    "lme4": "https://github.com/lme4/lme4/issues/",
}


def _issue_link(name: str) -> str:
    project, _, number = name.partition("#")
    return f"[{name}]({_TRACKERS[project]}{number})" if project in _TRACKERS else name


def _definitions(record: CaseRecord) -> Iterator[str]:
    """One line per definition that differs, for the effect of interest where it has one."""
    known = load_known()
    for note in examples(record):
        beside = "nothing" if note.reference is None else significant(note.reference)
        like = (
            ""
            if note.like_for_like is None
            else f" ({significant(note.like_for_like)} by the referee at its point)"
        )
        of = f"for {_cell(note.item)} " if note.item else ""
        yield (
            f"{known[note.cause].title} (`{note.cause}`): {of}{note.engine} "
            f"prints {significant(note.value)} against {record.reference}'s {beside}{like}."
        )


def _markdown(text: str) -> str:
    """Escape what markdown and HTML would take for their own in a sentence."""
    return re.sub(r"([\\`*_<>\[\]|])", r"\\\1", text)


def _cell(text: str) -> str:
    """Write a text inside a table."""
    return _markdown(text.replace("\n", " "))


def _code_cell(text: str) -> str:
    """Write code inside a table; a bar has to be escaped even there."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _fenced(text: str, language: str) -> str:
    """Put a text into a code block whose fence it does not hold itself."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


@cache
def _environment() -> Environment:
    return environment({"cell": _cell, "code_cell": _code_cell, "fenced": _fenced})
