"""The engine of docs/conformance-engine.md is right, and its planted mistakes are found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.conformance.fit_memory import Remembered
from harness.conformance.properties import PROPERTIES
from harness.data.recipes.shapes import build
from harness.data.recipes.strategies import collect

PAGE = (Path(__file__).parents[2] / "docs" / "conformance-engine.md").read_text(encoding="utf-8")
CODE = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class" in b)
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| (?:`(.+?)`)? ?\|$", re.MULTILINE)
MISTAKES = ROW.findall(PAGE)


def engine(code):
    names = {}
    exec(compile(code, "tiny_engine.py", "exec"), names)
    return Remembered(names["TinyEngine"]())


@pytest.fixture(scope="module")
def cases():
    recipes = collect(
        25, 5, shapes=["intercept", "mean", "cluster"], max_groups=8, max_rows=40, offsets=False
    )
    return [build(recipe).case for recipe in recipes]


def test_the_page_has_its_mistakes():
    assert len(MISTAKES) == 8


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, p in PROPERTIES.items() if not p.needs_reference])
def test_the_engine_as_it_stands_has_every_property(name, cases):
    outcomes = [PROPERTIES[name].check(engine(CODE), case) for case in cases[:6]]
    assert [(o.case, o.sentence) for o in outcomes if o.status in ("fails", "unexplained")] == []


@pytest.mark.parametrize(("right", "wrong", "found_by", "cause"), MISTAKES)
def test_a_mistake_of_the_page_is_found_and_named(right, wrong, found_by, cause, cases):
    assert CODE.count(right) == 1
    mistaken = engine(CODE.replace(right, wrong))
    for case in cases:
        outcome = PROPERTIES[found_by].check(mistaken, case)
        if outcome.status in ("fails", "unexplained") and (not cause or cause in outcome.causes):
            return
    pytest.fail("not found")


RUN = re.search(r"^```\n(lmm-parity .*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]
COMMANDS = RUN.strip().splitlines()


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Return a function that does as a reader does: the page's file in a folder, its commands."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "tiny_engine.py").write_text(CODE)
    installed = Path(sys.executable).parent

    def run(command):
        return subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=os.environ | {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    return run


def test_the_page_shows_three_commands():
    assert [command.split()[0] for command in COMMANDS] == ["lmm-parity", "lmm-parity", "pytest"]
    assert "PYTHONPATH" not in PAGE


FEWER = pytest.mark.parametrize(
    "fewer",
    [
        pytest.param("--max-examples 2", id="two-examples"),
        pytest.param("", id="as-it-stands", marks=pytest.mark.study),
    ],
)
"""The last of two options counts. As they stand on the page, the commands take a minute each."""


@pytest.mark.slow
@FEWER
def test_without_r_every_check_holds_as_the_page_says(fewer, reader):
    found = reader(f"{COMMANDS[0]} {fewer}")
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"(\d+) checks on \d+ cases: \1 hold, nothing unexpected", found.stdout)


@pytest.mark.r
@pytest.mark.slow
@FEWER
@pytest.mark.parametrize("command", COMMANDS[1:])
def test_beside_lme4_what_fails_is_laid_to_it_as_the_page_says(command, fewer, reader):
    found = reader(f"{command} {fewer}")
    assert found.returncode == 0, found.stdout + found.stderr
    checks, hold, fail = re.search(
        r"(\d+) checks on \d+ cases: (\d+) hold, (\d+) fail for a fault of lme4, "
        "nothing unexpected",
        found.stdout,
    ).groups()
    assert int(hold) == int(checks) - int(fail) > 0
    assert not re.search(r"no cause found|unexplained", found.stdout)
