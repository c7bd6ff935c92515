"""Data sets: the fixtures with their provenance, and anyone's CSV."""

from __future__ import annotations

import csv
import io
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from harness.base.errors import BadInput
from harness.base.resources import fixture

_DELIMITERS = (",", ";", "\t")
_TEXTS_AT_MOST = 3
_NUMBERS_AT_LEAST = 3
_OPENED = re.compile(r'(?:^|[,;\t ])"')
"""Where a quoted field may begin; a quote within a field, as in 5'10", is a character."""

_DECIMAL_COMMA = re.compile(r"(?:^|[;\t])[+-]?\d+,\d+(?:[eE][+-]?\d+)?(?=[;\t]|\r?$)", re.MULTILINE)


@dataclass(frozen=True)
class Dataset:
    """A data frame with what is known about it.

    Attributes
    ----------
    source : DataFrame or function
        The frame, or what makes it when it is first asked for.
    origin : str
        Where it comes from, in a line.
    levels : dict
        Explicit level order of factor columns.
    hints : dict
        Why a column of numbers is read as text, and what to do.
    """

    name: str
    source: pd.DataFrame | Callable[[], pd.DataFrame]
    origin: str
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The data frame."""
        return self.source() if callable(self.source) else self.source


@cache
def _described() -> dict[str, Any]:
    return tomllib.loads(fixture("datasets.toml").read_text(encoding="utf-8"))


@cache
def load_dataset(name: str) -> Dataset:
    """Load a fixture.

    Raises
    ------
    BadInput
        When there is no fixture of that name.
    """
    described = _described()
    if name not in described:
        raise BadInput(f"no data set {name!r}; there are {', '.join(described)}")
    about = described[name]
    frame = read_csv(fixture(*Path(about["file"]).parts))
    version = f" {about['version']}" if about.get("package", "none") != "none" else ""
    origin = f"{about['title']}; {about['package']}{version}, {about['licence']}"
    levels = {column: tuple(order) for column, order in about.get("factors", {}).items()}
    return Dataset(name, frame, origin, levels)


@dataclass(frozen=True)
class Reading:
    """How a table is written.

    Attributes
    ----------
    missing : tuple of str
        What stands for a missing value, beside what pandas takes for one (nothing, NA, NaN, NULL
        and the like).
    comment : str
        Lines that begin with it are left out; empty for none.
    """

    missing: tuple[str, ...] = ()
    comment: str = ""


def read_csv(path: Path, reading: Reading | None = None) -> pd.DataFrame:
    """Read a CSV as :func:`read_table` does, without its notes."""
    return read_table(path, reading)[0]


def read_table(path: Path, reading: Reading | None = None) -> tuple[pd.DataFrame, str]:
    """Read a CSV with a header, delimited by comma, semicolon, tab or blank, in UTF-8.

    Where commas do not delimit, a field like ``7,5`` makes the comma the decimal sign. Where every
    row has one field more than the header the first is an index without a name, as R's
    ``write.table`` writes row names and pandas reads them.

    Numbers are read to the nearest double, so that a file written with 17 digits comes back
    exactly.

    Returns
    -------
    DataFrame
    str
        What a user should know about the reading; empty where it is nothing.

    Raises
    ------
    BadInput
        When the file is missing, not text in UTF-8, not a table, has no rows, rows of another
        length than the header, or empty or duplicate column names.
    """
    reading = reading or Reading()
    text = _without_comments(_text(path), reading.comment)
    if not text.strip():
        raise BadInput(f"{path}: the file is empty")
    first = next(line for line in io.StringIO(text) if line.strip()).rstrip("\n")
    delimiter = max(_DELIMITERS, key=first.count)
    if delimiter not in first and _is_spaced(text):
        delimiter = " "
    try:
        header = next(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
    except csv.Error as error:
        raise BadInput(f"{path}: not a CSV table: {error}") from None
    _check_header(path, header, first, reading.comment)
    indexed = _has_index(text, delimiter, len(header))
    _check_widths(path, text, delimiter, len(header), indexed=indexed)
    options: dict[str, Any] = {
        "sep": delimiter,
        "decimal": "," if delimiter != "," and _DECIMAL_COMMA.search(text) else ".",
        "index_col": None if indexed else False,
        "on_bad_lines": "error",
        "na_values": _missing(reading.missing, text, delimiter) or None,
    }
    try:
        frame = _exact_integers(_parsed(text, options), text, options)
    except (pd.errors.ParserError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        reason = reason.removeprefix("Error tokenizing data. C error: ")
        raise BadInput(f"{path}: not a CSV table: {reason}") from None
    if len(frame) == 0:
        raise BadInput(f"{path}: there is a header but no rows")
    frame.attrs["decimal"] = options["decimal"]
    notes = _words_taken_for_missing(frame, text, options)
    if indexed:
        notes.append(
            "rows have one field more than the header; the first (in the first row "
            f"{_first_index(text, delimiter)!r}) is taken for an index without a name and left "
            "out, as pandas and R do"
        )
    return frame, f"{path}: {'; '.join(notes)}" if notes else ""


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except IsADirectoryError:
        raise BadInput(f"{path}: is a folder, not a CSV file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path}: not UTF-8 (byte {error.object[error.start]:#04x} at offset {error.start}); "
            "save it as UTF-8"
        ) from None
    if "\0" in text:
        raise BadInput(f"{path}: not a text file (it holds zero bytes)")
    return text


def _without_comments(text: str, comment: str) -> str:
    """Empty the lines that begin with ``comment``, so that the others keep their numbers.

    A line within a quoted field is none: what is quoted is read as it stands.
    """
    if not comment:
        return text
    kept, quoted = [], False
    for line in io.StringIO(text, newline=""):
        if not quoted and line.lstrip().startswith(comment):
            kept.append("\n")
            continue
        kept.append(line)
        quoted ^= line.count('"') % 2 == 1 and (quoted or bool(_OPENED.search(line)))
    return "".join(kept)


def _parsed(text: str, options: dict[str, Any]) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text, newline=""), **options).reset_index(drop=True)


def _words_taken_for_missing(frame: pd.DataFrame, text: str, options: dict[str, Any]) -> list[str]:
    """Return what is said of words that pandas takes for missing values, where R has a level.

    R's ``read.csv`` takes NA alone for missing; ``None`` may well be a level of a treatment.
    """
    gaps = [c for c in frame if frame[c].isna().any() and not is_numeric_dtype(frame[c])]
    if not gaps:
        return []
    given = {*(options["na_values"] or ()), "", "NA"}
    raw = _parsed(text, {**options, "keep_default_na": False, "na_values": None, "dtype": str})
    notes = []
    for column in gaps:
        words = raw[column][frame[column].isna()].str.strip()
        for word, times in words[~words.isin(given)].value_counts().items():
            notes.append(
                f"{word!r} in {column} is taken for a missing value, {times} of {len(frame)} rows; "
                "if it is a level, give it another name"
            )
    return notes


def _missing(wanted: Sequence[str], text: str, delimiter: str) -> list[str]:
    """Return the texts that stand for a missing value, with the blanks they have around them."""
    if not wanted:
        return []
    bare = {one.strip() for one in wanted}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found = {field for row in rows for field in row if field.strip() in bare}
    return sorted(bare | found)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Return the rows below the header."""
    rows = filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    next(rows, None)
    return rows


