"""The list of ready programs, and environments that are whole or not there."""

import ast
import datetime
import json
import re

import pytest

from harness.base.errors import BadInput, EnvironmentProblem
from harness.engines import environments
from harness.engines.environments import Program
from harness.engines.program_answer import require_known

PYTHON = [name for name, p in environments.programs().items() if p.language == "python"]


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(environments.VARIABLE, str(tmp_path / "engines"))
    return tmp_path / "engines"


@pytest.mark.parametrize("name", environments.programs())
def test_an_entry_is_complete(name):
    program = environments.program(name)
    assert program.path.is_file()
    assert program.expresses
    assert program.packages
    if program.tried:
        datetime.date.fromisoformat(program.tried)
    assert all(stated.known for stated in program.definitions.values())
    require_known({quantity: stated.key for quantity, stated in program.definitions.items()})


@pytest.mark.parametrize("name", PYTHON)
def test_packages_are_pinned_and_definitions_those_of_the_file(name):
    program = environments.program(name)
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", package) for package in program.packages)
    assert environments._fits((3, 11), program.python)
    tree = ast.parse(program.path.read_text(encoding="utf-8"))
    (declared,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "DEFINITIONS"
    )
    assert declared == {q: stated.key for q, stated in program.definitions.items()}


@pytest.mark.parametrize("name", PYTHON)
def test_what_is_handed_on_has_every_module_that_it_imports(name):
    _, files = environments.stand_alone(name)
    folder = environments.program(name).path.parent
    for text in files.values():
        for node in ast.walk(ast.parse(text)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            beside = {f"{n}.py" for n in names if (folder / f"{n}.py").is_file()}
            assert beside <= set(files), name


def test_programs_stand_alone():
    folder = environments.program("glmm").path.parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "harness" for name in names), path


def test_environments_live_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.delenv(environments.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert environments.environments_folder() == tmp_path / "lmm-parity" / "engines"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert environments.environments_folder().parts[-4:-2] == (".local", "share")
    monkeypatch.setenv(environments.VARIABLE, str(tmp_path / "own"))
    assert environments.environments_folder() == tmp_path / "own"


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(BadInput, match=r"no ready engine is called 'glm'; there are: .*glmm"):
        environments.command("glm")


def test_a_program_that_is_not_installed_says_how(own_folder):
    with pytest.raises(EnvironmentProblem, match="lmm-parity engine install glmm"):
        environments.command("glmm")
    assert environments.remove("glmm") is False


def test_half_an_environment_is_none_and_one_with_other_packages_neither(own_folder):
    python = own_folder / "glmm" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert not environments.installed("glmm")
    marker = own_folder / "glmm" / environments._MARKER
    marker.write_text(json.dumps({"packages": ["glmm==0.0.1"]}))
    assert not environments.installed("glmm")
    marker.write_text(json.dumps({"packages": list(environments.program("glmm").packages)}))
    assert environments.installed("glmm")
    assert environments.command("glmm")[0] == str(python)
    assert environments.remove("glmm") is True
    assert list(own_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ((3, 11), ">=3.11,<3.14", True),
        ((3, 14), ">=3.11,<3.14", False),
        ((3, 9), ">=3.11,<3.14", False),
        ((3, 9), "", True),
    ],
)
def test_versions_of_python_fit_or_not(version, wanted, fits):
    assert environments._fits(version, wanted) is fits


@pytest.mark.slow
def test_no_fitting_python_is_one_clear_line(own_folder, monkeypatch):
    changed = planted(packages=("glmm==0.6.2",), python=">=4.0")
    monkeypatch.setattr(environments, "programs", lambda: {"glmm": changed})
    with pytest.raises(EnvironmentProblem, match=r"needs Python >=4.0, and there is none here"):
        environments.make("glmm")


@pytest.mark.install
@pytest.mark.slow
def test_what_cannot_be_installed_leaves_a_line_and_a_log(own_folder, monkeypatch, tmp_path):
    changed = planted(packages=(str(tmp_path / "absent.whl"),), python=">=3.9")
    monkeypatch.setattr(environments, "programs", lambda: {"glmm": changed})
    with pytest.raises(EnvironmentProblem) as caught:
        environments.make("glmm")
    assert re.fullmatch(
        r"engine 'glmm' could not be installed: .+ \(more in .+\)", str(caught.value)
    )
    assert [path.name for path in own_folder.iterdir()] == ["glmm.log"]


def planted(packages, python):
    return Program("python", "glmm.py", packages, "planted", "", python=python)
