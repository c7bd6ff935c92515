"""A sign of life from work that takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 5.0
"""After how many seconds of silence something is said."""


@contextmanager
def heartbeat(beat: Callable[[float], None]) -> Iterator[None]:
    """Call a function every :data:`SECONDS`, from a thread of its own, with those since begin."""
    ended = threading.Event()
    began = time.monotonic()

    def beats() -> None:
        while not ended.wait(SECONDS):
            beat(time.monotonic() - began)

    thread = threading.Thread(target=beats, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
