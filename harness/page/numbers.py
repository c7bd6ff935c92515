"""Numbers as text: as many digits as mean something, and lined up on the decimal point.

Numbers that are to be compared stand under one another. :func:`pair` therefore gives them the same
number of decimals and remembers where their digits part, and :meth:`Number.html` pads one with
figure spaces, which are as wide as a digit and survive a viewer that blocks style sheets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from markupsafe import Markup, escape

ABSENT = "–"
UNDERFLOW = "<1e-307"
FIGURE_SPACE = "\u2007"
PUNCTUATION_SPACE = "\u2008"

ESTIMATE_DIGITS = 7
SE_DIGITS = 6
DF_DIGITS = 6
P_DIGITS = 3
FIXED_SMALLEST = 1e-4
FIXED_LARGEST = 1e7
# Two numbers further apart than this say more when each keeps its own digits.
SAME_DECIMALS_RATIO = 1e4


class Scored(Protocol):
    """Anything with digits of agreement."""

    @property
    def digits(self) -> float:
        """Return the log relative error."""


AnyScored = TypeVar("AnyScored", bound=Scored)


@dataclass(frozen=True)
class Number:
    """A number as text; from position ``common`` on it differs from the one it is held against."""

    text: str
    common: int

    @property
    def fraction(self) -> int:
        """Characters after the decimal point."""
        return len(self.text.partition(".")[2])

    def html(self, fraction: int = 0) -> Markup:
        """Return the number with its own digits marked, padded to ``fraction`` decimals."""
        head, tail = escape(self.text[: self.common]), self.text[self.common :]
        marked = f"{head}<u>{escape(tail)}</u>" if tail else head
        if not self.text[-1:].isdigit() or self.text == UNDERFLOW:
            return Markup(marked)
        point = PUNCTUATION_SPACE if "." not in self.text and fraction else ""
        return Markup(f"{marked}{point}{FIGURE_SPACE * (fraction - self.fraction)}")


def plain(text: str) -> Number:
    """Return a number that is not held against another one."""
    return Number(text, len(text))


def number(value: float | None, digits: int = ESTIMATE_DIGITS) -> str:
    """Return ``value`` with ``digits`` significant digits; never scientific for ordinary sizes."""
    if value is None:
        return ABSENT
    if not math.isfinite(value):
        return _nonfinite(value)
    if value == 0:
        return "0"
    if FIXED_SMALLEST <= abs(value) < FIXED_LARGEST:
        return f"{value:.{_decimals(value, digits)}f}"
    return f"{value:.{digits - 1}e}"


def correlation(value: float | None, digits: int = 4) -> str:
    """Return a correlation; only one at the boundary, or within rounding of it, looks like it."""
    text = number(value, digits)
    if value is None or not math.isfinite(value) or not float(text) ** 2 >= 1.0 > abs(value):
        return text
    away = 1.0 - abs(value)
    if away < 1e-12:
        return text
    return f"{value:.{-math.floor(math.log10(away))}f}"


def printed_number(value: float | None) -> str:
    """Return what an engine prints; ``none`` where it prints nothing of the kind."""
    return "none" if value is None else number(value, 5)


def short(value: float | None) -> str:
    """Return a difference, gap or other size with two significant digits."""
    return number(value, 2)


def power(value: float | None, digits: int = 1) -> str:
    """Return a size of which the power of ten is what matters, with its exponent always."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{value:.{digits - 1}e}" if value else "0"


def significant(value: float | None, digits: int = 6) -> str:
    """Return at most so many significant digits, as programs that read numbers write them."""
    return "none" if value is None else f"{value:.{digits}g}"


def digits_of_agreement(value: float | None) -> str:
    """Return an LRE with one decimal; two equal numbers agree in all digits and get ``=``."""
    if value is None:
        return ABSENT
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "=" if value > 0 else "none"
    # LRE is negative when the difference exceeds the number: no digit agrees.
    return f"{max(value, 0.0):.1f}"


def least_digits(scores: Iterable[AnyScored]) -> AnyScored | None:
    """Return what has the fewest digits of agreement; a NaN has fewer than any number."""
    return min(scores, key=lambda score: sortable(score.digits), default=None)


def sortable(digits: float) -> float:
    """Return digits of agreement as a number to sort by."""
    return -1.0 if math.isnan(digits) else min(digits, 99.0)


def count(value: int) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def share(part: int, whole: int) -> str:
    """Return a share in percent; only none is 0 and only all is 100."""
    percent = 100.0 * part / whole if whole else 0.0
    if part and percent < 0.01:
        return "<0.01\u202f%"
    if part != whole and percent > 99.99:
        return ">99.99\u202f%"
    decimals = 0 if part in (0, whole) else 2 if percent < 1 or percent > 99 else 1
    return f"{percent:.{decimals}f}\u202f%"


def seconds(value: float) -> str:
    """Return a duration as a person would say it."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    if value < 7200:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"


def pair(values: Sequence[float | None], digits: int = ESTIMATE_DIGITS) -> list[Number]:
    """Return numbers to be compared, in the same form, with the place where they part marked.

    The last one that there is is the reference: the others are held against it. It is marked itself
    where there is one other only.
    """
    texts = _alike(values, digits)
    shown = [text for text, value in zip(texts, values, strict=True) if value is not None]
    against = {text: [shown[-1]] for text in shown}
    if shown and len(set(shown)) == 2:
        against[shown[-1]] = shown
    return [
        Number(text, len(text) if value is None else min(_common(text, o) for o in against[text]))
        for text, value in zip(texts, values, strict=True)
    ]


def _common(text: str, other: str) -> int:
    """Return where two texts part; those of other lengths are of another size or form."""
    return common_prefix([text, other]) if len(text) == len(other) else 0


def pair_of_p(values: Sequence[float | None]) -> list[Number]:
    """Return p values to be compared; one too small for a float is not zero."""
    return [
        Number(UNDERFLOW, len(UNDERFLOW)) if value == 0 else shown
        for value, shown in zip(values, pair(values, P_DIGITS), strict=True)
    ]


def _alike(values: Sequence[float | None], digits: int) -> list[str]:
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    # The smallest keeps a digit of its own at least.
    most = min(SAME_DECIMALS_RATIO, 10.0 ** (digits - 1))
    if not sizes or max(sizes) / min(sizes) > most:
        return [number(value, digits) for value in values]
    if not FIXED_SMALLEST <= max(sizes) < FIXED_LARGEST:
        return [number(value, digits) for value in values]
    decimals = _decimals(max(sizes), digits)
    return [
        number(value) if value is None or not math.isfinite(value) else f"{value:.{decimals}f}"
        for value in values
    ]


def _decimals(value: float, digits: int) -> int:
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def _nonfinite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "∞" if value > 0 else "-∞"


def common_prefix(texts: Sequence[str]) -> int:
    """Return how many characters all texts begin with."""
    length = 0
    for characters in zip(*texts, strict=False):
        if len(set(characters)) > 1:
            break
        length += 1
    return length
