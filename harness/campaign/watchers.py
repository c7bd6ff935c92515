"""Who watches a campaign: a bar for people, lines in a log, JSON events for machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.base import heartbeat
from harness.base.json import encode
from harness.campaign.campaign_file import Watcher
from harness.campaign.tally import Tally
from harness.campaign.worker_process import Done
from harness.judge.glance import Glance
from harness.judge.records import Header

REDRAW_SECONDS = 0.1


class Counting(Watcher):
    """Keeps the tally; the base of those that show it."""

    def __init__(self) -> None:
        self.tally = Tally(0)

    def kept(self, seen: Glance) -> None:
        """Count a record that was there before."""
        self.tally.see(seen)

    def started(self, header: Header, done: int, *, torn: bool) -> None:  # noqa: ARG002
        """Begin to count."""
        self.tally.planned = header.planned
        self.tally.done = self.tally.before = done
        self.tally.began = time.monotonic()

    def finished(self, done: Done, seen: Iterable[Glance]) -> None:
        """Count a task."""
        self.tally.add(done, seen)


class Spoken(Counting):
    """Shows progress on standard error.

    Parameters
    ----------
    say : function
        Writes a line.
    draw : function
        Draws the bar: tasks done, planned, and what stands beside it; does nothing in a log.
    log : bool
        Write a line from time to time.
    """

    def __init__(
        self, say: Callable[[str], None], draw: Callable[[int, int, str], None], *, log: bool
    ) -> None:
        super().__init__()
        self._say = say
        self._draw = draw
        self._log = log
        self._logged = self._drawn = time.monotonic()

    def started(self, header: Header, done: int, *, torn: bool) -> None:
        """Say where a run goes on."""
        super().started(header, done, torn=torn)
        if done:
            broken = "; a record that had broken off is done again" if torn else ""
            self._say(f"going on after {done} of {header.planned} cases{broken}")

    def finished(self, done: Done, seen: Iterable[Glance]) -> None:
        """Draw."""
        super().finished(done, seen)
        self.idle()

    def refused(self, text: str) -> None:
        """Say who is refused."""
        self._say(text)

    def idle(self) -> None:
        """Draw or write a line, when it is time."""
        now = time.monotonic()
        if now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            self._draw(self.tally.done, self.tally.planned, self.tally.line().partition("; ")[2])
        if self._log and now - self._logged >= heartbeat.SECONDS:
            self._logged = now
            self._say(self.tally.line())


class Events(Counting):
    """Writes a JSON line for the start, each task and each worker that is refused.

    Parameters
    ----------
    write : function
        Writes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def started(self, header: Header, done: int, *, torn: bool) -> None:
        """Write the event ``start``."""
        super().started(header, done, torn=torn)
        self.event(
            "start",
            planned=header.planned,
            done=done,
            torn=torn,
            engines=header.engines,
            versions=header.versions,
        )

    def finished(self, done: Done, seen: Iterable[Glance]) -> None:
        """Write the event ``case``."""
        lines = tuple(seen)
        super().finished(done, lines)
        cases = [line for line in lines if line.record == "case"]
        properties = [line.status for line in lines if line.record == "property"]
        self.event(
            "case",
            id=done.id,
            verdict=cases[0].verdict if cases else None,
            causes=[cause for line in cases for cause in line.causes],
            properties={status: properties.count(status) for status in dict.fromkeys(properties)},
            digits=min((line.worst_digits for line in cases), default=None),
            seconds=round(done.seconds, 6),
            retried=done.retried,
            problem=done.problem,
            done=self.tally.done,
            planned=self.tally.planned,
        )

    def refused(self, text: str) -> None:
        """Write the event ``refused``."""
        self.event("refused", text=text)

    def event(self, kind: str, **content: object) -> None:
        """Write an event."""
        self._write(encode({"event": kind, **content}).decode())


@contextmanager
def bar() -> Iterator[tuple[Callable[[str], None], Callable[[int, int, str], None], bool]]:
    """Give functions that write a line and draw a bar, and whether there is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    columns: list[Any] = [
        SpinnerColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", markup=False),
    ]
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task("", total=None, now="starting the engines")

        def say(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        def draw(done: int, planned: int, now: str) -> None:
            shown.update(task, completed=done, total=planned, now=now)

        yield say, draw, console.is_terminal


@contextmanager
def watching(*, quiet: bool) -> Iterator[Counting]:
    """Give a watcher for people: a bar on a terminal, lines in a log, or nothing."""
    if quiet:
        yield Counting()
        return
    with bar() as (say, draw, terminal):
        watcher = Spoken(say, draw, log=not terminal)

        def beat(seconds: float) -> None:
            if not (terminal or watcher.tally.planned):
                say(f"starting the engines ({seconds:.0f} s)")

        with heartbeat.heartbeat(beat):
            yield watcher
