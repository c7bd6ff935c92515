"""The server that worker processes are forked from: started early, it imports while others do.

This module imports nothing that takes time, so that a command can start the server first thing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver

from harness.numerics import repeatable

PRELOAD = (
    "harness.campaign.worker_process",
    "harness.campaign.case_task",
    "harness.cases.recipes",
    "statsmodels.regression.mixed_linear_model",
)
"""Modules that a worker has from its start: it is forked from a process that has them."""


def start_server() -> None:
    """Start the server, unless it runs.

    It keeps the variables with which it is started: those that make arithmetic repeatable.
    """
    forkserver.set_forkserver_preload(list(PRELOAD))
    with _variables_set():
        forkserver.ensure_running()


@contextmanager
def _variables_set() -> Iterator[None]:
    wanted = repeatable()
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
