"""Unexpected failures of statsmodels against lme4 get a bundle that shows them to anyone."""

import subprocess
import sys
from dataclasses import replace

import pytest

from harness.campaign.record_file import read_records
from harness.conformance.suite import all_kept, suite_of
from harness.page.bundle.bundle_folder import read_manifest
from harness.page.bundle.bundle_numbers import printed_numbers
from harness.page.bundle.failure_bundles import write_bundles


def kept(prefix):
    return [one for one in all_kept(None) if one.name.startswith(prefix)]


@pytest.mark.r
@pytest.mark.slow
def test_the_bundle_of_a_kept_failure_shows_it(tmp_path):
    suite = suite_of(("statsmodels",), "lme4", examples=0, properties=("parity",))
    (one,) = kept("parity-sm-score-sign")
    written = write_bundles(suite, [one], tmp_path)
    assert written == {one.name: tmp_path / one.name}
    folder = written[one.name]
    manifest = read_manifest(folder)
    (record,) = read_records(folder / "record.jsonl").cases
    comparison = record.comparison("statsmodels")
    assert comparison.verdict == "WRONG_OPTIMUM"
    assert "sm-score-sign" in comparison.causes
    assert manifest.verdicts[0][1] == "WRONG_OPTIMUM"
    # Both scripts ran, and what they print is apart by what the record says.
    assert [entry.problem for entry in manifest.scripts] == ["", ""]
    logliks = [
        float(printed_numbers((folder / name).read_text("utf-8"))["default"].loglik)
        for name in ("output-python.txt", "output-r.txt")
    ]
    assert logliks[1] == pytest.approx(record.fit("lme4").loglik, abs=1e-6)
    gap = record.audit("statsmodels").gap / 2.0
    assert logliks[1] - logliks[0] == pytest.approx(gap, rel=0.05)


def test_only_statsmodels_against_lme4_has_scripts_to_write(tmp_path):
    suite = suite_of(("harness.conformance.planted_engines:z_for_t",), "referee", examples=0)
    assert write_bundles(suite, kept("parity"), tmp_path / "b") == {}
    replayed = replace(suite_of(("statsmodels",), "lme4", examples=0), replay="packed.jsonl.gz")
    assert write_bundles(replayed, kept("parity"), tmp_path / "b") == {}
    assert not (tmp_path / "b").exists()


@pytest.mark.r
@pytest.mark.study
def test_a_run_with_unexpected_failures_names_their_bundles(tmp_path):
    arguments = ("--property", "parity", "--max-examples", "12", "--no-cache", "--out", "out")
    found = subprocess.run(
        [sys.executable, "-m", "harness", "conformance", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 1, found.stdout + found.stderr
    folders = sorted((tmp_path / "out" / "bundles").iterdir())
    assert folders
    for folder in folders:
        assert f"bundle out/bundles/{folder.name}" in found.stdout
        assert read_manifest(folder).engines == ("statsmodels", "lme4")
        assert (tmp_path / "regressions" / folder.name / "case.toml").is_file()