def _has_index(text: str, delimiter: str, width: int) -> bool:
    """Whether every row has one field more than the header, and not for a delimiter at its end."""
    try:
        rows = list(_rows(text, delimiter))
    except csv.Error:
        return False
    longer = bool(rows) and all(len(row) == width + 1 for row in rows)
    return longer and any(row[-1] for row in rows)


def _is_spaced(text: str) -> bool:
    """Whether blanks delimit: all rows have the header's fields, or one more."""
    try:
        rows = list(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=" ")))
    except csv.Error:
        return False
    widths = {len(row) for row in rows[1:]}
    return len(rows) > 1 and len(rows[0]) > 1 and widths in ({len(rows[0])}, {len(rows[0]) + 1})


def _first_index(text: str, delimiter: str) -> str:
    return next(_rows(text, delimiter))[0]


def missing_hints(frame: pd.DataFrame) -> dict[str, str]:
    """Say of columns that hold numbers and a few texts what would read them as numbers.

    Returns
    -------
    dict
        By column; of those with at most three different texts in at most a third of their values.
    """
    hints = {}
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]):
            continue
        known = frame[name].dropna()
        plain = known.astype(str)
        if frame.attrs.get("decimal") == ",":
            plain = plain.str.replace(",", ".", regex=False)
        odd = known[pd.to_numeric(plain, errors="coerce").isna()].astype(str)
        texts = list(dict.fromkeys(odd))
        if texts and len(texts) <= _TEXTS_AT_MOST and len(odd) <= len(known) / _NUMBERS_AT_LEAST:
            shown = ", ".join(map(repr, texts))
            given = " ".join(f"--na {shlex.quote(text)}" for text in texts)
            them = "it" if len(texts) == 1 else "them"
            # A number with a sign or a unit is a value, and no missing one.
            written = any(re.search(r"\d", text) for text in texts)
            numbers = "write numbers as numbers; " if written else ""
            hints[str(name)] = (
                f"column {str(name)!r} is read as text for {shown} in {len(odd)} of its "
                f"{len(known)} values; {numbers}{given} reads {them} as missing"
            )
    return hints


