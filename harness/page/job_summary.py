"""A summary in markdown, as GitHub shows it on the page of a job."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.conformance.suite_result import (
    OutcomeStanding,
    SuiteResult,
    by_kind,
    by_property,
    laid_to,
    times,
    titled,
    why_expected,
)
from harness.judge.records import Header
from harness.judge.sentence import sentences
from harness.page.appearance import PASSED, STANDINGS

LIMIT = 1024 * 1024
"""Bytes; GitHub refuses a larger summary."""

_MOST_FAILURES = 50
_MOST_LINES = 200
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$])")


def job_summary(judgement: SuiteResult, header: Header) -> str:
    """Return the summary: the sentence, a table by property, what failed, what was expected."""
    mark = PASSED[judgement.passed].sign
    versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
    parts = [
        f"## {mark} {_text(header.title)}",
        f"{_text(judgement.headline)}",
        _properties(judgement),
        _unexpected(judgement.of("unexpected")),
        _stale(judgement),
        _expected(judgement.of("expected")),
        _of_another(judgement.of("another's")),
        _notes(judgement.notes),
        f"<sub>{_text(versions)}; seed {header.seed}; `{header.command.replace('`', ' ')}`</sub>",
    ]
    whole = "\n\n".join(part for part in parts if part) + "\n"
    if len(whole.encode()) <= LIMIT:
        return whole
    return "\n\n".join([*parts[:3], "The rest is too long for this page; see the report."]) + "\n"


def _properties(judgement: SuiteResult) -> str:
    head = ("property", *(look.label for look in STANDINGS.values()))
    rows = [
        (
            f"`{name}`",
            *(str(sum(j.standing == s for j in group) or "") for s in STANDINGS),
        )
        for name, group in by_property(judgement.judged).items()
    ]
    return _table(head, rows, right=len(STANDINGS)) if rows else ""


def _unexpected(judged: tuple[OutcomeStanding, ...]) -> str:
    if not judged:
        return ""
    lines = ["### Unexpected failures"]
    groups = by_kind(judged)
    for name, group in list(groups.items())[:_MOST_FAILURES]:
        outcome = group[0].outcome
        lines.append(f"**{_text(titled(name))}** ({_text(times(group))})")
        where = f"`{outcome.case.replace('`', ' ')}`, {_text(outcome.property)}"
        lines.append(f"{'The worst: ' if len(group) > 1 else ''}{where}  ")
        lines[-1] += f"\n{_text(outcome.sentence)}"
        shown = (*sentences(outcome.evidence), *outcome.notes)
        if shown:
            lines.append("\n".join(f"- {_text(line)}" for line in shown))
        lines += [f"Saved as `{j.saved}`" for j in group if j.saved]
    if len(groups) > _MOST_FAILURES:
        lines.append(f"... and {len(groups) - _MOST_FAILURES} kinds of failure more.")
    return "\n\n".join(lines)


def _stale(judgement: SuiteResult) -> str:
    if not judgement.stale:
        return ""
    lines = "\n".join(f"- {_text(line)}" for line in judgement.stale[:_MOST_LINES])
    return f"### Stale expectations\n\n{lines}"


def _expected(judged: tuple[OutcomeStanding, ...]) -> str:
    if not judged:
        return ""
    rows = [
        (
            _text(titled(name)),
            _text(times(group)),
            _text(why_expected(group)),
        )
        for name, group in list(by_kind(judged).items())[:_MOST_LINES]
    ]
    table = _table(("cause", "checks", "why it is expected"), rows, right=0)
    return f"<details><summary>{len(judged)} expected failures</summary>\n\n{table}\n\n</details>"


def _of_another(judged: tuple[OutcomeStanding, ...]) -> str:
    if not judged:
        return ""
    rows = [
        (_text(titled(name)), _text(times(group)), _text(laid_to(group)))
        for name, group in list(by_kind(judged).items())[:_MOST_LINES]
    ]
    table = _table(("cause", "checks", "laid to"), rows, right=0)
    counted = f"{len(judged)} failures that are laid to {_text(laid_to(judged))}"
    return f"<details><summary>{counted}</summary>\n\n{table}\n\n</details>"


def _notes(notes: tuple[str, ...]) -> str:
    return "\n".join(f"- {_text(note)}" for note in notes[:_MOST_LINES])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, right: int) -> str:
    """Return a table whose last ``right`` columns are numbers."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def _text(text: str) -> str:
    """Escape what markdown or GitHub would take for something else; one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
