"""The one driver behind ``run``, ``report``, ``ladder`` and the conformance suite.

:func:`run_campaign` gives tasks to workers, on this machine or through any executor with a
``.submit()``, and gives back what they made of them in the order of the source, whatever was done
first. It keeps no more in memory than the tasks between the first that is not done and the last
that is.

A task function is how another program makes use of it. It is a function of a module, so that
workers find it, and takes the open engines of a worker and a task::

    def check_properties(engines: OpenEngines, task: Task) -> list[bytes]:
        rung = task.rung()
        outcomes = [check(p, rung, engines.engine, engines.reference) for p in PROPERTIES]
        return [encode(outcome) for outcome in outcomes]

    setup = Setup("statsmodels", "lme4", check_properties, could_not_check, store=str(folder))
    for done in run_campaign(Recipes.of(path), setup, jobs=2):
        for line in done.lines: ...

``engines.engine`` and ``engines.reference`` are engines like any other. They keep to the limits of
time and memory, look their fits up in the store and are tried twice after a crash; when a fit takes
the worker with it, the task is done again from its start in a new one, where that fit is a
:class:`~harness.engines.engine.Failure`. So a task function has to ask for its fits in the same
order each time. Every record must have the id of the task as its case's. :func:`could_not_check` is
called with the setup, the engines' names, the task and a sentence when the task itself cannot be
done, in whichever process. :func:`harness.campaign.case_task.case_task` is the standard task
function: fit, audit, compare, decide.

:func:`harness.campaign.campaign_file.run_to_file` does the same into a record file, and goes on
with an unfinished one.
"""

from __future__ import annotations

import os
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from harness.base.errors import EnvironmentProblem, HarnessError
from harness.campaign.ahead import Ahead
from harness.campaign.setup import Setup
from harness.campaign.sources import ALL, Shard, Source, Task
from harness.campaign.worker_process import Done, Opened
from harness.campaign.workers import Refused, close_workers, run_task, warm_up

WINDOW = 1024
"""Tasks between the first that is not done and the last that is begun."""

WINDOW_BYTES = 128 * 2**20
"""Bytes of records that may wait for one before them; more are not begun meanwhile."""

AHEAD_SECONDS = 1.0
"""How long a record waits for one before it until it is kept beside the file."""

MOST_REFUSALS = 20
"""Times that a task may be given to workers that are refused."""

MOST_LOST = 5
"""Times that an executor may lose a task (with a machine) before the campaign is given up."""


class Executor(Protocol):
    """Anything that runs functions elsewhere; ``concurrent.futures`` calls it that too."""

    def submit(self, function: Callable[..., Done], /, *arguments: object) -> Future[Done]:
        """Begin to run a function."""
        ...


def cores() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def run_campaign(
    source: Source,
    setup: Setup,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    at_once: int | None = None,
    shard: Shard = ALL,
    skip: int = 0,
    finished: Callable[[Done], None] = lambda _: None,
    idle: Callable[[], None] = lambda: None,
    refused: Callable[[str], None] = lambda _: None,
    expected: Opened | None = None,
    ahead: Ahead | None = None,
) -> Iterator[Done]:
    """Do every task of a source; give what came of them in the order of the source.

    Parameters
    ----------
    jobs : int, optional
        Workers on this machine; as many as there are processors without it. Not with ``executor``.
    executor : Executor, optional
        Where tasks are done instead of in workers of this process.
    at_once : int, optional
        Tasks that are handed to the executor at a time.
    shard : Shard
        Which tasks of the source.
    skip : int
        How many of these, from the first, are done already.
    finished : function
        Called with each task as it is done, in whatever order.
    idle : function
        Called about every second while nothing is done.
    refused : function
        Called with a sentence when a worker is refused.
    expected : Opened, optional
        What workers must be made with; those that are not are refused.
    ahead : Ahead, optional
        Keeps what waits for one before it, and has what an earlier process kept.

    Raises
    ------
    BadInput, EnvironmentProblem
        When an engine cannot be opened.
    """
    tasks = enumerate(shard.of(source))
    for _ in range(skip):
        next(tasks, None)
    calls = _Calls(finished, idle, refused)
    if executor is not None:
        at_once = at_once or 4 * cores()
        yield from _Run(setup, executor, at_once, skip, calls, expected, ahead).of(tasks)
        return
    jobs = jobs or cores()
    with local_threads(jobs) as threads:
        at_once = at_once or 2 * jobs
        yield from _Run(setup, threads, at_once, skip, calls, expected, ahead).of(tasks)


