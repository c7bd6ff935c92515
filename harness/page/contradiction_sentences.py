"""Which printed numbers contradict each other, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.base.text import listed, significant
from harness.judge.listing import printed
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
        yield f"{begin}{_why(one)}{_blame(one, found)}."
    if more := len(each) - len(shown):
        yield f"And {more} more contradictions like these."


def _blame(one: Contradiction, found: ListingVerdict) -> str:
    if one.relation == "residual df" or (not one.wrong and one.meant == "normal"):
        return ""
    if not one.wrong:
        return "; the digits do not tell which of them is misprinted"
    names = list(dict.fromkeys(_name(n) for n in one.wrong))
    are = "is" if len(names) == 1 and names[0] != "rows" else "are"
    places = {(n.quantity, n.item) for n in one.wrong}
    near_by = any(f.truth == "stopping" for f in found.findings if (f.quantity, f.item) in places)
    return f"; the {listed(names)} {are} {'off in the last digits' if near_by else 'wrong'}"


def _name(one: Number) -> str:
    return {"rows": "rows"}.get(one.quantity) or PRINTED[one.quantity]


def _why(one: Contradiction) -> str:
    texts = {n.quantity: n.text for n in one.beside}
    item = f" of {one.number.item}" if one.number.item else ""
    own = f"the {PRINTED[one.number.quantity]}{item} is printed as {one.number.text}"
    right = _between(one.low, one.high, _apart(one))
    if one.relation in ("t", "f", "p", "least p"):
        return _test(one, own, texts, right)
    if one.relation == "order":
        return f"{own}, above the upper limit {texts['upper']}"
    if one.relation in ("outside", "middle", "width"):
        return _interval(one, item, texts, right)
    if one.relation in ("aic", "bic", "bic-aic"):
        ((quantity, text),) = texts.items()
        return (
            f"{own}, which no count of parameters makes of the {PRINTED[quantity]} {text}: with "
            f"{one.meant} it is {right}"
        )
    product = " x ".join(n.text if n.quantity != "variance" else f"√{n.text}" for n in one.beside)
    return f"{own}, {_OTHERS[one.relation].format(right=right, product=product, **texts)}"


_OTHERS = {
    "loglik": "while -2 times the log-likelihood {loglik} is {right}",
    "sd": "while the square root of the variance {variance} is {right}",
    "covariance": "while the correlation times both standard deviations, {product}, is {right}",
    "ratio p": "while chi-square {ratio statistic} on {ratio df} df gives {right}, and no mixture "
    "of chi-squares gives it",
    "df": "more than the {rows} rows",
    "residual df": "the residual ones of the model, while the {rows} rows of the listing make "
    "them {right}",
}
"""What the numbers beside it say of a number."""


def _apart(one: Contradiction) -> float:
    """Return the number that the range of the others is apart from."""
    texts = {n.quantity: n.text for n in one.numbers}
    if one.relation == "middle":
        return printed(texts["estimate"], "").value
    if one.relation == "width":
        # With a scale the limits are of another unit than the standard error.
        return 0.5 * (printed(texts["upper"], "").value - printed(texts["lower"], "").value)
    return printed(one.number.text, one.number.quantity).value


def _test(one: Contradiction, own: str, texts: dict[str, str], right: str) -> str:
    ratio = "its estimate by its standard error, "
    if one.relation == "t":
        return f"{own}, while {ratio}{texts['estimate']} / {texts['se']}, is {right}"
    if "statistic" in texts or "f" in texts:
        of = f"t = {texts['statistic']}" if "statistic" in texts else f"F = {texts['f']}"
    else:
        of = f"{ratio}{texts['estimate']} / {texts['se']},"
    if one.relation == "f":
        return f"{own}, while the square of {of.removesuffix(',')} is {right}"
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
        by = f"by the standard error {texts['se']}{with_df}"
        return f"{limits} are as far apart as those of {level}, {by}"
    return (
        f"{limits} are not as far apart as the standard error {texts['se']}{with_df} make"
        f"{'' if with_df else 's'} them: {right} to each side"
    )


def _between(low: float, high: float, apart: float) -> str:
    """Write a range: as one number where ``apart`` is far from it, else so that it is left out."""
    if math.isinf(high):
        return f"{significant(low, 4)} or more"
    middle = 0.5 * (low + high)
    width = high - low
    if width <= 2e-2 * abs(middle) and abs(apart - middle) > 10.0 * width:
        digits = 2 + (width <= 2e-3 * abs(middle)) + (width <= 5e-4 * abs(middle))
        # A -2 log-likelihood has more digits that count.
        while abs(float(significant(middle, digits)) - middle) > width and digits < 9:
            digits += 1
        return significant(middle, digits)
    for digits in range(3, 9):
        ends = [significant(end, digits) for end in (low, high)]
        if ends[0] != ends[1] and not float(ends[0]) <= apart <= float(ends[1]):
            break
    return f"between {ends[0]} and {ends[1]}"
