"""What memory a process has, as Linux tells it."""

from __future__ import annotations

import resource
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
    pages = _pages(0, None)
    if not pages:
        return None
    limit = pages * resource.getpagesize() + megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    return (limit if hard == resource.RLIM_INFINITY else min(limit, hard)), hard


def _pages(which: int, process: int | None) -> int:
    try:
        # Read after every case and fit: a buffer and a decoder would take most of the time.
        with Path(f"/proc/{process or 'self'}/statm").open("rb", buffering=0) as file:
            return int(file.read().split()[which])
    except OSError:
        return 0
