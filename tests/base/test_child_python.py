"""Nothing of the working directory gets into the program or its processes, unless it is named."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from harness.base.child_python import import_path
from harness.cli import cli

pytestmark = [pytest.mark.r, pytest.mark.slow]

CHECKOUT = Path(__file__).parents[2]

NAMES = (
    *("json", "random", "string", "enum", "re", "typing", "threading", "socket", "signal", "uuid"),
    *("tempfile", "logging", "hashlib", "copy", "queue", "csv", "decimal", "subprocess", "shutil"),
    *("platform", "dataclasses", "pathlib", "inspect", "pickle", "selectors", "__future__"),
    *("numpy", "scipy", "pandas", "statsmodels", "patsy", "formulaic", "msgspec", "click", "rich"),
    *("jinja2", "pebble", "rpy2", "lme4", "multiprocessing", "sitecustomize", "usercustomize"),
)

BY_PYTHON_ITSELF = ("importlib", "contextlib", "functools", "types", "warnings", "collections")
"""What ``python -m`` imports from the working directory before it comes to any program."""

TABLE = "y,x,g\n" + "".join(f"{i * 7 % 11}.5,{i % 4},{'abcd'[i % 4]}\n" for i in range(24))
MODEL = "y ~ x + (1 | g)"

# R is started by one function: what needs it here tries it in this process, in workers, by Rscript.
COMMANDS = {
    "ladder": ["ladder"],
    "run": ["run", "--rung", "dyestuff/REML", "--out", "run.jsonl", "--no-cache", "--jobs", "1"],
    "report": ["report", "--from", "run.jsonl"],
    "export": ["export", "run.jsonl", "--to", "values.csv"],
    "diff": ["diff", "run.jsonl", "run.jsonl"],
    "merge": ["merge", "run.jsonl", "run.jsonl", "--out", "merged.jsonl"],
    "fit": ["fit", "t.csv", MODEL, "--reference", "referee"],
    "audit": ["audit", "t.csv", MODEL, "printed.toml"],
    "intervals": ["intervals", "t.csv", MODEL],
    "compare": ["compare", "t.csv", "y ~ x", MODEL],
    "diagnose": ["diagnose", "t.csv", MODEL, "--quick", "--engine", "statsmodels"],
    "translate": ["translate", MODEL],
    "bundle": ["bundle", "make", "t.csv", MODEL, "--out", "bundle"],
    "doctor": ["doctor"],
    "certify": ["certify", "dyestuff/REML"],
    "cache": ["cache", "info"],
    "conformance": [
        *("conformance", "--reference", "referee", "--property", "rows.used"),
        *("--max-examples", "1", "--no-keep", "--jobs", "1"),
    ],
    "schema": ["schema"],
    "scoreboard": [
        *("scoreboard", "--engine", "statsmodels", "--max-examples", "1", "--out", "board"),
        *("--jobs", "1", "--no-speed"),
    ],
    "engine": ["engine", "list"],
}


NOT_SHARDS = 2
"""The exit code of ``merge`` where its files have the same cases."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A student's folder: thirty modules and two R files, each leaving a mark when it is run."""
    place = tmp_path_factory.mktemp("student")
    for name in NAMES:
        (place / f"{name}.py").write_text(f"open({str(place / 'marks')!r}, 'a').write('{name} ')\n")
    for name in BY_PYTHON_ITSELF:
        (place / "more").mkdir(exist_ok=True)
        (place / "more" / f"{name}.py").write_text("raise RuntimeError('run')\n")
    mark = f'cat("R ", file = "{place / "marks"}", append = TRUE)\n'
    (place / ".Rprofile").write_text(mark)
    (place / ".Renviron").write_text("R_DEFAULT_PACKAGES=NULL\nR_LIBS=/nowhere\n")
    (place / "t.csv").write_text(TABLE)
    (place / "printed.toml").write_text('[variance]\nresidual = "1.0"\n')
    return place


IN_ONE_PROCESS = """
import sys
sys.argv[:] = ["-m"]
import harness
import json
from harness.cli import main
for name, arguments in json.loads(sys.stdin.read()).items():
    sys.argv[:] = ["lmm-parity", *arguments]
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    try:
        marks = open("marks").read().split()
    except OSError:
        marks = []
    with open("commands.jsonl", "a") as file:
        file.write(json.dumps([name, code, marks]) + "\\n")
"""
"""As ``python -m harness`` begins, then one command after the other: to import it takes seconds."""


def start(command, folder, **options):
    done = subprocess.run(
        [*command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        **options,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1), done.stderr
    marks = folder / "marks"
    return marks.read_text().split() if marks.exists() else []


@pytest.fixture(scope="module")
def commands(folder):
    """Exit code of each command, and the marks there are after it."""
    start([sys.executable, "-c", IN_ONE_PROCESS], folder, input=json.dumps(COMMANDS))
    lines = (folder / "commands.jsonl").read_text().splitlines()
    return {name: (code, marks) for name, code, marks in map(json.loads, lines)}


def test_every_command_is_tried():
    assert set(COMMANDS) == set(cli.list_commands(None))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_file_of_the_working_directory_is_run(name, commands):
    code, marks = commands[name]
    assert marks == []
    assert code == NOT_SHARDS if name == "merge" else code in (0, 1)


def test_nor_by_a_command_in_a_process_of_its_own(commands, folder):
    assert start([sys.executable, "-m", "harness", *COMMANDS["diff"]], folder) == []


def test_the_program_by_its_own_name_is_not_even_open_to_what_python_m_imports(folder):
    program = Path(sysconfig.get_path("scripts")) / "lmm-parity"
    if not program.exists():
        pytest.skip("the program is not installed")
    for name in BY_PYTHON_ITSELF:
        (folder / f"{name}.py").write_text((folder / "more" / f"{name}.py").read_text())
    try:
        # R's process is started as its workers are, and is tried above.
        assert start([program, *COMMANDS["run"], "--reference", "referee"], folder) == []
    finally:
        for name in BY_PYTHON_ITSELF:
            (folder / f"{name}.py").unlink()


def test_the_working_directory_is_on_a_childs_path_only_where_this_package_is_in_it(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(CHECKOUT), str(tmp_path), "/elsewhere"])
    assert import_path() == [str(CHECKOUT), "/elsewhere"]
    monkeypatch.chdir(CHECKOUT)
    assert import_path() == [str(CHECKOUT), str(tmp_path), "/elsewhere"]
