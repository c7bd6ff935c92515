"""What is concluded about coefficients by numbers that are printed wrong, and by the right ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from harness.base.json import Real
from harness.judge.listing import Listing, PrintedValue
from harness.judge.listing_interpretation import Reading
from harness.judge.number_verdict import Finding
from harness.referee.satterthwaite import two_sided_p

_TESTS = ("estimate", "se", "df", "statistic", "f", "p")


class Alpha(msgspec.Struct, frozen=True, kw_only=True):
    """The level that conclusions are drawn at, and whose it is: the user's, or the listing's."""

    value: Real = 0.05
    of: Literal["asked", "listing", "intervals", "usual"] = "usual"


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """The test of a coefficient of which a number is printed wrong.

    Attributes
    ----------
    item : str
        Its label.
    implied, right : float
        p by the printed estimate, standard error, t and df; and by the right ones.
    alpha : float
        Level of the test.
    wrong : tuple of str
        The quantities that are printed wrong.
    printed : str
        p as it is printed; empty where it is not.
    df : tuple of float
        As printed and right, where they are printed.
    changes, implies_change : bool
        Whether the conclusion is another one by what a reader goes by, which is p where p is
        printed; and by the numbers beside it.
    """

    item: str
    implied: Real
    right: Real
    alpha: Real
    wrong: tuple[str, ...] = ()
    printed: str = ""
    df: tuple[Real, Real] | None = None
    changes: bool = True
    implies_change: bool = True


def alpha_of(listing: Listing, asked: float | None) -> Alpha:
    """Return the level asked for, else the listing's, else 1 less that of its intervals.

    That of the intervals where all have one; without any it is 0.05.
    """
    if asked is not None:
        return Alpha(value=asked, of="asked")
    if listing.alpha is not None:
        return Alpha(value=listing.alpha, of="listing")
    levels = {one.level for one in listing.intervals.values()}
    if len(levels) == 1:
        return Alpha(value=round(1.0 - levels.pop(), 12), of="intervals")
    return Alpha()


def conclusions(reading: Reading, alpha: float) -> Iterator[Conclusion]:
    """Yield the test of each coefficient of which a number is wrong."""
    listing = reading.listing
    for label, numbers in listing.coefficients.items():
        found = {f.quantity: f for f in reading.findings if f.item == label}
        wrong = tuple(q for q in _TESTS if q in found and found[q].truth in ("false", "mistake"))
        if not wrong:
            continue
        test = reading.at.tests[reading.model.matched.coefficients[label]]
        right = _p({q: f.right for q, f in found.items()}, test.estimate, test.se, test.df)
        implied = _p(_printed(found, listing, label), test.estimate, test.se, test.df)
        implies = (implied < alpha) != (right < alpha)
        p = numbers.get("p")
        df = numbers.get("df")
        yield Conclusion(
            item=label,
            implied=implied,
            right=right,
            alpha=alpha,
            wrong=wrong,
            printed=p.text if p is not None else "",
            df=(df.value, found["df"].right) if df is not None else None,
            changes=says_otherwise(p, right, alpha) if p is not None else implies,
            implies_change=implies,
        )


def says_otherwise(printed: PrintedValue, right: float, alpha: float) -> bool:
    """Whether a p, whatever its digits leave open, is on the other side of alpha."""
    return printed.high <= alpha <= right or right < alpha <= printed.low


def _printed(found: Mapping[str, Finding], listing: Listing, label: str) -> dict[str, float]:
    return {q: one.value for q, one in listing.coefficients[label].items() if q in found}


def _p(numbers: Mapping[str, float], estimate: float, se: float, df: float) -> float:
    """Return p of the numbers there are, in place of the others those of the referee."""
    error = numbers.get("se", se)
    ratio = numbers.get("estimate", estimate) / error if error > 0.0 else math.inf
    if "f" in numbers:
        ratio = math.sqrt(max(numbers["f"], 0.0))
    # A t or an F that is printed is what a reader goes by.
    return two_sided_p(numbers.get("statistic", ratio), numbers.get("df", df))
