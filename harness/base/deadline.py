"""Until when something may work, and how what runs in this process is stopped then."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from harness.base.errors import Stop

_AGAIN = 1.0
"""Seconds after which what has swallowed the first :class:`TimeUp` gets another."""


class TimeUp(Stop):
    """The time is up. No ``Exception``: code that expects anything of an engine lets it pass."""


class Deadline:
    """A moment, some seconds from now.

    Parameters
    ----------
    seconds : float
        Infinite for none.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, 0 when it is over."""
        return max(0.0, self._ends - time.monotonic())

    def less(self, seconds: float) -> Deadline:
        """Return a deadline that ends so many seconds earlier; what it is told to be stays."""
        earlier = Deadline(self.seconds)
        earlier._ends = self._ends - seconds
        return earlier

    def half(self) -> Deadline:
        """Return a deadline after half of the time that is left."""
        return self.less(0.5 * self.left) if math.isfinite(self.seconds) else self


NEVER = Deadline(math.inf)


@contextmanager
def stopped_at(deadline: Deadline) -> Iterator[None]:
    """Raise :class:`TimeUp` in what is run, once the deadline has passed.

    It is raised between two steps of Python, by a signal: a call of compiled code is over first.
    Limits may lie within each other. Outside the main thread, where no signal arrives, and without
    an end there is no limit.

    Raises
    ------
    TimeUp
        At once, where no time is left.
    """
    left = deadline.left
    if not left:
        raise TimeUp
    if math.isinf(left) or threading.current_thread() is not threading.main_thread():
        yield
        return
    outer = signal.getitimer(signal.ITIMER_REAL)[0]
    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, _time_up)
    signal.setitimer(signal.ITIMER_REAL, min(left, outer) if outer else left, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if outer:
            rest = max(outer - (time.monotonic() - began), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, rest, _AGAIN)


def _time_up(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise TimeUp
