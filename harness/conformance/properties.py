"""The list of properties, in the order in which they are checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from harness.cases.case import Case
from harness.conformance.parity import parity, referee_agreement
from harness.conformance.question import Question
from harness.engines.base import Engine, Setting
from harness.verdicts.property_outcome import PropertyOutcome


@dataclass(frozen=True)
class Property:
    """Something that holds for every correct engine.

    Attributes
    ----------
    name : str
        Readable and stable: ``"metamorphic.row-order"``.
    title : str
        What holds, in a line.
    ask : function
        The check itself, of a :class:`Question`.
    needs_reference : bool
        Whether a second engine is compared with.
    """

    name: str
    title: str
    ask: Callable[[Question], PropertyOutcome]
    needs_reference: bool = False

    def check(
        self,
        engine: Engine,
        case: Case,
        *,
        reference: Engine | None = None,
        group: str = "",
        setting: Setting = "default",
    ) -> PropertyOutcome:
        """Check the property of an engine on one case.

        Parameters
        ----------
        engine : Engine
            Give a :class:`harness.conformance.remembered.Remembered` one to check several
            properties of a case without fitting it anew for each.
        reference : Engine, optional
            Without it a property that needs one is not applicable.
        group : str
            Heading under which the case stands, for the record.
        """
        if not self.needs_reference:
            reference = None
        question = Question(self.name, engine, case, reference, group, setting)
        started = time.perf_counter()
        if self.needs_reference and reference is None:
            outcome = question.not_applicable("no reference engine was given")
        else:
            outcome = self.ask(question)
        return msgspec.structs.replace(outcome, seconds=time.perf_counter() - started)


PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        Property("parity", "agrees with the reference engine", parity, needs_reference=True),
        Property("referee.agreement", "agrees with the referee", referee_agreement),
    )
}
"""Every property by name."""
