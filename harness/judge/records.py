"""Records: a header, one line per case or checked property, a footer, as JSON lines.

Everything after a run (HTML, markdown, exit code) is a reader of such a file. The footer is the
proof that the run came to its end; a file without one is unfinished.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec

from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.json import Real, Vector, decode, encode
from harness.engines.engine import Failure, Fit, Setting
from harness.judge.audit import Audit
from harness.judge.certified_score import CertifiedScore
from harness.judge.comparison import Comparison
from harness.judge.glance import Glance, glance
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.verdict import Definition, Verdict

FORMAT = 2
"""Version of the record format; a reader refuses what it does not know."""


SYNC_SECONDS = 3.0
"""How often a file that grows is forced to the disk."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="record"):
    """First line: what ran, where, and how to run it again."""

    format: int
    program: str
    created: str
    title: str
    engines: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    planned: int
    versions: dict[str, str]
    platform: dict[str, str]
    blas: dict[str, str]
    environment: dict[str, str]
    seed: int
    options: dict[str, str]
    command: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the data as both engines got it. ``levels`` is empty for a numeric column."""

    name: str
    kind: Literal["numeric", "factor"]
    levels: tuple[str, ...] = ()
    missing: int = 0


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The data contract of a case, and a picture's worth of the data themselves.

    ``x``, ``y`` and ``group`` are the rows used (``group`` as indices into ``group_levels``), for
    drawing; empty when there are more rows than the run embeds or nothing to draw against.
    """

    name: str
    origin: str
    checksum: str
    rows: int
    rows_used: int
    columns: tuple[Column, ...]
    groups: dict[str, int]
    x_name: str = ""
    y_name: str = ""
    group_name: str = ""
    group_levels: tuple[str, ...] = ()
    x: Vector = ()
    y: Vector = ()
    group: tuple[int, ...] = ()


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a publication prints, held against what an engine gives now.

    ``matches`` is true when the value rounds to the printed string.
    """

    source: str
    quantity: str
    item: str
    printed: str
    engine: str
    value: Real
    matches: bool


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True, tag="case", tag_field="record"):
    """One case: its fits, audits, comparisons and verdicts.

    ``fits`` holds every engine in every setting; ``audits`` those fits that the referee could
    evaluate. ``verdicts`` has one entry per setting, the default setting first: it is the one that
    counts. ``certified`` holds, for a rung with certified values, the digits of every fit that is
    evaluated, the worst item of each quantity. ``seconds`` is the wall time of the whole case,
    ``audit_seconds`` the referee's share of it.
    """

    id: str
    title: str
    group: str
    formula: str
    criterion: Literal["REML", "ML", "OLS"]
    words: str
    spelling: dict[str, str]
    focus: str
    data: DataSummary
    fits: tuple[Fit | Failure, ...]
    audits: tuple[Audit, ...]
    comparisons: tuple[Comparison, ...]
    definitions: tuple[Definition, ...]
    verdicts: tuple[Verdict, ...]
    printed: tuple[Printed, ...]
    certified: tuple[CertifiedScore, ...]
    best_loglik: Real | None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    audit_seconds: float = 0.0

    def fit(self, engine: str, setting: Setting = "default") -> Fit | Failure | None:
        """Return what ``engine`` gave in ``setting``, or None when it was not run."""
        return next((f for f in self.fits if f.engine == engine and f.setting == setting), None)

    def audit(self, engine: str, setting: Setting = "default") -> Audit | None:
        """Return the audit of that fit, or None when there is none."""
        return next((a for a in self.audits if a.engine == engine and a.setting == setting), None)


class Footer(msgspec.Struct, frozen=True, kw_only=True, tag="footer", tag_field="record"):
    """Last line: the run came to its end."""

    cases: int
    properties: int
    verdicts: dict[str, int]
    finished: str
    seconds: float


Record = Header | CaseRecord | PropertyOutcome | Footer


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A record file as read."""

    header: Header
    cases: tuple[CaseRecord, ...]
    properties: tuple[PropertyOutcome, ...]
    footer: Footer | None


@dataclass(frozen=True)
class Kept:
    """What an unfinished file holds that is whole.

    Attributes
    ----------
    size : int
        Bytes, from the header to the end of the last record that stays.
    verdicts : dict
        Cases by class of their verdict.
    properties : int
        Outcomes of properties.
    """

    size: int
    verdicts: dict[str, int]
    properties: int


class RecordWriter:
    """Append records to a file, each in the file before the next is written.

    The file grows under a name ending in ``.partial`` and takes its own name when the footer is
    written, so that a file of that name is always a finished one. It is forced to the disk every
    few seconds, so that a power cut costs no more than these.

    Parameters
    ----------
    kept : Kept, optional
        What stays of the unfinished file that is there; without it a new one is begun.

    Raises
    ------
    BadInput
        When the file cannot be written, or another process is writing it.
    EnvironmentProblem
        From the methods, when the disk is full or fails: what was written before stays.
    """

    def __init__(self, path: Path, kept: Kept | None = None) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._counts: Counter[str] = Counter(kept.verdicts if kept else {})
        self._properties = kept.properties if kept else 0
        self._size = kept.size if kept else 0
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise BadInput(f"{self.partial}: another run is writing it") from None
        except OSError:
            # A file system without locks: nothing can be said.
            pass
        os.ftruncate(self._file, self._size)
        os.lseek(self._file, self._size, os.SEEK_SET)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def write(self, record: Header | CaseRecord | PropertyOutcome) -> None:
        """Append one record."""
        self.write_lines([encode(record)])

    def write_lines(self, lines: Sequence[bytes]) -> list[Glance]:
        """Append records that are encoded already, all of them or none."""
        seen = [glance(line) for line in lines]
        self._append(b"".join(line + b"\n" for line in lines))
        for one in seen:
            if one.record == "case":
                self._counts[one.verdicts[0].verdict] += 1
            elif one.record == "property":
                self._properties += 1
        return seen

    def sync(self, *, every: float = SYNC_SECONDS) -> None:
        """Force what was written to the disk, unless that was done a moment ago."""
        if time.monotonic() - self._synced >= every:
            with self._explained():
                os.fsync(self._file)
            self._synced = time.monotonic()

    def finish(self, finished: str, seconds: float) -> Footer:
        """Write the footer and give the file its name."""
        footer = Footer(
            cases=sum(self._counts.values()),
            properties=self._properties,
            verdicts=dict(self._counts),
            finished=finished,
            seconds=seconds,
        )
        self._append(encode(footer) + b"\n")
        self.sync(every=0.0)
        os.close(self._file)
        self._file = -1
        os.replace(self.partial, self.path)
        return footer

    def _append(self, data: bytes) -> None:
        with self._explained():
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        self._size += len(data)
        self.sync()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A line that broke off would be recognised later; without it nothing is amiss.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise EnvironmentProblem(
                f"{self.partial}: cannot be written: {error.strerror or error}; the records before "
                "are kept"
            ) from error


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
        raise BadInput(f"{path}: record format {header.format}; this program reads {FORMAT}")
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


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of a record file."""
    return msgspec.json.schema(Record)
