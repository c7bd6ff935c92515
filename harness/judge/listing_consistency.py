"""A listing beside itself: printed numbers that no true numbers can be printed as together.

Each relation is of printed intervals: t is the estimate by its standard error, p that of t with df,
a Wald interval the estimate give or take a multiple of the standard error, and so on. What one
side may be by the digits of the other is a range; there is a contradiction where the number that is
printed has no value in it. No data are needed, but the referee's findings say which is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec
from scipy import stats

from harness.base.json import Real
from harness.judge.listing import Listing, PrintedInterval, PrintedSpread, PrintedValue
from harness.judge.listing_match import Matched
from harness.judge.number_verdict import Finding, near
from harness.judge.printed_intervals import LEVELS
from harness.referee.satterthwaite import two_sided_p

Range = tuple[float, float]

Relation = Literal[
    "t",
    "f",
    "p",
    "least p",
    "order",
    "outside",
    "middle",
    "width",
    "loglik",
    "aic",
    "bic",
    "bic-aic",
    "sd",
    "covariance",
    "ratio p",
    "df",
    "residual df",
]

_BY_CONVENTION = ("outside", "middle", "width", "aic", "bic", "bic-aic", "ratio p", "df")
"""Relations that a right listing may break: a profile is not symmetric, limits may be Wald's by the
normal distribution, AIC that of another count. They are told where one of their numbers is
wrong."""


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A printed number: its quantity and label as findings have them, and its text."""

    quantity: str
    item: str
    text: str


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a listing that cannot be printed together.

    Attributes
    ----------
    number : Number
        One of them; of an interval its lower limit.
    beside : tuple of Number
        The others.
    low, high : float
        Between which ``number`` would be by the others; of an interval, its middle, or half its
        width.
    meant : str
        What ``number`` is by them: ``"normal"`` or ``"one-sided"`` of a p, ``"level 0.9"`` of an
        interval, ``"6 parameters"`` of AIC.
    wrong : tuple of Number
        Those of them that the referee finds wrong.
    """

    relation: Relation
    number: Number
    beside: tuple[Number, ...]
    low: Real
    high: Real
    meant: str = ""
    wrong: tuple[Number, ...] = ()

    @property
    def numbers(self) -> tuple[Number, ...]:
        """All numbers of the relation."""
        return (self.number, *self.beside)


def contradictions(
    listing: Listing, matched: Matched, criteria: Iterable[tuple[int, int]]
) -> Iterator[Contradiction]:
    """Yield what contradicts itself in a listing, by its labels alone.

    Parameters
    ----------
    criteria : iterable of (int, int)
        Parameters and n, by each convention of AIC and BIC.
    """
    for label, numbers in listing.coefficients.items():
        if listing.rows is not None and "df" in numbers:
            yield from _rows(label, numbers["df"], listing.rows, matched)
        yield from _tests(label, numbers)
        if label in listing.intervals:
            yield from _limits(label, numbers, listing.intervals[label])
    yield from _likelihoods(listing.likelihoods, tuple(dict.fromkeys(criteria)))
    yield from _spreads(listing)
    yield from _covariances(listing, matched)
    for formula, numbers in listing.comparisons.items():
        yield from _ratio(formula, numbers)


def blamed(
    found: Iterable[Contradiction], findings: Sequence[Finding], *, rows_wrong: bool
) -> Iterator[Contradiction]:
    """Yield the contradictions that stand beside the referee's findings, with what is wrong.

    Parameters
    ----------
    rows_wrong : bool
        Whether the printed n is not the model's.
    """
    by = {(f.quantity, f.item): f for f in findings}

    def untrue(one: Contradiction, *truths: str) -> tuple[Number, ...]:
        return tuple(
            number
            for number in one.numbers
            if (rows_wrong and number.quantity == "rows")
            or ((f := by.get((number.quantity, number.item))) is not None and f.truth in truths)
        )

    for one in found:
        wrong = untrue(one, "false", "mistake")
        made = [by[n.quantity, n.item].definitions for n in one.numbers if _key(n) in by]
        if one.relation in ("middle", "width") and any(_is_profile(d) for d in made):
            continue
        if one.relation == "order" and all(by[_key(n)].mistake == "ends" for n in one.numbers):
            continue  # interchanged, which the findings say
        if one.relation == "residual df" and not (wrong and any("residual" in d for d in made)):
            continue
        if not wrong and one.relation in _BY_CONVENTION:
            continue
        if not wrong and not one.meant:
            # Of numbers that are all next to right, the one that is not right to its digits.
            near_by = untrue(one, "stopping")
            wrong = near_by if len(near_by) == 1 else ()
        yield msgspec.structs.replace(one, wrong=wrong)


def _key(number: Number) -> tuple[str, str]:
    return number.quantity, number.item


def _is_profile(definitions: Sequence[str]) -> bool:
    return bool(definitions) and all(d.startswith("profile") for d in definitions)


def _tests(label: str, numbers: Mapping[str, PrintedValue]) -> Iterator[Contradiction]:
    """Yield what is wrong between estimate, standard error, t, df and p."""
    made = (
        _quotient(numbers["estimate"], numbers["se"])
        if {"estimate", "se"} <= set(numbers)
        else None
    )
    of_t = [_number("estimate", label, numbers), _number("se", label, numbers)] if made else []
    if "statistic" in numbers:
        t = _range(numbers["statistic"])
        if made is not None and not _meet(t, made):
            yield _contradiction("t", "statistic", label, numbers, of_t, made)
        made, of_t = t, [_number("statistic", label, numbers)]
    if "f" in numbers:
        # Of one numerator df F is the square of t.
        sizes = _sizes(made) if made is not None else (0.0, math.inf)
        f, squares = _positive(numbers["f"]), (sizes[0] ** 2, sizes[1] ** 2)
        if not _meet(f, squares):
            yield _contradiction("f", "f", label, numbers, of_t, squares)
        made, of_t = (math.sqrt(f[0]), math.sqrt(f[1])), [_number("f", label, numbers)]
    if made is None or "p" not in numbers:
        return
    p = _range(numbers["p"])
    normal = _p_range(made, (math.inf, math.inf))
    if "df" not in numbers:
        if p[1] < normal[0] * (1.0 - 1e-6):
            yield _contradiction("least p", "p", label, numbers, of_t, (normal[0], 1.0))
        return
    df = _range(numbers["df"])
    right = _p_range(made, df)
    if _meet(p, right):
        return
    meant = ""
    if _meet(p, normal):
        meant = "normal"
    elif _meet(p, (0.5 * right[0], 0.5 * right[1])):
        meant = "one-sided"
    beside = [*of_t, _number("df", label, numbers)]
    yield _contradiction("p", "p", label, numbers, beside, right, meant)


def _limits(
    label: str, numbers: Mapping[str, PrintedValue], interval: PrintedInterval
) -> Iterator[Contradiction]:
    """Yield where an interval is not about its estimate, or not as wide as its standard error."""
    lower, upper = (_unscaled(end, interval.factor) for end in (interval.lower, interval.upper))
    ends = {"lower": interval.lower, "upper": interval.upper}
    texts = {**numbers, **ends}
    both = [_number("upper", label, texts)]
    if lower[0] > upper[1]:
        yield _contradiction("order", "lower", label, texts, both, (-math.inf, upper[1]))
        return
    if "estimate" in numbers:
        estimate, beside = _range(numbers["estimate"]), [*both, _number("estimate", label, texts)]
        if estimate[1] < lower[0] or estimate[0] > upper[1]:
            yield _contradiction("outside", "lower", label, texts, beside, (lower[0], upper[1]))
            return
        middle = (0.5 * (lower[0] + upper[0]), 0.5 * (lower[1] + upper[1]))
        if not _meet(estimate, middle):
            yield _contradiction("middle", "lower", label, texts, beside, middle)
            return
    if "se" not in numbers:
        return
    half = (max(0.5 * (upper[0] - lower[1]), 0.0), 0.5 * (upper[1] - lower[0]))
    se = _positive(numbers["se"])
    df = _range(numbers["df"]) if "df" in numbers else (0.0, math.inf)

    def fits(level: float) -> bool:
        rules = (df, (math.inf, math.inf))
        return any(_meet(half, _times(se, _quantiles(level, rule))) for rule in rules)

    if fits(interval.level):
        return
    level = next((f"level {one:g}" for one in LEVELS if "df" in numbers and fits(one)), "")
    beside = [*both, _number("se", label, texts)]
    beside += [_number("df", label, texts)] if "df" in numbers else []
    right = _times(se, _quantiles(interval.level, df))
    yield _contradiction("width", "lower", label, texts, beside, right, level)


def _rows(label: str, df: PrintedValue, rows: int, matched: Matched) -> Iterator[Contradiction]:
    """Yield df that are more than the rows, or are not the residual ones of so many."""
    texts = {"df": df}
    beside = [Number(quantity="rows", item="", text=str(rows))]
    if math.isinf(df.low):
        return
    if df.low > rows:
        yield _contradiction("df", "df", label, texts, beside, (0.0, float(rows)))
        return
    residual = float(rows - matched.rung.case.design.x.shape[1])
    if not df.holds(residual):
        yield _contradiction("residual df", "df", label, texts, beside, (residual, residual))


def _likelihoods(
    printed: Mapping[str, PrintedValue], criteria: Sequence[tuple[int, int]]
) -> Iterator[Contradiction]:
    """Yield what is wrong between log L, -2 log L, AIC and BIC."""
    loglik = printed.get("loglik")
    doubled = _times((2.0, 2.0), _negative(_range(loglik))) if loglik is not None else None
    deviance, of = doubled, "loglik"
    if "minus_two" in printed:
        deviance, of = _range(printed["minus_two"]), "minus_two"
        if doubled is not None and not _meet(deviance, doubled):
            beside = [_number("loglik", "", printed)]
            yield _contradiction("loglik", "minus_two", "", printed, beside, doubled)
    for name in ("aic", "bic"):
        if deviance is None or name not in printed:
            continue
        prices = [(k, k * (2.0 if name == "aic" else math.log(n))) for k, n in criteria]
        relation: Relation = "aic" if name == "aic" else "bic"
        beside = [_number(of, "", printed)]
        yield from _priced(relation, name, printed, beside, deviance, prices)
    if deviance is None and {"aic", "bic"} <= set(printed):
        prices = [(k, k * (math.log(n) - 2.0)) for k, n in criteria]
        beside = [_number("aic", "", printed)]
        yield from _priced("bic-aic", "bic", printed, beside, _range(printed["aic"]), prices)


def _priced(
    relation: Relation,
    name: str,
    printed: Mapping[str, PrintedValue],
    beside: Sequence[Number],
    base: Range,
    prices: Sequence[tuple[int, float]],
) -> Iterator[Contradiction]:
    """Yield a criterion that no convention makes of what is beside it, with the nearest one."""
    value = printed[name]
    made = [(k, (base[0] + price, base[1] + price)) for k, price in prices]
    if not made or any(_meet(_range(value), right) for _, right in made):
        return
    k, right = min(made, key=lambda one: abs(0.5 * (one[1][0] + one[1][1]) - value.value))
    yield _contradiction(relation, name, "", printed, beside, right, f"{k} parameters")


def _spreads(listing: Listing) -> Iterator[Contradiction]:
    """Yield standard deviations whose squares are not the variances beside them."""
    for label, sd in listing.deviations.items():
        spread = listing.spreads[label]
        right = (math.sqrt(spread.variances[0]), math.sqrt(spread.variances[1]))
        if not _meet(_range(sd), right):
            texts = {"sd": sd, "variance": spread.printed}
            beside = [_number("variance", label, texts)]
            yield _contradiction("sd", "sd", label, texts, beside, right)


def _covariances(listing: Listing, matched: Matched) -> Iterator[Contradiction]:
    """Yield covariances that are not the correlation by both standard deviations."""
    labels = {place: label for label, place in matched.spreads.items()}
    correlations = {place: label for label, place in matched.correlations.items()}
    for label, (t, a, b) in matched.covariances.items():
        own = correlations.get((t, a, b))
        pair = [labels.get((t, k)) for k in (a, b)]
        if own is None or None in pair:
            continue
        spreads = {name: listing.spreads[name] for name in pair if name is not None}
        right = _range(listing.correlations[own])
        for spread in spreads.values():
            low, high = spread.variances
            right = _times((math.sqrt(low), math.sqrt(high)), right)
        if not _meet(_range(listing.covariances[label]), right):
            correlation = listing.correlations[own].text
            beside = [
                Number(quantity="correlation", item=own, text=correlation),
                *(_of_spread(name, spread) for name, spread in spreads.items()),
            ]
            texts = {"covariance": listing.covariances[label]}
            yield _contradiction("covariance", "covariance", label, texts, beside, right)


def _of_spread(label: str, spread: PrintedSpread) -> Number:
    return Number(quantity=spread.kind, item=label, text=spread.printed.text)


def _ratio(formula: str, numbers: Mapping[str, PrintedValue]) -> Iterator[Contradiction]:
    """Yield a p that is not that of its chi-square: by df, or by a mixture with fewer."""
    if not {"statistic", "df", "p"} <= set(numbers):
        return
    low, high = (max(end, 0.0) for end in _range(numbers["statistic"]))
    df, p = round(numbers["df"].value), _range(numbers["p"])
    if df < 1:
        return
    tails = [(1.0 if low == 0.0 else 0.0, 1.0 if high == 0.0 else 0.0)]
    tails += [
        (float(stats.chi2.sf(low, d)), float(stats.chi2.sf(high, d))) for d in range(1, df + 1)
    ]
    plain = (tails[-1][1], tails[-1][0])
    mixed = [(0.5 * (a[1] + b[1]), 0.5 * (a[0] + b[0])) for a, b in pairwise(tails)]
    if any(_meet(p, right) for right in (plain, *mixed)):
        return
    texts = {f"ratio {name}": value for name, value in numbers.items()}
    beside = [_number(name, formula, texts) for name in ("ratio statistic", "ratio df")]
    yield _contradiction("ratio p", "ratio p", formula, texts, beside, plain)


def _contradiction(
    relation: Relation,
    quantity: str,
    item: str,
    texts: Mapping[str, PrintedValue],
    beside: Sequence[Number],
    right: Range,
    meant: str = "",
) -> Contradiction:
    return Contradiction(
        relation=relation,
        number=_number(quantity, item, texts),
        beside=tuple(beside),
        low=right[0],
        high=right[1],
        meant=meant,
    )


def _number(quantity: str, item: str, texts: Mapping[str, PrintedValue]) -> Number:
    return Number(quantity=quantity, item=item, text=texts[quantity].text)


def _range(printed: PrintedValue) -> Range:
    return printed.low, printed.high


def _positive(printed: PrintedValue) -> Range:
    return max(printed.low, 0.0), max(printed.high, 0.0)


def _negative(one: Range) -> Range:
    return -one[1], -one[0]


def _meet(one: Range, other: Range) -> bool:
    """Whether two ranges have a value in common, but for what a program's arithmetic leaves."""
    ends = [abs(end) for end in (*one, *other) if math.isfinite(end)]
    room = near(max(ends, default=0.0))
    return one[0] <= other[1] + room and other[0] <= one[1] + room


