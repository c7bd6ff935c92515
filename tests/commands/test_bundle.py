"""``lmm-parity bundle`` as a person uses it."""

import json
import os
import re
from functools import partial

import pytest

from harness.page.bundle import bundle_folder as bundles
from harness.page.bundle.bundle_scripts import Ran

ROWS = "".join(f"{(7 * i) % 5 + 0.1 * i:.1f},{i % 4},{'abc'[i % 3]}\n" for i in range(24))
TABLE = "my y,dose,ward\n" + ROWS
FORMULA = "`my y` ~ dose + (1 | ward)"


@pytest.fixture
def run(tmp_path, monkeypatch, lmm_parity):
    """Return a function that runs ``main()`` with arguments in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").write_text(TABLE)
    return partial(lmm_parity, "bundle")


@pytest.mark.r
@pytest.mark.slow
def test_make_then_run_then_show(run, warm):
    code, out, err = run("make", "d.csv", FORMULA, "--out", "b")
    assert (code, err) == (0, "")
    # Where an optimizer stops short is a matter of rounding, that of the process among it.
    assert re.search(r"reproduce.py   (prints the record's numbers to 15 digits|against)", out)
    assert "reproduce.R    prints the record's numbers to 15 digits" in out
    code, out, err = run("run", "b")
    assert (code, err) == (0, "")
    assert out.endswith("They show the same.\n")
    assert out.count("prints the same, digit for digit") == 2
    code, out, _ = run("show", "b")
    assert code == 0
    assert out.startswith("# ")
    assert "| my y | dose | ward |" in out
    assert "`python reproduce.py` gives" in out


@pytest.mark.r
def test_make_anonymised_keeps_the_key_apart(run, warm, monkeypatch, tmp_path):
    monkeypatch.setattr(bundles, "run_script", lambda *_, **__: Ran("", "not run in this test"))
    arguments = ("--out", "b", "--anonymise", "--key", "key.json")
    code, out, err = run("make", "d.csv", FORMULA, *arguments)
    assert (code, err) == (0, "")
    assert "anonymised     names, labels, units and origins" in out
    key = json.loads((tmp_path / "key.json").read_text())
    assert key["columns"] == {"my y": "y", "dose": "x1", "ward": "g1"}
    inside = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "b").iterdir())
    assert not re.search(r"\b(my y|dose|ward|d\.csv)\b", inside)
    assert sorted(os.listdir(tmp_path)) == ["b", "d.csv", "key.json"]


@pytest.mark.r
def test_json_is_the_manifest(run, warm, monkeypatch):
    monkeypatch.setattr(bundles, "run_script", lambda *_, **__: Ran("", "not run in this test"))
    code, out, _ = run("make", "d.csv", FORMULA, "--out", "b", "--json")
    assert code == 0
    manifest = json.loads(out)
    assert manifest["formula"] == FORMULA
    assert manifest["scripts"][0]["problem"] == "not run in this test"
    assert set(manifest["files"]) >= {"data.csv", "issue.md", "record.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["make", "d.csv", FORMULA], "Missing option '--out'"),
        (["make", "none.csv", FORMULA, "--out", "b"], "none.csv: no such file"),
        (["make", "d.csv", "y ~", "--out", "b"], "formula: the formula ends"),
        (["make", "d.csv", FORMULA, "--out", "."], ".: is not empty"),
        (["make", "d.csv", FORMULA, "--out", "d.csv"], "d.csv: there is a file of that name"),
        (["make", "d.csv", FORMULA, "--out", "b", "--shuffle"], "--shuffle needs --anonymise"),
        (
            ["make", "d.csv", FORMULA, "--out", "b", "--anonymise", "--key", "b/key.json"],
            "b/key.json: the key would be inside the bundle",
        ),
        (["run", "none"], "none: not a bundle"),
        (["show", "."], ".: not a bundle"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(run, tmp_path, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"lmm-parity: {said}")
    assert len(err.splitlines()) in (1, 3)
    assert os.listdir(tmp_path) == ["d.csv"]
