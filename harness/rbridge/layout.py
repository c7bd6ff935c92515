"""The same places in memory for the same program, so that R's last bits repeat.

A vectorised sum takes the odd elements at its ends one by one, and how many these are depends on
where the vector begins. Linux gives programs other addresses each time, so that the same fit on the
same machine came out otherwise in the tenth digit in one R of two, by lme4 1.1-31 with crossed
effects near a boundary.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ASK = 0xFFFFFFFF
_NO_RANDOM_ADDRESSES = 0x0040000
"""``ADDR_NO_RANDOMIZE`` of personality(2)."""


@contextmanager
def same_addresses() -> Iterator[None]:
    """Start programs, in the block and by this thread, with addresses that are not random.

    Where the system does not allow it (containers may not) or is another one, nothing changes.
    """
    if sys.platform != "linux":
        yield
        return
    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    before = personality(_ASK)
    changed = before >= 0 and personality(before | _NO_RANDOM_ADDRESSES) >= 0
    try:
        yield
    finally:
        if changed:
            personality(before)
