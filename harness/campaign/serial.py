"""Run a few cases in this process, with engines at hand.

For many there is :mod:`harness.campaign.driver`, whose workers survive what an engine does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import harness
from harness.campaign import provenance
from harness.data.rungs import Rung
from harness.engines.engine import Engine, Setting
from harness.judge.case_record import case_record
from harness.judge.records import FORMAT, CaseRecord, Header


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
    """Fit, audit and compare every rung, in order; R works on a case while Python does."""
    for rung in plan.rungs:
        started = time.perf_counter()
        begun = [e.begin(rung.case, s) for s in plan.settings for e in plan.engines]
        outcomes = [wait() for wait in begun]
        yield case_record(
            rung,
            outcomes,
            engines=(plan.engine.name, plan.reference.name),
            settings=plan.settings,
            seconds=time.perf_counter() - started,
        )


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