def _exact_integers(frame: pd.DataFrame, text: str, options: dict[str, Any]) -> pd.DataFrame:
    """Read long whole numbers as such where a missing value has made doubles of them.

    Beyond 2^53 doubles leave whole numbers out, so that different ids would become one.
    """
    long = [c for c in frame.select_dtypes("float") if frame[c].abs().max() >= 2.0**53]
    if not long:
        return frame
    texts = _parsed(text, {**options, "dtype": str})
    for column in long:
        known = texts[column].dropna().str.strip()
        if known.str.fullmatch(r"[+-]?\d+").all():
            try:
                frame[column] = texts[column].str.strip().astype("Int64")
            except (OverflowError, ValueError, TypeError):
                frame[column] = texts[column]  # longer than 64 bits: labels
    return frame


def _check_widths(path: Path, text: str, delimiter: str, width: int, *, indexed: bool) -> None:
    """Refuse ragged rows: pandas fills short ones with missing values and cuts long ones."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for place, fields in enumerate(filter(None, reader)):
            if len(fields) != width + (indexed and place > 0):
                raise BadInput(
                    f"{path}: line {reader.line_num} has {len(fields)} "
                    f"field{'s' if len(fields) != 1 else ''}, the header {width}"
                )
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num}: {error}") from None


def _check_header(path: Path, header: list[str], first: str, comment: str) -> None:
    marked = re.match(r"\s*(#|%|//|!)", first)
    hint = (
        f"; is it a comment? --comment {shlex.quote(marked[1])} leaves such lines out"
        if marked and not comment
        else ""
    )
    if hint and not header[0].lstrip("#%!/ ").isidentifier():
        raise BadInput(f"{path}: its first line is {first!r}{hint}")
    if len(header) < 2:
        raise BadInput(
            f"{path}: not a CSV table: its first line has no comma, semicolon or tab{hint}"
        )
    empty = [i for i, name in enumerate(header, 1) if not name.strip()]
    if empty and empty != [1]:
        raise BadInput(f"{path}: column {empty[-1]} has no name")
    duplicated = sorted({name for name in header if header.count(name) > 1})
    if duplicated:
        raise BadInput(
            f"{path}: duplicate column names: {', '.join(map(repr, duplicated))}; rename them"
        )
