"""A table as a CSV that R and Python read alike, bit for bit, and read back from one."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from harness.base.errors import BadInput
from harness.model.table import MISSING_CODE, Column, FactorColumn, NumericColumn, Table

_MISSING = ("", "NA", "missing", "no value")


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


def read_exact_csv(path: Path, levels: Mapping[str, Sequence[str]], missing: str) -> Table:
    """Read a table as :func:`csv_text` wrote it: labels as they are, numbers to the nearest double.

    Parameters
    ----------
    levels : mapping
        The levels of each factor; other columns are numbers.
    missing : str
        The text that stands for a missing value.

    Raises
    ------
    BadInput
        When the file cannot be read or a field is neither a number nor one of the levels.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8") from None
    header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if not rows or any(len(row) != len(header) for row in rows):
        raise BadInput(f"{path}: not a table: every row needs as many fields as the header")
    columns: list[Column] = []
    for at, name in enumerate(header):
        fields = [row[at] for row in rows]
        try:
            if name in levels:
                columns.append(_factor(name, fields, levels[name], missing))
            else:
                numbers = [np.nan if f == missing else float(f) for f in fields]
                columns.append(NumericColumn(name, np.array(numbers, dtype=np.float64)))
        except (KeyError, ValueError) as error:
            raise BadInput(f"{path}: column {name!r}: {error}") from None
    return Table(tuple(columns))


def _factor(name: str, fields: list[str], levels: Sequence[str], missing: str) -> FactorColumn:
    index = {level: code for code, level in enumerate(levels)}
    index[missing] = index.get(missing, MISSING_CODE)
    unknown = next((f for f in fields if f not in index), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is none of its levels")
    codes = np.array([index[f] for f in fields], dtype=np.int32)
    return FactorColumn(name, codes, tuple(levels))
