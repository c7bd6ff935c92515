"""How programs and papers write a number: commas, signs, powers of ten, marks of significance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_MARKS = re.compile(r"\s*[*†‡§]+$|\s+\.$")
"""Marks of significance behind a number: stars, R's point, daggers."""

_NAME = re.compile(r"^[a-z]?\s*=\s*|^[a-z]\s*(?=[<>])", re.IGNORECASE)
"""What stands before a number: ``p < .001``, ``p = .03``."""

_DASHES = str.maketrans({"−": "-", "–": "-", "‒": "-", "﹣": "-", "－": "-"})
_BOUNDS = str.maketrans({"≤": "<", "≥": ">"})
_POWER = re.compile(r"\s*[x×*·]\s*10\s*\^?\s*([+-]?\d+)$")
_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d+$)")
_GROUPS = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'](?=\d{3}(?:\D|$))")
_THOUSANDS = re.compile(r"[<>]?\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_EITHER = re.compile(r"[<>]?\s*[+-]?[1-9]\d{0,2},\d{3}")
_COMMA = re.compile(r"[<>]?\s*[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)


def plain_number(text: str) -> str:
    """Write a number with a point, a hyphen for minus, ``e`` for powers of ten, and no marks.

    A bound keeps its ``<`` or ``>``. A comma is of thousands where one may stand, and else of
    decimals; what is no number comes back as it is.
    """
    plain = _NAME.sub("", _bare(text)).replace("∞", "inf")
    plain = _POWER.sub(r"e\1", _FORTRAN.sub("e", plain))
    plain = _GROUPS.sub("", plain)
    if _THOUSANDS.fullmatch(plain):
        return plain.replace(",", "")
    return plain.replace(",", ".") if _COMMA.fullmatch(plain) else plain


def may_be_either(text: str) -> bool:
    """Whether a comma may be of thousands or of decimals: ``10,467``."""
    return _EITHER.fullmatch(_bare(text)) is not None


def with_points(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a listing with points for commas, where one of its numbers has one of decimals."""
    if not any(map(_has_decimal_comma, _texts(found))):
        return found
    return {key: _pointed(value) for key, value in found.items()}


def _has_decimal_comma(text: str) -> bool:
    plain = _bare(text)
    return _COMMA.fullmatch(plain) is not None and not may_be_either(plain)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)


def _pointed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _pointed(part) for key, part in value.items()}
    either = isinstance(value, str) and may_be_either(value)
    return value.replace(",", ".") if either else value


def _bare(text: str) -> str:
    """Return a text without marks behind it, its dashes and bounds as ASCII has them."""
    return _MARKS.sub("", text.strip()).translate(_DASHES).translate(_BOUNDS)
