"""Which conclusions about coefficients change by numbers that are printed wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from harness.base.json import Real
from harness.judge.listing import Listing
from harness.judge.listing_interpretation import Reading
from harness.judge.number_verdict import Finding
from harness.referee.satterthwaite import two_sided_p

ALPHA = 0.05
"""Level of a test where the listing has no interval that says another one."""


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A coefficient whose test comes out otherwise by what is printed than by what is right.

    Attributes
    ----------
    item : str
        Its label.
    implied, right : float
        p by the printed estimate, standard error, t and df; and by the right ones.
    alpha : float
        Level of the test: 1 less that of the listing's intervals, where they have one level.
    """

    item: str
    implied: Real
    right: Real
    alpha: Real


def conclusions(reading: Reading) -> Iterator[Conclusion]:
    """Yield the conclusions that wrong numbers other than p itself change.

    Where p is printed it is p that is concluded from, whatever stands beside it.
    """
    listing = reading.listing
    alpha = listing_alpha(listing)
    for label, numbers in listing.coefficients.items():
        found = {f.quantity: f for f in reading.findings if f.item == label}
        wrong = {q for q, f in found.items() if f.truth in ("false", "mistake")}
        if "p" in numbers or not wrong & {"estimate", "se", "statistic", "df"}:
            continue
        test = reading.at.tests[reading.model.matched.coefficients[label]]
        right = _p({q: f.right for q, f in found.items()}, test.estimate, test.se, test.df)
        implied = _p(_printed(found, listing, label), test.estimate, test.se, test.df)
        if (implied < alpha) != (right < alpha):
            yield Conclusion(item=label, implied=implied, right=right, alpha=alpha)


def listing_alpha(listing: Listing) -> float:
    """Return 1 less the level of the intervals, where all have one."""
    levels = {one.level for one in listing.intervals.values()}
    return round(1.0 - levels.pop(), 12) if len(levels) == 1 else ALPHA


def _printed(found: Mapping[str, Finding], listing: Listing, label: str) -> dict[str, float]:
    return {q: one.value for q, one in listing.coefficients[label].items() if q in found}


def _p(numbers: Mapping[str, float], estimate: float, se: float, df: float) -> float:
    """Return p of the numbers there are, in place of the others those of the referee."""
    error = numbers.get("se", se)
    ratio = numbers.get("estimate", estimate) / error if error > 0.0 else math.inf
    # A t that is printed is what a reader goes by.
    return two_sided_p(numbers.get("statistic", ratio), numbers.get("df", df))
