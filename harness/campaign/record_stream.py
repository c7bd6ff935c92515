"""Record files read line by line, whatever their size.

Memory is that of the longest line, plus some twenty bytes for each record to see that none is
there twice. An unfinished file is read too, with records in the order of their arrival and a last
line that broke off in the middle, and said to be one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from harness.base.closable import Closable
from harness.base.errors import BadInput
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import FORMAT, CaseRecord, Footer, Header, Record, refusal


@dataclass(frozen=True, order=True)
class Place:
    """Where a record is in its file: line number (from 1), first byte, number of bytes."""

    line: int
    start: int
    length: int


class RecordStream(Closable):
    """A record file open for reading.

    Iterating gives each case and each property with its place, in the order of the file, and may
    be done again. ``footer`` and ``torn`` are known when an iteration has come to its end.

    Attributes
    ----------
    header : Header
    footer : Footer or None
        None for a run that did not finish.
    torn : bool
        The last line broke off, as a crash leaves it; it is not counted.

    Raises
    ------
    BadInput
        When the file is missing, empty, not a record file or of another format; while iterating,
        when a line before the last is no record, or a record is there twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.footer: Footer | None = None
        self.torn = False
        # A decoder kept is faster than harness.base.json.decode, which makes one for each line.
        self._decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record, strict=False)
        self._file = _open(path)
        try:
            first = self._file.readline()
            if not first:
                raise BadInput(f"{path}: the file is empty; run `lmm-parity report` to make it")
            _require_format(path, first)
            header = self._decode(first, 1)
            if not isinstance(header, Header):
                hint = ""
                if isinstance(header, CaseRecord) and header.listing is not None:
                    hint = ": --json prints one record; audit --records FILE writes a file of it"
                raise BadInput(f"{path}: line 1 is not a header; this is not a record file{hint}")
        except BaseException:
            self._file.close()
            raise
        self.header = header
        self._begin = len(first)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[tuple[Place, CaseRecord | PropertyOutcome]]:
        self._file.seek(self._begin)
        self.footer, self.torn = None, False
        start, keys, cases = self._begin, array("q"), 0
        for number, line in enumerate(self._file, 2):
            try:
                record = self._decode(line, number)
            except BadInput:
                # Every line is written with its end of line: one without was being written.
                if line.endswith(b"\n"):
                    raise
                self.torn = True
                break
            if isinstance(record, Header) or self.footer is not None:
                name = type(record).__name__.lower()
                what = "second header" if name == "header" else f"{name} after the footer"
                raise BadInput(f"{self.path}: line {number} is a {what}")
            if isinstance(record, Footer):
                self.footer = record
                continue
            keys.append(hash(_key(record)))
            cases += isinstance(record, CaseRecord)
            yield Place(number, start, len(line)), record
            start += len(line)
        self._require_once(keys)
        self._require_counted(cases, len(keys) - cases)

    def read(self, place: Place) -> CaseRecord:
        """Return a case again; not while iterating."""
        self._file.seek(place.start)
        record = self._decode(self._file.read(place.length), place.line)
        assert isinstance(record, CaseRecord)
        return record

    def _decode(self, line: bytes, number: int) -> Record:
        try:
            return self._decoder.decode(line)
        except msgspec.DecodeError as error:
            why = f"{self.path}: line {number} is not a whole record: {error}"
            if isinstance(error, msgspec.ValidationError):
                # It is JSON, and has not the fields of today.
                why += "; run it again, or read it with the version that wrote it"
            raise BadInput(why) from error

    def _require_once(self, keys: array[int]) -> None:
        ordered = np.sort(np.frombuffer(keys, dtype=np.int64))
        doubtful = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
        if not doubtful:
            return
        # Equal hashes are a suspicion only: look at the records themselves.
        seen: set[tuple[str, ...]] = set()
        self._file.seek(self._begin)
        for number, line in enumerate(self._file, 2):
            if number - 2 >= len(keys) or keys[number - 2] not in doubtful:
                continue
            record = self._decode(line, number)
            assert isinstance(record, CaseRecord | PropertyOutcome)
            key = _key(record)
            if key in seen:
                what = f"case {key[0]!r}"
                if len(key) > 1:
                    what = f"property {key[0]!r} of case {key[1]!r}"
                raise BadInput(f"{self.path}: line {number}: {what} is there twice")
            seen.add(key)

    def _require_counted(self, cases: int, properties: int) -> None:
        if self.footer is None:
            return
        for what, counted, have in (
            ("cases", self.footer.cases, cases),
            ("properties", self.footer.properties, properties),
        ):
            if counted != have:
                raise BadInput(
                    f"{self.path}: the footer counts {counted} {what}, the file has {have}"
                )


def _key(record: CaseRecord | PropertyOutcome) -> tuple[str, ...]:
    if isinstance(record, PropertyOutcome):
        return (record.property, record.case, record.engine)
    return (record.id,)


class _Format(msgspec.Struct, frozen=True):
    """What every version of a header has."""

    record: str
    format: int


def _require_format(path: Path, line: bytes) -> None:
    """Refuse a file of another format, whatever its header holds beside."""
    try:
        seen = msgspec.json.decode(line, type=_Format)
    except msgspec.DecodeError:
        return
    if seen.record == "header" and seen.format != FORMAT:
        raise BadInput(f"{path}: {refusal(seen.format)}")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        why = f"{path}: cannot be read: {error.strerror or error}"
        partial = Path(f"{path}.partial")
        if partial.is_file():
            why += f"; an unfinished run is in {partial}"
        raise BadInput(why) from error
