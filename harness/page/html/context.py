"""What every part of the page needs: engine order, link targets, verdicts as badges."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.base.text import listed
from harness.engines.engine import Failure, Fit, Setting
from harness.judge.case_verdict import Told, blamed
from harness.judge.records import CaseRecord, Run
from harness.page import appearance, words


@dataclass(frozen=True)
class Link:
    """A word and the place on the page that it leads to."""

    text: str
    href: str


@dataclass(frozen=True)
class Badge:
    """A verdict as shown: icon, class, engines and causes."""

    label: str
    plain: str
    family: str
    icon: str
    engines: str
    causes: tuple[Link, ...]
    setting: str


@dataclass(frozen=True)
class Context:
    """What every view needs to know about the run: engine order and link targets."""

    engines: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    anchors: dict[str, str]
    titles: dict[str, str]
    causes: dict[str, Link] = field(default_factory=dict)

    def rank(self, engine: str) -> int:
        """Return the engine's place; the reference is last, as it is drawn at the back."""
        return self.engines.index(engine) if engine in self.engines else len(self.engines)

    def fits(self, case: CaseRecord, setting: Setting) -> list[tuple[str, Fit]]:
        """Return the fits of a case in one setting, in engine order."""
        found = ((engine, case.fit(engine, setting)) for engine in self.engines)
        return [(engine, fit) for engine, fit in found if isinstance(fit, Fit)]

    def cause(self, key: str) -> Link:
        """Return the link to a cause's explanation."""
        return self.causes.get(key, Link(key, "#" + words.anchor("cause", key)))

    def case_link(self, case: str) -> Link | None:
        """Return the link to a case's card, or None where it has none."""
        return Link(case, "#" + self.anchors[case]) if case in self.anchors else None

    def card_link(self, case: CaseRecord) -> Link:
        """Return the link to the card of a case that is shown."""
        return Link(f"{self.titles[case.id]} ({case.criterion})", "#" + self.anchors[case.id])

    def badge(self, verdict: Told) -> Badge:
        """Return a verdict as shown."""
        shown = appearance.VERDICTS[verdict.verdict]
        return Badge(
            label=shown.label,
            plain=shown.plain,
            family=shown.family,
            icon=shown.icon,
            engines=listed(blamed(verdict)),
            causes=tuple(self.cause(key) for key in verdict.causes),
            setting=verdict.setting,
        )


def context(run: Run) -> Context:
    """Return the engine order (reference last) and a unique anchor for every case."""
    named = list(
        dict.fromkeys([*run.header.engines, *(f.engine for c in run.cases for f in c.fits)])
    )
    reference = run.header.reference
    order = [e for e in named if e != reference] + [e for e in named if e == reference]
    anchors: dict[str, str] = {}
    for case in run.cases:
        anchors[case.id] = words.anchor("case", case.id, set(anchors.values()))
    used = {f.setting for c in run.cases for f in c.fits} | set(run.header.settings)
    settings: tuple[Setting, ...] = ("default", "tight")
    return Context(
        engines=tuple(order),
        reference=reference,
        settings=tuple(s for s in settings if s in used),
        anchors=anchors,
        titles=_titles(run),
    )


def _titles(run: Run) -> dict[str, str]:
    """Return titles that tell cases apart: a shared one gets the last part of the id."""
    shared = Counter((case.title, case.criterion) for case in run.cases)
    return {
        case.id: case.title
        if shared[case.title, case.criterion] == 1
        else f"{case.title}, {case.id.rpartition('/')[2]}"
        for case in run.cases
    }


def reason(failure: Failure) -> str:
    """Return why an engine has no answer, in a line."""
    return f"{words.REASONS.get(failure.reason, failure.reason)}: {failure.text}"
