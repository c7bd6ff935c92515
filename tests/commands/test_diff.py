"""``lmm-parity diff``: what it prints, and its exit codes."""

import json
import re
from functools import partial

import pytest
from msgspec.structs import replace

from harness.campaign.record_file import RecordWriter
from tests.page.judgements import HEADER, failing, outcome


@pytest.fixture
def call(tmp_path, monkeypatch, lmm_parity):
    monkeypatch.chdir(tmp_path)
    return partial(lmm_parity, "diff")


def write(path, *records, **changes):
    with RecordWriter(path) as writer:
        writer.write(replace(HEADER, **changes))
        for record in records:
            writer.write(record)
        writer.finish("now", 1.0)


@pytest.fixture
def files(tmp_path):
    write(tmp_path / "old.jsonl", outcome(), outcome("rows.used"))
    newer = {"versions": HEADER.versions | {"statsmodels": "0.16.0"}}
    write(tmp_path / "new.jsonl", failing(), outcome("rows.used"), **newer)


def test_regressions_are_told_first_and_give_exit_code_1(call, files):
    code, out, _ = call("old.jsonl", "new.jsonl")
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == "statsmodels    0.15.0 -> 0.16.0"
    assert lines[lines.index("got worse (1)") + 1] == (
        "  gen/slope/1/REML (parity): holds -> fails"
    )
    assert "      lme4 is right." in lines


def test_improvements_give_exit_code_0(call, files):
    code, out, _ = call("new.jsonl", "old.jsonl")
    assert code == 0
    assert "got better (1)" in out
    assert call("old.jsonl", "old.jsonl")[1].splitlines()[-1] == "nothing changed"


def test_two_engines_differ_with_exit_code_0(call, files, tmp_path):
    other = {"engines": ("glmm", "lme4"), "versions": {"glmm": "0.6.2"}}
    write(
        tmp_path / "glmm.jsonl",
        failing(engine="glmm"),
        outcome("rows.used", engine="glmm"),
        **other,
    )
    code, out, _ = call("old.jsonl", "glmm.jsonl")
    assert code == 0
    assert out.startswith("statsmodels 0.15.0 beside glmm 0.6.2\n")
    assert "differs (1)\n  gen/slope/1/REML (parity): holds -> fails\n" in out
    assert not re.search("worse|better|changed", out)
    code, _, err = call("old.jsonl")
    assert (code, "by --engines two engines of this one" in err) == (2, True)


def test_json_and_quiet(call, files):
    code, out, _ = call("old.jsonl", "new.jsonl", "--json")
    read = json.loads(out)
    assert code == 1
    assert [c["direction"] for c in read["changes"]] == ["worse"]
    assert read["versions"] == [["statsmodels", "0.15.0", "0.16.0"]]
    assert call("old.jsonl", "new.jsonl", "--quiet") == (1, "", "")


def test_a_missing_file_is_refused_in_one_line(call, files):
    code, out, err = call("old.jsonl", "no.jsonl")
    assert (code, out) == (2, "")
    assert err.startswith("lmm-parity: no.jsonl: cannot be read")
    assert len(err.splitlines()) == 1
