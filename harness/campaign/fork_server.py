"""The server that worker processes are forked from: started early, it imports while others do.

This module imports nothing that takes time, so that a command can start the server first thing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver

from harness.base.child_python import SAFE_PATH, SEARCH_PATH, search_path
from harness.base.library_path import VARIABLE, library_path
from harness.base.numerics import repeatable

PRELOAD = (
    "harness.campaign.worker_process",
    "harness.campaign.case_task",
    "harness.data.recipes.shapes",
    "harness.engines.statsmodels",
)
"""Modules that a worker has from its start: it is forked from a process that has them."""


def start_server() -> None:
    """Start the server, unless it runs.

    It keeps the variables with which it is started: those that make arithmetic repeatable. It
    imports what this process would import, and nothing from the working directory before that.
    """
    with _lock, _variables_set():
        forkserver.set_forkserver_preload(list(PRELOAD))
        forkserver.ensure_running()


_lock = threading.Lock()
"""Workers are started side by side, and variables are those of the whole process."""


@contextmanager
def _variables_set() -> Iterator[None]:
    wanted: dict[str, str | None] = {
        **repeatable(),
        VARIABLE: library_path(),
        SAFE_PATH: "1",
        SEARCH_PATH: search_path(),
    }
    before = {name: os.environ.get(name) for name in wanted}
    set_variables(wanted)
    try:
        yield
    finally:
        set_variables(before)


def set_variables(variables: Mapping[str, str | None]) -> None:
    """Set environment variables of this process; None takes one away."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
