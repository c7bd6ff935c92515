"""The data of a reproduction bundle: a CSV that R and Python read alike, bit for bit."""

from __future__ import annotations

import csv
import io
import keyword
import math
import re
from dataclasses import dataclass
from fractions import Fraction

from harness.base.errors import BadInput
from harness.model.table import MISSING_CODE, FactorColumn, NumericColumn, Table
from harness.spelling.calls import HIDING, quote_name

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OURS = re.compile(r"[vr]\d+")
_MISSING = ("", "NA", "missing", "no value")


@dataclass(frozen=True)
class BundleColumn:
    """A column of ``data.csv``.

    Attributes
    ----------
    name : str
        Its name in the file: the user's.
    short : str
        Its name in the scripts: the same where that is a plain name in both languages.
    levels : tuple of str or None
        The levels of a factor; None for a numeric column.
    """

    name: str
    short: str
    levels: tuple[str, ...] | None


def bundle_columns(table: Table) -> tuple[BundleColumn, ...]:
    """Return the columns of a table with the names that the scripts give them.

    A name means itself to Python, patsy and R when it is made of ASCII letters, digits and ``_``
    and is no word of theirs; any other becomes ``v1``, ``v2``, ... by its place.
    """
    return tuple(
        BundleColumn(
            c.name,
            c.name if _is_plain(c.name) else f"v{i}",
            c.levels if isinstance(c, FactorColumn) else None,
        )
        for i, c in enumerate(table.columns, 1)
    )


def _is_plain(name: str) -> bool:
    return (
        _PLAIN.fullmatch(name) is not None
        and not _OURS.fullmatch(name)
        and not keyword.iskeyword(name)
        and name not in HIDING
        and quote_name(name) == name
    )


def missing_mark(table: Table) -> str:
    """Return the text that stands for a missing value: empty unless that is a level's label."""
    labels = {level for c in table.columns if isinstance(c, FactorColumn) for level in c.levels}
    return next(mark for mark in (*_MISSING, "?" * 80) if mark not in labels)


def csv_text(table: Table) -> str:
    """Return a table as CSV: UTF-8, LF line ends, every field quoted that needs it.

    Raises
    ------
    BadInput
        When a name or label holds a line break or a control character, which R cannot read back.
    """
    missing = missing_mark(table)
    columns = []
    for column in table.columns:
        _require_readable(column.name, "a column name")
        if isinstance(column, NumericColumn):
            columns.append([missing if math.isnan(v) else number_text(v) for v in column.values])
        else:
            for level in column.levels:
                _require_readable(level, f"a label of {column.name!r}")
            columns.append(
                [missing if k == MISSING_CODE else column.levels[k] for k in column.codes]
            )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.names)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def _require_readable(text: str, what: str) -> None:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise BadInput(f"{what} holds a line break or control character: {text!r}; rename it")


def number_text(value: float) -> str:
    """Return the shortest decimal that R and Python read back as the same double.

    Python reads every decimal right. R divides an integer by a power of ten in extended precision
    and then rounds to double, so that a decimal just beside the middle between two doubles can go
    to the wrong one; 17 digits are never there. Where the shortest decimal is near the middle, 17
    digits are written.
    """
    value = float(value)
    text = repr(value).removesuffix(".0")
    spacing = min(math.nextafter(value, math.inf) - value, value - math.nextafter(value, -math.inf))
    error = abs(Fraction(text) - Fraction(value))
    # 2^-11 of the spacing is what extended precision leaves; this is far more.
    return text if error <= Fraction(spacing) * Fraction(49, 100) else f"{value:.17g}"
