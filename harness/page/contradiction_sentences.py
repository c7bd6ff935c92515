"""Which printed numbers contradict each other, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.base.text import listed, number, significant
from harness.judge.listing_consistency import Contradiction, Number
from harness.judge.listing_verdict import ListingVerdict
from harness.judge.sentence import PRINTED

SHOWN = 4
"""Contradictions, at least, of which each has its sentence."""


def contradiction_sentences(found: ListingVerdict) -> Iterator[str]:
    """Say of each pair of numbers why it cannot be, and which is wrong: each wrong one once."""
    told: dict[tuple[tuple[str, str], ...], Contradiction] = {}
    for one in found.contradictions:
        key = one.wrong if len(one.wrong) == 1 else one.numbers
        told.setdefault(tuple((n.quantity, n.item) for n in key), one)
    each = list(told.values())
    shown = each if len(each) <= SHOWN + 1 else each[:SHOWN]
    for k, one in enumerate(shown):
        begin = "The listing contradicts itself: " if k == 0 else "And "
        yield f"{begin}{_why(one)}{_blame(one)}."
    if more := len(each) - len(shown):
        yield f"And {more} more contradictions like these."


def _blame(one: Contradiction) -> str:
    if one.relation == "residual df" or (not one.wrong and one.meant == "normal"):
        return ""
    if not one.wrong:
        return "; the digits do not tell which of them is misprinted"
    names = list(dict.fromkeys(_name(n) for n in one.wrong))
    are = "is" if len(names) == 1 and names[0] != "rows" else "are"
    return f"; the {listed(names)} {are} wrong"


def _name(one: Number) -> str:
    return {"rows": "rows"}.get(one.quantity) or PRINTED[one.quantity]


def _why(one: Contradiction) -> str:
    texts = {n.quantity: n.text for n in one.beside}
    item = f" of {one.number.item}" if one.number.item else ""
    own = f"the {PRINTED[one.number.quantity]}{item} is printed as {one.number.text}"
    right = _between(one.low, one.high)
    if one.relation in ("t", "p", "least p"):
        return _test(one, own, texts, right)
    if one.relation in ("outside", "middle", "width"):
        return _interval(one, item, texts, right)
    if one.relation == "loglik":
        return f"{own}, while -2 times the log-likelihood {texts['loglik']} is {right}"
    if one.relation in ("aic", "bic", "bic-aic"):
        ((quantity, text),) = texts.items()
        return (
            f"{own}, which no count of parameters makes of the {PRINTED[quantity]} {text}: with "
            f"{one.meant} it is {right}"
        )
    if one.relation == "sd":
        return f"{own}, while the square root of the variance {texts['variance']} is {right}"
    if one.relation == "covariance":
        by = " x ".join(n.text if n.quantity != "variance" else f"√{n.text}" for n in one.beside)
        return f"{own}, while the correlation times both standard deviations, {by}, is {right}"
    if one.relation == "ratio p":
        of = f"chi-square {texts['ratio statistic']} on {texts['ratio df']} df"
        return f"{own}, while {of} gives {right}, and no mixture gives it"
    if one.relation == "df":
        return f"{own}, more than the {texts['rows']} rows"
    return (
        f"{own}, the residual ones of the model, while the listing's {texts['rows']} rows make "
        f"them {right}"
    )


def _test(one: Contradiction, own: str, texts: dict[str, str], right: str) -> str:
    ratio = "its estimate by its standard error, "
    if one.relation == "t":
        return f"{own}, while {ratio}{texts['estimate']} / {texts['se']}, is {right}"
    if "statistic" in texts:
        of = f"t = {texts['statistic']}"
    else:
        of = f"{ratio}{texts['estimate']} / {texts['se']},"
    if one.relation == "least p":
        return f"{own}, less than {of} has by any df: {significant(one.low, 3)} at least"
    instead = {"normal": ", by the normal distribution", "one-sided": ", the one-sided one"}
    return f"{own}{instead.get(one.meant, '')}, while {of} with {texts['df']} df gives {right}"


def _interval(one: Contradiction, item: str, texts: dict[str, str], right: str) -> str:
    limits = f"the limits{item}, {one.number.text} and {texts['upper']},"
    if one.relation == "outside":
        return f"{limits} leave out the estimate {texts['estimate']}"
    if one.relation == "middle":
        return f"{limits} have {right} in their middle, while the estimate is {texts['estimate']}"
    with_df = f" and {texts['df']} df" if "df" in texts else ""
    if one.meant:
        level = f"{100 * float(one.meant.split()[1]):g} %"
        return f"{limits} are as far apart as those of {level}, by the standard error {texts['se']}{with_df}"
    return (
        f"{limits} are not as far apart as the standard error {texts['se']}{with_df} make"
        f"{'' if with_df else 's'} them: {right} to each side"
    )


def _between(low: float, high: float) -> str:
    """Write a range: as one number where three digits of its ends are the same."""
    if math.isinf(high):
        return f"{significant(low, 4)} or more"
    middle = 0.5 * (low + high)
    if abs(high - low) <= 2e-3 * abs(middle):
        # As many digits as the range leaves, and no more.
        width = max(high - low, 1e-9 * abs(middle), 1e-300)
        digits = math.floor(math.log10(abs(middle) / width)) if middle else 3
        return significant(middle, min(max(digits, 3), 7))
    return f"between {number(low)} and {number(high)}"
