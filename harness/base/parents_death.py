"""A signal from the system when the process that one works for is gone, however it ended."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def send_at_parents_death(number: signal.Signals) -> None:
    """Have this process sent a signal when the thread that started it ends; Linux only.

    It is sent to a process that is stopped, too, which no thread of its own could notice. What is
    forked from this process does not inherit it.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
