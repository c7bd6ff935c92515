"""A property asked of an engine on one case, and the answers there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.engines.engine import Engine, Outcome, Setting
from harness.engines.guard import guarded
from harness.judge.causes.predicates import ACCOMPANYING
from harness.judge.evidence import Evidence, causes_of
from harness.judge.property_outcome import PropertyOutcome, Status
from harness.judge.verdict import VerdictClass
from harness.model.case import Case

NOT_ASKED = ("unsupported", "left-out", "environment")
"""Reasons of a failure that say nothing against an engine: it was not, or could not be, asked."""


@dataclass(frozen=True)
class Question:
    """One property, one engine, one case.

    Attributes
    ----------
    property : str
        Its name.
    group : str
        Heading under which the case stands.
    reference : Engine or None
        The engine compared with, where the property has one.
    """

    property: str
    engine: Engine
    case: Case
    reference: Engine | None = None
    group: str = ""
    setting: Setting = "default"

    def fit(self, case: Case | None = None, *, setting: Setting | None = None) -> Outcome:
        """Fit the case, or another, by the engine under test."""
        return guarded(self.engine, case or self.case, setting or self.setting)()

    def holds(self, discrepancy: float = 0.0, sentence: str = "") -> PropertyOutcome:
        """Answer that it holds; ``discrepancy`` in units of the tolerance."""
        return self.answer("holds", sentence=sentence, discrepancy=discrepancy)

    def not_applicable(
        self, why: str, *, verdict: VerdictClass | None = None, causes: Iterable[Evidence] = ()
    ) -> PropertyOutcome:
        """Answer that the case cannot show it."""
        return self.answer(
            "not applicable", sentence=why, discrepancy=math.nan, verdict=verdict, evidence=causes
        )

    def fails(
        self,
        sentence: str,
        causes: Sequence[Evidence],
        *,
        discrepancy: float,
        verdict: VerdictClass | None = None,
        engines: tuple[str, ...] | None = None,
        notes: Iterable[str] = (),
        claim: bool = False,
    ) -> PropertyOutcome:
        """Answer that it does not hold, for the named causes; unexplained without any.

        What only accompanies a fit, as that the optimum is singular, explains nothing.

        Parameters
        ----------
        causes : sequence of Evidence
            What was found for each.
        engines : tuple of str, optional
            Whom it is laid to; the engine under test without it.
        notes : iterable of str
            More lines to show, after those of the causes.
        claim : bool
            Whether the causes are what is wrong with the very thing that was checked, so that any
            of them explains.
        """
        explained = any(claim or e.cause not in ACCOMPANYING for e in causes)
        return self.answer(
            "fails" if explained else "unexplained",
            sentence=sentence,
            discrepancy=discrepancy,
            verdict=verdict,
            engines=(self.engine.name,) if engines is None else engines,
            evidence=causes,
            notes=notes,
        )

    def answer(
        self,
        status: Status,
        *,
        sentence: str,
        discrepancy: float,
        verdict: VerdictClass | None = None,
        engines: tuple[str, ...] = (),
        evidence: Iterable[Evidence] = (),
        notes: Iterable[str] = (),
    ) -> PropertyOutcome:
        """Return the outcome."""
        found = tuple(evidence)
        return PropertyOutcome(
            property=self.property,
            case=self.case.id,
            group=self.group,
            engine=self.engine.name,
            reference="" if self.reference is None else self.reference.name,
            setting=self.setting,
            status=status,
            verdict=verdict,
            engines=engines,
            causes=causes_of(found),
            sentence=sentence,
            evidence=found,
            notes=tuple(notes),
            discrepancy=discrepancy,
        )
