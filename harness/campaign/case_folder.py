"""A folder of CSV files with formulas: ``cases.toml`` has a table for each case.

::

    [sleep]                       # the id of the case
    data = "sleep.csv"            # beside this file
    formula = "Reaction ~ Days + (Days | Subject)"
    criterion = "ML"              # optional: REML without it
    factors = ["Subject"]         # optional: numeric columns that are factors
    levels = { dose = ["low", "high"] }   # optional: level order of factors
    title = "The sleep study"     # optional
    numbers = "printed.toml"      # optional: what a program printed, judged beside the engines
    program = "SAS 9.4"           # optional: who printed it, where the file does not say
"""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from harness.base.errors import BadInput
from harness.campaign.sources import Task
from harness.data.datasets import Dataset, Reading, read_csv
from harness.data.own_table import own_rung
from harness.data.rungs import GivenListing, Rung
from harness.judge.listing import read_listing
from harness.model.model import parse_model

if TYPE_CHECKING:
    import pandas as pd

FILE = "cases.toml"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of ``cases.toml``; paths are relative to it."""

    data: str
    formula: str
    criterion: Literal["REML", "ML"] = "REML"
    factors: tuple[str, ...] = ()
    levels: dict[str, tuple[str, ...]] = {}
    residual: str = ""
    title: str = ""
    na: tuple[str, ...] = ()
    comment: str = ""
    numbers: str = ""
    program: str = ""


@dataclass(frozen=True)
class Entered:
    """An entry with its name and the folder it is in: what a worker gets."""

    folder: str
    name: str
    entry: Entry


@dataclass(frozen=True)
class CaseFolder:
    """The cases of a folder.

    Attributes
    ----------
    digest : str
        Of ``cases.toml`` and every file that it names.
    """

    folder: Path
    entries: dict[str, Entry]
    digest: str
    title: str

    @classmethod
    def of(cls, folder: Path) -> CaseFolder:
        """Read ``cases.toml`` and look at every file that it names.

        Raises
        ------
        BadInput
            Naming file and entry, for whatever can be seen without reading all data: a key that is
            wrong or missing, a formula that does not parse, a file or a column that is not there.
        """
        path = folder / FILE
        try:
            text = path.read_text(encoding="utf-8")
            tables = tomllib.loads(text)
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file; it lists the cases of a folder") from None
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{path}: not TOML: {error}") from None
        if not tables:
            raise BadInput(f"{path}: there is no case in it")
        digest = hashlib.sha256(text.encode())
        columns: dict[str, set[str]] = {}
        entries = {}
        for name, table in tables.items():
            where = f"{path}: [{name}]"
            entries[name] = entry = _entry(where, table)
            if entry.data not in columns:
                file = folder / entry.data
                columns[entry.data] = _columns(where, file, entry.comment)
                digest.update(entry.data.encode() + hashlib.sha256(file.read_bytes()).digest())
            _require_columns(where, entry, columns[entry.data])
            if entry.numbers:
                digest.update(_numbers(where, folder / entry.numbers).encode())
        title = f"The cases of {folder.resolve().name}"
        return cls(folder, entries, digest.hexdigest()[:16], title)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Task]:
        folder = str(self.folder.resolve())
        for name, entry in self.entries.items():
            yield Task(name, entered_rung, Entered(folder, name, entry))

    def identity(self) -> dict[str, str]:
        """Return a digest of the list and the data, wherever the folder lies."""
        return {"source": "folder", "digest": self.digest}


_IN_FORMULA = {
    "weights": "y ~ x + weights(w)",
    "offset": "y ~ x + offset(o)",
    "contrasts": "y ~ C(f, contr.sum)",
}


def _entry(where: str, table: object) -> Entry:
    try:
        entry = msgspec.convert(table, Entry)
    except msgspec.ValidationError as error:
        text = str(error).replace("Object contains unknown field", "unknown key")
        text = text.replace("Object missing required field", "it lacks the key")
        asked = next((k for k in _IN_FORMULA if f"unknown key `{k}`" in text), "")
        hint = f"; it is said in the formula, {_IN_FORMULA[asked]}" if asked else ""
        raise BadInput(f"{where}: {text.replace('`', repr('')[0])}{hint}") from None
    for column, order in entry.levels.items():
        if len(set(order)) < max(len(order), 2):
            raise BadInput(f"{where}: levels of {column!r}: two or more, each once")
    return entry


def _numbers(where: str, file: Path) -> str:
    """Return the text of printed numbers that can be read."""
    try:
        text = file.read_text(encoding="utf-8")
        read_listing(text)
    except OSError as error:
        raise BadInput(f"{where}: {file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{where}: {file}: not UTF-8") from None
    except BadInput as error:
        raise BadInput(f"{where}: {file}: {error}") from None
    return text


def _columns(where: str, file: Path, comment: str) -> set[str]:
    """Return the names in the first line; reading the whole is the worker's business."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = next(
                (
                    line
                    for line in opened
                    if line.strip() and not (comment and line.lstrip().startswith(comment))
                ),
                "",
            )
    except OSError as error:
        raise BadInput(f"{where}: {file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{where}: {file}: not UTF-8") from None
    delimiter = max(",;\t", key=first.count)
    if delimiter not in first:
        delimiter = " "
    return set(next(csv.reader([first], delimiter=delimiter), []))


def _require_columns(where: str, entry: Entry, columns: set[str]) -> None:
    try:
        model = parse_model(entry.formula, entry.criterion, entry.residual)
        used = {name.name for name in model.names()}
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    for name in sorted(used - columns):
        raise BadInput(f"{where}: no column {name!r} in {entry.data}")
    for name in (*entry.factors, *entry.levels):
        if name not in used:
            raise BadInput(f"{where}: column {name!r} is not in the formula")


def entered_rung(given: Entered) -> Rung:
    """Build the rung of an entry."""
    entry = given.entry
    file = Path(given.folder) / entry.data
    rung = own_rung(
        given.name,
        Dataset(entry.data, _frame(str(file), entry.na, entry.comment), str(file)),
        entry.formula,
        entry.criterion,
        factors=entry.factors,
        levels=entry.levels,
        residual=entry.residual,
        title=entry.title,
        group=Path(given.folder).name,
    )
    if not entry.numbers:
        return rung
    text = _numbers(f"[{given.name}]", Path(given.folder) / entry.numbers)
    listing = GivenListing(
        text, entry.program, entry.formula, entry.factors, entry.levels, entry.residual
    )
    return replace(rung, listing=listing)


@lru_cache(maxsize=4)
def _frame(file: str, missing: tuple[str, ...], comment: str) -> pd.DataFrame:
    return read_csv(Path(file), Reading(missing, comment))
