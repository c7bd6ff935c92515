"""The order that programs give the levels of a factor by themselves.

R's ``factor()`` and Python sort numbers as numbers and logical values FALSE first; text R sorts by
the locale (in the C locale, and in that one only, by code point), Python by code point. What
``read.csv`` makes of a column decides which it is.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

PUNCTUATION = "\t\n\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
"""ASCII before the digits, in the order of the Unicode collation's root locale (CLDR)."""


def locale_key(text: str) -> tuple[list[tuple[int, str]], str]:
    """Sort texts as R does in an English locale.

    Punctuation, digits, letters; letters by the alphabet whatever their case and accents; of equal
    texts the one with the lower-case letter comes first.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return [_primary(c) for c in plain.casefold()], text.swapcase()


def _primary(character: str) -> tuple[int, str]:
    place = PUNCTUATION.find(character)
    if place >= 0:
        return 0, chr(place)
    return (1 if character.isdecimal() else 2), character


def as_numbers(levels: Iterable[str]) -> list[float] | None:
    """Return the numbers that R's ``read.csv`` makes of a column of these; None where one is none.

    Only finite ones count. ``1_000`` and full-width digits are numbers for Python only, ``0x1A``
    for R only.
    """
    found = []
    for level in levels:
        text = level.strip().lower()
        try:
            whole = text.removeprefix("-").startswith("0x")
            found.append(float(int(text, 16)) if whole else float(text))
        except ValueError:
            return None
        if "_" in text or not text.isascii() or not math.isfinite(found[-1]):
            return None
    return found
