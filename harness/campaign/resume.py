"""What an unfinished record file holds, and whether a run can go on from there.

Records are written in the order of the source, so that what is there is the beginning of the run:
whole lines, up to one that may have broken off. A task may give several records; where the last of
them is not sure to be there, the task is done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.base.json import decode
from harness.campaign.sources import Task
from harness.judge.glance import Glance, glance
from harness.judge.records import Header, Kept

_VOLATILE = ("jobs", "dask", "out")
"""Options that change nothing but where and how fast a run is done."""


@dataclass(frozen=True)
class Found:
    """The beginning of a run.

    Attributes
    ----------
    tasks : int
        Tasks that are done.
    kept : Kept
        For :class:`~harness.judge.records.RecordWriter`.
    torn : bool
        Something after the last whole record was damaged and is dropped.
    """

    tasks: int
    kept: Kept
    torn: bool


def header_in(path: Path) -> Header | None:
    """Return the header of an unfinished file, None when not even that is whole.

    Raises
    ------
    BadInput
        When the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            line = file.readline()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return decode(line, Header) if line.endswith(b"\n") else None
    except msgspec.DecodeError:
        return None


def require_same(path: Path, old: Header, new: Header, *, going_on: bool = True) -> None:
    """Refuse to go on with (or to merge) a run whose engines, versions or cases were others.

    Raises
    ------
    BadInput
        With the first thing that differs.
    """
    why = "cannot go on" if going_on else "is of another run"
    for what in ("format", "engines", "reference", "settings", "planned", "versions", "seed"):
        before, now = getattr(old, what), getattr(new, what)
        if before != now:
            raise BadInput(f"{path}: {why}: {what} {_difference(before, now)}")
    before, now = (
        {k: v for k, v in header.options.items() if k not in _VOLATILE} for header in (old, new)
    )
    if before != now:
        raise BadInput(f"{path}: {why}: {_difference(before, now)}")


def _difference(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
        name = names[0]
        return f"{name} was {before.get(name, 'not there')}, is {after.get(name, 'not there')}"
    was, now = ("were", "are") if isinstance(after, tuple) else ("was", "is")
    return f"{was} {before}, {now} {after}"


def find(
    path: Path, tasks: Iterable[Task], *, records: int | None, seen: Callable[[Glance], None]
) -> Found:
    """Read an unfinished file up to where it is whole, beside the tasks that it should hold.

    Parameters
    ----------
    records : int or None
        How many every task gives; where that is not known, the last task is taken as not whole.
    seen : function
        Called with every record that stays.

    Raises
    ------
    BadInput
        When the file holds other cases than the tasks, or in another order.
    """
    lines = _Lines(path)
    plan = iter(tasks)
    counts: Counter[str] = Counter()
    properties = done = 0
    size = lines.begin
    pending: list[Glance] = []
    pending_end = size

    def keep() -> None:
        nonlocal done, size, properties
        for line in pending:
            if line.record == "case":
                counts[line.verdicts[0].verdict] += 1
            else:
                properties += 1
            seen(line)
        done += bool(pending)
        size = pending_end

    for name, members in groupby(lines, key=lambda line: line[0].of):
        keep()
        task = next(plan, None)
        if task is None or task.id != name:
            wanted = "no more" if task is None else f"case {task.id!r}"
            raise BadInput(
                f"{path}: cannot go on: it holds case {name!r} where the run has {wanted}"
            )
        found = list(members)
        pending, pending_end = [line for line, _ in found], found[-1][1]
    if lines.finished or len(pending) == records:
        keep()
    return Found(done, Kept(size, dict(counts), properties), lines.torn)


class _Lines:
    """The records of an unfinished file with where each ends, up to the first damaged one.

    Attributes
    ----------
    torn : bool
        The last line broke off, or is no record.
    finished : bool
        A footer was there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.torn = self.finished = False
        with path.open("rb") as file:
            self.begin = len(file.readline())

    def __iter__(self) -> Iterator[tuple[Glance, int]]:
        end = self.begin
        with self._path.open("rb") as file:
            file.seek(end)
            for line in file:
                end += len(line)
                try:
                    seen = glance(line)
                except msgspec.DecodeError:
                    self.torn = True
                    return
                self.finished = seen.record == "footer"
                self.torn = not line.endswith(b"\n")
                if self.finished or self.torn:
                    return
                yield seen, end
