"""The built wheel works away from the checkout, R code and fixtures included."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

pytestmark = [pytest.mark.install, pytest.mark.slow]


def output(program, *arguments, cwd=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}"
    return done.stdout.strip()


def test_r_code_and_fixtures_are_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("r_scripts", "fixtures"):
        files = [path for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
        wanted = [path.relative_to(CHECKOUT) for path in files if path.suffix != ".pyc"]
        assert wanted
        assert {f"harness/_data/{path}" for path in wanted} <= set(names)
    assert any(n.startswith("harness/_data/r_scripts/") and n.endswith(".R") for n in names)
    assert {f"harness/_data/fixtures/{name}.toml" for name in ("datasets", "ladder")} <= set(names)
    assert "harness/py.typed" in names


def test_nothing_else_is_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"harness", "lmm_parity"}
    assert not [name for name in names if "__pycache__" in name]


def test_the_requirements_are_those_installed(wheel):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_it_is_the_wheel_that_runs(installed, tmp_path):
    python = installed.parent / "python"
    where = output(python, "-c", "import harness; print(harness.__file__)", cwd=tmp_path)
    assert Path(where).is_relative_to(installed.parent.parent)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_ladder_away_from_the_checkout(installed, tmp_path):
    rungs = lines(output(installed, "ladder", "--json", cwd=tmp_path))
    assert "sleepstudy/slope/REML" in {rung["id"] for rung in rungs}


@pytest.mark.r
def test_doctor_away_from_the_checkout(installed, tmp_path):
    checks = lines(output(installed, "doctor", "--json", cwd=tmp_path))
    assert all(check["ok"] for check in checks)
    assert "smoke fit, lme4" in {check["name"] for check in checks}
