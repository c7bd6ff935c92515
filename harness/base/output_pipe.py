"""What reads standard output: whether it has gone, as ``head`` has when it has its lines."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.base.errors import EXIT_UNEXPLAINED

EXIT_PIPE = 141
"""As a shell says of a program that SIGPIPE has ended: 128 + 13."""


@contextmanager
def quiet_when_closed() -> Iterator[None]:
    """End as other programs do when nobody reads any more.

    The libraries that print end the program with 1 then, which would say that a number is wrong.
    """
    # A copy: they may put something else in the place of the closed one.
    copy = None
    with suppress(OSError, ValueError, AttributeError):
        copy = os.dup(sys.stdout.fileno())
    try:
        yield
    except (SystemExit, BrokenPipeError) as ended:
        other = isinstance(ended, SystemExit) and ended.code != EXIT_UNEXPLAINED
        if other or copy is None or not _closed(copy):
            raise
        with suppress(OSError, ValueError):
            # What is left in the buffer would be written as the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_PIPE) from None
    finally:
        if copy is not None:
            os.close(copy)


def _closed(descriptor: int) -> bool:
    """Whether the other end of a pipe is closed."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
