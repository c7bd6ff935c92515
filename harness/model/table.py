"""The data contract: which columns are factors, their levels, what is missing.

Both engines get the data through this one class, so that level order (R sorts by locale, Python by
code point), integer codes and missing values cannot differ between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput

MISSING_CODE = -1
_UNKNOWN = -2


@dataclass(frozen=True)
class NumericColumn:
    """A numeric column; ``values`` is float64 of length n with NaN for missing."""

    name: str
    values: NDArray[np.float64]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of length n."""
        return np.isnan(self.values)


Order = Literal["given", "numbers", "text", "categories", "other"]
"""Why the levels of a factor come as they do: stated by the user, sorted as numbers or by code
point, those of a categorical column, or sorted as logical values and times are everywhere."""


@dataclass(frozen=True)
class FactorColumn:
    """A factor; ``codes`` is int32 of length n, an index into ``levels`` or -1 for missing."""

    name: str
    codes: NDArray[np.int32]
    levels: tuple[str, ...]
    order: Order = "given"

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of length n."""
        return np.asarray(self.codes == MISSING_CODE)


Column = NumericColumn | FactorColumn


@dataclass(frozen=True)
class Table:
    """The columns a model uses, in a fixed order, with missing values kept.

    Engines see the columns under the ``alias`` names ``v1``, ``v2``, ...: a column called ``C``,
    ``x y`` or ``I`` then means the same to patsy, formulaic and R.
    """

    columns: tuple[Column, ...]
    labels_repeat: bool = False
    """Whether a label of the data frame's index stands for several rows."""

    @property
    def n_rows(self) -> int:
        """Number of rows, those with missing values included."""
        first = self.columns[0]
        return len(first.values if isinstance(first, NumericColumn) else first.codes)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names as the user has them."""
        return tuple(column.name for column in self.columns)

    @property
    def alias(self) -> dict[str, str]:
        """Map from column name to the name both engines see."""
        return {name: f"v{i}" for i, name in enumerate(self.names, 1)}

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Rows without a missing value: the rule of this contract is to use these (listwise)."""
        missing = np.column_stack([column.missing for column in self.columns])
        found = np.asarray(~missing.any(axis=1), dtype=np.bool_)
        found.flags.writeable = False  # it is handed out again
        return found

    def rows(self, keep: NDArray[np.bool_]) -> Table:
        """Return the rows where ``keep`` is true; levels stay as they are."""
        return Table(
            tuple(
                NumericColumn(c.name, c.values[keep])
                if isinstance(c, NumericColumn)
                else FactorColumn(c.name, c.codes[keep], c.levels, c.order)
                for c in self.columns
            ),
            self.labels_repeat,
        )

    def frame(self, *, aliased: bool = False) -> pd.DataFrame:
        """Return a data frame; factors are categoricals with the contract's level order."""
        names = self.alias if aliased else {name: name for name in self.names}
        return pd.DataFrame(
            {
                names[c.name]: c.values
                if isinstance(c, NumericColumn)
                else pd.Categorical.from_codes(c.codes, categories=list(c.levels))
                for c in self.columns
            }
        )

    def checksum(self) -> str:
        """Return the MD5 of rows, levels and missing values.

        ``data_checksum`` in ``r_scripts/data.R`` computes the same from the vectors that R
        received. Per column, in order: the byte ``n`` or ``f``; the number of rows as int32; a
        missing mask of one byte a row; then for numeric columns the values as float64 with 0 for
        missing, for factors the 1-based codes as int32 with 0 for missing, the number of levels as
        int32 and each level in UTF-8 ended by a zero byte. Numbers are little-endian.
        """
        return self._checksum

    @cached_property
    def _checksum(self) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for column in self.columns:
            missing = column.missing
            digest.update(b"n" if isinstance(column, NumericColumn) else b"f")
            digest.update(np.int32(len(missing)).astype("<i4").tobytes())
            digest.update(missing.astype(np.uint8).tobytes())
            if isinstance(column, NumericColumn):
                # Adding 0.0 turns -0.0 into 0.0: R and Python print and compare them as equal.
                digest.update((np.where(missing, 0.0, column.values) + 0.0).astype("<f8").tobytes())
            else:
                digest.update((column.codes + 1).astype("<i4").tobytes())
                digest.update(np.int32(len(column.levels)).astype("<i4").tobytes())
                for level in column.levels:
                    digest.update(level.encode() + b"\0")
        return digest.hexdigest()


