"""The search path of shared libraries with which this program was started.

rpy2 puts R's path into ``LD_LIBRARY_PATH`` when it is loaded: too late for this process, and wrong
for Python processes started afterwards, which may find another libpython there than their own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "LD_LIBRARY_PATH"


def library_path() -> str | None:
    """Return the path for a process to be started; None when the variable is not to be set."""
    now = os.environ.get(VARIABLE)
    if "rpy2" not in sys.modules:
        return now
    try:
        started = Path("/proc/self/environ").read_bytes()
    except OSError:
        return now
    prefix = f"{VARIABLE}=".encode()
    return next(
        (os.fsdecode(v[len(prefix) :]) for v in started.split(b"\0") if v.startswith(prefix)), None
    )
