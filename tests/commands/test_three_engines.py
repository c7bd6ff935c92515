"""Three engines in one record: every command that fits or reads runs with them."""

import csv

import pytest

from harness.base.json import decode
from harness.campaign.record_file import read_records
from harness.judge.records import CaseRecord
from harness.page.record_diff import diff

pytestmark = [pytest.mark.r, pytest.mark.slow]

ENGINES = ("statsmodels", "referee", "lme4")
TESTED = ("--engine", "statsmodels", "--engine", "referee")
RUNGS = ("--rung", "dyestuff/REML", "--rung", "sleepstudy/intercept/REML")


@pytest.fixture(scope="module")
def call(command):
    """Return a function that runs a command and returns what it prints."""

    def run(*arguments, code=0):
        ran = command(".", *arguments)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("three")


@pytest.fixture(scope="module")
def records(call, folder):
    """The record file of a report with three engines."""
    call("report", *RUNGS, *TESTED, "--out", folder, "--quiet")
    return folder / "parity.jsonl"


def test_each_engine_is_judged_and_all_but_the_reference_are_compared(records):
    run = read_records(records)
    assert (run.header.engines, run.header.reference) == (ENGINES, "lme4")
    assert len(run.cases) == 2
    for case in run.cases:
        assert case.engines == ENGINES
        assert len(case.judgements) == 3 * len(case.settings) == 6
        assert {(c.engine, c.reference) for c in case.comparisons} == {
            ("statsmodels", "lme4"),
            ("referee", "lme4"),
        }
        assert {j.verdict for j in case.judgements} == {"RIGHT"}
        assert case.verdict in ("AGREE", "TOLERANCE")


def test_the_report_has_a_row_for_each_engine(records):
    page = (records.parent / "parity.html").read_text(encoding="utf-8")
    ladder = page.split('class="ladder"')[1].split("</table>")[0]
    for case in ladder.split('<tbody class="case"')[1:]:
        rows = case.split("<tr>")[1:]
        assert len(rows) == 3
        for engine, row in zip(ENGINES, rows, strict=True):
            assert f"{engine}</span>" in row
    assert "referee at statsmodels&#39; point" in page


def test_fit_prints_what_each_engine_prints(call, warm, tmp_path):
    table = tmp_path / "own.csv"
    rows = [
        f"{3 + 0.5 * x + (g % 3) + 0.1 * ((7 * x + 3 * g) % 5)},{x},s{g}"
        for g in range(8)
        for x in range(6)
    ]
    table.write_text("\n".join(["y,x,g", *rows]) + "\n", encoding="utf-8")
    shown = call("fit", table, "y ~ x + (1 | g)", *TESTED)
    assert "referee at" in shown
    for engine in ("statsmodels", "referee"):
        assert f"= AGREE  {engine}: " in shown
    record = decode(call("fit", table, "y ~ x + (1 | g)", *TESTED, "--json"), CaseRecord)
    assert record.engines == ENGINES
    df = [r for r in shown.splitlines() if r.split()[:1] == ["df"]]
    assert "∞" in df[0]


def test_a_run_in_shards_that_is_resumed_and_merged_is_the_run(call, records, tmp_path):
    whole = tmp_path / "whole.jsonl"
    call("run", "--ladder", *RUNGS, *TESTED, "--out", whole, "--quiet")
    lines = whole.read_bytes().splitlines(keepends=True)
    half = tmp_path / "half.jsonl"
    begun = lines[0] + b'{"at":0,"more":0,' + lines[1][1:]
    half.with_name("half.jsonl.partial").write_bytes(begun)
    call("run", "--ladder", *RUNGS, *TESTED, "--out", half, "--resume", "--quiet")
    parts = []
    for shard in ("1/2", "2/2"):
        parts.append(tmp_path / f"part{shard[0]}.jsonl")
        call("run", "--ladder", *RUNGS, *TESTED, "--out", parts[-1], "--shard", shard, "--quiet")
    merged = tmp_path / "merged.jsonl"
    call("merge", *parts, "--out", merged, "--quiet")
    for other in (half, merged, records):
        found = diff(whole, other)
        assert (found.both, found.changes) == (2, ())
        assert read_records(other).header.engines == ENGINES


def test_diff_compares_engine_by_engine(call, records, tmp_path):
    assert "nothing changed" in call("diff", records, records)
    text = records.read_text(encoding="utf-8")
    case = read_records(records).cases[0]
    verdict = case.comparison("referee").verdict
    was = f'"engine":"referee","reference":"lme4","setting":"default","verdict":"{verdict}"'
    assert was in text
    worse = tmp_path / "worse.jsonl"
    worse.write_text(text.replace(was, was.replace(verdict, "WRONG_OPTIMUM"), 1), encoding="utf-8")
    told = [(c.engine, c.what, c.new) for c in diff(records, worse).worse]
    assert told == [("referee", "default", "WRONG_OPTIMUM")]
    assert "(referee, default): " in call("diff", records, worse, code=1)


def test_export_has_engine_and_reference_of_every_row(call, records, tmp_path):
    for table, rows in (("verdicts", 8), ("judgements", 12)):
        target = tmp_path / f"{table}.csv"
        call("export", records, "--to", target, "--table", table)
        with target.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        assert len(found) == rows
    target = tmp_path / "comparisons.csv"
    call("export", records, "--to", target, "--table", "comparisons")
    with target.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert {(r["engine"], r["reference"]) for r in found} == {
        ("statsmodels", "lme4"),
        ("referee", "lme4"),
    }
    assert {r["engine"] for r in found if r["referee_value"]} == {"statsmodels"}
