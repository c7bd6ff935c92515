"""One engine's outcome, judged by itself."""

from __future__ import annotations

import msgspec

from harness.engines.engine import Setting
from harness.judge.audit import Audit
from harness.judge.evidence import Evidence, causes_of
from harness.judge.statements import Statement
from harness.judge.verdict import WITHOUT_CAUSE, Finding, VerdictClass


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fit stands and whether its numbers are true.

    Attributes
    ----------
    verdict : str
        ``RIGHT``, or what is not.
    finding : Finding
        What it came to.
    evidence : tuple of Evidence
        The causes that held for it, with their numbers.
    audit : Audit or None
        The referee's examination; None where there is no fit, or it could not be examined.
    statements : tuple of Statement
        Its numbers, each judged.
    """

    engine: str
    setting: Setting
    verdict: VerdictClass
    finding: Finding
    evidence: tuple[Evidence, ...] = ()
    audit: Audit | None = None
    statements: tuple[Statement, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes that held."""
        return causes_of(self.evidence)

    @property
    def sentence(self) -> str:
        """What it came to, for a reader who knows no theory."""
        from harness.judge.sentence import finding_sentence

        return finding_sentence(self.finding)

    @property
    def unexplained(self) -> bool:
        """Whether it is wrong without a cause, where nothing stands beside it."""
        return self.verdict == "UNEXPLAINED" or self.finding.key in WITHOUT_CAUSE

    def statement(self, quantity: str, item: str = "") -> Statement | None:
        """Return a number that was judged, or None where the engine does not state it."""
        return next((s for s in self.statements if s.quantity == quantity and s.item == item), None)
