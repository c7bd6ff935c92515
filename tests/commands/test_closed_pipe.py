"""A reader that goes before the end, as ``head`` does: no word, and no code of a wrong number."""

import os
import subprocess
import sys

import pytest

from harness.base.resources import fixture

DATA = str(fixture("data", "sleepstudy.csv"))
FORMULA = "Reaction ~ Days + (1 | Subject)"
RIGHT = '[coefficient.Days]\nestimate = "10.467"\n'


def ended(arguments, *, read):
    """Run a command whose output is read or not: exit code and standard error."""
    reader, writer = os.pipe()
    if not read:
        os.close(reader)
    command = [sys.executable, "-m", "harness", *arguments]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        if read:
            with os.fdopen(reader, "rb") as out:
                out.read()
        error = process.stderr.read()
    return process.returncode, error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ladder"], 0),
        (["--help"], 0),
        (["schema"], 0),
        (["intervals", DATA, FORMULA, "--kind", "wald"], 0),
        (["audit", DATA, FORMULA, "wrong.toml"], 1),
        (["audit", DATA, FORMULA, "right.toml", "--json"], 0),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_a_closed_pipe_ends_a_command_quietly(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.toml").write_text(RIGHT)
    (tmp_path / "wrong.toml").write_text(RIGHT.replace("10.4", "11.4"))
    assert ended(arguments, read=False) == (141, b"")
    assert ended(arguments, read=True) == (code, b"")


@pytest.mark.slow
def test_bad_input_is_said_whoever_reads():
    code, error = ended(["audit", DATA, FORMULA, "/no/such.toml"], read=False)
    assert code == 2
    assert b"cannot be read" in error
