"""Run cases in both engines and append their records."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.campaign import provenance
from harness.campaign.case_record import case_record
from harness.campaign.records import FORMAT, CaseRecord, Header, RecordWriter
from harness.cases.ladder import Rung
from harness.engines.base import Engine, Outcome, Setting

AHEAD = 6
"""Cases whose fits are begun before their turn, so that R works while Python does."""


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes
    ----------
    engine, reference : Engine
        The engine under test, and the one it is compared with.
    settings : tuple
        The default setting first.
    """

    title: str
    rungs: Sequence[Rung]
    engine: Engine
    reference: Engine
    settings: tuple[Setting, ...] = ("default", "tight")
    command: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def engines(self) -> tuple[Engine, Engine]:
        """The two engines."""
        return (self.engine, self.reference)


def run(plan: Plan) -> Iterator[CaseRecord]:
    """Fit, audit and compare every rung, in order."""
    waiting: deque[tuple[Rung, list[Callable[[], Outcome]]]] = deque()
    rungs = iter(plan.rungs)

    def begin_next() -> None:
        for rung in rungs:
            begun = [e.begin(rung.case, s) for s in plan.settings for e in plan.engines]
            waiting.append((rung, begun))
            return

    for _ in range(AHEAD):
        begin_next()
    while waiting:
        rung, begun = waiting.popleft()
        started = time.perf_counter()
        outcomes = [wait() for wait in begun]
        yield case_record(
            rung,
            outcomes,
            engines=(plan.engine.name, plan.reference.name),
            settings=plan.settings,
            seconds=time.perf_counter() - started,
        )
        begin_next()


def run_to_file(
    plan: Plan, path: Path, progress: Callable[[CaseRecord], None] = lambda _: None
) -> None:
    """Run a plan and write its records; the file has its name only when it is whole."""
    started = time.perf_counter()
    with RecordWriter(path) as writer:
        writer.write(header_of(plan))
        for record in run(plan):
            writer.write(record)
            progress(record)
        writer.finish(provenance.now(), time.perf_counter() - started)


def header_of(plan: Plan) -> Header:
    """Return the first record of a run."""
    return Header(
        format=FORMAT,
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        title=plan.title,
        engines=tuple(e.name for e in plan.engines),
        reference=plan.reference.name,
        settings=plan.settings,
        planned=len(plan.rungs),
        versions=provenance.versions(plan.engines),
        platform=provenance.machine(),
        blas=provenance.blas(plan.engines),
        environment=provenance.environment(),
        seed=0,
        options=dict(plan.options),
        command=plan.command,
    )
