"""Generated cases with both real engines: a file of recipes, shards, the documented Slurm array."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.campaign.record_file import read_records
from harness.campaign.resume import header_in
from harness.page.record_equality import first_difference

pytestmark = [pytest.mark.r, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
COUNT, SEED, SHARDS = 6, 25, 2
PROGRAM = (sys.executable, "-m", "harness")


@pytest.fixture(scope="module")
def run(command):
    """Return a function that runs the program here and returns what it printed."""

    def of(folder, *arguments, cache):
        done = command(folder, "run", *arguments, "--jobs", 1, LMM_PARITY_CACHE=str(cache))
        assert done.returncode in (0, 1), done.stderr  # 1: some of them may be unexplained
        return done.stdout

    return of


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """The records of one run, and the cache that it filled."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, "--generate", COUNT, "--seed", SEED, "--out", "a.jsonl", cache=folder / "c")
    return folder / "a.jsonl"


def test_generated_cases_are_those_of_the_seed_fitted_by_both(whole):
    from harness.data.recipes.strategies import collect

    found = read_records(whole)
    assert found.header.seed == SEED
    assert [c.id.split("/")[0] for c in found.cases] == [r.shape for r in collect(COUNT, SEED)]
    assert all(c.fit(e) is not None for c in found.cases for e in ("statsmodels", "lme4"))
    assert all(any(j.audit for j in c.judgements) for c in found.cases)


def test_a_file_of_the_same_recipes_gives_the_same_records(run, whole, tmp_path):
    from harness.data.recipes.shapes import write_recipes
    from harness.data.recipes.strategies import collect

    write_recipes(collect(COUNT, SEED), tmp_path / "six.jsonl")
    cache = whole.parent / "c"
    told = run(tmp_path, "--recipes", "six.jsonl", "--out", "b.jsonl", cache=cache)
    assert told.startswith(f"{COUNT} cases in ")
    assert first_difference(tmp_path / "b.jsonl", whole) == ""
    assert read_records(tmp_path / "b.jsonl").header.title == "Recipes of six.jsonl"


def documented():
    """Return the script of a Slurm array and the command that merges, as the page has them."""
    text = (ROOT / "docs" / "campaigns.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```bash\n(#!/bin/bash\n.*?)```", text, re.DOTALL)
    (merge,) = re.findall(r"^(lmm-parity merge .*)$", text, re.MULTILINE)
    return script, merge


class Array:
    """Tasks of an array, started as Slurm starts them: each with its number and its folder."""

    def __init__(self, folder, script):
        # Only how much is done is other than on the page.
        changes = {"100000": COUNT, "--seed 7": f"--seed {SEED}", "--jobs 4": "--jobs 1"}
        for old, new in changes.items():
            assert old in script
            script = script.replace(old, str(new))
        assert "#SBATCH --array=1-20" in script
        assert "/20" in script
        self.folder, self.script = folder, folder / "array.sh"
        self.script.write_text(script.replace("/20", f"/{SHARDS}"))
        programs = folder / "bin"
        programs.mkdir()
        (programs / "lmm-parity").write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
        (programs / "lmm-parity").chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SLURM_SUBMIT_DIR": str(folder),
            "LMM_PARITY_CACHE": str(folder / "cache"),
        }

    def task(self, number):
        variables = self.environment | {"SLURM_ARRAY_TASK_ID": str(number)}
        return subprocess.Popen(["bash", str(self.script)], env=variables, cwd=self.folder)


@pytest.mark.study
def test_the_documented_slurm_array_gives_the_records_of_one_run(whole, tmp_path):
    script, merge = documented()
    array = Array(tmp_path, script)
    tasks = [array.task(number) for number in range(1, SHARDS + 1)]
    # Slurm's warning before the time is over, then the job is queued again.
    partial = tmp_path / "part-1.jsonl.partial"
    deadline = time.monotonic() + 200
    while not partial.exists() or partial.read_bytes().count(b"\n") < 2:
        assert time.monotonic() < deadline
        assert tasks[0].poll() is None
        time.sleep(0.05)
    tasks[0].send_signal(signal.SIGTERM)
    assert tasks[0].wait(60) == 143
    kept = partial.read_bytes().count(b"\n") - 1
    assert 1 <= kept < COUNT // SHARDS
    assert header_in(partial).options["shard"] == f"1/{SHARDS}"
    again = array.task(1)
    assert again.wait(200) in (0, 1)
    assert tasks[1].wait(200) in (0, 1)
    # A task that is started once too often says how it ended, and does nothing.
    before = (tmp_path / "part-1.jsonl").read_bytes()
    assert array.task(1).wait(60) in (0, 1)
    assert (tmp_path / "part-1.jsonl").read_bytes() == before
    subprocess.run(["bash", "-c", merge], cwd=tmp_path, env=array.environment, check=True)
    assert first_difference(tmp_path / "all.jsonl", whole) == ""
