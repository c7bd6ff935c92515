"""Worker processes: what an engine does to one costs the engine's own fit and nothing else."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.json import decode
from harness.campaign import workers
from harness.campaign.driver import run_campaign, start_workers
from harness.campaign.worker_stage import StageLog, read_stage, shared_stage
from harness.campaign.workers import close_workers
from harness.engines.engine import Fit
from harness.judge.records import CaseRecord
from harness.page.record_equality import timeless
from tests.campaign.stubs import (
    Numbered,
    broken_task,
    failures,
    killed_at_first,
    setup_of,
    small_rungs,
)

pytestmark = pytest.mark.slow


LIMIT = 3.0
"""Seconds for a fit that takes milliseconds, a hundred times that on a busy machine."""


def run(*names, engine="Faulty", jobs=1, **options):
    """Run cases of the given ids; return the records and what the driver said of each."""
    options.setdefault("timeout", LIMIT)
    found = dict(run_campaign(small_rungs(*names), setup_of(engine, **options), jobs=jobs))
    done = [found[number] for number in range(len(names))]
    assert [d.id for d in done] == list(names)
    return [decode(d.lines[0], CaseRecord) for d in done], done


FAULTS = {
    "crash": ("crash", "the process died of signal 11 (SIGSEGV)"),
    "leave": ("crash", "the process ended"),
    "loop": ("timeout", "stopped after "),
    "sleep": ("timeout", "stopped after "),
    "stop": ("timeout", "stopped after "),
    "memory": ("memory", "MemoryError: Unable to allocate 200. GiB"),
    "raise": ("error", "ValueError: went wrong"),
    "exit": ("error", "SystemExit: 3"),
}


@pytest.fixture(scope="module")
def faulty_run():
    """One run with every fault, a good case before, between and after."""
    names = ["good/0"]
    for i, what in enumerate(FAULTS, 1):
        names += [f"{what}/1", f"good/{i}"]
    records, done = run(*names, jobs=2)
    return {r.id: (r, d) for r, d in zip(records, done, strict=True)}


def test_cases_beside_one_that_goes_wrong_are_well(faulty_run):
    good = [record for name, (record, _) in faulty_run.items() if name.startswith("good")]
    assert len(good) == len(FAULTS) + 1
    assert {v.verdict for record in good for v in record.comparisons} == {"AGREE"}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_a_failed_fit_with_its_reason_and_the_others_are_there(faulty_run, what):
    record, done = faulty_run[f"{what}/1"]
    reason, text = FAULTS[what]
    (failed,) = failures(record).items()
    assert failed[0] == ("faulty", "tight")
    assert failed[1].reason == reason
    assert failed[1].text.startswith(text)
    fits = {(f.engine, f.setting) for f in record.fits if isinstance(f, Fit)}
    assert fits == {("faulty", "default"), ("referee", "default"), ("referee", "tight")}
    assert sum(j.audit is not None for j in record.judgements) == 3
    assert [v.verdict for v in record.comparisons] == ["AGREE", "FAILED"]
    # Tried again, unless it would be the same: where the process dies that is seen from outside.
    assert len(done.retried) == {"error": 0, "memory": 1}.get(reason, 2)


@pytest.mark.parametrize("what", ["crash", "leave", "loop", "stop"])
def test_what_goes_wrong_once_leaves_no_trace_in_the_record(tmp_path, what):
    name = f"{what}/once:{tmp_path / what}"
    (record,), (done,) = run(name)
    (again,), (quiet,) = run(name)
    assert timeless(record) == timeless(again)
    assert (len(done.retried), len(quiet.retried)) == (1, 0)


def test_what_an_engine_prints_goes_nowhere(capfd):
    run("print/1")
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_the_harness_is_the_record_of_that_case():
    source = Numbered(3)
    done = [done for _, done in run_campaign(source, setup_of(function=broken_task), jobs=1)]
    records = [decode(d.lines[0], CaseRecord) for d in done]
    assert [r.id for r in records] == ["n/0", "n/1", "n/2"]
    assert (
        records[0]
        .comparisons[0]
        .sentence.startswith(
            "The case could not be done: RuntimeError: a fault of the harness (stubs.py:"
        )
    )


def test_an_engine_that_cannot_be_opened_is_refused_before_any_case():
    with pytest.raises(BadInput, match="cannot be loaded: a library it needs"):
        next(run_campaign(small_rungs("a"), setup_of("Unknown"), jobs=1))


def test_a_worker_that_dies_as_it_starts_is_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "START_PAUSES", (0.0, 0.1))
    monkeypatch.setattr(workers, "open_worker", partial(killed_at_first, str(tmp_path / "mark")))
    ((_, done),) = run_campaign(small_rungs("a"), setup_of(), jobs=1)
    assert decode(done.lines[0], CaseRecord).verdict == "AGREE"
    assert (tmp_path / "mark").exists()


def test_a_worker_that_never_opens_ends_the_run_with_what_may_be_done(monkeypatch):
    monkeypatch.setattr(workers, "START_PAUSES", (0.0, 0.1))
    monkeypatch.setattr(workers, "OPEN_SECONDS", 0.5)
    with pytest.raises(EnvironmentProblem, match=r"stopped after 0\.\d s, .*; try fewer --jobs"):
        next(run_campaign(small_rungs("a"), setup_of("Slow"), jobs=1))


UNPROTECTED = """
from harness.campaign import workers
from harness.campaign.driver import run_campaign
from tests.campaign.stubs import setup_of, small_rungs
workers.START_PAUSES = (0.0,)
next(run_campaign(small_rungs("a"), setup_of(), jobs=1))
"""


def test_a_script_that_does_not_protect_its_beginning_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNPROTECTED)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert "EnvironmentProblem: no worker process can be started: each ended before" in last
    assert 'if __name__ == "__main__":' in last
    assert "bootstrapping phase" in done.stderr  # Python's own words, written by the worker


def test_a_worker_killed_while_idle_is_replaced():
    setup = setup_of()
    opened = start_workers(setup, 1)
    os.kill(opened.process, signal.SIGKILL)
    time.sleep(0.5)
    ((_, done),) = run_campaign(small_rungs("a"), setup, jobs=1)
    assert decode(done.lines[0], CaseRecord).verdict == "AGREE"


def test_workers_have_one_blas_thread_whatever_this_process_has(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    opened = start_workers(setup_of(), 1)
    close_workers()
    assert opened.environment["OMP_NUM_THREADS"] == "1"
    assert opened.environment["OPENBLAS_NUM_THREADS"] == "1"
    assert opened.engines == ("good", "referee")


def test_no_worker_is_left_when_a_campaign_is_left():
    others = len(children())
    start_workers(setup_of(), 1)  # the server that workers are forked from stays
    close_workers()
    assert settled(lambda: len(children()) <= others + 2)
    before = children()
    setup = setup_of("Faulty", timeout=600.0)
    campaign = run_campaign(small_rungs("a", "sleep/1", "b", "c"), setup, jobs=2)
    next(campaign)
    assert len(children()) > len(before)
    campaign.close()
    assert settled(lambda: children() <= before)


ALONE = """
import sys
from harness.campaign.driver import run_campaign
from tests.campaign.stubs import setup_of, small_rungs
if __name__ == "__main__":
    list(run_campaign(small_rungs(*sys.argv[1:]), setup_of("Faulty", timeout=600.0), jobs=3))
