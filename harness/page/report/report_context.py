"""What every part of a report needs: engine order, keys of cases, verdicts and engines as lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.base.text import listed
from harness.engines.engine import PRINTED, Failure, Fit, Setting
from harness.judge.case_verdict import Told, blamed
from harness.judge.records import CaseRecord, Run
from harness.page import words
from harness.page.appearance import VERDICTS
from harness.page.page_line import Code, Dim, EngineName, Link, Piece


@dataclass(frozen=True)
class Context:
    """What every part needs to know about the run; ``causes`` are the keys of those explained.

    ``asked`` are the engines that every case was to be fitted by; others printed something of one.
    """

    engines: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    keys: dict[str, str]
    titles: dict[str, str]
    causes: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()

    def beside(self, case: CaseRecord) -> tuple[str, ...]:
        """Return the engines that a reader looks for in a case, in their order."""
        return tuple(e for e in self.engines if e in self.asked or e in case.engines)

    def engine(self, name: str) -> EngineName:
        """Return an engine with its place; the reference is last, as it is drawn at the back."""
        return EngineName(name, self.rank(name))

    def rank(self, engine: str) -> int:
        """Return the engine's place."""
        return self.engines.index(engine) if engine in self.engines else len(self.engines)

    def fits(self, case: CaseRecord, setting: Setting) -> list[tuple[str, Fit]]:
        """Return the fits of a case in one setting, in engine order; no printed numbers."""
        found = ((engine, case.fit(engine, setting)) for engine in self.engines)
        return [
            (engine, fit) for engine, fit in found if isinstance(fit, Fit) and fit.fitter != PRINTED
        ]

    def cause(self, key: str) -> Link:
        """Return the link to a cause's explanation."""
        return Link(key, self.causes.get(key) or words.anchor("cause", key), code=True)

    def case_link(self, case: str) -> Link | Code:
        """Return the link to a case's card, or its id where it has none."""
        return Link(case, self.keys[case]) if case in self.keys else Code(case)

    def card_link(self, case: CaseRecord) -> Link:
        """Return the link to the card of a case that is shown, in a text."""
        return Link(f"{self.titles[case.id]} ({case.criterion})", self.keys[case.id])

    def title(self, case: CaseRecord) -> tuple[Piece, ...]:
        """Return the link to the card of a case that is shown, in a table."""
        return Link(self.titles[case.id], self.keys[case.id]), Dim(case.criterion)

    def verdict(self, one: Told) -> tuple[Piece, ...]:
        """Return a verdict with the engines it is laid to and its causes."""
        engines = blamed(one)
        return (
            VERDICTS[one.verdict],
            *([listed(engines)] if engines else []),
            *map(self.cause, one.causes),
        )


def context(run: Run) -> Context:
    """Return the engine order (reference last) and a unique key for every case."""
    named = list(
        dict.fromkeys([*run.header.engines, *(f.engine for c in run.cases for f in c.fits)])
    )
    reference = run.header.reference
    order = [e for e in named if e != reference] + [e for e in named if e == reference]
    keys: dict[str, str] = {}
    for case in run.cases:
        keys[case.id] = words.anchor("case", case.id, set(keys.values()))
    used = {f.setting for c in run.cases for f in c.fits} | set(run.header.settings)
    settings: tuple[Setting, ...] = ("default", "tight")
    return Context(
        engines=tuple(order),
        asked=run.header.engines,
        reference=reference,
        settings=tuple(s for s in settings if s in used),
        keys=keys,
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


def sentence_of(one: Told) -> str:
    """Return the sentence of a verdict; a plain word where it has none."""
    return one.sentence or f"{VERDICTS[one.verdict].plain.capitalize()}."
