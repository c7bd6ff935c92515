"""The one driver behind ``run``, ``report``, ``ladder`` and the conformance suite.

:func:`run_campaign` gives tasks to workers, on this machine or through any executor with a
``.submit()``, and gives back what they made of them as it arrives, with each task's number in the
source. It keeps no more in memory than the tasks that are under way.

A task function is how another program makes use of it. It is a function of a module, so that
workers find it, and takes the open engines of a worker and a task::

    def check_properties(engines: OpenEngines, task: Task) -> list[bytes]:
        rung = task.rung()
        outcomes = [check(p, rung, engines.engines) for p in PROPERTIES]
        return [encode(outcome) for outcome in outcomes]

    names = ("statsmodels", "lme4")
    setup = Setup(names, "lme4", check_properties, could_not_check, store=str(folder))
    for number, done in run_campaign(Recipes.of(path), setup, jobs=2):
        for line in done.lines: ...

``engines.engines`` are engines like any other, the reference last. They keep to the limits of time
and memory, look their fits up in the store and are tried twice after a crash; when a fit takes the
worker with it, the task is done again from its start in a new one, where that fit is a
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
from collections import Counter
from collections.abc import Callable, Container, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

from harness.base.errors import EnvironmentProblem, HarnessError
from harness.campaign.setup import Setup
from harness.campaign.sources import ALL, Shard, Source, Task
from harness.campaign.worker_process import Done, Opened
from harness.campaign.workers import Refused, close_workers, run_task, warm_up

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
    done: Container[int] = (),
    idle: Callable[[], None] = lambda: None,
    refused: Callable[[str], None] = lambda _: None,
    expected: Opened | None = None,
) -> Iterator[tuple[int, Done]]:
    """Do every task of a source; give what came of each as it arrives, with its number.

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
    done : container of int
        Numbers of those, counted from 0, that are done already.
    idle : function
        Called about every second while nothing is done.
    refused : function
        Called with a sentence when a worker is refused.
    expected : Opened, optional
        What workers must be made with; those that are not are refused.

    Raises
    ------
    BadInput, EnvironmentProblem
        When an engine cannot be opened.
    """
    tasks = (numbered for numbered in enumerate(shard.of(source)) if numbered[0] not in done)
    calls = _Calls(idle, refused)
    if executor is not None:
        at_once = at_once or 4 * cores()
        yield from _Run(setup, executor, at_once, calls, expected).of(tasks)
        return
    jobs = jobs or cores()
    with local_threads(jobs) as threads:
        at_once = at_once or 2 * jobs
        yield from _Run(setup, threads, at_once, calls, expected).of(tasks)


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
    idle: Callable[[], None]
    refused: Callable[[str], None]


class _Run:
    """The tasks that are under way."""

    def __init__(
        self,
        setup: Setup,
        executor: Executor,
        at_once: int,
        calls: _Calls,
        expected: Opened | None,
    ) -> None:
        self._setup = setup
        self._executor = executor
        self._at_once = at_once
        self._calls = calls
        self._expected = expected
        self._arrived: queue.SimpleQueue[tuple[int, Task, Future[Done]]] = queue.SimpleQueue()
        self._under_way = 0
        self._errors: Counter[int] = Counter()

    def of(self, tasks: Iterator[tuple[int, Task]]) -> Iterator[tuple[int, Done]]:
        """Do the tasks; give them as they arrive."""
        while True:
            for number, task in islice(tasks, self._at_once - self._under_way):
                self._submit(number, task)
            if not self._under_way:
                return
            try:
                number, task, future = self._arrived.get(timeout=1.0)
            except queue.Empty:
                self._calls.idle()
                continue
            self._under_way -= 1
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield number, future.result()
            else:
                self._errors[number] += 1
                self._raise_if_final(error, self._errors[number])
                self._submit(number, task)

    def _submit(self, number: int, task: Task) -> None:
        self._under_way += 1
        future = self._executor.submit(run_task, self._setup, task, self._expected)
        future.add_done_callback(partial(self._arrive, number, task))

    def _arrive(self, number: int, task: Task, future: Future[Done]) -> None:
        self._arrived.put((number, task, future))

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
