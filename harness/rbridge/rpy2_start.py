"""What rpy2 asks of an R in a process of its own, answered without one.

rpy2 runs ``Rscript -e`` when it is loaded, for ``LD_LIBRARY_PATH``, and again when R starts, for
the variables that R's front end sets. Both read the user's profile, take a second, and when the
second fails all that is said is ``StopIteration``. Here the process has these variables from its
start (:func:`harness.rbridge.environment.worker_environment`), and R reads ``etc/Renviron`` by
itself.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def load_rpy2() -> None:
    """Load rpy2 so that it starts no R; for a process whose environment is R's already."""
    situation: Any = import_module("rpy2.situation")
    situation.r_ld_library_path_from_subprocess = _library_path
    rinterface: Any = import_module("rpy2.rinterface")
    rinterface._getrenvvars = _no_variables


def _library_path(_: str) -> str:
    return os.environ.get("LD_LIBRARY_PATH", "")


def _no_variables(*_: object, **__: object) -> tuple[tuple[str, str], ...]:
    return ()
