"""Slips of the pen in a printed number: its decimal point, its sign, two digits in the other order.

They are tried where a number is right under no definition and is no other quantity that is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.judge.listing import PrintedValue, printed
from harness.judge.printed_digits import significant_digits
from harness.judge.printed_text import plain_number

_PLACES = (1, 2, 3)
"""Places by which a decimal point may have moved."""

_DIGITS = 2
"""Significant digits that a number has to have: one digit is soon met by chance."""


def slip(
    number: PrintedValue,
    candidates: Sequence[tuple[str, float]],
    room: float = 0.0,
    *,
    sign: bool = False,
) -> tuple[str, float] | None:
    """Return the slip that turns a candidate into the printed number, and the candidate's value.

    Parameters
    ----------
    number : PrintedValue
    candidates : sequence of (str, float)
        Definitions of the number, with the values by them.
    room : float
        What optimizers leave of it; of a number that is meant to have other digits.
    sign : bool
        Whether a sign may be left out or put in.
    """
    for name, text in _meant(number.text, sign=sign):
        if significant_digits(text) < _DIGITS:
            continue
        other = printed(text, name)
        for _, value in candidates:
            if other.holds(value, room if name == "transposed" else 0.0):
                return name, value
    return None


def _meant(text: str, *, sign: bool) -> Iterator[tuple[str, str]]:
    """Yield what may have been meant."""
    plain = plain_number(text)
    if plain.startswith(("<", ">")):
        return
    mantissa, e, exponent = plain.lower().partition("e")
    if sign:
        turned = mantissa[1:] if mantissa.startswith("-") else f"-{mantissa.lstrip('+')}"
        yield "sign", turned + e + exponent
    power = int(exponent or 0)
    for places in _PLACES:
        for shift in (places, -places):
            yield "decimal-point", f"{mantissa}e{power + shift}"
    for i in range(len(mantissa) - 1):
        # The digits on both sides of a decimal point are neighbours.
        j = i + 2 if mantissa[i + 1 : i + 2] in (".", ",") else i + 1
        a, b = mantissa[i], mantissa[j : j + 1]
        if a.isdigit() and b.isdigit() and a != b:
            swapped = mantissa[:i] + b + mantissa[i + 1 : j] + a + mantissa[j + 1 :]
            if not re.match(r"-?0\d", swapped):
                yield "transposed", swapped + e + exponent
