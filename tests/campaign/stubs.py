"""Engines and tasks that go wrong on purpose, and small cases for them."""

import ctypes
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd

from harness.campaign.case_task import case_task, unfinished_case
from harness.campaign.setup import Setup
from harness.campaign.sources import Rungs
from harness.campaign.worker_process import open_worker
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.engines.engine import Failure
from harness.engines.referee_engine import RefereeEngine

HERE = "tests.campaign.stubs"


def small_rung(name, seed=0):
    """Twelve rows in four groups."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "y": np.round(rng.normal(size=12) + np.repeat(rng.normal(size=4), 3), 3),
            "x": np.round(rng.normal(size=12), 3),
            "g": np.repeat(list("abcd"), 3),
        }
    )
    return own_rung(name, Dataset("small", frame, "drawn"), "y ~ x + (1 | g)", "REML")


def small_rungs(*names):
    return Rungs(tuple(small_rung(name, seed) for seed, name in enumerate(names)), "small")


def setup_of(*engines, reference="referee", function=case_task, **options):
    names = (*(f"{HERE}:{engine}" for engine in engines or ("Good",)), reference)
    return Setup(names, reference, function, unfinished_case, **{"timeout": 20.0} | options)


class Good(RefereeEngine):
    """The referee under another name."""

    name = "good"

    def fit(self, case, setting):
        outcome = super().fit(case, setting)
        return outcome.__class__(**{**_fields(outcome), "engine": self.name})

    def begin(self, case, setting):
        return lambda: self.fit(case, setting)


class Better(Good):
    """The referee under one more name."""

    name = "better"


def _fields(outcome):
    return {name: getattr(outcome, name) for name in outcome.__struct_fields__}


class Faulty(Good):
    """Does, in its tight setting, what the case's id begins with: ``crash/1`` crashes.

    With ``crash/once:/path`` it does so the first time only, and leaves that file as a mark.
    """

    name = "faulty"

    def fit(self, case, setting):
        what, _, which = case.id.partition("/")
        if setting == "tight" and hasattr(self, f"do_{what}") and _is_due(which):
            getattr(self, f"do_{what}")()
        return super().fit(case, setting)

    def do_crash(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def do_leave(self):
        os._exit(0)

    def do_exit(self):
        raise SystemExit(3)

    def do_loop(self):
        while True:
            pass

    def do_sleep(self):
        ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock

    def do_stop(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def do_memory(self):
        np.ones(200 * 2**30 // 8)

    def do_raise(self):
        raise ValueError("went wrong")

    def do_print(self):
        os.write(1, b"noise\n")
        print("noise")


def _is_due(which):
    once, _, mark = which.partition(":")
    if once != "once":
        return True
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Slow(Good):
    """An engine that takes long to be opened."""

    name = "slow"

    def __init__(self):
        time.sleep(60.0)


class Unknown:
    """An engine that cannot be made."""

    def __init__(self):
        raise ImportError("a library it needs")


def killed_at_first(mark, setup):
    """Open a worker, unless it is the first that tries: that one is killed."""
    if _is_due(f"once:{mark}"):
        os.kill(os.getpid(), signal.SIGKILL)
    return open_worker(setup)


def quick_task(engines, task):
    """Return a record that is there already."""
    return [RECORD.replace(b"@id@", task.id.encode())]


def slow_task(engines, task):
    time.sleep(0.05)
    return quick_task(engines, task)


def held_task(engines, task):
    """Wait: the first task for a file ``first`` in the store's folder, others while ``hold`` is."""
    folder = engines.store.root
    while not (folder / "first").exists() if task.id == "n/0" else (folder / "hold").exists():
        time.sleep(0.02)
    return quick_task(engines, task)


def broken_task(engines, task):
    raise RuntimeError("a fault of the harness")


def uneven_task(engines, task):
    """Take longer the earlier the task, so that the last is done first."""
    time.sleep(0.3 / (1 + int(task.id.rpartition("/")[2])))
    return quick_task(engines, task)


(RECORD,) = unfinished_case(
    Setup(("good", "referee"), "referee", case_task, unfinished_case),
    ("good", "referee"),
    type("T", (), {"id": "@id@"})(),
    "it is a stub",
)


class Numbered:
    """Tasks without anything in them."""

    title = "numbered"

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __iter__(self):
        from harness.campaign.sources import Task

        return (Task(f"n/{i}", _no_rung, None) for i in range(self.count))

    def identity(self):
        return {"source": "numbered", "count": str(self.count)}


def _no_rung(_):
    raise AssertionError("is not built")


def failures(record):
    return {(f.engine, f.setting): f for f in record.fits if isinstance(f, Failure)}
