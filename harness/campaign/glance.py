"""A line of a record file seen without reading the whole of it."""

from __future__ import annotations

import math

import msgspec

from harness.verdicts.comparison import Comparison
from harness.verdicts.verdict import Verdict

_COEFFICIENT = ("estimate", "se", "df", "p")


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen of a line without reading the whole of it."""

    record: str
    id: str = ""
    case: str = ""
    status: str = ""
    verdicts: tuple[Verdict, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def of(self) -> str:
        """Id of the case that the line belongs to."""
        return self.id or self.case

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


_GLANCE = msgspec.json.Decoder(Glance, strict=False)


def glance(line: bytes) -> Glance:
    """Look at a line of a record file.

    Raises ``msgspec.DecodeError`` when it is none.
    """
    return _GLANCE.decode(line)
