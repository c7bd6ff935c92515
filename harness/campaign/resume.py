"""What the journal of an unfinished run holds, and whether the run can go on from there.

It is whole up to a line that may have broken off. A task may give several records; where the last
of them is not there, the task is done again.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.base.errors import BadInput
from harness.base.json import decode
from harness.campaign.journal import MARK, Entries
from harness.campaign.sources import Task
from harness.judge.glance import Glance, glance
from harness.judge.records import Header

_VOLATILE = ("jobs", "dask", "out")
"""Options that change nothing but where and how fast a run is done."""


@dataclass(frozen=True)
class Found:
    """What stays of a journal.

    Attributes
    ----------
    kept : Entries
        The tasks that are done, for :class:`~harness.campaign.journal.Journal`.
    torn : bool
        Something after the last of them was damaged and is dropped.
    """

    kept: Entries
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


def find(path: Path, tasks: Iterable[Task], *, seen: Callable[[Glance], None]) -> Found:
    """Read a journal up to where it is whole, and hold its tasks against those of the run.

    Parameters
    ----------
    seen : function
        Called with every record that stays.

    Raises
    ------
    BadInput
        When it holds other cases than the run, or is of a version that kept no journal.
    """
    kept, names = Entries(), array("q")
    pending: list[Glance] = []
    with path.open("rb") as file:
        end = kept.size = len(file.readline())
        for line in file:
            end += len(line)
            try:
                here = glance(line)
            except msgspec.DecodeError:
                break
            if not line.endswith(b"\n"):
                break
            mark = MARK.match(line)
            if mark is None:
                raise BadInput(
                    f"{path}: cannot go on: it is of another version of this program; remove it"
                )
            pending.append(here)
            if int(mark[2]) == 0:
                kept.add(int(mark[1]), end)
                names.append(hash(here.of))
                for record in pending:
                    seen(record)
                pending = []
        torn = kept.size < file.seek(0, os.SEEK_END)
    _require_planned(path, kept, names, tasks)
    return Found(kept, torn)


def _require_planned(path: Path, kept: Entries, names: array[int], tasks: Iterable[Task]) -> None:
    places = {number: place for place, number in enumerate(kept.numbers)}
    if len(places) < len(kept.numbers):
        raise BadInput(f"{path}: cannot go on: it holds a case twice")
    for number, task in enumerate(tasks):
        if not places:
            return
        place = places.pop(number, None)
        if place is not None and names[place] != hash(task.id):
            raise _other(path, kept.starts[place], f"case {task.id!r}")
    if places:
        raise _other(path, kept.starts[places.popitem()[1]], "no more")


def _other(path: Path, start: int, wanted: str) -> BadInput:
    with path.open("rb") as file:
        file.seek(start)
        name = glance(file.readline()).of
    return BadInput(f"{path}: cannot go on: it holds case {name!r} where the run has {wanted}")
