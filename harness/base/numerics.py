"""The environment in which arithmetic repeats bit for bit.

A BLAS reads these variables when it is loaded, so they have to be in place before numpy is
imported: the command line sets them first thing, R's process is started with them. A program that
uses the package as a library keeps its own; the record of a run says what held.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def repeatable() -> dict[str, str]:
    """Return the variables: one thread, and one OpenBLAS kernel for all processors of a kind.

    Several threads add sums in the order in which they finish, and the last digits of a fit, where
    an optimizer stops among them, change with the kernel that OpenBLAS picks for the processor.
    """
    variables = dict.fromkeys(_THREADS, "1")
    kernel = _openblas_kernel()
    if kernel:
        variables["OPENBLAS_CORETYPE"] = os.environ.get("OPENBLAS_CORETYPE", kernel)
    return variables


def pin() -> bool:
    """Set the variables in this process; False when numpy is loaded and it is too late."""
    if "numpy" in sys.modules:
        return False
    os.environ.update(repeatable())
    return True


def _openblas_kernel() -> str | None:
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return "Haswell" if re.search(r"^flags\s*:.*\bavx2\b", flags, re.MULTILINE) else "Nehalem"
