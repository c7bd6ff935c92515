"""A line of a record file seen without reading the whole of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec

from harness.judge.comparison import Comparison
from harness.judge.evidence import Evidence, causes_of
from harness.judge.verdict import WITHOUT_CAUSE, Finding, VerdictClass, graver

_COEFFICIENT = ("estimate", "se", "df", "p")


class GlancedJudgement(msgspec.Struct, frozen=True):
    """What a line shows of one engine's judgement."""

    engine: str
    setting: str
    verdict: VerdictClass
    evidence: tuple[Evidence, ...] = ()
    finding: Finding = Finding(key="")


class _Case(msgspec.Struct, frozen=True, tag="case", tag_field="record"):
    id: str
    judgements: tuple[GlancedJudgement, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


class _Property(msgspec.Struct, frozen=True, tag="property", tag_field="record"):
    case: str
    status: str


class _Header(msgspec.Struct, frozen=True, tag="header", tag_field="record"):
    pass


class _Footer(msgspec.Struct, frozen=True, tag="footer", tag_field="record"):
    pass


@dataclass(frozen=True)
class Glance:
    """What can be seen of a line without reading the whole of it.

    Attributes
    ----------
    record : str
        Its kind: ``"header"``, ``"case"``, ``"property"`` or ``"footer"``.
    of : str
        Id of the case that it belongs to.
    status : str
        Of a property.
    verdict : str
        Of a case, in the setting that counts.
    elsewhere : dict
        Of a case, by setting, in the others.
    """

    record: str
    of: str = ""
    status: str = ""
    verdict: VerdictClass = "AGREE"
    elsewhere: dict[str, VerdictClass] = field(default_factory=dict)
    judgements: tuple[GlancedJudgement, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """Causes that held in the setting that counts, each once."""
        found = self.comparisons or self.judgements
        return causes_of(
            tuple(e for one in found if one.setting == found[0].setting for e in one.evidence)
        )

    @property
    def unexplained(self) -> bool:
        """Whether an engine disagrees in any setting without a cause."""
        if self.comparisons:
            return any(c.unexplained for c in self.comparisons)
        return any(
            j.verdict == "UNEXPLAINED" or j.finding.key in WITHOUT_CAUSE for j in self.judgements
        )

    @property
    def worst_digits(self) -> float:
        """Smallest LRE of a coefficient's numbers in the setting that counts; inf without any."""
        first = self.comparisons[0].setting if self.comparisons else ""
        return min(
            (
                d.digits
                for c in self.comparisons
                for d in c.differences
                if c.setting == first and d.quantity in _COEFFICIENT and not math.isnan(d.digits)
            ),
            default=math.inf,
        )


_LINE = msgspec.json.Decoder(_Case | _Property | _Header | _Footer, strict=False)


def glance(line: bytes) -> Glance:
    """Look at a line of a record file.

    Raises ``msgspec.DecodeError`` when it is none.
    """
    match _LINE.decode(line):
        case _Case() as seen:
            (_, first), *others = _verdicts(seen).items()
            return Glance(
                "case", seen.id, "", first, dict(others), seen.judgements, seen.comparisons
            )
        case _Property() as seen:
            return Glance("property", seen.case, seen.status)
        case _Header():
            return Glance("header")
    return Glance("footer")


def _verdicts(seen: _Case) -> dict[str, VerdictClass]:
    """Return what the case comes to by setting, as ``CaseRecord.verdict`` in the first."""
    found = seen.comparisons or seen.judgements
    return {
        setting: graver(*(one.verdict for one in found if one.setting == setting))
        for setting in dict.fromkeys(one.setting for one in found)
    }
