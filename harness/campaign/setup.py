"""What a campaign runs, apart from its cases: small enough to be sent along with each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.engines.engine import Setting

if TYPE_CHECKING:
    from harness.campaign.open_engines import OpenEngines
    from harness.campaign.sources import Task

TaskFunction = Callable[["OpenEngines", "Task"], list[bytes]]
"""Does one task and returns its records, encoded."""

Unfinished = Callable[["Setup", tuple[str, ...], "Task", str], list[bytes]]
"""Returns the records of a task that could not be done, given the engines' names and why."""


@dataclass(frozen=True)
class Setup:
    """Engines and limits, and what is done with each task.

    Attributes
    ----------
    engines : tuple of str
        All that is run, the reference last; names as
        :func:`harness.engines.registry.open_engine` knows them.
    reference : str
        The one that others are compared with.
    function, unfinished : functions of a module
        What is done with a task, and what is recorded of one that could not be done.
    timeout : float
        Seconds that a fit may take, and the referee with a case.
    memory_mb : int or None
        Megabytes that a fit may allocate.
    attempts : int
        How often a fit is tried that crashes, takes too long or too much memory: twice, as the
        reason may lie outside the engine; once where each costs too much.
    store : str or None
        Folder of the cache; None for none.
    replay : str or None
        File of packed fits: the reference is not run, its fits are looked up there.
    """

    engines: tuple[str, ...]
    reference: str
    function: TaskFunction
    unfinished: Unfinished
    settings: tuple[Setting, ...] = ("default", "tight")
    timeout: float = 120.0
    memory_mb: int | None = 4096
    attempts: int = 2
    store: str | None = None
    replay: str | None = None

    @property
    def step_seconds(self) -> float:
        """Seconds that a step of the harness itself, an audit for one, may take."""
        return max(60.0, 4.0 * self.timeout)

    @property
    def grown_mb(self) -> float:
        """Megabytes by which a worker may grow before it is replaced."""
        return (self.memory_mb or 4096) / 2
