"""Properties that were checked: how often each holds, and every failure with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.judge.property_outcome import PropertyOutcome, Status
from harness.judge.sentence import sentences
from harness.page.appearance import STATUSES, Look
from harness.page.html.context import Context, Link
from harness.page.numbers import ABSENT, count, short
from harness.page.run_summary import PropertyCount, Summary

FIRST_FAILURES = 2
"""Failures of a property that are shown at once; the others are a click away."""


@dataclass(frozen=True)
class PropertyLine:
    """One property: its counts by status, why it failed, how far at worst it is from holding."""

    name: str
    look: Look
    cells: tuple[str, ...]
    causes: tuple[tuple[Link, str], ...]
    worst: str
    worst_case: str
    worst_link: Link | None


@dataclass(frozen=True)
class FailedProperty:
    """One failure."""

    case: str
    link: Link | None
    engine: str
    rank: int
    reference: str
    setting: str
    look: Look
    causes: tuple[Link, ...]
    sentence: str
    evidence: tuple[str, ...]
    discrepancy: str


@dataclass(frozen=True)
class Failures:
    """The failures of one property: the gravest, the rest of those kept, how many more."""

    property: str
    counted: str
    first: tuple[FailedProperty, ...]
    rest: tuple[FailedProperty, ...]
    more: str


@dataclass(frozen=True)
class Conformance:
    """Every property that was checked, and the failures, the unexplained ones first."""

    heads: tuple[Look, ...]
    rows: tuple[PropertyLine, ...]
    failures: tuple[Failures, ...]


def conformance(summary: Summary, ctx: Context) -> Conformance | None:
    """Return the properties of a run; None where none was checked."""
    if not summary.properties:
        return None
    ordered = _ordered(summary.properties)
    return Conformance(
        heads=tuple(STATUSES.values()),
        rows=tuple(_line(name, found, ctx) for name, found in ordered),
        failures=tuple(
            _failures(name, found, ctx)
            for name, found in ordered
            if found.statuses["fails"] or found.statuses["unexplained"]
        ),
    )


def _failures(name: str, found: PropertyCount, ctx: Context) -> Failures:
    kept = tuple(_failed(outcome, ctx) for outcome in found.failing)
    broken: dict[Status, str] = {"unexplained": "unexplained", "fails": "for a named cause"}
    return Failures(
        property=name,
        counted=", ".join(
            f"{count(found.statuses[s])} {how}" for s, how in broken.items() if found.statuses[s]
        ),
        first=kept[:FIRST_FAILURES],
        rest=kept[FIRST_FAILURES:],
        more=count(left) if (left := sum(found.statuses[s] for s in broken) - len(kept)) else "",
    )


def _failed(outcome: PropertyOutcome, ctx: Context) -> FailedProperty:
    return FailedProperty(
        case=outcome.case,
        link=ctx.case_link(outcome.case),
        engine=outcome.engine,
        rank=ctx.rank(outcome.engine),
        reference=outcome.reference,
        setting=outcome.setting,
        look=STATUSES[outcome.status],
        causes=tuple(ctx.cause(key) for key in outcome.causes),
        sentence=outcome.sentence,
        evidence=(*sentences(outcome.evidence), *outcome.notes),
        discrepancy=short(outcome.discrepancy),
    )


def _ordered(properties: Mapping[str, PropertyCount]) -> list[tuple[str, PropertyCount]]:
    """Return the properties, those with unexplained failures first, then those that fail."""
    return sorted(
        properties.items(),
        key=lambda item: (-item[1].statuses["unexplained"], -item[1].statuses["fails"], item[0]),
    )


def _line(name: str, found: PropertyCount, ctx: Context) -> PropertyLine:
    present: list[Status] = [s for s in ("unexplained", "fails", "holds") if found.statuses[s]]
    return PropertyLine(
        name=name,
        look=STATUSES[present[0] if present else "not applicable"],
        cells=tuple(count(n) if (n := found.statuses[s]) else ABSENT for s in STATUSES),
        causes=tuple((ctx.cause(key), count(n)) for key, n in found.causes.most_common()),
        worst=short(found.worst) if found.worst > -math.inf else ABSENT,
        worst_case=found.worst_case,
        worst_link=ctx.case_link(found.worst_case),
    )
