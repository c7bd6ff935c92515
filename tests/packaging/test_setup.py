"""The set-up script where it has nothing to do, and where it must not do anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.install

CHECKOUT = Path(__file__).parents[2]
STAMP = CHECKOUT / ".venv" / ".lmm-parity"

# All that the script calls before it would install anything: with these alone on PATH the
# machine has no R, no compiler and no sudo.
TOOLS = ["awk", "cat", "cksum", "dirname", "env", "grep", "head", "mktemp", "mv", "rm", "sed", "sh"]
TOOLS += ["tail", "tr"]


@pytest.fixture
def bare(tmp_path):
    """Return a function that runs the script in its own checkout on a machine without R."""
    checkout = tmp_path / "check out"
    checkout.mkdir()
    for name in ("setup.sh", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, checkout)
    shutil.copytree(CHECKOUT / "constraints", checkout / "constraints")

    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    calls = tmp_path / "calls"

    def stub(name, body):
        path = programs / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    # Package tools that leave a trace if they are called, and a user who is not root.
    stub("apt-get", f'echo "apt-get $*" >>"{calls}"')
    stub("dpkg-query", "exit 1")
    stub("id", "echo 1000")

    def run(*arguments, path=programs, **environment):
        done = subprocess.run(
            ["./setup.sh", *arguments],
            cwd=checkout,
            env={"PATH": str(path), "PYTHON": sys.executable, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        done.calls = calls.read_text() if calls.exists() else ""
        done.made_venv = (checkout / ".venv").exists()
        return done

    run.stub = stub
    return run


def assert_advises_only(done):
    assert done.returncode == 3, done.stdout + done.stderr
    assert not done.made_venv
    assert done.calls == ""
    for package in ("r-base-core", "r-cran-lme4", "r-cran-lmertest", "r-cran-pbkrtest", "gcc"):
        assert f" {package} " in done.stderr
    assert 'install.packages(c("lme4", "lmerTest", "pbkrtest", "jsonlite"))' in done.stderr
    assert "conda-forge" in done.stderr
    assert "dnf install R-core-devel" in done.stderr


def test_without_root_it_names_the_packages_and_stops(bare):
    assert_advises_only(bare())


def test_a_sudo_that_asks_for_a_password_is_not_used(bare):
    bare.stub("sudo", "exit 1")
    assert_advises_only(bare())


def test_root_can_forbid_system_packages(bare):
    bare.stub("id", "echo 0")
    assert_advises_only(bare(LMM_PARITY_NO_INSTALL="1"))


def test_root_is_told_before_packages_are_installed(bare):
    bare.stub("id", "echo 0")
    bare.stub("apt-cache", "echo '  Candidate: 4.2.2-1'")
    done = bare()
    assert done.returncode == 3  # the stub has installed nothing, so the advice follows
    assert "apt-get install --no-install-recommends r-base-core r-cran-lme4" in done.stdout
    update, install = done.calls.splitlines()
    assert update.endswith(" update")
    assert " install --no-install-recommends r-base-core " in install


def test_an_r_too_old_is_not_installed(bare):
    bare.stub("id", "echo 0")
    bare.stub("apt-cache", "echo '  Candidate: 4.1.2-1ubuntu2'")
    done = bare()
    assert done.returncode == 3
    assert "4.1.2" in done.stderr
    assert "install" not in done.calls


def test_without_a_python_it_says_where_to_get_one(bare):
    done = bare(PYTHON="")
    assert done.returncode == 3
    assert "No Python 3.11 or newer" in done.stderr
    assert "apt-get install python3 " in done.stderr


def test_a_python_too_old_is_refused(bare):
    bare.stub("old-python", "exit 1")
    done = bare(PYTHON="old-python")
    assert done.returncode == 3
    assert "PYTHON=old-python" in done.stderr


def test_unknown_option_is_a_usage_error(bare):
    assert bare("--everything").returncode == 2


@pytest.mark.skipif(not STAMP.exists(), reason="this checkout was not set up by setup.sh")
def test_a_second_run_changes_nothing():
    def run():
        done = subprocess.run(
            ["./setup.sh"],
            cwd=CHECKOUT,
            env={k: v for k, v in os.environ.items() if k != "PYTHON"},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        return done.stdout + done.stderr

    run()
    before = STAMP.stat()
    printed = run()
    assert printed == ""
    assert STAMP.stat().st_mtime_ns == before.st_mtime_ns
