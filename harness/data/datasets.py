"""Data sets: the fixtures with their provenance, and anyone's CSV."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.errors import BadInput
from harness.base.resources import fixture

_DELIMITERS = (",", ";", "\t")
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
    """

    name: str
    source: pd.DataFrame | Callable[[], pd.DataFrame]
    origin: str
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)

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


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV with a header, delimited by comma, semicolon or tab, in UTF-8.

    Where commas do not delimit, a field like ``7,5`` makes the comma the decimal sign.

    Numbers are read to the nearest double, so that a file written with 17 digits comes back
    exactly.

    Raises
    ------
    BadInput
        When the file is missing, not text in UTF-8, not a table, has no rows, rows of another
        length than the header, or empty or duplicate column names.
    """
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
    if not text.strip():
        raise BadInput(f"{path}: the file is empty")
    first = text.lstrip("\r\n").splitlines()[0]
    delimiter = max(_DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter))
    _check_header(path, header)
    _check_widths(path, text, delimiter, len(header))
    options: dict[str, Any] = {
        "sep": delimiter,
        "decimal": "," if delimiter != "," and _DECIMAL_COMMA.search(text) else ".",
        "encoding": "utf-8-sig",
        "index_col": False,
        "on_bad_lines": "error",
    }
    try:
        frame = _exact_integers(pd.read_csv(path, **options), path, options)
    except (pd.errors.ParserError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        reason = reason.removeprefix("Error tokenizing data. C error: ")
        raise BadInput(f"{path}: not a CSV table: {reason}") from None
    if len(frame) == 0:
        raise BadInput(f"{path}: there is a header but no rows")
    return frame


def _exact_integers(frame: pd.DataFrame, path: Path, options: dict[str, Any]) -> pd.DataFrame:
    """Read long whole numbers as such where a missing value has made doubles of them.

    Beyond 2^53 doubles leave whole numbers out, so that different ids would become one.
    """
    long = [c for c in frame.select_dtypes("float") if frame[c].abs().max() >= 2.0**53]
    if not long:
        return frame
    texts = pd.read_csv(path, **options, dtype=str)
    for column in long:
        known = texts[column].dropna().str.strip()
        if known.str.fullmatch(r"[+-]?\d+").all():
            try:
                frame[column] = texts[column].str.strip().astype("Int64")
            except (OverflowError, ValueError, TypeError):
                frame[column] = texts[column]  # longer than 64 bits: labels
    return frame


def _check_widths(path: Path, text: str, delimiter: str, width: int) -> None:
    """Refuse ragged rows: pandas fills short ones with missing values and cuts long ones."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for fields in reader:
            if fields and len(fields) != width:
                raise BadInput(
                    f"{path}: line {reader.line_num} has {len(fields)} "
                    f"field{'s' if len(fields) != 1 else ''}, the header {width}"
                )
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num}: {error}") from None


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) < 2:
        raise BadInput(f"{path}: not a CSV table: its first line has no comma, semicolon or tab")
    empty = [i for i, name in enumerate(header, 1) if not name.strip()]
    if empty and empty != [1]:
        raise BadInput(f"{path}: column {empty[-1]} has no name")
    duplicated = sorted({name for name in header if header.count(name) > 1})
    if duplicated:
        raise BadInput(
            f"{path}: duplicate column names: {', '.join(map(repr, duplicated))}; rename them"
        )
