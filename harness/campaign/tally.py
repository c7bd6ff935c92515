"""How a campaign stands: counts by verdict, worst digits, rate, time left, exit code."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.base.errors import BadInput, exit_code_of
from harness.campaign.worker_process import Done
from harness.judge.glance import Glance, glance


@dataclass
class Tally:
    """What is known of the cases that are done.

    Attributes
    ----------
    planned, done, before : int
        Tasks in all, done, and done of these before this process took over.
    verdicts : Counter
        Cases by class of their verdict in the setting that counts; properties by their status.
    others : dict of Counter
        Cases by class of their verdict in every other setting.
    worst : float, str
        Fewest digits of agreement on any coefficient so far, and the case.
    retried : int
        Fits tried again.
    """

    planned: int
    done: int = 0
    before: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    others: dict[str, Counter[str]] = field(default_factory=dict)
    worst: tuple[float, str] = (math.inf, "")
    retried: int = 0
    unexplained: int = 0
    no_engine: int = 0
    began: float = field(default_factory=time.monotonic)

    def see(self, line: Glance) -> None:
        """Count a record."""
        if line.record == "property":
            self.verdicts[line.status] += 1
            self.unexplained += line.status == "unexplained"
            return
        self.verdicts[line.verdict] += 1
        for setting, verdict in line.elsewhere.items():
            self.others.setdefault(setting, Counter())[verdict] += 1
        self.unexplained += line.unexplained
        self.no_engine += line.verdict == "ENVIRONMENT"
        self.worst = min(self.worst, (line.worst_digits, line.of))

    def add(self, done: Done, lines: Iterable[Glance]) -> None:
        """Count a task and its records."""
        for line in lines:
            self.see(line)
        self.done += 1
        self.retried += len(done.retried)

    @property
    def rate(self) -> float:
        """Tasks per second, by this process."""
        seconds = time.monotonic() - self.began
        return (self.done - self.before) / seconds if seconds > 0.0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimated from the rate so far; inf before anything is done."""
        return (self.planned - self.done) / self.rate if self.rate > 0.0 else math.inf

    @property
    def exit_code(self) -> int:
        """As every command that fits ends; a shard without a case is well."""
        return exit_code_of(unexplained=self.unexplained, no_engine=self.no_engine)

    def counts(self) -> str:
        """Return the counts in words, the most frequent first, and those of other settings."""
        parts = [_counted(self.verdicts)]
        parts += [f"{setting}: {_counted(found)}" for setting, found in self.others.items()]
        return "; ".join(parts)

    def line(self) -> str:
        """Return all of it in a line."""
        parts = [f"{self.done}/{self.planned}"]
        if self.done < self.planned and self.rate > 0.0:
            parts.append(f"{self.rate:.3g}/s, {duration(self.seconds_left)} left")
        if self.verdicts:
            parts.append(self.counts())
        if math.isfinite(self.worst[0]):
            parts.append(f"worst LRE {max(self.worst[0], 0.0):.1f}")
        if self.retried:
            parts.append(f"{self.retried} tried again")
        return "; ".join(parts)


def _counted(verdicts: Counter[str]) -> str:
    return ", ".join(f"{n} {v.replace('_', ' ')}" for v, n in verdicts.most_common())


def duration(seconds: float) -> str:
    """Return a time in words: ``"40 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def tally_of(path: Path) -> Tally:
    """Return the tally of a finished record file.

    Raises
    ------
    BadInput
        When it is none.
    """
    tally = Tally(0)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                seen = glance(line)
            except msgspec.DecodeError as error:
                raise BadInput(f"{path}: line {number} is not a whole record: {error}") from None
            if seen.record in ("case", "property"):
                tally.see(seen)
                tally.done += 1
    tally.planned = tally.done
    return tally
