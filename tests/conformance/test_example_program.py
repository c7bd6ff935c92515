"""The mistakes that docs/engine-program.md plants are found; its project file can be read."""

import re
import sys
from pathlib import Path

import pytest

from harness.conformance.fit_memory import Remembered
from harness.conformance.properties import PROPERTIES
from harness.data.recipes.shapes import build
from harness.data.recipes.strategies import collect
from harness.engines.command_engine import CommandEngine
from harness.engines.engine_spec import engines_in

PAGE = (Path(__file__).parents[2] / "docs" / "engine-program.md").read_text(encoding="utf-8")
CODE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
TOML = re.search(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| (?:`(.+?)`)? ?\|$", re.MULTILINE)
MISTAKES = ROW.findall(PAGE)


@pytest.fixture(scope="module")
def cases():
    recipes = collect(
        12, 5, shapes=["intercept", "mean", "cluster"], max_groups=8, max_rows=40, offsets=False
    )
    return [build(recipe).case for recipe in recipes]


def test_the_page_has_its_mistakes():
    assert len(MISTAKES) == 8


@pytest.mark.parametrize(("right", "wrong", "found_by", "cause"), MISTAKES)
def test_a_mistake_of_the_page_is_found(right, wrong, found_by, cause, cases, tmp_path):
    assert CODE.count(right) == 1
    path = tmp_path / "tiny.py"
    path.write_text(CODE.replace(right, wrong), encoding="utf-8")
    with CommandEngine("tiny", [sys.executable, "-I", "-S", str(path)]) as program:
        engine = Remembered(program)
        for case in cases:
            outcome = PROPERTIES[found_by].check(engine, case)
            failed = outcome.status in ("fails", "unexplained")
            if failed and (not cause or cause in outcome.causes):
                return
    pytest.fail("not found")


def test_the_engines_of_the_page_can_be_read(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(TOML, encoding="utf-8")
    found = engines_in(path)
    assert found["mine"].command == ("python", "my_engine.py")
    assert found["released"].environment == {"MY_FLAG": "1"}
