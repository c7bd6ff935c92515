"""docs/engine-program.md as a reader does it: an empty folder, the wheel, commands as printed."""

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.install, pytest.mark.slow]

PAGE = (Path(__file__).parents[2] / "docs" / "engine-program.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
(PROGRAM,) = (text for language, text in BLOCKS if language == "python")
(SAID,) = (text for language, text in BLOCKS if language == "text")
COMMANDS = [line for language, text in BLOCKS if not language for line in text.splitlines()]


@pytest.fixture(scope="module")
def reader(installed, tmp_path_factory):
    """Return a function that runs a line of the page in the reader's folder."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "tiny.py").write_text(PROGRAM, encoding="utf-8")
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    own["PATH"] = f"{installed.parent}{os.pathsep}{os.environ['PATH']}"

    def run(line):
        return subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env=own,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    return run


def test_from_nothing_to_the_first_fault(reader):
    ran = [reader(line) for line in COMMANDS]
    shown = [f"{line}\n{r.stdout}{r.stderr}" for line, r in zip(COMMANDS, ran, strict=True)]
    assert [r.returncode for r in ran] == [0, 0, 0, 1, 1], "\n".join(shown)
    assert not any("Traceback" in r.stderr for r in ran)
    check, suite, _, mistaken, fault = ran
    assert "FAIL" not in check.stdout
    assert re.search(r"(\d+) checks on \d+ cases: \1 hold, nothing unexpected", suite.stdout)
    assert "standard error" in " ".join(mistaken.stdout.split())
    found = [line.split() for line in fault.stdout.splitlines()]
    assert SAID.split() in found
    numbers = re.search(r"`(wrong's SE of .*?)`", PAGE, re.DOTALL)[1]
    assert " ".join(numbers.split()) in " ".join(fault.stdout.split())


def test_it_is_the_wheel_that_runs(installed, reader):
    where = reader("python -c 'import harness; print(harness.__file__)'").stdout.strip()
    assert Path(where).is_relative_to(installed.parent.parent)
