"""Record files to flat tables: CSV, or Parquet where pyarrow is installed.

Rows are written as records are read, so that memory does not grow with the number of cases. The
file takes its name when it is whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.files import open_whole
from harness.campaign.record_stream import RecordStream
from harness.judge.records import CaseRecord
from harness.page.record_tables import TABLES, Cell, FlatTable, Row

ROW_GROUP = 20_000
"""Rows of a Parquet row group: what is held in memory at a time."""


@dataclass(frozen=True)
class Exported:
    """What was written, and whether the record file was whole."""

    rows: int
    cases: int
    properties: int
    finished: bool
    torn: bool


def export(source: Path, target: Path, table: str) -> Exported:
    """Write a table of a record file, finished or not.

    Parameters
    ----------
    source : Path
        The record file.
    target : Path
        ``.csv`` or ``.parquet``; replaced only when the whole table is written.
    table : str
        One of :data:`harness.page.record_tables.TABLES`.

    Raises
    ------
    BadInput
        For another ending or table, a source that is no record file, a target that cannot be
        written.
    EnvironmentProblem
        For ``.parquet`` without pyarrow.
    """
    if table not in TABLES:
        raise BadInput(f"no table {table!r}; there are {', '.join(TABLES)}")
    ending = target.suffix.lower()
    if ending not in _WRITERS:
        raise BadInput(f"{target}: the name must end in {' or '.join(_WRITERS)}")
    flat = TABLES[table]
    rows = cases = properties = 0
    with RecordStream(source) as stream, _WRITERS[ending](target, flat, table) as write:
        for _, record in stream:
            if isinstance(record, CaseRecord):
                cases += 1
            else:
                properties += 1
            for row in flat.rows(stream.header, record):
                write(row)
                rows += 1
    return Exported(rows, cases, properties, stream.footer is not None, stream.torn)


Writer = Callable[[Row], None]


@contextmanager
def _csv(target: Path, flat: FlatTable, _: str) -> Iterator[Writer]:
    with open_whole(target) as whole:
        file = io.TextIOWrapper(whole, encoding="utf-8", newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in flat.columns)

        def write(row: Row) -> None:
            writer.writerow(map(_text, row))

        yield write
        file.detach()  # written out; it is closed where it was opened


def _text(cell: Cell) -> Cell:
    """Return a cell as CSV has it: flags in lower case, null as nothing, floats to the last bit."""
    return ("true" if cell else "false") if isinstance(cell, bool) else cell


@contextmanager
def _parquet(target: Path, flat: FlatTable, name: str) -> Iterator[Writer]:
    arrow, parquet = _require_pyarrow()
    kinds = {
        "text": arrow.string(),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "flag": arrow.bool_(),
    }
    schema = arrow.schema(
        [arrow.field(c.name, kinds[c.kind], metadata={"about": c.about}) for c in flat.columns],
        metadata={"lmm-parity table": name},
    )
    with open_whole(target, seeks=True) as file:
        pending: list[Row] = []
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:

            def flush() -> None:
                columns = zip(*pending, strict=True)
                arrays = [
                    arrow.array(cells, type=field.type)
                    for cells, field in zip(columns, schema, strict=True)
                ]
                writer.write_batch(arrow.record_batch(arrays, schema=schema))
                pending.clear()

            def write(row: Row) -> None:
                pending.append(row)
                if len(pending) >= ROW_GROUP:
                    flush()

            yield write
            if pending:
                flush()


def _require_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise EnvironmentProblem(
            "Parquet needs pyarrow: pip install 'lmm-parity[parquet]', or write a .csv"
        ) from error
    return pyarrow, pyarrow.parquet


_WRITERS = {".parquet": _parquet, ".csv": _csv}
"""By the ending of the file's name."""