CODES = 5
"""Whole numbers of this many different values at most may be codes of a factor."""


def are_codes(values: NDArray[np.float64]) -> bool:
    """Whether numbers are a few consecutive whole ones, as codes are: 0/1, or 1/2/3."""
    found = np.unique(values)
    whole = bool((found == np.round(found)).all())
    return whole and 2 <= len(found) <= CODES and float(np.ptp(found)) == len(found) - 1


def table_from_frame(
    frame: pd.DataFrame,
    columns: Iterable[str],
    *,
    factors: Iterable[str] = (),
    levels: Mapping[str, tuple[str, ...]] | None = None,
) -> Table:
    """Build the contract for some columns of a data frame.

    Parameters
    ----------
    columns : iterable of str
        The columns to take, in this order.
    factors : iterable of str
        Columns to treat as factors whatever their type; strings, booleans and categoricals always
        are.
    levels : mapping, optional
        Explicit level order by column. Without it a categorical keeps its own order, numbers are
        sorted as numbers and strings by code point.

    Raises
    ------
    BadInput
        For an unknown or duplicated column, a column that is all missing, infinite values, or a
        value that is not among explicit levels.
    """
    levels = levels or {}
    factors = set(factors)
    duplicated = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if duplicated:
        raise BadInput(f"duplicate column names: {', '.join(map(repr, duplicated))}; rename them")
    if len(frame) == 0:
        raise BadInput("the data have no rows")
    built: list[Column] = []
    for name in columns:
        if name not in frame.columns:
            have = ", ".join(map(repr, map(str, frame.columns)))
            raise BadInput(f"no column {name!r} in the data; it has {have}")
        series = frame[name]
        if series.isna().all():
            raise BadInput(f"column {name!r} has only missing values")
        if name in factors or name in levels or not _is_numeric(series):
            built.append(_factor(name, series, levels.get(name)))
        else:
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isinf(values).any():
                row = int(np.flatnonzero(np.isinf(values))[0]) + 1
                raise BadInput(f"column {name!r} has an infinite value (row {row})")
            built.append(NumericColumn(name, np.ascontiguousarray(values)))
    return Table(tuple(built), labels_repeat=not frame.index.is_unique)


def _is_numeric(series: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)


def _factor(name: str, series: pd.Series, explicit: tuple[str, ...] | None) -> FactorColumn:
    # One label for each different value; a column of objects may hold equal ones (1 and True) that
    # are written differently.
    if series.dtype == object:
        rows, values = np.arange(len(series)), list(series)
    else:
        rows, found = pd.factorize(series)
        values = list(found)
    why: Order
    if explicit is not None:
        order, why = explicit, "given"
    else:
        order, why = own_order(series)
    index = {level: code for code, level in enumerate(order)}
    labels = [label_of(v) for v in values]
    codes = np.array([index.get(label, _UNKNOWN) for label in labels], dtype=np.int32)[rows]
    codes[series.isna().to_numpy()] = MISSING_CODE
    unknown = sorted({labels[row] for row in rows[codes == _UNKNOWN]})
    if unknown:
        raise BadInput(f"column {name!r}: value {unknown[0]!r} is not among its levels {order}")
    return FactorColumn(name, codes, order, why)


def own_order(series: pd.Series) -> tuple[tuple[str, ...], Order]:
    """Return the levels of a column as Python has them by itself, and why."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return tuple(label_of(v) for v in series.cat.categories), "categories"
    values = series.dropna().unique()
    kinds = {_kind(v) for v in values}
    if len(kinds) > 1:  # a file has them as text
        return tuple(sorted({label_of(v) for v in values})), "text"
    return tuple(label_of(v) for v in sorted(values)), kinds.pop()


def _kind(value: object) -> Order:
    if isinstance(value, str):
        return "text"
    number = isinstance(value, Real | np.number) and not isinstance(value, bool)
    return "numbers" if number else "other"


def label_of(value: object) -> str:
    """Return the level that a value is: whole numbers without a point, as R prints them."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
