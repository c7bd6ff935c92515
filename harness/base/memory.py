"""What memory a process has, as Linux tells it, and how much it may have."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path


def resident_mb(process: int | None = None) -> float:
    """Return the megabytes of a process (this one without a number) that are in memory.

    Pages that it shares with others are counted. 0 where that cannot be known.
    """
    return _pages(1, process) * resource.getpagesize() / 2**20


def limit_with(megabytes: int) -> tuple[int, int] | None:
    """Return a limit of address space, soft and hard, that leaves this process so many megabytes.

    None where the size of the process cannot be known.
    """
    return _limit(None, megabytes, resource.getrlimit(resource.RLIMIT_AS)[1])


def limit_session(leader: int, megabytes: int) -> None:
    """Leave every process of a session so many megabytes on top of what it has; on Linux."""
    if not hasattr(resource, "prlimit"):
        return
    for process in _session(leader):
        # One that has ended meanwhile, or is another user's, is none of ours.
        with contextlib.suppress(OSError):
            _, hard = resource.prlimit(process, resource.RLIMIT_AS)
            limit = _limit(process, megabytes, hard)
            if limit is not None:
                resource.prlimit(process, resource.RLIMIT_AS, limit)


def _session(leader: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # What is in parentheses is the program's name, which may hold anything.
            if int(path.read_bytes().rpartition(b")")[2].split()[3]) == leader:
                yield int(path.parent.name)


def _limit(process: int | None, megabytes: int, hard: int) -> tuple[int, int] | None:
    pages = _pages(0, process)
    if not pages:
        return None
    limit = pages * resource.getpagesize() + megabytes * 2**20
    return (limit if hard == resource.RLIM_INFINITY else min(limit, hard)), hard


def _pages(which: int, process: int | None) -> int:
    try:
        # Read after every case and fit: a buffer and a decoder would take most of the time.
        with Path(f"/proc/{process or 'self'}/statm").open("rb", buffering=0) as file:
            return int(file.read().split()[which])
    except OSError:
        return 0
