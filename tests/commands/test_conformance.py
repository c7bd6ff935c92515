"""``lmm-parity conformance``: what it finds, keeps and hands out, and its exit codes."""

import json
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.campaign.record_file import RecordWriter, read_records
from harness.conformance.properties import PROPERTIES
from tests.page.judgements import HEADER, outcome

pytestmark = pytest.mark.slow

FAULTY = "harness.conformance.planted_engines:n_for_n_minus_p"


@pytest.fixture
def here(tmp_path, monkeypatch, lmm_parity):
    """Return a function that runs the command in this process; it must not come to check."""
    monkeypatch.chdir(tmp_path)
    return partial(lmm_parity, "conformance")


SMALL = ("--reference", "referee", "--max-examples", 4, "--no-cache", "--jobs", 1)


@pytest.fixture(scope="module")
def faulty(command, tmp_path_factory):
    """A run on an engine with a mistake, which the suite has to find."""
    folder = tmp_path_factory.mktemp("faulty")
    found = command(
        folder,
        "conformance",
        "--engine",
        FAULTY,
        *SMALL,
        *("--property", "parity", "--property", "rows.used", "--property", "honesty.loglik"),
        *("--junit", "ci/junit.xml", "--summary", "ci/summary.md", "--badge", "ci/badge.json"),
        *("--annotations", "--out", "out"),
    )
    return folder, found


def test_the_planted_mistake_is_found_and_named(faulty):
    _, found = faulty
    assert found.returncode == 1, found.stdout + found.stderr
    assert "wrong-divisor: A residual variance divided by n under REML" in found.stdout
    assert "fail unexpectedly" in found.stdout
    assert "Traceback" not in found.stderr


def test_the_first_line_says_what_is_checked_and_from_which_seed(faulty):
    _, found = faulty
    first = found.stderr.splitlines()[0]
    assert first.startswith(
        "harness.conformance.planted_engines:n_for_n_minus_p with referee, profile pr: 3 properties"
    )
    assert first.endswith("seed 4")


def test_records_and_report_are_those_of_every_other_run(faulty):
    folder, _ = faulty
    run = read_records(folder / "out" / "conformance.jsonl")
    assert run.header.seed == 4
    assert len(run.properties) == 3 * len(run.cases)
    page = (folder / "out" / "conformance.html").read_text()
    assert "rows.used" in page


def test_the_parity_of_a_case_is_the_verdict_of_its_record(faulty):
    folder, _ = faulty
    run = read_records(folder / "out" / "conformance.jsonl")
    verdicts = {case.id: case.verdict for case in run.cases}
    outcomes = [o for o in run.properties if o.property == "parity"]
    assert outcomes
    assert all(o.verdict == verdicts[o.case] for o in outcomes)


def test_failures_are_made_smaller_and_checked_first_the_next_time(command, faulty):
    folder, _ = faulty
    kept = sorted((folder / "regressions").iterdir())
    assert kept
    rows = [len((path / "data.csv").read_text().splitlines()) - 1 for path in kept]
    assert min(rows) <= 12
    again = command(
        folder,
        "conformance",
        "--engine",
        FAULTY,
        *("--reference", "referee", "--max-examples", 0, "--no-cache", "--out", "again"),
        *("--jobs", 1),
        *("--property", "parity", "--property", "rows.used"),
    )
    assert again.returncode == 1
    run = read_records(folder / "again" / "conformance.jsonl")
    assert {f"kept/{path.name}" for path in kept} <= {case.id for case in run.cases}


def test_ci_systems_are_handed_the_same_count(faulty):
    folder, found = faulty
    root = ElementTree.parse(folder / "ci" / "junit.xml").getroot()
    failures = int(root.get("failures"))
    assert failures > 0
    assert f"{failures} fail unexpectedly" in (folder / "ci" / "summary.md").read_text()
    badge = json.loads((folder / "ci" / "badge.json").read_text())
    assert badge["message"].startswith(f"{failures} of ")
    lines = [line for line in found.stdout.splitlines() if line.startswith("::error ")]
    assert 0 < len(lines) <= 10


def test_an_engine_without_mistakes_passes(command, tmp_path):
    found = command(
        tmp_path,
        "conformance",
        *("--engine", "referee", "--reference", "statsmodels", "--max-examples", 1, "--no-cache"),
        *("--jobs", 1),
        *("--property", "limits*", "--property", "honesty.loglik", "--property", "rows.used"),
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "nothing unexpected" in found.stdout
    assert not (tmp_path / "regressions").exists()


EXPECTED = '[[expected]]\nproperty = "*"\nreason = "a mistake is planted in it"\n'


@pytest.fixture
def judged(here, faulty, tmp_path):
    """Return a function that judges the records of that run by some expectations."""
    folder, _ = faulty

    def judge(content, *options):
        (tmp_path / "expected.toml").write_text(content)
        records = folder / "out" / "conformance.jsonl"
        return here("--from", records, "--expectations", "expected.toml", *options)

    return judge


def test_expected_failures_are_listed_and_fail_nothing(judged):
    code, out, _ = judged(EXPECTED, "--strict")
    assert code == 0
    assert "fail as expected, nothing unexpected" in out
    assert "a mistake is planted in it" in out


def test_a_stale_expectation_fails_where_strict(judged):
    stale = EXPECTED + '[[expected]]\nproperty = "parity"\ncase = "no/such"\nreason = "gone"\n'
    for options, wanted in (((), 0), (("--strict",), 1)):
        code, out, _ = judged(stale, *options)
        assert code == wanted
        assert "entry 2 (property parity, case no/such): unmatched" in out


def test_when_nothing_applies_the_suite_has_not_passed(here, tmp_path):
    records = tmp_path / "empty.jsonl"
    with RecordWriter(records) as writer:
        writer.write(HEADER)
        writer.write(outcome(status="not applicable"))
        writer.finish("now", 1.0)
    code, out, _ = here("--from", records)
    assert code == 1
    assert "Nothing was checked" in out


BAD = {
    "no such engine": (("--engine", "none"), "no engine 'none'"),
    "itself": (("--engine", "referee", "--reference", "referee"), "compared with itself"),
    "no such property": (("--property", "par"), "no property matches 'par'"),
    "no such profile": (("--profile", "weekly"), "Invalid value for '--profile'"),
    "strict alone": (("--strict",), "--strict needs --expectations"),
    "no such file": (("--expectations", "no.toml"), "no.toml: cannot be read"),
    "replay and pack": (("--replay", "--pack", "x"), "--replay runs no reference"),
    "stored alone": (("--stored", "x"), "--stored needs --replay"),
    "not packed": (("--replay", "--stored", __file__), "test_conformance.py"),
    "shard": (("--shard", "3/2"), "--shard '3/2'"),
    "no records": (("--from", "no.jsonl"), "no.jsonl: cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(here, tmp_path, what):
    arguments, message = BAD[what]
    code, out, err = here(*arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_without_r_the_environment_is_named(here, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.delenv("R_HOME", raising=False)
    code, out, err = here("--max-examples", 1)
    assert (code, out) == (3, "")
    assert len(err.splitlines()) == 1


def test_the_list_names_every_property(here):
    _, out, _ = here("--list")
    assert [line.split()[0] for line in out.splitlines()] == list(PROPERTIES)
    _, out, _ = here("--list", "--json")
    read = [json.loads(line) for line in out.splitlines()]
    assert [about["property"] for about in read] == list(PROPERTIES)
