"""The engines of a worker: opened once, watched while they fit, with a cache before them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput, Stop
from harness.campaign.setup import Setup
from harness.campaign.worker_stage import StageLog
from harness.engines.engine import Engine, Failure, Outcome, Setting
from harness.engines.engine_wrapper import bare
from harness.engines.guard import failure_of, no_residuals, no_structure
from harness.engines.registry import open_engine
from harness.engines.within_limits import left_out
from harness.model.case import Case
from harness.rbridge.worker import START_SECONDS
from harness.referee.cost import Cost
from harness.store.pack import PackedStore
from harness.store.shelf import Store
from harness.store.stored_engine import StoredEngine

TRIED_AGAIN = ("crash", "timeout", "memory")
"""Reasons for which a fit is tried a second time: they may lie outside the engine."""


@dataclass(frozen=True)
class OpenEngines:
    """What a task function works with.

    Attributes
    ----------
    engines : tuple of Engine
        All that are compared, the reference last. They raise nothing, keep to their time limit and
        to the memory limit, and look a fit up where there is a store.
    settings : tuple
        The default setting first.
    store : Store or None
        For what a task function wants to keep besides.
    timeout : float
        Seconds that a fit may take, and the referee with a case.
    log : StageLog
        ``log.step(name)`` says what the harness does, and starts its clock anew.
    kept : dict
        What task functions want to keep as long as the engines are open.
    """

    engines: tuple[Engine, ...]
    settings: tuple[Setting, ...]
    store: Store | None
    log: StageLog
    timeout: float
    kept: dict[str, object] = field(default_factory=dict)

    @property
    def reference(self) -> Engine:
        """The engine that the others are compared with."""
        return self.engines[-1]

    @property
    def names(self) -> tuple[str, ...]:
        """What the engines call themselves."""
        return tuple(engine.name for engine in self.engines)


@contextmanager
def open_engines(setup: Setup, memory: Any = None) -> Iterator[OpenEngines]:
    """Open the engines of a campaign in this process; what they started is ended afterwards.

    Parameters
    ----------
    memory : shared memory, optional
        See :func:`harness.campaign.worker_stage.shared_stage`.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :func:`harness.engines.registry.open_engine`, and for two engines of one name.
    """
    store = None if setup.store is None else Store(Path(setup.store))
    log = StageLog(memory, setup.memory_mb, setup.step_seconds)
    with ExitStack() as stack:
        # The reference first: where it is R, it starts while the others are opened.
        engines = tuple(
            WatchedEngine(stack.enter_context(_opened(name, setup)), store, log, setup)
            for name in reversed(setup.engines)
        )[::-1]
        opened = OpenEngines(engines, setup.settings, store, log, setup.timeout)
        if len(set(opened.names)) < len(engines):
            raise BadInput(f"engines that call themselves the same: {', '.join(opened.names)}")
        yield opened


@contextmanager
def _opened(name: str, setup: Setup) -> Iterator[Engine]:
    if setup.replay is not None and name == setup.reference:
        yield StoredEngine(None, PackedStore(Path(setup.replay)), "replay", name=name)
        return
    # With a store R is started by the first fit that is missing in it.
    with open_engine(
        name, timeout=setup.timeout, memory_mb=setup.memory_mb, start=setup.store is None
    ) as engine:
        yield engine


class WatchedEngine:
    """An engine whose every fit is announced, limited, and tried twice where that makes sense.

    An engine with an attribute ``elsewhere`` that is true fits in another process and keeps to its
    limits by itself.

    Attributes
    ----------
    made_with : dict
        What decides the numbers of the engine, where there is a store; empty when not known.
    """

    def __init__(self, engine: Engine, store: Store | None, log: StageLog, setup: Setup) -> None:
        self.name = engine.name
        self.wrapped = engine
        stored = None if store is None else StoredEngine(engine, store, "cache")
        self._engine: Engine = engine if stored is None else stored
        self.made_with: dict[str, str] = stored.made_with if stored is not None else {}
        self._log = log
        self._again = setup.attempts > 1
        self._elsewhere = elsewhere = bool(getattr(bare(engine), "elsewhere", False))
        # R may have to be started first, and the fit is tried twice.
        self._limit = START_SECONDS + 3.0 * setup.timeout if elsewhere else setup.timeout
        memory = math.inf if setup.memory_mb is None else setup.memory_mb * 2.0**20
        self._most = Cost(setup.timeout, memory)

    def versions(self) -> dict[str, str]:
        """Versions of everything the numbers depend on, by component."""
        return self._engine.versions()

    def unsupported(self, case: Case) -> str | None:
        """Return why the engine cannot express the case, or None when it can."""
        return self._engine.unsupported(case)

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit the case and wait for the result."""
        number = self._log.next_fit()
        failure = left_out(self.wrapped, case, setting, self._most)
        if failure is not None:
            return failure
        reason = no_structure(self.wrapped, case) or no_residuals(self.wrapped, case)
        if reason is not None:
            return Failure(engine=self.name, setting=setting, reason="unsupported", text=reason)
        fault = self._log.fault(number)
        if fault is not None:
            return Failure(engine=self.name, setting=setting, reason=fault.reason, text=fault.text)
        outcome = self._once(case, setting, number)
        if self._again and isinstance(outcome, Failure) and outcome.reason in TRIED_AGAIN:
            self._log.retried.append(f"{self.name} {setting}: {outcome.text}")
            outcome = self._once(case, setting, number)
        return outcome

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Return the fit, made now: a worker does one thing at a time."""
        outcome = self.fit(case, setting)
        return lambda: outcome

    def _once(self, case: Case, setting: Setting, number: int) -> Outcome:
        name = f"{self.name} {setting}"
        try:
            with self._log.fitting(name, number, self._limit, elsewhere=self._elsewhere):
                outcome = self._engine.fit(case, setting)
        except MemoryError as error:
            return self._failure(setting, "memory", error)
        except (KeyboardInterrupt, GeneratorExit, Stop):
            raise
        except BaseException as error:  # engines should raise nothing, but may
            return failure_of(self.name, setting, error)
        if (
            isinstance(outcome, Failure)
            and outcome.reason == "error"
            and outcome.text.startswith("MemoryError")
        ):
            return self._failure(setting, "memory", MemoryError(outcome.text.partition(": ")[2]))
        return outcome

    def _failure(self, setting: Setting, reason: Any, error: BaseException) -> Failure:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        return Failure(engine=self.name, setting=setting, reason=reason, text=text)
