"""Definitions and causes, each explained once, with the cases that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.campaign.records import Run
from harness.report import words
from harness.report.context import Context, Link
from harness.report.format import number, printed_number


class Explanation(Protocol):
    """What known_differences.toml says about a cause."""

    @property
    def title(self) -> str:
        """Return what it is called."""

    @property
    def kind(self) -> str:
        """Return ``definition``, or one of :data:`KINDS`."""

    @property
    def definition(self) -> str:
        """Return what it is."""

    @property
    def evidence(self) -> str:
        """Return what shows it."""

    @property
    def upstream(self) -> tuple[str, ...]:
        """Return where it is reported."""

    @property
    def remedy(self) -> str:
        """Return what to do about it."""


@dataclass(frozen=True)
class Instance:
    """One place where a definition shows: what the two engines print, and like for like."""

    case: Link
    item: str
    left: str
    right: str
    like_for_like: str


@dataclass(frozen=True)
class Cause:
    """A cause, explained, with what this run shows of it."""

    anchor: str
    key: str
    title: str
    kind: str
    definition: str
    evidence: str
    upstream: tuple[str, ...]
    remedy: str
    instances: tuple[Instance, ...]
    cases: tuple[Link, ...]


@dataclass(frozen=True)
class Kind:
    """Causes of one kind, and what the kind means."""

    title: str
    meaning: str
    causes: tuple[Cause, ...]


KINDS = {
    "defect": ("Defects", "An engine does something wrong."),
    "data": ("Data and model", "A property of the data or the model; no engine is at fault."),
    "tolerance": ("Tolerances", "How far an engine goes before it stops, or where it cuts off."),
}
"""Kinds of causes of disagreement, in the order in which they are shown."""


def cause_links(run: Run, known: Mapping[str, Explanation]) -> dict[str, Link]:
    """Return a link for every cause that the run names; an unknown one is shown by its key."""
    links: dict[str, Link] = {}
    taken: set[str] = set()
    for key in _keys(run, known):
        place = words.anchor("cause", key, taken)
        taken.add(place)
        links[key] = Link(key, "#" + place)
    return links


def causes(
    run: Run, ctx: Context, known: Mapping[str, Explanation]
) -> tuple[tuple[Cause, ...], tuple[Kind, ...]]:
    """Return the definitional differences, and the causes of disagreement by kind."""
    instances: dict[str, list[Instance]] = {}
    verdicts: dict[str, list[Link]] = {}
    for case in run.cases:
        label = f"{ctx.titles[case.id]} ({case.criterion})"
        link = Link(label, "#" + ctx.anchors[case.id])
        for d in case.definitions:
            instances.setdefault(d.cause, []).append(
                Instance(
                    link,
                    d.item,
                    number(d.left, 5),
                    printed_number(d.right),
                    number(d.like_for_like, 5),
                )
            )
        for verdict in case.verdicts:
            for key in verdict.causes:
                if link not in verdicts.setdefault(key, []):
                    verdicts[key].append(link)
    found = [
        _cause(key, known, ctx, instances.get(key, []), verdicts.get(key, []))
        for key in _keys(run, known)
    ]
    kinds = [
        Kind(title, meaning, tuple(c for c in found if c.kind == key))
        for key, (title, meaning) in KINDS.items()
    ]
    others = tuple(c for c in found if c.kind not in ("definition", *KINDS))
    kinds.append(Kind("Others", "No explanation is on file.", others))
    return (
        tuple(c for c in found if c.kind == "definition"),
        tuple(kind for kind in kinds if kind.causes),
    )


def _cause(
    key: str,
    known: Mapping[str, Explanation],
    ctx: Context,
    instances: list[Instance],
    cases: list[Link],
) -> Cause:
    explained = known.get(key)
    return Cause(
        anchor=ctx.cause(key).href.removeprefix("#"),
        key=key,
        title=explained.title if explained else key,
        kind=explained.kind if explained else "definition" if instances else "",
        definition=explained.definition if explained else "No explanation is on file.",
        evidence=explained.evidence if explained else "",
        upstream=tuple(explained.upstream) if explained else (),
        remedy=(explained.remedy or "") if explained else "",
        instances=tuple(instances),
        cases=tuple(cases),
    )


def _keys(run: Run, known: Mapping[str, Explanation]) -> list[str]:
    used = {d.cause for case in run.cases for d in case.definitions}
    used |= {key for case in run.cases for v in case.verdicts for key in v.causes}
    return [key for key in known if key in used] + sorted(used - set(known))
