"""Definitions and causes, each explained once, with the cases that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.judge.case_verdict import definitions, told
from harness.judge.definition_notes import DefinitionNote
from harness.page import words
from harness.page.excerpt import Excerpt
from harness.page.html.context import Context, Link
from harness.page.numbers import count, number, printed_number
from harness.page.run_summary import Summary


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
    """One place where a definition shows: what is printed, and the referee's value there."""

    case: Link
    item: str
    engine: str
    value: str
    reference: str
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
    noted: tuple[str, ...]


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


SHOWN_PLACES = 6
"""Places of a large run that are listed for each cause; all are counted."""


def cause_links(summary: Summary, known: Mapping[str, Explanation]) -> dict[str, Link]:
    """Return a link for every cause that the run names; an unknown one is shown by its key."""
    links: dict[str, Link] = {}
    taken: set[str] = set()
    for key in _keys(summary, known):
        place = words.anchor("cause", key, taken)
        taken.add(place)
        links[key] = Link(key, "#" + place)
    return links


def causes(
    excerpt: Excerpt, ctx: Context, known: Mapping[str, Explanation]
) -> tuple[tuple[Cause, ...], tuple[Kind, ...]]:
    """Return the definitional differences, and the causes of disagreement by kind."""
    run, summary = excerpt.run, excerpt.summary
    most = SHOWN_PLACES if excerpt.large else None
    instances: dict[str, list[Instance]] = {}
    verdicts: dict[str, list[Link]] = {}
    for case in run.cases:
        link = ctx.card_link(case)
        for note in definitions(case):
            instances.setdefault(note.cause, []).append(instance(link, note))
        for one in told(case):
            for key in one.causes:
                if link not in verdicts.setdefault(key, []):
                    verdicts[key].append(link)
    found = [
        _cause(
            key,
            known,
            ctx,
            instances.get(key, [])[:most],
            verdicts.get(key, [])[:most],
            _noted(key, excerpt),
        )
        for key in _keys(summary, known)
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


def instance(link: Link, note: DefinitionNote) -> Instance:
    """Return a place where a definition shows."""
    return Instance(
        link,
        note.item,
        note.engine,
        number(note.value, 5),
        printed_number(note.reference),
        number(note.like_for_like, 5),
    )


def _cause(
    key: str,
    known: Mapping[str, Explanation],
    ctx: Context,
    instances: list[Instance],
    cases: list[Link],
    noted: tuple[str, ...],
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
        noted=noted,
    )


def _noted(key: str, excerpt: Excerpt) -> tuple[str, ...]:
    """Return how often a cause was named, where the page does not list every place."""
    summary = excerpt.summary
    notes = []
    if excerpt.large and key in summary.causes:
        found = summary.causes[key]
        if found.cases:
            notes.append(f"Named by the verdicts of {_cases(found.cases)}.")
        if found.definitions:
            notes.append(f"Shows in {_cases(found.definitions)}.")
    failed = sum(p.causes[key] for p in summary.properties.values())
    if failed:
        checks = words.plural(failed, "check")
        notes.append(f"Named as the cause of {count(failed)} failed {checks}.")
    return tuple(notes)


def _cases(number: int) -> str:
    return f"{count(number)} {words.plural(number, 'case')}"


def _keys(summary: Summary, known: Mapping[str, Explanation]) -> list[str]:
    used = set(summary.causes)
    used |= {key for p in summary.properties.values() for key in p.causes}
    return [key for key in known if key in used] + sorted(used - set(known))
