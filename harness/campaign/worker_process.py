"""What runs inside a worker process: engines opened once, one task after the other."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing.connection import wait
from typing import Any, NoReturn

import msgspec

from harness.base.errors import HarnessError
from harness.base.memory import resident_mb
from harness.base.numerics import repeatable
from harness.base.parents_death import send_at_parents_death
from harness.campaign import provenance
from harness.campaign.fork_server import set_variables
from harness.campaign.open_engines import OpenEngines, open_engines
from harness.campaign.record_cache import RecordCache
from harness.campaign.setup import Setup
from harness.campaign.sources import Task
from harness.campaign.worker_stage import Faults


class Opened(msgspec.Struct, frozen=True):
    """A worker whose engines are open.

    Attributes
    ----------
    process : int
        Its number.
    engines : tuple of str
        Names that the engines give themselves, the reference's last.
    versions, blas, environment : dict
        As a run's header has them.
    """

    process: int
    engines: tuple[str, ...]
    versions: dict[str, str]
    blas: dict[str, str]
    environment: dict[str, str]


class Done(msgspec.Struct, frozen=True):
    """A task that was done.

    Attributes
    ----------
    lines : tuple of bytes
        Its records, encoded, without ends of lines.
    seconds : float
        Wall time in the worker.
    retried : tuple of str
        Fits that went wrong and were tried again, and how.
    grown : bool
        The worker has grown and should be replaced.
    problem : str
        Why the task was not done in the ordinary way; empty when it was.
    """

    id: str
    lines: tuple[bytes, ...]
    seconds: float
    retried: tuple[str, ...] = ()
    grown: bool = False
    problem: str = ""


class _Worker:
    """The state of this process, there once its engines are open."""

    def __init__(self, setup: Setup, memory: Any, stack: ExitStack) -> None:
        self.engines: OpenEngines = stack.enter_context(open_engines(setup, memory))
        self.setup = setup
        self.stack = stack
        self.start_mb = 0.0


_here: list[_Worker] = []
_memory: list[Any] = []


def initialize(memory: Any, variables: Mapping[str, str | None]) -> None:
    """Make this process a worker: quiet, mortal, and gone when the one it works for is.

    Parameters
    ----------
    variables : mapping
        What the environment is to hold for processes that an engine starts; None takes one away.
    """
    _memory[:] = [memory]
    set_variables(variables)
    # A Ctrl-C in the terminal is for the parent. It may end this process at any time: there is
    # nothing here to be saved.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What an engine prints must not get into records written to standard output.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def open_worker(setup: Setup) -> Opened | HarnessError:
    """Open the engines; an error is returned, not raised."""
    differing = [k for k, v in repeatable().items() if os.environ.get(k) != v]
    if differing:
        # Only possible where something else has started the server that processes are forked from.
        return HarnessError(f"workers started without {differing[0]} set; results would differ")
    try:
        _here[:] = [_Worker(setup, _memory[0], ExitStack())]
        engines = _here[0].engines
        opened = Opened(
            process=os.getpid(),
            engines=engines.names,
            versions=provenance.versions(engines.engines),
            blas=provenance.blas(engines.engines),
            environment=provenance.environment(),
        )
    except HarnessError as error:
        return error
    # What records depend on is found in files: not in the first task, when the worker counts as
    # warm.
    RecordCache.of(engines)
    _here[0].start_mb = resident_mb()
    return opened


def do_task(task: Task, faults: Faults) -> Done:
    """Do a task; whatever it raises becomes the record of a task that could not be done."""
    worker = _here[0]
    engines, setup = worker.engines, worker.setup
    started = time.perf_counter()
    engines.log.begin(faults)
    problem = ""
    try:
        lines = setup.function(engines, task)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        problem = _in_a_line(error)
        lines = setup.unfinished(setup, engines.names, task, problem)
    engines.log.step("idle")
    grown = resident_mb() - worker.start_mb > setup.grown_mb
    return Done(
        id=task.id,
        lines=tuple(lines),
        seconds=time.perf_counter() - started,
        retried=tuple(engines.log.retried),
        grown=grown,
        problem=problem,
    )


def _in_a_line(error: BaseException) -> str:
    if isinstance(error, HarnessError):
        return " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}{where}".split())


def _die_with_parent() -> None:
    """End this process with its parent, also in the middle of a fit, also when it is stopped.

    The server that processes are forked from goes with the program that it serves, and the system
    then kills what was forked from it. It would stay as long as one of them holds this pipe.
    """
    server: Any = multiprocessing.forkserver._forkserver
    descriptor = getattr(server, "_forkserver_alive_fd", None)
    if descriptor is not None:
        os.close(descriptor)
        server._forkserver_alive_fd = None
    send_at_parents_death(signal.SIGKILL)
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> NoReturn:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(0)
