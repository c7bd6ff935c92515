"""Annotations: lines that GitHub Actions shows beside a run."""

from __future__ import annotations

from harness.conformance.suite_result import SuiteResult, by_kind, titled

MOST = 10
"""GitHub shows ten of a kind for a step and drops the rest."""


def annotation_lines(judgement: SuiteResult) -> tuple[str, ...]:
    """Return at most :data:`MOST` workflow commands, one for each kind of unexpected failure."""
    lines = []
    for name, group in by_kind(judgement.of("unexpected")).items():
        worst = group[0].outcome
        more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
        text = f"{worst.property} of {worst.case}: {worst.sentence}{more}"
        lines.append(_command("error", titled(name), text))
    if not judgement.checked:
        lines.append(_command("error", "nothing was checked", judgement.headline))
    kind = "error" if judgement.strict else "warning"
    lines += [_command(kind, "stale expectation", line) for line in judgement.stale]
    if len(lines) > MOST:
        left = len(lines) - MOST + 1
        rest = _command("error", "and more", f"{left} more are in the job summary and the report")
        lines = [*lines[: MOST - 1], rest]
    return tuple(lines)


def _command(kind: str, title: str, text: str) -> str:
    # https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    message = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    heading = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    heading = heading.replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={heading}::{message}"
