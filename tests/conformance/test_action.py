"""The composite action: every input reaches the command, outputs are set, linters are content."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.commands.conformance import conformance

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
(STEP,) = ACTION["runs"]["steps"]
STUB = '#!/bin/sh\nprintf "%s\\n" "$@" > "$RECORDED"\nmkdir -p "$OUT"\n'
STUB += 'echo summary > "$OUT/summary.md"\nexit "$CODE"\n'


@pytest.fixture
def run(tmp_path):
    """Run the step's script with a program that records its arguments in place of Python."""
    stub = tmp_path / "python"
    stub.write_text(STUB)
    stub.chmod(0o755)

    def call(code=0, **inputs):
        given = {name: str(about["default"]) for name, about in ACTION["inputs"].items()}
        given |= {"python": str(stub), "out": "out dir"} | inputs
        variables = {
            key: given[re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value)[1]]
            for key, value in STEP["env"].items()
        }
        files = {
            name: str(tmp_path / name)
            for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RECORDED")
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEP["run"]],
            cwd=tmp_path,
            env=os.environ | variables | files | {"CODE": str(code)},
            check=False,
        )
        return done.returncode, {k: Path(v).read_text().splitlines() for k, v in files.items()}

    return call


def test_every_input_is_used_and_no_other(run):
    used = {re.findall(r"inputs\.([a-z-]+)", value)[0] for value in STEP["env"].values()}
    assert used == set(ACTION["inputs"])
    assert "${{" not in STEP["run"]


def test_every_option_that_it_passes_exists():
    known = {option for parameter in conformance.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", STEP["run"])) <= known


def test_the_defaults_are_passed_and_empty_inputs_are_not(run):
    code, files = run()
    assert code == 0
    words = files["RECORDED"]
    assert words[:3] == ["-m", "harness", "conformance"]
    assert words[words.index("--engine") + 1] == "statsmodels"
    assert words[words.index("--out") + 1] == "out dir"
    assert not {"--strict", "--replay", "--expectations", "--seed"} & set(words)


def test_inputs_reach_the_command_whatever_characters_they_have(run):
    nasty = "a \"b\" $(touch hacked); `c` 'd'"
    code, files = run(expectations=nasty, strict="true", replay="true", seed="7")
    assert code == 0
    words = files["RECORDED"]
    assert words[words.index("--expectations") + 1] == nasty
    assert {"--strict", "--replay"} <= set(words)
    assert words[words.index("--seed") + 1] == "7"


def test_the_exit_code_is_the_commands_and_the_summary_is_shown_all_the_same(run):
    code, files = run(code=1)
    assert code == 1
    assert files["GITHUB_STEP_SUMMARY"] == ["summary"]
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"])
    assert set(outputs) == set(ACTION["outputs"])
    assert outputs["records"] == "out dir/conformance.jsonl"


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck")
def test_shellcheck_is_content_with_the_script():
    done = subprocess.run(
        ["shellcheck", "--shell=bash", "-"],
        input=STEP["run"],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint")
def test_actionlint_is_content_with_the_workflows():
    done = subprocess.run(["actionlint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