@contextmanager
def local_threads(jobs: int) -> Iterator[Executor]:
    """Give an executor whose every thread has a worker; all workers are ended afterwards."""
    threads = ThreadPoolExecutor(jobs, thread_name_prefix="campaign")
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        close_workers()
        threads.shutdown(wait=True)


def start_workers(setup: Setup, jobs: int) -> Opened:
    """Start the workers of this machine side by side; return what they are made with."""
    with ThreadPoolExecutor(jobs) as threads:
        begun = [threads.submit(warm_up, setup) for _ in range(jobs)]
        return [future.result() for future in begun].pop()


@dataclass(frozen=True)
class _Calls:
    finished: Callable[[Done], None]
    idle: Callable[[], None]
    refused: Callable[[str], None]


class _Run:
    """Tasks under way, and those that are done and wait for one before them."""

    def __init__(
        self,
        setup: Setup,
        executor: Executor,
        at_once: int,
        first: int,
        calls: _Calls,
        expected: Opened | None,
        ahead: Ahead | None,
    ) -> None:
        self._setup = setup
        self._executor = executor
        self._at_once = at_once
        self._turn = first
        self._calls = calls
        self._expected = expected
        self._ahead = ahead
        self._since: deque[tuple[float, int]] = deque()
        self._arrived: queue.SimpleQueue[tuple[int, Task, Future[Done]]] = queue.SimpleQueue()
        self._under_way: set[int] = set()
        self._waiting: dict[int, Done] = {}
        self._waiting_bytes = 0
        self._errors: Counter[int] = Counter()

    def of(self, tasks: Iterator[tuple[int, Task]]) -> Iterator[Done]:
        """Do the tasks; give them in their order."""
        ended = False
        while True:
            while not ended and self._room():
                found = next(tasks, None)
                if found is None:
                    ended = True
                    break
                known = self._ahead.take(found[0], found[1].id) if self._ahead else None
                if known is None:
                    self._submit(*found)
                else:
                    yield from self._in_turn(found[0], known)
            if not self._under_way:
                return
            try:
                position, task, future = self._arrived.get(timeout=1.0)
            except queue.Empty:
                self._keep_ahead()
                self._calls.idle()
                continue
            self._under_way.discard(position)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield from self._in_turn(position, future.result())
                self._keep_ahead()
            else:
                self._errors[position] += 1
                self._raise_if_final(error, self._errors[position])
                self._submit(position, task)

    def _room(self) -> bool:
        begun = len(self._waiting) + len(self._under_way)
        return (
            len(self._under_way) < self._at_once
            and begun < WINDOW
            and self._waiting_bytes < WINDOW_BYTES
        )

    def _submit(self, position: int, task: Task) -> None:
        self._under_way.add(position)
        future = self._executor.submit(run_task, self._setup, task, self._expected)
        future.add_done_callback(partial(self._arrive, position, task))

    def _arrive(self, position: int, task: Task, future: Future[Done]) -> None:
        self._arrived.put((position, task, future))

    def _in_turn(self, position: int, done: Done) -> Iterator[Done]:
        self._calls.finished(done)
        self._waiting[position] = done
        self._waiting_bytes += sum(map(len, done.lines))
        self._since.append((time.monotonic(), position))
        while self._turn in self._waiting:
            done = self._waiting.pop(self._turn)
            self._waiting_bytes -= sum(map(len, done.lines))
            self._turn += 1
            yield done
            if self._ahead is not None:
                self._ahead.drop(self._turn - 1)

    def _keep_ahead(self) -> None:
        """Keep what has waited for a while; most records wait for none or for a moment."""
        until = time.monotonic() - AHEAD_SECONDS
        while self._since and self._since[0][0] <= until:
            _, position = self._since.popleft()
            if self._ahead is not None and position in self._waiting:
                self._ahead.keep(position, self._waiting[position])

    def _raise_if_final(self, error: BaseException, times: int) -> None:
        if isinstance(error, Refused):
            self._calls.refused(str(error))
            if times < MOST_REFUSALS:
                return
        if isinstance(error, HarnessError):
            raise error
        if times >= MOST_LOST:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise EnvironmentProblem(f"a task was lost {times} times, the last time by {text}")
        time.sleep(0.1)
