"""Records that were done before their turn, kept beside the file until they are in it.

Records are written in the order of the source, so that those after a slow case wait for it. A run
that is killed would lose them. This file holds them meanwhile; a run that goes on takes them from
it. It is a help and no more: what it cannot hold, or a power cut takes, is done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from types import TracebackType

import msgspec

from harness.campaign.worker_process import Done

MOST_BYTES = 256 * 2**20
"""Size beyond which what is no longer wanted is taken out."""


class _Entry(msgspec.Struct, frozen=True):
    position: int
    done: Done


class _Belongs(msgspec.Struct, frozen=True):
    header: str


class Ahead:
    """The file beside an unfinished record file.

    Parameters
    ----------
    path : path
        Of the record file, as it will be called when it is whole.
    header : bytes
        First line of the unfinished one, to which what is kept belongs.
    first : int
        Tasks that are in the record file already. What an earlier process has kept of later ones is
        taken over when it belongs to the same header.
    """

    def __init__(self, path: Path, header: bytes, first: int = 0) -> None:
        self.path = path.with_name(path.name + ".ahead")
        self._places: dict[int, tuple[int, int]] = {}
        self._first = msgspec.json.encode(_Belongs(hashlib.sha256(header).hexdigest())) + b"\n"
        self._size = 0
        self._file = -1
        self._usable = True
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            self._find(first)
            os.ftruncate(self._file, self._size)
        except FileNotFoundError:
            pass
        except OSError:
            self._give_up()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0 and (kind is None or not self._places):
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._give_up()

    def __len__(self) -> int:
        return len(self._places)

    def keep(self, position: int, done: Done) -> None:
        """Keep what was done of the task at a position of the source."""
        if not self._usable or position in self._places:
            return
        line = msgspec.json.encode(_Entry(position, done)) + b"\n"
        try:
            if self._file < 0:
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if not self._size:
                self._append(self._first)
            self._places[position] = (self._size, len(line))
            self._append(line)
            if self._size > MOST_BYTES:
                self._take_out()
        except OSError:
            self._give_up()

    def take(self, position: int, name: str) -> Done | None:
        """Return what an earlier process has done of a task, if it is kept."""
        place = self._places.get(position)
        if place is None:
            return None
        try:
            entry = msgspec.json.decode(os.pread(self._file, place[1], place[0]), type=_Entry)
        except (OSError, msgspec.DecodeError):
            return None
        return entry.done if entry.done.id == name else None

    def drop(self, position: int) -> None:
        """Forget a task whose records are in the file; without any the file is emptied."""
        if self._places.pop(position, None) is None or self._places:
            return
        try:
            os.ftruncate(self._file, 0)
            self._size = 0
        except OSError:
            self._give_up()

    def _find(self, first: int) -> None:
        """Look where entries are, up to one that broke off."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            if file.readline() != self._first:
                return
            self._size = len(self._first)
            for line in file:
                try:
                    entry = msgspec.json.decode(line, type=_Entry)
                except msgspec.DecodeError:
                    return
                if not line.endswith(b"\n"):
                    return
                if entry.position >= first:
                    self._places[entry.position] = (self._size, len(line))
                self._size += len(line)

    def _take_out(self) -> None:
        """Write the file anew, with what is still wanted."""
        lines = {at: os.pread(self._file, n, start) for at, (start, n) in self._places.items()}
        os.ftruncate(self._file, 0)
        self._size = 0
        self._append(self._first)
        for at, line in lines.items():
            self._places[at] = (self._size, len(line))
            self._append(line)

    def _append(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], self._size + written)
        self._size += len(data)

    def _give_up(self) -> None:
        self._usable = False
        self._places.clear()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
