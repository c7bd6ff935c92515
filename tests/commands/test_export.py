"""``lmm-parity export``: one line that says what was written, or why nothing was."""

import json
import sys
from functools import partial

import pytest

from harness.commands.export import TABLE_NAMES
from harness.page.record_tables import TABLES
from tests.page.html import many


@pytest.fixture
def run(monkeypatch, tmp_path, lmm_parity):
    monkeypatch.chdir(tmp_path)
    many.write(tmp_path / "run.jsonl", 12, checks=5)
    return partial(lmm_parity, "export")


def test_the_command_offers_the_tables_there_are():
    assert tuple(TABLES) == TABLE_NAMES


def test_it_says_what_it_wrote(run, tmp_path):
    assert run("run.jsonl", "--to", "deep/v.csv") == (
        0,
        "deep/v.csv: 24 rows of verdicts, from 12 cases and 5 properties\n",
        "",
    )
    assert len((tmp_path / "deep" / "v.csv").read_text().splitlines()) == 25


def test_json_and_quiet(run):
    code, out, err = run("run.jsonl", "--to", "p.csv", "--table", "properties", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "file": "p.csv",
        "table": "properties",
        "rows": 5,
        "cases": 12,
        "properties": 5,
        "finished": True,
    }
    assert run("run.jsonl", "--to", "p.csv", "--quiet") == (0, "", "")


def test_an_unfinished_run_is_said_to_be_one(run, tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(path.read_bytes()[:40_000])
    code, out, _ = run("run.jsonl", "--to", "v.csv")
    assert code == 0
    assert out.splitlines()[1] == (
        "the run in run.jsonl did not finish; its last line broke off and is left out"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("run.jsonl", "--to", "v.xlsx"), 2, "v.xlsx: the name must end in .parquet or .csv"),
        (("no.jsonl", "--to", "v.csv"), 2, "no.jsonl: cannot be read: No such file"),
        (("run.jsonl",), 2, "Missing option '--to'"),
        (("run.jsonl", "--to", "v.csv", "--table", "x"), 2, "Invalid value for '--table'"),
    ],
)
def test_bad_input_is_one_line(run, arguments, code, line):
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith(f"lmm-parity: {line}")
    assert err.count("\n") == 1


def test_no_pyarrow_is_an_environment_problem(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = run("run.jsonl", "--to", "v.parquet")
    assert code == 3
    assert err.startswith("lmm-parity: Parquet needs pyarrow: ")