def _times(one: Range, other: Range) -> Range:
    products = [a * b if a and b else 0.0 for a in one for b in other]
    return min(products), max(products)


def _quotient(estimate: PrintedValue, se: PrintedValue) -> Range:
    """Return what an estimate by a standard error may be; anything where that may be zero."""
    low, high = _positive(se)
    least = 1.0 / high if high > 0.0 else math.inf
    return _times(_range(estimate), (least, 1.0 / low if low > 0.0 else math.inf))


def _p_range(t: Range, df: Range) -> Range:
    """Return what a two-sided p may be: it falls with the size of t, and with df."""
    least, most = _sizes(t)
    largest = 1.0 if df[0] <= 0.0 else two_sided_p(least, df[0])
    return two_sided_p(most, max(df[1], 1e-3)), largest


def _sizes(t: Range) -> Range:
    """Return what the size of a number may be."""
    ends = sorted(abs(end) for end in t)
    return (0.0 if t[0] <= 0.0 <= t[1] else ends[0]), ends[1]


def _quantiles(level: float, df: Range) -> Range:
    """Return the quantiles of t that an interval of a level may be made by."""
    tail = 0.5 * (1.0 - level)

    def quantile(one: float) -> float:
        if one <= 0.0:
            return math.inf
        return float(stats.norm.isf(tail) if math.isinf(one) else stats.t.isf(tail, one))

    return quantile(df[1]), quantile(df[0])


def _unscaled(end: PrintedValue, factor: float | None) -> Range:
    """Return the end of an interval in the unit of the estimate."""
    if factor is None:
        return _range(end)
    low, high = (value / factor for value in sorted((end.low, end.high)))
    return (math.log(low) if low > 0.0 else -math.inf, math.log(high) if high > 0.0 else -math.inf)
