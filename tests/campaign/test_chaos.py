"""Processes killed, hung and starved at random: every case once, records as of a quiet run."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign.campaign_file import Campaign, run_to_file
from harness.campaign.record_file import read_records
from harness.page.record_equality import first_difference
from tests.campaign.stubs import setup_of, small_rungs

pytestmark = pytest.mark.r

ALONE = """
import sys
from pathlib import Path
from harness.campaign.campaign_file import run_to_file
from tests.campaign.test_chaos import campaign
if __name__ == "__main__":
    run_to_file(campaign(int(sys.argv[2])), Path(sys.argv[1]), resume=True)
"""

HANG_SECONDS = 5.0


def campaign(count):
    names = [f"case/{i}" for i in range(count)]
    setup = setup_of(reference="lme4", timeout=HANG_SECONDS)
    return Campaign(small_rungs(*names), setup, jobs=2)


def family(leader):
    """Return the processes below one, as (process, parent, command line)."""
    table = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        table[int(path.name)] = (int(fields[1]), command)
    found = {leader}
    while True:
        more = {p for p, (parent, _) in table.items() if parent in found} - found
        if not more:
            return [(p, *table[p]) for p in found if p in table]
        found |= more


def victims(leader):
    """Return the R workers (forked from a template) and the Python workers below a process."""
    below = family(leader)
    templates = {p for p, _, command in below if "rbridge.template" in command}
    r_workers = sorted(p for p, parent, _ in below if p in templates and parent in templates)
    servers = {p for p, _, command in below if "forkserver" in command}
    workers = sorted(p for p, parent, _ in below if p in servers and parent in servers)
    return r_workers, workers


class Chaos:
    """Does harm to the processes below a run, never twice to the same fit.

    A fit that is harmed twice fails, and rightly so. After each harm the cases that were under way
    are let be done, and a process that was starved is not left to fail at some later time.
    """

    CALM = 4

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.harms = []
        self.calm_until = 1
        self.starved = None
        # Each once, then at random.
        self.first = ["starve R", "kill Python", "hang R", "kill R"]

    def look(self, leader, lines):
        """Do harm, when it is time."""
        if lines <= self.calm_until:
            return
        r_workers, workers = victims(leader)
        if self.starved is not None:
            starved, self.starved = self.starved, None
            if starved in r_workers:
                os.kill(starved, signal.SIGKILL)
            self.calm_until = lines + self.CALM
            return
        if not r_workers or not workers:
            return
        kind = self.first[-1] if self.first else self.rng.choices(KINDS, OFTEN)[0]
        process = self.rng.choice(workers if kind == "kill Python" else r_workers)
        try:
            self._harm(kind, process)
        except (OSError, ValueError):
            return
        self.harms.append(kind)
        self.first = self.first[:-1]
        self.calm_until = lines + self.CALM

    def _harm(self, kind, process):
        if kind == "starve R":
            size = int(Path(f"/proc/{process}/statm").read_text().split()[0])
            limit = size * resource.getpagesize()
            resource.prlimit(process, resource.RLIMIT_AS, (limit, limit))
            self.starved = process
        else:
            os.kill(process, signal.SIGSTOP if kind == "hang R" else signal.SIGKILL)


KINDS = ("kill R", "hang R", "starve R", "kill Python")
OFTEN = (6, 1, 6, 1)
"""A hang lasts for the limit of a fit, a Python worker has to start R: meanwhile the other worker
does dozens of cases without harm."""


def run_in_chaos(path, script, count, kills, seed):
    """Run to the end, its parent killed at some lines; return what was done to it."""
    script.write_text(ALONE)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    partial = path.with_name(path.name + ".partial")
    chaos, kills, parent = Chaos(seed), list(kills), None
    deadline = time.monotonic() + 120 + 20 * count
    while not path.exists():
        assert time.monotonic() < deadline
        if parent is None or parent.poll() is not None:
            assert parent is None or parent.returncode in (0, -signal.SIGKILL)
            parent = subprocess.Popen(
                [sys.executable, str(script), str(path), str(count)], env=environment
            )
        lines = partial.read_bytes().count(b"\n") if partial.exists() else 0
        if kills and lines > kills[0]:
            kills.pop(0)
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            chaos.harms.append("kill parent")
            chaos.starved, chaos.calm_until = None, lines
        else:
            chaos.look(parent.pid, lines)
        time.sleep(chaos.rng.uniform(0.05, 0.2))
    assert parent.wait() == 0
    return chaos.harms


def check(tmp_path, count, kills, seed):
    quiet, path = tmp_path / "quiet.jsonl", tmp_path / "chaos.jsonl"
    run_to_file(replace(campaign(count), jobs=1), quiet)
    harms = run_in_chaos(path, tmp_path / "alone.py", count, kills, seed)
    assert harms.count("kill parent") == len(kills)
    assert [c.id for c in read_records(path).cases] == [f"case/{i}" for i in range(count)]
    assert first_difference(quiet, path) == ""
    return harms


@pytest.mark.slow
def test_a_run_in_chaos_gives_the_records_of_a_quiet_one(tmp_path):
    harms = check(tmp_path, 14, kills=(), seed=1)
    assert len(set(harms)) >= 2  # which of them come by then is up to the machine


@pytest.mark.study
def test_three_hundred_cases_in_chaos_give_the_records_of_a_quiet_run(tmp_path):
    harms = check(tmp_path, 300, kills=(100, 200), seed=2)
    assert set(KINDS) <= set(harms)
    assert len(harms) >= 20
