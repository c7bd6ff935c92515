"""The suite on statsmodels against lme4: today's truth, with R and without."""

import gzip
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.campaign.record_file import read_records
from harness.conformance.suite import run_suite, suite_of

ROOT = Path(__file__).parents[2]
EXPECTATIONS = ROOT / "fixtures" / "expectations" / "statsmodels.toml"


@pytest.fixture
def conformance(command, tmp_path):
    """Return a function that runs the command here, in the test's folder."""
    return partial(command, tmp_path, "conformance", "--jobs", 1)


def conformance_without_r(folder, *arguments):
    """Run the command in a process of its own, in which R cannot be found."""
    nowhere = {"PATH": str(Path(sys.executable).parent), "R_HOME": str(folder / "no R")}
    return subprocess.run(
        [sys.executable, "-m", "harness", "conformance", "--jobs", "1", *map(str, arguments)],
        cwd=folder,
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.study
@pytest.mark.r
def test_the_pr_profile_brings_no_surprise(conformance, tmp_path):
    found = conformance("--expectations", EXPECTATIONS, "--strict", "--no-keep")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "nothing unexpected" in found.stdout
    run = read_records(tmp_path / "reports" / "conformance.jsonl")
    assert not [c.id for c in run.cases if "UNEXPLAINED" in {d.verdict for d in c.comparisons}]
    assert not [o.case for o in run.properties if o.status == "unexplained"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    # MixedLM's tight fits of the ladder take half a minute, which the weekly run has.
    ["referee", pytest.param("statsmodels", marks=pytest.mark.study)],
)
def test_stored_results_stand_in_for_r(engine, tmp_path):
    arguments = (
        *("--engine", engine, "--property", "parity", "--max-examples", 1),
        *("--expectations", EXPECTATIONS),
    )
    found = conformance_without_r(tmp_path, "--replay", *arguments, "--no-keep")
    assert found.returncode == 0, found.stdout + found.stderr
    run = read_records(tmp_path / "reports" / "conformance.jsonl")
    drawn = [o for o in run.properties if o.case.startswith("gen/")]
    assert len(drawn) == 1
    assert any(o.status == "holds" for o in drawn)
    assert not [o for o in drawn if o.verdict == "ENVIRONMENT"]


@pytest.mark.slow
def test_cases_that_are_not_stored_are_named(conformance):
    found = conformance(
        *("--replay", "--property", "rows.used", "--property", "parity", "--no-keep"),
        *("--max-examples", 2, "--seed", 987654321),
    )
    assert "cases have no stored result of lme4 and were checked without it: gen/" in found.stdout


@pytest.mark.r
@pytest.mark.slow
def test_a_stored_result_that_r_no_longer_gives_is_reported(conformance, tmp_path):
    """The suite with the referee in statsmodels' place, on one case whose stored fit is altered."""
    arguments = (
        *("--engine", "referee", "--property", "parity", "--max-examples", 1),
        *("--no-keep", "--expectations", EXPECTATIONS),
    )
    packed = tmp_path / "stored.jsonl.gz"
    made = conformance(*arguments, "--pack", packed)
    assert made.returncode == 0, made.stdout + made.stderr
    verified = conformance(*arguments, "--verify-stored", "--stored", packed)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    text = gzip.decompress(packed.read_bytes()).decode()
    altered = re.sub(r'"loglik":(-?\d)', r'"loglik":\g<1>1', text)
    assert altered != text
    packed.write_bytes(gzip.compress(altered.encode()))
    found = conformance(*arguments, "--verify-stored", "--stored", packed)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "loglik" in found.stdout


@pytest.mark.slow
def test_every_engine_is_checked_against_the_reference_in_one_run(tmp_path):
    names = (
        "harness.conformance.planted_engines:z_for_t",
        "harness.conformance.planted_engines:swapped_variances",
    )
    suite = suite_of(names, "referee", examples=3, properties=("parity", "honesty.tests"))
    path = tmp_path / "two.jsonl"
    run_suite(replace(suite, jobs=1), path, told=lambda _: None)
    run = read_records(path)
    assert run.header.engines == ("z-for-t", "swapped-variances", "referee")
    for case in run.cases:
        assert case.engines == run.header.engines
        found = {(o.property, o.engine): o for o in run.properties if o.case == case.id}
        assert len(found) == 4
        for engine in case.engines[:-1]:
            assert found["parity", engine].verdict == case.comparison(engine).verdict
    tests = [o for o in run.properties if o.property == "honesty.tests" and o.status == "fails"]
    assert {(o.engine, o.causes) for o in tests} == {("z-for-t", ("z-for-t",))}
    wrong = [o for o in run.properties if o.property == "parity" and o.verdict == "WRONG_OPTIMUM"]
    assert {o.engine for o in wrong} == {"swapped-variances"}
