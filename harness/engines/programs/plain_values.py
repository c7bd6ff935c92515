"""Numbers of messages: JSON has no NaN, no infinity and no numbers of numpy."""

from __future__ import annotations

import math


def real(value):
    """Return a number of a message: null and "nan" are NaN, "inf" is infinity."""
    return math.nan if value is None else float(value)


def plain(value):
    """Return what JSON can hold: numbers of numpy become numbers, NaN the string "nan".

    Raises
    ------
    TypeError
        For what is no number, text, list or dictionary, or for a complex number.
    """
    if value is None or isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "tolist") and not isinstance(value, float):
        inner = value.tolist()
        # numpy's long double is its own item.
        return plain(inner if type(inner) is not type(value) else float(inner))
    if hasattr(value, "__float__") and not isinstance(value, complex):
        number = float(value)
        if math.isfinite(number):
            return number
        return "nan" if math.isnan(number) else ("inf" if number > 0.0 else "-inf")
    raise TypeError(f"{type(value).__name__} is nothing that a message can hold")


def rows_of(names, estimate, se=None, df=None, statistic=None, p=None):
    """Return rows of a ``fitted`` message; None is a column that the engine does not state."""
    names = list(names)
    given = (estimate, se, df, statistic, p)
    columns = [[None] * len(names) if column is None else plain(column) for column in given]
    fields = ("name", "estimate", "se", "df", "statistic", "p")
    return [dict(zip(fields, row, strict=True)) for row in zip(names, *columns, strict=True)]
