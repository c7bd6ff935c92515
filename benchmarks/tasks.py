"""Sources and task functions of the campaigns that are timed; workers import this module."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.campaign.case_task import case_task
from harness.campaign.open_engines import OpenEngines
from harness.campaign.sources import Task
from harness.data.rungs import Rung
from harness.engines.engine import Engine, Outcome, Setting
from harness.engines.referee_engine import RefereeEngine
from harness.model.case import Case

WALLS = "LMM_PARITY_BENCH_WALLS"
"""Variable with the file into which :func:`timed_case` writes."""

RECORD = "LMM_PARITY_BENCH_RECORD"
"""Variable with a file that holds the record that :func:`stub_case` returns."""

PLACE = b"@id@"
"""What stands in that record where the id of the case belongs."""


def timed_case(engines: OpenEngines, task: Task) -> list[bytes]:
    """Do a case as ``run`` does it, and write down how long each fit took with its adapter."""
    walls: list[tuple[str, str, float]] = []
    timed = tuple(_Timed(engine, walls) for engine in engines.engines)
    lines = case_task(replace(engines, engines=timed), task)
    # Opened once: to open it for each case would be time of the benchmark in that of the case.
    file = engines.kept.get(WALLS)
    if file is None:
        file = engines.kept[WALLS] = Path(os.environ[WALLS]).open("ab", buffering=0)  # noqa: SIM115
    file.write(json.dumps({"id": task.id, "walls": walls}).encode() + b"\n")  # type: ignore[attr-defined]
    return lines


class _Timed:
    """An engine whose fits are timed from outside."""

    def __init__(self, engine: Engine, walls: list[tuple[str, str, float]]) -> None:
        self.name = engine.name
        self._engine = engine
        self._walls = walls

    def versions(self) -> dict[str, str]:
        return self._engine.versions()

    def unsupported(self, case: Case) -> str | None:
        return self._engine.unsupported(case)

    def fit(self, case: Case, setting: Setting) -> Outcome:
        started = time.perf_counter()
        outcome = self._engine.fit(case, setting)
        self._walls.append((self.name, setting, time.perf_counter() - started))
        return outcome

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        outcome = self.fit(case, setting)
        return lambda: outcome


class Stub(RefereeEngine):
    """An engine that is opened in every worker and asked for nothing."""

    name = "stub"


def stub_case(engines: OpenEngines, task: Task) -> list[bytes]:
    """Return a record that is there already, under the id of the task."""
    if RECORD not in engines.kept:
        engines.kept[RECORD] = Path(os.environ[RECORD]).read_bytes().partition(PLACE)
    head, _, rest = engines.kept[RECORD]  # type: ignore[misc]
    return [head + task.id.encode() + rest]


@dataclass(frozen=True)
class Numbered:
    """Tasks with nothing in them."""

    count: int
    title: str = "stub cases"

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Task]:
        return (Task(f"stub/{i}", _not_built, None) for i in range(self.count))

    def identity(self) -> dict[str, str]:
        """Return their number."""
        return {"source": "stub", "count": str(self.count)}


def _not_built(_: None) -> Rung:
    raise AssertionError("a stub case has no data")
