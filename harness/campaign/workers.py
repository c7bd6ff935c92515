"""Worker processes, each watched by a guard: what kills one costs a retry, and nothing else.

A guard owns a pebble pool of one process. It knows from shared memory which fit the process is at,
kills it when that takes too long, and does the task again in a new one. A fit that goes wrong twice
is not tried a third time: the engine has failed on this case. Pools of one process share nothing
with each other, so that a process that dies at the worst moment harms no other.

:func:`run_task` is all that an executor has to call, in a thread here or in a process elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, TimeoutError
from multiprocessing import current_process, get_context
from typing import Any, cast

from pebble import ProcessExpired, ProcessPool

from harness.base.child_python import own_variables
from harness.base.errors import EnvironmentProblem, HarnessError
from harness.campaign.fork_server import start_server
from harness.campaign.setup import Setup
from harness.campaign.sources import Task
from harness.campaign.worker_process import (
    Done,
    Opened,
    do_task,
    initialize,
    open_worker,
)
from harness.campaign.worker_stage import Fault, Stage, read_stage, shared_stage
from harness.engines.engine import Reason
from harness.engines.engine_spec import engine_label
from harness.rbridge.worker import START_SECONDS

LOOK_SECONDS = 0.25
"""How often a guard looks whether its worker is late."""

MOST_ATTEMPTS = 12
"""Attempts at one task, whatever goes wrong with it."""

REFUSED_SECONDS = 2.0
"""How long a worker that was refused holds its place."""

OPEN_SECONDS = START_SECONDS + 60.0
"""How long a worker may take to start and to open its engines."""

START_PAUSES = (0.0, 2.0, 10.0)
"""Seconds before each attempt at starting a worker; after the last this machine is given up.

What has ended the first may pass: memory or process numbers that others use, a package that is
being installed.
"""


class Closed(Exception):
    """The campaign was ended while a task was under way."""


class Refused(HarnessError):
    """A worker has other versions than the run: what it computes would not belong to it."""


class _Death(Exception):
    """A worker that died or was killed: why, and what it was doing."""

    def __init__(self, reason: Reason, text: str, stage: Stage) -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.text = text
        self.stage = stage


class Guard:
    """One worker process and who watches it; used by one thread at a time."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._pool: ProcessPool | None = None
        self._memory: Any = None
        self._opened: Opened | None = None
        self._names = tuple(map(engine_label, setup.engines))
        self.closed = False

    def open(self) -> Opened:
        """Return the worker's versions, starting it when there is none.

        Raises
        ------
        BadInput, EnvironmentProblem
            When an engine cannot be opened, or no process can be started.
        """
        if self._opened is not None:
            return self._opened
        for pause in START_PAUSES:
            self._wait(pause)
            try:
                self._start()
                answer = self._call(OPEN_SECONDS, open_worker, self.setup)
            except (_Death, OSError) as error:
                self._discard()
                text = str(error)
                continue
            if isinstance(answer, HarnessError):
                self._discard()
                raise answer
            self._opened = opened = cast("Opened", answer)
            self._names = opened.engines
            return opened
        raise EnvironmentProblem(f"no worker process can be started: {_explained(text)}")

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.closed and time.monotonic() < until:
            time.sleep(min(LOOK_SECONDS, seconds))
        if self.closed:
            raise Closed

    def run(self, task: Task, expected: Opened | None = None) -> Done:
        """Do a task, again where its worker dies; there is always an answer.

        Raises
        ------
        Refused
            When the worker has other versions than ``expected``.
        Closed
            When the guard is closed meanwhile.
        """
        strikes: dict[int | str, int] = {}
        faults: dict[int | str, Fault] = {}
        retried: list[str] = []
        started = time.perf_counter()
        for _ in range(MOST_ATTEMPTS):
            opened = self.open()
            if expected is not None:
                _require_same(opened, expected)
            try:
                done: Done = self._call(None, do_task, task, faults)
            except _Death as death:
                self._discard()
                step = death.stage.fit if death.stage.fit >= 0 else death.stage.name
                strikes[step] = strikes.get(step, 0) + 1
                retried.append(f"{death.stage.name}: {death.text}")
                most = self.setup.attempts if death.stage.fit >= 0 else 2
                if strikes[step] == most:
                    faults[step] = Fault(death.reason, death.text)
                if strikes[step] > most:
                    break
            else:
                if done.grown:
                    self._discard()
                return _with_retries(done, retried, time.perf_counter() - started)
        problem = f"the worker died again and again ({retried[-1]})"
        lines = tuple(self.setup.unfinished(self.setup, self._names, task, problem))
        seconds = time.perf_counter() - started
        return Done(task.id, lines, seconds, tuple(retried), problem=problem)

    def close(self) -> None:
        """End the worker; from any thread."""
        self.closed = True
        opened = self._opened
        if opened is not None:
            _kill(opened.process)
        self._discard()

    def _start(self) -> None:
        context = get_context("forkserver")
        start_server()
        self._memory = shared_stage(context)
        self._pool = ProcessPool(
            1, initializer=initialize, initargs=(self._memory, own_variables()), context=context
        )

    def _call(self, limit: float | None, function: Any, *arguments: Any) -> Any:
        """Call a function in the worker; ``limit`` None goes by the stage it says it is at."""
        pool = self._pool
        if pool is None or self.closed:
            raise Closed
        started = time.monotonic()
        try:
            future = pool.schedule(function, args=arguments)
        except RuntimeError:
            # The pool has seen its process die while nothing was asked of it.
            raise _Death("crash", "lost while idle", read_stage(self._memory)) from None
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                if self.closed:
                    raise Closed from None
                stage = read_stage(self._memory)
                taken = time.monotonic() - started
                if limit is None and stage.since < started:
                    late = taken if taken > self.setup.step_seconds else None
                else:
                    late = stage.late if limit is None else (taken if taken > limit else None)
                if late is not None:
                    raise _Death("timeout", f"stopped after {late:.1f} s", stage) from None
                if self._opened is not None and not _alive(self._opened.process):
                    # pebble does not count an exit code of 0 as an end.
                    time.sleep(2 * LOOK_SECONDS)
                    if not future.done():
                        raise _Death("crash", "the process ended", stage) from None
            except ProcessExpired as expired:
                if self.closed:
                    raise Closed from None
                stage = read_stage(self._memory)
                raise _Death("crash", _cause_of_death(expired.exitcode), stage) from None
            except (CancelledError, RuntimeError) as error:
                if self.closed:
                    raise Closed from None
                raise _Death("crash", str(error) or "lost", read_stage(self._memory)) from None

    def _discard(self) -> None:
        """Kill the worker and drop its pool; the next call starts another."""
        opened, self._opened = self._opened, None
        pool, self._pool = self._pool, None
        if opened is not None:
            _kill(opened.process)
        if pool is not None:
            stop: Callable[[], None] = pool.stop
            stop()
            # It waits for its threads; nobody has to wait for that.
            threading.Thread(target=_join, args=(pool,), daemon=True).start()


