"""What the engines of a case come to together: the gravest of their comparisons leads."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engines.engine import Setting
from harness.judge.causes.predicates import ACCOMPANYING
from harness.judge.comparison import Comparison
from harness.judge.decision import ACCOMPANYING_DATA
from harness.judge.evidence import Evidence, causes_of
from harness.judge.judgement import Judgement
from harness.judge.records import CaseRecord
from harness.judge.verdict import GRAVITY, Finding, VerdictClass, graver


@dataclass(frozen=True)
class CaseVerdict:
    """The comparisons of a case in one setting, or the judgement of its only engine, as one.

    Attributes
    ----------
    verdict : str
        The gravest.
    blamed : tuple of str
        The engines that the gravest ones lay it to.
    findings : tuple of Finding
        Of the gravest ones, each once.
    evidence : tuple of Evidence
        Of all, the gravest first and what is said whatever the verdict last; what is of the data
        is there once.
    """

    verdict: VerdictClass
    blamed: tuple[str, ...]
    findings: tuple[Finding, ...]
    evidence: tuple[Evidence, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes that held, each once."""
        return causes_of(self.evidence)

    @property
    def sentence(self) -> str:
        """The gravest findings in words."""
        from harness.judge.sentence import finding_sentence

        return " ".join(dict.fromkeys(map(finding_sentence, self.findings)))


def case_verdict(record: CaseRecord, setting: Setting = "default") -> CaseVerdict:
    """Return what a case comes to in a setting."""
    found: list[Comparison] | list[Judgement]
    found = [c for c in record.comparisons if c.setting == setting] or [
        j for j in record.judgements if j.setting == setting
    ]
    worst = graver(*(one.verdict for one in found))
    grave = [one for one in found if one.verdict == worst]
    seen: list[Evidence] = []
    for one in (*grave, *(f for f in found if f.verdict != worst)):
        for item in one.evidence:
            of_data = item.cause in ACCOMPANYING_DATA and item.cause in causes_of(tuple(seen))
            if item not in seen and not of_data:
                seen.append(item)
    return CaseVerdict(
        verdict=worst,
        blamed=tuple(dict.fromkeys(e for one in grave for e in _blamed(one))),
        findings=tuple(one.finding for one in grave),
        evidence=tuple(sorted(seen, key=lambda one: one.cause in ACCOMPANYING)),
    )


def misled(record: CaseRecord, setting: Setting = "default") -> tuple[str, ...]:
    """Return the engines whose fit is not of the model, not at its optimum, or states falsely."""
    found = [c for c in record.comparisons if c.setting == setting]
    grave = [c for c in found if GRAVITY[c.verdict] > GRAVITY["DEFINITION"]]
    return tuple(dict.fromkeys(engine for c in grave for engine in c.blamed))


def least_digits(record: CaseRecord) -> float:
    """Return how many digits agree of estimates, standard errors and df; NaN without any."""
    found = [
        d.digits
        for c in record.comparisons
        if c.setting == "default"
        for d in c.differences
        if d.quantity in ("estimate", "se", "df")
    ]
    return min(found, default=float("nan"))


def _blamed(one: Comparison | Judgement) -> tuple[str, ...]:
    if isinstance(one, Comparison):
        return one.blamed
    return () if one.verdict == "RIGHT" else (one.engine,)
