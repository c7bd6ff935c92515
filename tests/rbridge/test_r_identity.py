"""What R would load, read from its files, is what R says it has loaded."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.engines.lme4 import Lme4Engine
from harness.rbridge.environment import RInstallation, find_r, worker_environment
from harness.rbridge.failures import REnvironment
from harness.rbridge.r_identity import REQUIRED, library_folders, r_identity


@pytest.fixture(scope="module")
def home():
    return find_r()


def folders_of_r(home, tmp_path):
    done = subprocess.run(
        [home.home / "bin" / "Rscript", "--vanilla", "-e", "writeLines(.libPaths())"],
        env=worker_environment(home, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(Path(line).resolve() for line in done.stdout.splitlines())


@pytest.mark.r
@pytest.mark.parametrize("variable", [None, "R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"])
def test_library_folders_are_those_of_r(home, tmp_path, monkeypatch, variable):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    if variable:
        monkeypatch.setenv(variable, f"{tmp_path}/two:{tmp_path}/absent:{tmp_path}/one")
    mine = tuple(path.resolve() for path in library_folders(home, os.environ))
    assert mine == folders_of_r(home, tmp_path)
    assert (variable is None) == (tmp_path / "two" not in mine)


@pytest.mark.r
def test_versions_read_from_files_are_those_of_a_live_r(r):
    live = Lme4Engine(r).versions()
    read = r_identity()
    assert read["R"] == live["R"]
    for package in REQUIRED:
        assert read[package].startswith(f"{live[package]} (R ")
    assert any(value.startswith(f"{live['BLAS']}, ") for value in read.values())


@pytest.mark.r
def test_a_package_put_before_another_is_seen(tmp_path, monkeypatch):
    before = r_identity()
    (tmp_path / "lme4").mkdir()
    description = tmp_path / "lme4" / "DESCRIPTION"
    description.write_text("Package: lme4\nVersion: 99.1\nBuilt: R 4.2.2; ; 2026-01-01; unix\n")
    monkeypatch.setenv("R_LIBS", str(tmp_path))
    after = r_identity()
    assert {name for name in after if after[name] != before[name]} == {"lme4"}
    assert after["lme4"] == "99.1 (R 4.2.2; ; 2026-01-01; unix)"
    description.write_text("Package: lme4\nVersion: 99.1\nBuilt: R 4.2.2; ; 2026-01-02; unix\n")
    assert r_identity()["lme4"] != after["lme4"]


@pytest.mark.r
def test_a_package_that_is_not_found_leaves_the_answer_to_r(home, monkeypatch):
    monkeypatch.setattr(
        "harness.rbridge.r_identity.library_folders", lambda *_: (home.home / "library",)
    )
    assert r_identity() == {}


def test_without_r_there_is_no_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("R_HOME", raising=False)
    with pytest.raises(REnvironment):
        r_identity()


@pytest.mark.parametrize(
    ("renviron", "variables", "expected"),
    [
        ("R_LIBS_SITE=${R_LIBS_SITE-'HERE/a:HERE/b'}", {}, ["a", "b"]),
        ("R_LIBS_SITE=${R_LIBS_SITE-'HERE/a'}", {"R_LIBS_SITE": "HERE/b"}, ["b"]),
        ("R_LIBS_SITE=${R_LIBS_SITE:-${OTHER-HERE/a}}", {"OTHER": "HERE/b"}, ["b"]),
        ("R_LIBS_SITE=${R_LIBS_SITE:-${OTHER-HERE/a}}", {"R_LIBS_SITE": ""}, ["a"]),
        ('R_LIBS_SITE="${R_HOME}/../a"\n# R_LIBS_SITE=HERE/b', {}, ["a"]),
        ("R_PLATFORM=p\nR_LIBS_USER=${R_LIBS_USER-'HERE/%p-%v'}", {}, ["p-4.2"]),
        ("R_LIBS_USER=HERE/%V", {}, ["4.2.2"]),
        ("R_LIBS_USER=HERE/a\nR_LIBS_SITE=HERE/b", {"R_LIBS": "HERE/p-4.2"}, ["p-4.2", "a", "b"]),
        ("R_LIBS_USER=NULL", {}, []),
        ("", {"R_LIBS": "HERE/a:HERE/a"}, ["a"]),
    ],
)
def test_the_defaults_of_renviron_are_expanded_as_r_does(tmp_path, renviron, variables, expected):
    for name in ("R/etc", "R/library", "a", "b", "p-4.2", "4.2.2"):
        (tmp_path / name).mkdir(parents=True)
    here = str(tmp_path)
    (tmp_path / "R" / "etc" / "Renviron").write_text(renviron.replace("HERE", here))
    given = {name: value.replace("HERE", here) for name, value in variables.items()}
    found = library_folders(RInstallation(tmp_path / "R", (4, 2, 2)), given)
    names = [os.path.relpath(os.path.normpath(path), here) for path in found]
    assert names == [*expected, "R/library"]
