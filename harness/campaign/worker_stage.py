"""What a worker is doing at the moment, in memory that it shares with who watches over it.

When a worker dies or is killed, this says which engine did it: the number of the fit in its task,
the engine, the setting, since when, and how long it may take.
"""

from __future__ import annotations

import ctypes
import math
import resource
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any

from harness.base.memory import limit_with
from harness.engines.engine import Reason

_SIZE = 512
_HEAD = struct.Struct("=ddqH")


@dataclass(frozen=True)
class Stage:
    """One step of a task.

    Attributes
    ----------
    name : str
        ``"statsmodels tight"`` for a fit; ``"build"``, ``"audit"``, ... for the harness's own.
    fit : int
        Number of the fit in its task, from 0; -1 for the harness's own steps.
    since, limit : float
        Monotonic seconds at its begin; seconds it may take.
    """

    name: str
    fit: int
    since: float
    limit: float

    @property
    def late(self) -> float | None:
        """Seconds it has taken, when these are too many."""
        taken = time.monotonic() - self.since
        return taken if taken > self.limit else None


@dataclass(frozen=True)
class Fault:
    """What went wrong in a step, twice: it is not tried again."""

    reason: Reason
    text: str


Faults = Mapping[int | str, Fault]
"""By number of the fit, or by the name of another step."""


def shared_stage(context: BaseContext) -> Any:
    """Return the memory, to be handed to a worker as it starts; it goes with its last user."""
    return context.RawArray(ctypes.c_char, _SIZE)


def read_stage(memory: Any) -> Stage:
    """Return what the worker wrote last."""
    written = bytes(memoryview(memory).cast("B"))
    since, limit, fit, length = _HEAD.unpack_from(written)
    name = written[_HEAD.size : _HEAD.size + length]
    return Stage(name.decode(errors="replace"), fit, since, limit)


class StageLog:
    """The worker's end: says what it does, counts fits, limits memory.

    Parameters
    ----------
    memory : shared memory or None
        None where nobody watches.
    memory_mb : int or None
        Megabytes that a step may allocate on top of what the worker has when it begins.
    limit : float
        Seconds that a step of the harness itself may take.
    """

    def __init__(self, memory: Any, memory_mb: int | None, limit: float) -> None:
        self._memory = memory
        self._memory_mb = memory_mb
        self._limit = limit
        self._fits = 0
        self._faults: Faults = {}
        self.retried: list[str] = []

    def begin(self, faults: Faults) -> None:
        """Begin a task, in which what is in ``faults`` is not tried again."""
        self._fits, self._faults, self.retried = 0, faults, []
        self._enter("build", -1, self._limit)

    def fault(self, step: int | str) -> Fault | None:
        """Return what went wrong before in a fit or another step."""
        return self._faults.get(step)

    def next_fit(self) -> int:
        """Return the number of the fit that begins."""
        self._fits += 1
        return self._fits - 1

    def step(self, name: str) -> None:
        """Say that a step of the harness's own begins."""
        self._enter(name, -1, self._limit)

    @contextmanager
    def fitting(self, name: str, fit: int, limit: float, *, elsewhere: bool) -> Iterator[None]:
        """Say that a fit begins, and that it has ended.

        ``elsewhere`` is for an engine that fits in a process of its own.
        """
        self._enter(name, fit, limit)
        try:
            with _limited_memory(None if elsewhere else self._memory_mb):
                yield
        finally:
            self._enter("between fits", -1, self._limit)

    def _enter(self, name: str, fit: int, limit: float) -> None:
        if self._memory is None:
            return
        text = name.encode()[: _SIZE - _HEAD.size]
        memory = memoryview(self._memory).cast("B")
        # A reader that looks in between must not find an old time with a new limit, nor a limit of
        # zero: pack_into begins with zeros, and a copy of whole bytes does not.
        memory[: _HEAD.size] = _HEAD.pack(time.monotonic(), math.inf, fit, len(text))
        memory[_HEAD.size : _HEAD.size + len(text)] = text
        memory[: _HEAD.size] = _HEAD.pack(time.monotonic(), limit, fit, len(text))


@contextmanager
def _limited_memory(megabytes: int | None) -> Iterator[None]:
    """Let an allocation fail that goes beyond, rather than have the system kill something."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit_with(megabytes) if megabytes else None
    if limit is None:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, limit)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
