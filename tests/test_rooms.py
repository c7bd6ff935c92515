"""Rooms of the house: imports go down only, and a module's name says what it is."""

import ast
from collections import Counter
from pathlib import Path

import harness

SOURCE = Path(harness.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

# Each room may import from those on the lines before it.
FLOORS = [
    "base",
    "model",
    "spelling",
    "data",
    "referee",
    "rbridge",
    "engines",
    "judge",
    "store",
    "campaign",
    "diagnose conformance certify",
    "page",
    "commands",
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

NOUNS = {"conditioning", "rounding", "row_mixing"}


def imported(path):
    """Return what a module imports of the house, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports from a relative place"
            names = [node.module]
            # ``from harness import judge`` names a room; ``from harness import __version__`` none.
            if node.module == "harness":
                names = [f"harness.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("harness.") for name in names if name.startswith("harness."))


def test_imports_between_rooms_go_down():
    upward = set()
    for path in MODULES:
        room, *inside = path.relative_to(SOURCE).with_suffix("").parts
        for target in imported(path) if inside else ():
            other = target.partition(".")[0]
            if other in FLOOR and other != room and FLOOR[other] >= FLOOR[room]:
                upward.add(("/".join([room, *inside]), target))
    assert upward == set()


def test_every_module_has_a_room():
    rooms = {path.relative_to(SOURCE).parts[0] for path in MODULES}
    assert rooms == set(FLOOR) | {"__init__.py", "__main__.py", "cli.py", "notebook.py"}


def test_no_two_modules_share_a_name():
    # A command is named like what it does, in a room of its own.
    places = [path for path in MODULES if path.parent.name != "commands"]
    names = Counter(path.stem for path in places if not path.stem.startswith("__"))
    assert {name for name, times in names.items() if times > 1} == set()


def test_modules_are_named_by_nouns():
    names = {path.stem for path in MODULES if path.stem.endswith(("ed", "ing"))}
    assert names == NOUNS


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "py.typed").read_bytes() == b""
