"""Record files written in the order of their records, and read as a whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from harness.base.errors import BadInput
from harness.base.json import decode, encode
from harness.campaign.growing_file import GrowingFile
from harness.judge.glance import glance
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import FORMAT, CaseRecord, Footer, Header, Record, Run, refusal


class RecordWriter:
    """Append records to a file, each in the file before the next is written.

    The file grows under a name of its own and takes its name when the footer is written, so that a
    file of that name is always a finished one.

    Parameters
    ----------
    ending : str
        What stands behind the name of the file while it grows.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :class:`~harness.campaign.growing_file.GrowingFile`.
    """

    def __init__(self, path: Path, *, ending: str = ".partial") -> None:
        self.path = path
        self.partial = path.with_name(path.name + ending)
        self._counts: Counter[str] = Counter()
        self._properties = 0
        self._file = GrowingFile(self.partial)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, record: Header | CaseRecord | PropertyOutcome) -> None:
        """Append one record."""
        self.write_lines([encode(record)])

    def write_lines(self, lines: Sequence[bytes]) -> None:
        """Append records that are encoded already, all of them or none."""
        seen = [glance(line) for line in lines]
        self._file.append(b"".join(line + b"\n" for line in lines))
        self._counts.update(one.verdict for one in seen if one.record == "case")
        self._properties += sum(one.record == "property" for one in seen)

    def finish(self, finished: str, seconds: float) -> Footer:
        """Write the footer and give the file its name."""
        footer = Footer(
            cases=self._counts.total(),
            properties=self._properties,
            verdicts=dict(self._counts),
            finished=finished,
            seconds=seconds,
        )
        self._file.append(encode(footer) + b"\n")
        self._file.sync(every=0.0)
        os.replace(self.partial, self.path)
        return footer


def read_records(path: Path, *, allow_unfinished: bool = False) -> Run:
    """Read a record file.

    Raises
    ------
    BadInput
        When the file is missing, empty, not a record file, of another format, truncated (unless
        ``allow_unfinished``), or holds a case twice.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    if not lines:
        raise BadInput(f"{path}: the file is empty; run `lmm-parity report` to make it")
    records = [_parse(path, number, line) for number, line in enumerate(lines, 1)]
    header, last = records[0], records[-1]
    if not isinstance(header, Header):
        raise BadInput(f"{path}: line 1 is not a header; this is not a record file")
    if header.format != FORMAT:
        raise BadInput(f"{path}: {refusal(header.format)}")
    footer = last if isinstance(last, Footer) else None
    if footer is None and not allow_unfinished:
        raise BadInput(f"{path}: the run did not finish (no footer line); run it again")
    middle = records[1:] if footer is None else records[1:-1]
    cases, properties = _sorted(path, middle)
    if footer is not None:
        for what, counted, have in (
            ("cases", footer.cases, len(cases)),
            ("properties", footer.properties, len(properties)),
        ):
            if counted != have:
                raise BadInput(f"{path}: the footer counts {counted} {what}, the file has {have}")
    return Run(header=header, cases=tuple(cases), properties=tuple(properties), footer=footer)


def _parse(path: Path, number: int, line: bytes) -> Record:
    try:
        record: Record = decode(line, Record)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path}: line {number} is not a whole record: {error}") from error
    return record


def _sorted(path: Path, middle: Iterable[Record]) -> tuple[list[CaseRecord], list[PropertyOutcome]]:
    """Take cases and properties apart; neither may be there twice."""
    cases: list[CaseRecord] = []
    properties: list[PropertyOutcome] = []
    seen: set[tuple[str, ...]] = set()
    for number, record in enumerate(middle, 2):
        match record:
            case CaseRecord():
                cases.append(record)
                key: tuple[str, ...] = (record.id,)
                what = f"case {record.id!r}"
            case PropertyOutcome():
                properties.append(record)
                key = (record.property, record.case, record.engine)
                what = f"property {record.property!r} of case {record.case!r}"
            case _:
                name = type(record).__name__.lower()
                raise BadInput(f"{path}: line {number} is a second {name}")
        if key in seen:
            raise BadInput(f"{path}: line {number}: {what} is there twice")
        seen.add(key)
    return cases, properties
