"""A line of a record file seen without reading the whole of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from harness.judge.comparison import Comparison
from harness.judge.verdict import Verdict

_COEFFICIENT = ("estimate", "se", "df", "p")


class _Case(msgspec.Struct, frozen=True, tag="case", tag_field="record"):
    id: str
    verdicts: tuple[Verdict, ...]
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
    """

    record: str
    of: str = ""
    status: str = ""
    verdicts: tuple[Verdict, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def worst_digits(self) -> float:
        """Smallest LRE of a coefficient's numbers in the setting that counts; inf without any."""
        first = self.verdicts[0].setting if self.verdicts else ""
        return min(
            (
                c.digits
                for c in self.comparisons
                if c.quantity in _COEFFICIENT and c.setting == first and not math.isnan(c.digits)
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
            return Glance("case", seen.id, "", seen.verdicts, seen.comparisons)
        case _Property() as seen:
            return Glance("property", seen.case, seen.status)
        case _Header():
            return Glance("header")
    return Glance("footer")
