"""A program that speaks line by line: started, asked with a time limit, killed, and known by it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence

from harness.base.closable import Closable
from harness.base.memory import limit_session
from harness.base.numerics import repeatable
from harness.base.parents_death import GroupWatcher

ONE_THREAD = dict.fromkeys(
    ("RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "JULIA_NUM_THREADS"), "1"
)
"""For libraries that compute on every processor: engines run side by side, and their times are
compared."""

KEPT_LINES = 20
"""Lines of stderr that are kept, the last ones."""

KEPT_CHARACTERS = 500
"""Of each; a program may write megabytes without a line's end."""

MOST_BYTES = 1 << 30
"""An answer of a line that is longer is none."""

GRACE_SECONDS = 2.0
"""For ending when told to."""

_CHUNK = 1 << 16


class ProcessFailure(Exception):
    """The program gave no answer: it has ended, or was ended since it said nothing in time."""


class ProcessTimeout(ProcessFailure):
    """It was killed at the end of the time limit."""


class ProcessMissing(ProcessFailure):
    """The program cannot be started at all."""


class EngineProcess(Closable):
    """A running program. Lines go in, lines come out; what it writes to stderr is kept.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments; no shell reads them.
    environment : mapping, optional
        Variables to set besides those of this process.

    Raises
    ------
    ProcessMissing
        When there is no such program, or it may not be run.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | repeatable() | ONE_THREAD | dict(environment or {}),
                # A Ctrl-C in the terminal is for the harness, which ends the program itself.
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessMissing(f"{command[0]!r} cannot be started: {error.strerror}") from error
        self._process = process
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._finalizer = weakref.finalize(self, _end, process, GroupWatcher(process.pid))
        assert process.stdout is not None
        assert process.stderr is not None
        self._threads = (
            threading.Thread(
                target=_read_lines, args=(process.stdout.fileno(), self._lines), daemon=True
            ),
            threading.Thread(
                target=_read_tail, args=(process.stderr.fileno(), self._said), daemon=True
            ),
        )
        for thread in self._threads:
            thread.start()

    def send(self, line: bytes) -> None:
        """Send a line without waiting for its being read: the program may be stuck."""
        threading.Thread(target=_write, args=(self._process, line), daemon=True).start()

    def receive(self, seconds: float) -> bytes:
        """Wait for the next line.

        Raises
        ------
        ProcessTimeout
            When none came in time; the program has been killed.
        ProcessFailure
            When the program has ended.
        """
        try:
            line = self._lines.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            self.close()
            raise ProcessTimeout(f"no answer within {seconds:.0f} s") from None
        if line is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
            text = self._ended()
            self.close()
            raise ProcessFailure(text)
        return line

    def limit_memory(self, megabytes: int) -> None:
        """Let each of its processes allocate so much on top of what it has now; Linux only."""
        limit_session(self._process.pid, megabytes)

    @property
    def ended(self) -> bool:
        """Whether the program has ended."""
        return self._process.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Wait for the program to end by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def said(self) -> tuple[str, ...]:
        """What it wrote to stderr last, line by line."""
        return tuple(self._said)

    def close(self) -> None:
        """End the program and all it has started, and read what it still wrote."""
        self._finalizer()
        for thread in self._threads:
            thread.join(GRACE_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not any(thread.is_alive() for thread in self._threads):
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()

    def _ended(self) -> str:
        code = self._process.poll()
        if code is None:
            return "it closed its output"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"the process died of signal {-code} ({signal.Signals(-code).name})"
            return f"the process died of signal {-code}"
        return f"the process ended with exit code {code}"


def _read_lines(pipe: int, lines: queue.Queue[bytes | None]) -> None:
    """Hand on every whole line, and None at the end."""
    parts: list[bytes] = []
    length = 0
    while True:
        try:
            chunk = os.read(pipe, _CHUNK)
        except OSError:
            chunk = b""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            lines.put(b"".join([*parts, line]))
            parts, length = [], 0
        parts.append(rest)
        length += len(rest)
        if not chunk or length > MOST_BYTES:
            lines.put(None)
            return


def _read_tail(pipe: int, said: deque[str]) -> None:
    """Keep the last lines; a pipe that nobody reads would stop the program."""
    line = b""
    while True:
        try:
            chunk = os.read(pipe, _CHUNK)
        except OSError:
            chunk = b""
        *whole, rest = (line + chunk).split(b"\n")
        line = rest[:KEPT_CHARACTERS]
        for text in (*whole, *([line] if not chunk else [])):
            shown = text[:KEPT_CHARACTERS].decode("utf-8", "replace").strip()
            if shown:
                said.append(shown)
        if not chunk:
            return


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    # It may have ended; what is read next says so.
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write(line + b"\n")
        process.stdin.flush()


def _end(process: subprocess.Popen[bytes], watcher: GroupWatcher) -> None:
    """Kill a program with its children."""
    # First: once it is gone its number may be another's.
    watcher.dismiss()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
