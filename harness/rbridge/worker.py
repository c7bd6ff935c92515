"""R in processes of its own: a call that crashes, hangs or eats the memory costs that call only."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.child_python import import_path, python_command
from harness.base.closable import Closable
from harness.base.memory import resident_mb
from harness.base.resources import r_script
from harness.rbridge.environment import (
    RInstallation,
    explain_start,
    find_r,
    install_r_package,
    worker_environment,
)
from harness.rbridge.failures import (
    Condition,
    RCrash,
    REnvironment,
    RError,
    RFailure,
    RMemory,
    RTimeout,
)
from harness.rbridge.layout import same_addresses

SCRIPTS = (
    "conditions.R",
    "data.R",
    "session_options.R",
    "fit_lm.R",
    "tight_search.R",
    "fit_lmer.R",
    "type3.R",
    "versions.R",
)
"""R files that every worker has loaded."""

START_SECONDS = 180.0
"""How long starting R may take; a cold disk and an antivirus together have been seen to need 60."""

START_ATTEMPTS = 2
"""Starts that fail before a call does: what has ended the first may have passed."""

REMEMBERED_SECONDS = 60.0
"""How long R that cannot be started is not tried again: a campaign would wait at every case."""

_NO_MEMORY = ("cannot allocate", "memory exhausted", "std::bad_alloc")
"""What R, and C++ code in its packages, say when an allocation has failed."""

Result = dict[str, NDArray[Any] | tuple[str, ...]]

# The template imports what this process would import, whatever its working directory is.
_RUN_TEMPLATE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.rbridge.template import main; main(sys.argv[2:])"
)


class Reply(dict[str, "NDArray[Any] | tuple[str, ...]"]):
    """What an R function returned, by name, with what it signalled on the way.

    Attributes
    ----------
    conditions : tuple of Condition
    """

    def __init__(self, values: Result, conditions: tuple[Condition, ...]) -> None:
        super().__init__(values)
        self.conditions = conditions

    def numbers(self, name: str) -> NDArray[Any]:
        """Return the numeric vector called ``name``."""
        return np.asarray(self[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the character vector called ``name``."""
        return tuple(map(str, self[name]))


