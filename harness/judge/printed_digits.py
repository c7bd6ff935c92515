"""The digits of a printed number, and how many of them are right."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, InvalidOperation

from harness.judge.printed_text import plain_number


def _decimal(text: str) -> Decimal | None:
    """Return a printed number; None for a bound and for what is no number."""
    try:
        return Decimal(plain_number(text))
    except InvalidOperation:
        return None


def significant_digits(text: str) -> int:
    """Count the significant digits of a printed number: 4 of ``"0.5010"``, 0 of ``"0.00"``."""
    number = _decimal(text)
    if number is None or not number.is_finite() or number == 0:
        return 0
    return len(number.as_tuple().digits)


def right_digits(text: str, right: float, *, whole: bool = False) -> int:
    """Count the leading digits of a printed number that are right.

    The first d are where the number is within half a unit of the d-th digit of ``right``; with
    ``whole`` all are.
    """
    count, number = significant_digits(text), _decimal(text)
    if whole or number is None or count == 0:
        return count
    error = abs(float(number) - right)
    unit = 10.0 ** number.adjusted()
    for d in range(count, 0, -1):
        if error <= 0.5 * unit * 10.0 ** (1 - d) * (1.0 + 1e-9):
            return d
    return 0


def is_cut(text: str, right: float) -> bool:
    """Whether a printed number is what is right, cut off after its digits and not rounded."""
    number = _decimal(text)
    if number is None or not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    unit = Decimal(1).scaleb(exponent)
    exact = Decimal(repr(right))
    return number == exact.quantize(unit, ROUND_DOWN) != exact.quantize(unit)
