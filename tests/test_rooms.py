"""Rooms of the house: imports go down only, and a module's name says what it is."""

import ast
import importlib
import re
from collections import Counter
from functools import cache
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
TOP = len(FLOORS)
"""Where the ways in lie: command line and notebook."""

NOUNS = {
    "coding",
    "conditioning",
    "listing",
    "lme4_spelling",
    "mixedlm_spelling",
    "rounding",
    "row_mixing",
}


@cache
def imported(path):
    """Return the modules that a module imports of the house, inside functions too, as parts."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports from a relative place"
            # ``from harness import judge`` names a room; ``from harness import __version__`` none.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *parts = name.split(".")
            if first == "harness":
                if not is_module(parts):
                    parts.pop()
                found.append(tuple(parts))
    return found


def is_module(parts):
    place = SOURCE.joinpath(*parts)
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_imports_between_rooms_go_down():
    upward = set()
    for path in MODULES:
        room, *inside = path.relative_to(SOURCE).with_suffix("").parts
        for other, *_ in filter(None, imported(path) if inside else ()):
            if other != room and FLOOR.get(other, TOP) >= FLOOR[room]:
                upward.add(("/".join([room, *inside]), other))
    assert upward == set()


def test_a_door_names_what_others_import_of_a_room_and_no_more():
    used = {path.parent: set() for path in MODULES if path.name == "__init__.py"}
    for path in MODULES:
        for parts in imported(path):
            for depth in range(1, len(parts)):
                package = SOURCE.joinpath(*parts[:depth])
                if not path.is_relative_to(package):
                    used[package].add(parts[depth])
    for package, names in used.items():
        door = importlib.import_module(".".join(["harness", *package.relative_to(SOURCE).parts]))
        if package != SOURCE:
            assert set(getattr(door, "__all__", ())) == names, package.name


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


def test_the_map_for_contributors_names_what_is_there():
    # A path is from the checkout, or beside what the line has named before.
    checkout = SOURCE.parent
    for line in (checkout / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines():
        beside = [checkout]
        for name in re.findall(r"`([\w./]+(?:\.(?:py|toml|R|md)|/))`", line):
            places = [folder / name for folder in beside if (folder / name).exists()]
            assert places, f"{name} in: {line}"
            beside.append(places[0] if places[0].is_dir() else places[0].parent)


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "py.typed").read_bytes() == b""