class RSession(Closable):
    """Calls R functions in worker processes.

    Nothing is started before the first call (or :meth:`start`). It can be used from scripts,
    notebooks and test runners alike: the calling program is not imported again.

    Parameters
    ----------
    timeout : float
        Seconds a call may take before its process is killed.
    memory_mb : int or None
        Megabytes a worker may allocate on top of R itself; None for no limit. One that has kept
        half of them (2048 without a limit) is replaced after its call.
    workers : int
        Calls that may run at the same time.
    extra_scripts : sequence of str
        R files of ``r_scripts/`` to load besides :data:`SCRIPTS`.
    preload : sequence of str
        R packages to load once for all workers; without any, R starts in a fraction of the time.

    Examples
    --------
    >>> with RSession(timeout=30) as session:
    ...     session.call("r_versions", {})["R"]
    ('4.2.2',)
    """

    def __init__(
        self,
        timeout: float = 60.0,
        memory_mb: int | None = 4096,
        *,
        workers: int = 1,
        extra_scripts: Sequence[str] = (),
        preload: Sequence[str] = ("lme4", "lmerTest"),
    ) -> None:
        self.timeout = timeout
        self._memory_mb = memory_mb or 0
        self._grown_mb = (memory_mb or 4096) / 2
        self._scripts = [str(r_script(name)) for name in (*SCRIPTS, *extra_scripts)]
        self._preload = tuple(preload)
        self._lock = threading.Lock()
        self._template: _Template | None = None
        self._starting: _Template | None = None
        self._broken = ""
        self._broken_until = 0.0
        self._closed = False
        self._idle: list[_Worker] = []
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="r-session")

    def start(self) -> None:
        """Begin to start R in the background; a failure is reported by the first call."""

        def begin() -> None:
            with contextlib.suppress(RFailure):
                self._release(self._acquire())

        self._threads.submit(begin)

    def call(
        self, function: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> Reply:
        """Call an R function with named arguments and return its list.

        Raises
        ------
        RError
            R raised an error (:class:`RMemory` when it had no memory left).
        RCrash, RTimeout
            The process died, or was killed because it took too long. The next call gets a new one.
        REnvironment
            R cannot be started, or a package it needs is unusable.
        """
        return self.submit(function, payload, timeout=timeout).result()

    def submit(
        self, function: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> Future[Reply]:
        """Like :meth:`call`, without waiting: the future gives the result or raises."""
        if self._closed:
            raise RuntimeError("the R session is closed")
        return self._threads.submit(
            self._run, function, payload, self.timeout if timeout is None else timeout
        )

    @property
    def mode(self) -> str:
        """How rpy2 was built, ``"API"`` or ``"ABI"``; empty before R has been started."""
        template = self._template
        return template.mode if template is not None else ""

    def close(self) -> None:
        """Kill every R process; calls under way fail with :class:`RCrash`."""
        self._closed = True
        starting = self._starting
        if starting is not None:
            # Whoever waits for its start holds the lock.
            starting.kill()
        with self._lock:
            template, self._template = self._template, None
            self._idle.clear()
        if template is not None:
            template.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, function: str, payload: Mapping[str, Any], timeout: float) -> Reply:
        worker = self._acquire()
        try:
            reply = worker.call(function, payload, timeout)
        except (RCrash, RTimeout, RMemory):
            # After a failed allocation R goes on, but with a heap that is close to its limit.
            worker.end()
            raise
        except RFailure:
            self._release(worker)
            raise
        except BaseException:
            worker.end()
            raise
        if worker.grown_mb > self._grown_mb:
            # The next call forks another, which takes milliseconds; this one would meet its limit.
            worker.end()
        else:
            self._release(worker)
        return reply

    def _acquire(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise RCrash("the R session was closed")
            if self._idle:
                return self._idle.pop()
            if time.monotonic() < self._broken_until:
                raise REnvironment(self._broken)
            if self._template is not None:
                try:
                    return self._template.fork()
                except (OSError, ValueError):
                    # Something outside killed the template. Start another one.
                    self._template.stop()
                    self._template = None
            self._template = self._started()
            return self._template.fork()

    def _started(self) -> _Template:
        began = time.monotonic()
        for _ in range(START_ATTEMPTS):
            try:
                template = self._starting = _Template(
                    find_r(), self._scripts, self._preload, self._memory_mb
                )
                if self._closed:
                    template.kill()
                template.wait()
                return template
            except RFailure as failure:
                if self._closed:
                    raise RCrash("the R session was closed") from None
                last = failure
                if time.monotonic() - began > START_SECONDS:
                    break
            finally:
                self._starting = None
        self._broken = str(last)
        self._broken_until = time.monotonic() + REMEMBERED_SECONDS
        raise last

    def _release(self, worker: _Worker) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)


class _Template:
    """The parent's end of a template process (see harness/rbridge/template.py)."""

    def __init__(
        self, r: RInstallation, scripts: Sequence[str], preload: Sequence[str], memory_mb: int
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lmm-parity-r-"))
        self._log = self._folder / "log"
        self._socket, theirs = socket.socketpair()
        with theirs, self._log.open("wb") as log, same_addresses():
            self._process = subprocess.Popen(
                [
                    *python_command(),
                    "-c",
                    _RUN_TEMPLATE,
                    json.dumps(import_path()),
                    str(theirs.fileno()),
                    str(memory_mb),
                    str(self._folder),
                    ",".join(preload),
                    *scripts,
                ],
                env=worker_environment(r, self._folder),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal is for the parent; it ends its workers itself.
                start_new_session=True,
            )
        self.mode = ""
        self._r = r
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(
            self, _stop_template, self._socket, self._process, self._folder
        )

    def wait(self) -> None:
        """Wait until R has started. REnvironment when it does not, or is killed meanwhile."""
        try:
            self._socket.settimeout(START_SECONDS)
            answer = json.loads(self._socket.recv(65536) or b"{}")
        except (TimeoutError, ConnectionError):
            answer = {"error": f"no answer within {START_SECONDS:.0f} s"}
        if "mode" not in answer:
            error = answer.get("error") or "it ended while starting"
            wrote = self.log_tail()
            self.stop()
            raise REnvironment(explain_start(error, self._r, wrote))
        self.mode = str(answer["mode"])
        self._socket.settimeout(30)

    def fork(self) -> _Worker:
        """Return a new worker. OSError or ValueError when the template is gone."""
        ours, theirs = socket.socketpair()
        with self._lock, ours, theirs:
            socket.send_fds(self._socket, [b"fork"], [theirs.fileno()])
            process = int(self._socket.recv(64))
            return _Worker(self, process, Connection(ours.detach()))

    def reap(self, process: int) -> int | None:
        """Kill a worker that may have ended already and return its exit code, None if unknown."""
        try:
            with self._lock:
                self._socket.sendall(f"reap {process}".encode())
                return int(self._socket.recv(64))
        except (OSError, ValueError):
            return None

    def log_tail(self) -> str:
        """Return, in a line, what the processes wrote last outside R's own channels."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return " / ".join(line.strip() for line in lines[-5:] if line.strip())

    def kill(self) -> None:
        """End the template while it starts, when it has no workers yet."""
        self._process.kill()

    def stop(self) -> None:
        """End the template and, with it, all its workers."""
        self._finalizer()


def _stop_template(control: socket.socket, process: subprocess.Popen[bytes], folder: Path) -> None:
    # Closing the socket tells the template to kill its workers and go.
    control.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, template: _Template, process: int, connection: Connection) -> None:
        self._template = template
        self.process = process
        self._connection = connection
        self._start_mb = resident_mb(process)

    @property
    def grown_mb(self) -> float:
        """Megabytes that it has taken since it was forked."""
        return resident_mb(self.process) - self._start_mb

    def call(self, function: str, payload: Mapping[str, Any], timeout: float) -> Reply:
        """Call an R function; see :meth:`RSession.call` for what it raises."""
        started = time.monotonic()
        try:
            self._connection.send((function, dict(payload)))
            if not self._connection.poll(timeout):
                raise RTimeout(f"R was stopped after {time.monotonic() - started:.1f} s")
            value, conditions, fault = self._connection.recv()
        except (EOFError, OSError) as error:
            raise RCrash(self._cause_of_death()) from error
        if fault:
            raise RError(fault)
        signalled = tuple(
            Condition(kind, text, category)
            for kind, text, category in zip(
                conditions["kind"], conditions["text"], conditions["category"], strict=True
            )
        )
        if value is None and signalled and signalled[-1].kind == "error":
            raise _failure(signalled)
        return Reply(value or {}, signalled)

    def end(self) -> None:
        """Kill the process."""
        with contextlib.suppress(OSError):
            self._connection.close()
        if self.process:
            self._template.reap(self.process)
            self.process = 0

    def _cause_of_death(self) -> str:
        code = self._template.reap(self.process)
        self.process = 0
        if code is None:
            return "the R process is gone"
        if code < 0:
            return f"the R process died of signal {-code} ({signal.Signals(-code).name})"
        return f"the R process ended with exit code {code}"


def _failure(conditions: tuple[Condition, ...]) -> RFailure:
    error = conditions[-1]
    if error.category == "package_unusable":
        package = error.text.partition(":")[0]
        return REnvironment(f"the R package {error.text}. {install_r_package(package)}", conditions)
    if any(text in error.text for text in _NO_MEMORY):
        return RMemory(error.text, conditions)
    return RError(error.text, conditions)