def _explained(text: str) -> str:
    """Say what may be done about a worker that never answered."""
    if text == _LOST_AT_START:
        return (
            "each ended before it had begun, and what it wrote is above. Where that is nothing, "
            "memory may be short (fewer --jobs need less), or processes (ulimit -u). A script that "
            'starts a run needs `if __name__ == "__main__":` before what it does'
        )
    if text.startswith("stopped after"):
        return f"{text}, while its engines were opened; try fewer --jobs on a machine so busy"
    return (
        f"{text}; fewer --jobs need less memory, processes (ulimit -u) and open files (ulimit -n)"
    )


_LOST_AT_START = "All workers expired"
"""What pebble says of a process that ended before it took a task."""


def _join(pool: ProcessPool) -> None:
    with contextlib.suppress(Exception):
        pool.join()


def _with_retries(done: Done, retried: list[str], seconds: float) -> Done:
    if not retried:
        return done
    return Done(done.id, done.lines, seconds, (*retried, *done.retried), done.grown, done.problem)


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _require_same(opened: Opened, expected: Opened) -> None:
    old, new = expected.versions, opened.versions
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if names:
        name = names[0]
        raise Refused(
            f"{platform.node()} is refused: its {name} is {new.get(name, 'missing')}, "
            f"the run's is {old.get(name, 'missing')}"
        )


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _cause_of_death(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"the process died of signal {-code} ({name})"
    return f"the process ended with exit code {code}"


_lock = threading.Lock()
_idle: list[Guard] = []
_busy: list[Guard] = []


def run_task(setup: Setup, task: Task, expected: Opened | None = None) -> Done:
    """Do a task in a worker of this process; any number of threads may call at once."""
    with _guard(setup) as guard:
        try:
            return guard.run(task, expected)
        except Refused:
            # Others should get the tasks that this one would refuse at once.
            guard.close()
            time.sleep(REFUSED_SECONDS)
            raise


def warm_up(setup: Setup) -> Opened:
    """Start a worker, unless one is idle, and return its versions."""
    with _guard(setup) as guard:
        return guard.open()


def close_workers() -> None:
    """End every worker of this process; tasks under way raise :class:`Closed`."""
    with _lock:
        guards = [*_idle, *_busy]
        _idle.clear()
    for guard in guards:
        guard.close()


@contextlib.contextmanager
def _guard(setup: Setup) -> Iterator[Guard]:
    guard = _take(setup)
    try:
        yield guard
    finally:
        with _lock:
            _busy.remove(guard)
            if not guard.closed:
                _idle.append(guard)


def _take(setup: Setup) -> Guard:
    if current_process().daemon:
        raise EnvironmentProblem(
            "this process may not start others; for Dask set distributed.worker.daemon to False "
            "(DASK_DISTRIBUTED__WORKER__DAEMON=False)"
        )
    with _lock:
        mine = [guard for guard in _idle if guard.setup == setup]
        others = [guard for guard in _idle if guard.setup != setup]
        guard = mine[-1] if mine else Guard(setup)
        if mine:
            _idle.remove(guard)
        for other in others:
            _idle.remove(other)
        _busy.append(guard)
    for other in others:
        other.close()
    return guard
