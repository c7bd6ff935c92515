"""What ends with the process that it works for, however that one ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import weakref

_PR_SET_PDEATHSIG = 1


def send_at_parents_death(number: signal.Signals) -> None:
    """Have this process sent a signal when the thread that started it ends; Linux only.

    It is sent to a process that is stopped, too, which no thread of its own could notice. What is
    forked from this process does not inherit it.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


class GroupWatcher:
    """A process that kills a process group when this process is gone.

    For programs that do not ask for a signal themselves: a thread that starts one may end before
    it, and what it has started in turn has to end, too. The watcher waits for the end of a pipe of
    which this process alone has the other end.
    """

    def __init__(self, group: int) -> None:
        reading, writing = os.pipe()
        try:
            watcher = subprocess.Popen(
                ["sh", "-c", 'read -r _; kill -s KILL -- "-$1"', "sh", str(group)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Not ended by what ends this process from its terminal.
                start_new_session=True,
            )
        except OSError:  # no shell: the group ends when it is told to
            os.close(writing)
            return
        finally:
            os.close(reading)
        self._finalizer = weakref.finalize(self, _dismiss, watcher, writing)

    def dismiss(self) -> None:
        """End the watching; the group is left alone."""
        if hasattr(self, "_finalizer"):
            self._finalizer()


def _dismiss(watcher: subprocess.Popen[bytes], writing: int) -> None:
    watcher.kill()
    watcher.wait()
    os.close(writing)
