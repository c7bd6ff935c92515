"""A campaign into a record file, from its beginning or from where it was left."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import harness
from harness.base.files import growing_place
from harness.campaign import provenance
from harness.campaign.driver import Executor, cores, local_threads, run_campaign, start_workers
from harness.campaign.journal import Entries, Journal, partial_of
from harness.campaign.resume import Found, find, header_in, require_same
from harness.campaign.setup import Setup
from harness.campaign.sources import ALL, Shard, Source
from harness.campaign.worker_process import Done, Opened
from harness.judge.glance import Glance
from harness.judge.records import FORMAT, Footer, Header


class Watcher:
    """Is told how a campaign goes; this one does nothing."""

    def started(self, header: Header, done: int, *, torn: bool) -> None:
        """Is called with how many tasks were done before, and whether a record had broken off."""

    def kept(self, seen: Glance) -> None:
        """Is called with each record that was there before, ahead of ``started``."""

    def finished(self, done: Done, seen: Iterable[Glance]) -> None:
        """Is called with each task when its records are in the file."""

    def refused(self, text: str) -> None:
        """Is called when a worker elsewhere has other versions than the run."""

    def idle(self) -> None:
        """Is called about every second while nothing is done."""


@dataclass(frozen=True)
class Campaign:
    """What is run into a file, and how.

    Attributes
    ----------
    options : dict
        What the header says besides; ``source`` and ``setup`` say the most of it themselves.
    jobs : int or None
        Workers on this machine.
    executor : Executor or None
        Where tasks are done instead.
    opened : function or None
        Gives the versions that the executor's workers have; needed with ``executor``.
    """

    source: Source
    setup: Setup
    shard: Shard = ALL
    command: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    jobs: int | None = None
    executor: Executor | None = None
    at_once: int | None = None
    opened: Callable[[], Opened] | None = None

    @property
    def planned(self) -> int:
        """How many tasks there are."""
        return self.shard.size(len(self.source))


def run_to_file(
    campaign: Campaign, path: Path, *, watcher: Watcher | None = None, resume: bool = False
) -> Footer:
    """Do every task of a campaign and write its records; the file has its name when it is whole.

    Parameters
    ----------
    resume : bool
        Go on with the unfinished file that is there, if there is one.

    Raises
    ------
        When an engine is not known, the file cannot be written, or it is of another run.
    EnvironmentProblem
        When an engine cannot be opened, or the disk is full; what was written stays.
    """
    watcher = watcher or Watcher()
    started = time.perf_counter()
    setup = campaign.setup
    path = growing_place(path)
    partial = partial_of(path)
    with ExitStack() as stack:
        executor, at_once, opened = _workers(campaign, stack)
        header = header_of(campaign, opened)
        old = header_in(partial) if resume else None
        found = Found(Entries(), torn=False)
        if old is not None:
            require_same(partial, old, header)
            found = find(partial, campaign.shard.of(campaign.source), seen=watcher.kept)
        journal = stack.enter_context(Journal(path, found.kept))
        if old is None:
            journal.begin(header)
        done = set(found.kept.numbers)
        watcher.started(header, len(done), torn=found.torn)

        def idle() -> None:
            journal.sync()
            watcher.idle()

        for number, task_done in run_campaign(
            campaign.source,
            setup,
            executor=executor,
            at_once=at_once,
            shard=campaign.shard,
            done=done,
            idle=idle,
            refused=watcher.refused,
            expected=opened,
        ):
            watcher.finished(task_done, journal.add(number, task_done.lines))
        return journal.finish(provenance.now(), time.perf_counter() - started)


def _workers(campaign: Campaign, stack: ExitStack) -> tuple[Executor, int, Opened]:
    if campaign.executor is not None:
        assert campaign.opened is not None
        return campaign.executor, campaign.at_once or 4 * cores(), campaign.opened()
    jobs = min(campaign.jobs or cores(), max(1, campaign.planned))
    threads = stack.enter_context(local_threads(jobs))
    return threads, 2 * jobs, start_workers(campaign.setup, jobs)


def header_of(campaign: Campaign, opened: Opened) -> Header:
    """Return the first record of a campaign's file."""
    setup = campaign.setup
    shard = {} if campaign.shard == ALL else {"shard": str(campaign.shard)}
    limits = {"timeout": f"{setup.timeout:g}", "memory": str(setup.memory_mb or "unlimited")}
    return Header(
        format=FORMAT,
        program=f"lmm-parity {harness.__version__}",
        created=provenance.now(),
        title=campaign.source.title,
        engines=opened.engines,
        reference=opened.engines[-1],
        settings=setup.settings,
        planned=campaign.planned,
        versions=opened.versions,
        platform=provenance.machine(),
        blas=opened.blas,
        environment=opened.environment,
        seed=campaign.seed,
        options={
            "engine": shlex.join(setup.engines[:-1]),
            "reference": setup.reference,
            **campaign.source.identity(),
            **limits,
            **shard,
            **campaign.options,
        },
        command=campaign.command,
    )
