"""A file that grows: what is appended is in it before the next is, and nothing is half there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.base.errors import BadInput, EnvironmentProblem

SYNC_SECONDS = 3.0
"""How often it is forced to the disk, so that a power cut costs no more than these."""


class GrowingFile:
    """A file that one process appends to.

    Parameters
    ----------
    size : int
        Bytes that stay of the file that is there; what is behind them is cut off.

    Raises
    ------
    BadInput
        When the file cannot be written, or another process is writing it.
    EnvironmentProblem
        From the methods, when the disk is full or fails: what was written before stays.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.size = size
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise BadInput(f"{path}: another run is writing it") from None
        except OSError:
            # A file system without locks: nothing can be said.
            pass
        os.ftruncate(self._file, size)
        os.lseek(self._file, size, os.SEEK_SET)

    def close(self) -> None:
        """Force it to the disk and let others write it."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)

    def append(self, data: bytes) -> None:
        """Write all of it or nothing."""
        with self._explained():
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        self.size += len(data)
        self.sync()

    def sync(self, *, every: float = SYNC_SECONDS) -> None:
        """Force what was written to the disk, unless that was done a moment ago."""
        if time.monotonic() - self._synced >= every:
            with self._explained():
                os.fsync(self._file)
            self._synced = time.monotonic()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A line that broke off would be recognised later; without it nothing is amiss.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise EnvironmentProblem(
                f"{self.path}: cannot be written: {error.strerror or error}; the records before "
                "are kept"
            ) from error
