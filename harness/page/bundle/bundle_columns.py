"""The columns of a reproduction bundle: names that mean themselves in Python and in R."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from harness.model.table import FactorColumn, Table
from harness.spelling.lme4_spelling import quote_name
from harness.spelling.patsy_language import HIDING

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OURS = re.compile(r"[vr]\d+")


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
