"""Run a few cases in this process, with engines at hand.

For many there is :mod:`harness.campaign.driver`, whose workers survive what an engine does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import harness
from harness.base.deadline import NEVER, Deadline
from harness.campaign import provenance
from harness.data.rungs import Rung
from harness.engines.engine import Engine, Setting
from harness.judge.case_record import case_record
from harness.judge.judge import judge
from harness.judge.records import FORMAT, CaseRecord, Header
from harness.model.case import Case

LARGE_ROWS = 20_000
"""Above this an engine is run in its default setting only, where there is one case."""


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
    engines: tuple[Engine, ...]
    settings: tuple[Setting, ...] = ("default", "tight")
    command: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def reference(self) -> str:
        """Name of the engine that the others are compared with: the last."""
        return self.engines[-1].name


def settings_of(case: Case) -> tuple[Setting, ...]:
    """Return the settings to run: the tight one takes several fits, too many of a large case."""
    return ("default",) if len(case.design.y) > LARGE_ROWS else ("default", "tight")


def run(plan: Plan, deadline: Deadline = NEVER) -> Iterator[CaseRecord]:
    """Fit, audit and compare every rung, in order; R works on a case while Python does."""
    for rung in plan.rungs:
        yield case_record(judge(rung.case, plan.engines, plan.settings, deadline=deadline), rung)


def header_of(plan: Plan) -> Header:
    """Return the first record of a run."""
    return Header(
        format=FORMAT,
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        title=plan.title,
        engines=tuple(e.name for e in plan.engines),
        reference=plan.reference,
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