"""


def test_nothing_survives_a_parent_that_is_killed(tmp_path):
    """Its workers are at a loop, asleep with the interpreter's lock, and stopped."""
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    marks = [tmp_path / what for what in ("loop", "sleep", "stop")]
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, str(script), *(f"{mark.name}/once:{mark}" for mark in marks)],
        env=os.environ | {"PYTHONPATH": root},
        start_new_session=True,
    )
    assert settled(lambda: all(mark.exists() for mark in marks), seconds=120.0)
    mine = session_of(parent.pid)
    assert len(mine) >= 5  # the parent, the server that forks, three workers
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert settled(lambda: not session_of(parent.pid))


def children():
    """Return the live processes that were started by way of this one."""
    found = {os.getpid()}
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(path.parent.name)] = int(fields[1])
    for _ in parents:
        more = {process for process, parent in parents.items() if parent in found} - found
        if not more:
            break
        found |= more
    return found - {os.getpid()}


def session_of(leader):
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


def settled(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _stages(memory):
    log = StageLog(memory, None, 30.0)
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        for _ in range(100):
            with log.fitting("engine", log.next_fit(), 30.0, elsewhere=True):
                pass


def test_who_looks_while_a_stage_is_written_finds_no_limit_of_zero():
    """A fit of milliseconds was stopped "after 0.0 s" on a busy machine."""
    context = get_context("spawn")
    memory = shared_stage(context)
    StageLog(memory, None, 30.0).step("build")
    writer = context.Process(target=_stages, args=(memory,))
    writer.start()
    late = 0
    while writer.is_alive():
        late += sum(read_stage(memory).late is not None for _ in range(1000))
    writer.join()
    assert not late
