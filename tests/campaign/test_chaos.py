"""Processes killed, hung and starved at random: every case once, records as of a quiet run."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.campaign.campaign_file import Campaign, run_to_file
from harness.campaign.records import read_records
from harness.campaign.same_results import first_difference
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

HANG_SECONDS = 15.0


def campaign(count):
    names = [f"case/{i}" for i in range(count)]
    setup = setup_of(reference="lme4", timeout=HANG_SECONDS, records=1)
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


def strike(rng, leader, done):
    """Do one harm; return its name, None when there was nobody to harm."""
    r_workers, workers = victims(leader)
    if not r_workers or not workers:
        return None
    what = done if done else rng.choice(["kill R", "hang R", "starve R", "kill Python"])
    process = rng.choice(workers if what == "kill Python" else r_workers)
    try:
        if what == "starve R":
            size = int(Path(f"/proc/{process}/statm").read_text().split()[0])
            limit = size * resource.getpagesize()
            resource.prlimit(process, resource.RLIMIT_AS, (limit, limit))
        else:
            os.kill(process, signal.SIGSTOP if what == "hang R" else signal.SIGKILL)
    except (OSError, ValueError):
        return None
    return what


def run_in_chaos(path, script, count, seed):
    """Run to the end, its parent killed twice on the way; return what was done to it."""
    rng = random.Random(seed)
    script.write_text(ALONE)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    partial = path.with_name(path.name + ".partial")
    kills = [count // 3, 2 * count // 3]
    first = ["kill R", "hang R", "starve R", "kill Python"]
    harms = []
    calm_until = 0
    deadline = time.monotonic() + 60 + 20 * count
    parent = None
    while not path.exists():
        assert time.monotonic() < deadline
        if parent is None or parent.poll() is not None:
            assert parent is None or parent.returncode in (0, -signal.SIGKILL)
            parent = subprocess.Popen(
                [sys.executable, str(script), str(path), str(count)], env=environment
            )
            calm_until = 0
        lines = partial.read_bytes().count(b"\n") if partial.exists() else 0
        if kills and lines > kills[0]:
            kills.pop(0)
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            harms.append("kill parent")
        elif lines > 1 and lines >= calm_until:
            done = strike(rng, parent.pid, first[0] if first else None)
            if done is not None:
                harms.append(done)
                first = [what for what in first if what != done]
                # A fit that is harmed twice fails, and rightly so: let the one harmed be done.
                calm_until = lines + 5
        time.sleep(rng.uniform(0.05, 0.3))
    assert parent.wait() == 0
    return harms


def check(tmp_path, count, seed):
    quiet, path = tmp_path / "quiet.jsonl", tmp_path / "chaos.jsonl"
    run_to_file(campaign(count), quiet)
    harms = run_in_chaos(path, tmp_path / "alone.py", count, seed)
    assert {"kill R", "hang R", "starve R", "kill Python"} <= set(harms)
    assert harms.count("kill parent") == 2
    assert [c.id for c in read_records(path).cases] == [f"case/{i}" for i in range(count)]
    assert first_difference(quiet, path) == ""
    return harms


@pytest.mark.slow
def test_a_run_in_chaos_gives_the_records_of_a_quiet_one(tmp_path):
    check(tmp_path, 36, seed=1)


@pytest.mark.study
def test_three_hundred_cases_in_chaos_give_the_records_of_a_quiet_run(tmp_path):
    harms = check(tmp_path, 300, seed=2)
    assert len(harms) >= 30
