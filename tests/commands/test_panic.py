"""A panic in an engine is that case's crash in every command that fits, and exit code 1."""

import shutil
from pathlib import Path

import pytest

from harness.campaign.record_file import read_records
from harness.engines.engine import Failure
from tests.engines import panicky
from tests.engines.panicky import PANICKY

pytestmark = pytest.mark.slow

ENGINE = ("--engine", "panicky:OnMl")
SAID = f"Panic: {PANICKY}"
TABLE = "y,x,g\n" + "".join(f"{(i * 7) % 11}.5,{i % 4},{'abc'[i % 3]}\n" for i in range(24))
MODEL = "y ~ x + (1 | g)"


@pytest.fixture
def call(lmm_parity, monkeypatch, tmp_path):
    """Run a command in a folder that holds the engine, as its author would."""
    shutil.copy(Path(panicky.__file__), tmp_path / "panicky.py")
    (tmp_path / "t.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return lmm_parity


def records(path):
    """By criterion, the reasons of the failures and how many fits there are."""
    found = {}
    for case in read_records(path).cases:
        own = [fit for fit in case.fits if fit.engine == "panicky"]
        failures = [one for one in own if isinstance(one, Failure)]
        assert all(one.text == SAID for one in failures)
        found[case.criterion] = ({one.reason for one in failures}, len(failures) < len(own))
    return found


EACH = {"REML": (set(), True), "ML": ({"crash"}, False)}


def test_run_and_report_lose_the_case_that_panics_only(call, tmp_path):
    rungs = ("--rung", "dyestuff/REML", "--rung", "dyestuff/ML", "--reference", "referee")
    assert call("run", *rungs, *ENGINE, "--out", "r.jsonl", "--quiet")[0] == 1
    assert records(tmp_path / "r.jsonl") == EACH
    code, out, _ = call("report", *rungs, *ENGINE, "--out", "out")
    assert (code, records(tmp_path / "out" / "parity.jsonl")) == (1, EACH)
    assert "panicky gave no answer for 1" in out
    assert "index out of bounds" in (tmp_path / "out" / "parity.html").read_text("utf-8")


def test_the_ladder_goes_on(call, tmp_path):
    own = ("--data", "t.csv", "--outcome", "y", "--predictor", "x", "--group", "g")
    code, _, _ = call("ladder", *own, *ENGINE, "--reference", "referee", "--out", "out", "--quiet")
    assert code == 1
    found = records(tmp_path / "out" / "parity.jsonl")
    assert {name: found[name] for name in EACH} == EACH


def test_fit_says_which_engine_crashed(call):
    arguments = ("fit", "t.csv", MODEL, *ENGINE, "--reference", "referee")
    assert call(*arguments)[0] == 0
    code, out, _ = call(*arguments, "--ml")
    assert code == 1
    assert f"panicky: no fit (crash): {SAID}" in out
    assert "engine-error" in out


def test_a_crash_counts_beside_an_engine_that_cannot_express_the_model(call, tmp_path):
    lines = TABLE.splitlines()
    rows = [lines[0] + ",h", *(f"{row},{'pqrs'[i // 6]}" for i, row in enumerate(lines[1:]))]
    (tmp_path / "two.csv").write_text("\n".join(rows))
    model = ("two.csv", "y ~ x + (x | g) + (x | h)", "--ml")
    code, out, _ = call("fit", *model, *ENGINE, "--engine", "statsmodels")
    assert "statsmodels: no fit (unsupported)" in out
    assert code == 1


def test_diagnose_says_it_too_and_writes_its_page(call, tmp_path):
    arguments = ("diagnose", "t.csv", MODEL, *ENGINE, "--engine", "referee", "--quick")
    code, out, _ = call(*arguments, "--ml", "--out", "out")
    assert code == 1
    assert "panicky crashed." in out
    assert "index out of bounds" in (tmp_path / "out" / "diagnosis.html").read_text("utf-8")


def test_the_conformance_suite_checks_what_is_left(call, tmp_path):
    code, out, _ = call(
        *("conformance", *ENGINE, "--reference", "referee", "--property", "referee.agreement"),
        *("--max-examples", "12", "--no-cache", "--out", "out"),
    )
    assert code == 1
    assert SAID in out
    assert " hold, " in out
    assert " 0 hold, " not in out
    assert (tmp_path / "out" / "conformance.html").exists()
