"""The ready programs and their environments: made on demand, outside the project's own.

``harness/engines/programs/programs.toml`` names the programs, what they need and what their numbers
mean. A Python program gets a virtual environment with exactly its packages; R and Julia use what is
installed there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from harness.base.errors import BadInput, EnvironmentProblem
from harness.base.resources import r_script

VARIABLE = "LMM_PARITY_ENGINES"
"""Names the folder of environments, where it is set."""

_PROGRAMS = Path(__file__).parent / "programs"
_MARKER = "lmm-parity.json"
"""Lies in an environment that is whole: the packages that it was made of."""

_START = (
    "import runpy, sys; folder, file = sys.argv[1:3]; del sys.argv[1:3]; "
    "sys.path.append(folder); runpy.run_path(file, run_name='__main__')"
)
"""At the end of the path: a program must not shadow the package that it is named like."""

_SHARED = {
    "python": ("conversation.py", "model_request.py", "column_words.py", "plain_values.py"),
    "r": ("conversation.R",),
    "julia": (),
}
"""Files beside a program that it needs, as every one does."""

_LOG_LINES = 40


class KnownDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A definition that a program declares, and how it is known that it is that one."""

    key: str
    known: str


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ready program.

    Attributes
    ----------
    file : str
        In ``harness/engines/programs/``, or ``r_scripts/programs/`` for R.
    packages : tuple of str
        What its environment is made of, ``"glmm==0.6.2"``; for R and Julia names to be installed.
    python : str
        Versions of Python that it runs on, ``">=3.11,<3.14"``.
    expresses : str
        Which models it takes, in a line.
    tried : str
        Day on which it was compared with lme4 and the referee; empty when it was never run.
    modules : tuple of str
        Files beside it that it needs, besides those of the conversation.
    definitions : dict of str to KnownDefinition
        By quantity.
    """

    language: Literal["python", "r", "julia"]
    file: str
    packages: tuple[str, ...]
    expresses: str
    tried: str
    arguments: tuple[str, ...] = ()
    python: str = ""
    modules: tuple[str, ...] = ()
    definitions: dict[str, KnownDefinition] = {}

    @property
    def path(self) -> Path:
        """Where the file is."""
        if self.language == "r":
            return r_script(f"programs/{self.file}")
        return _PROGRAMS / self.file


@cache
def programs() -> Mapping[str, Program]:
    """Return the ready programs by name."""
    with (_PROGRAMS / "programs.toml").open("rb") as file:
        return msgspec.convert(tomllib.load(file), dict[str, Program])


def program(name: str) -> Program:
    """Return a ready program.

    Raises
    ------
    BadInput
        When there is none of that name.
    """
    if name not in programs():
        raise BadInput(f"no ready engine is called {name!r}; there are: {', '.join(programs())}")
    return programs()[name]


def environments_folder() -> Path:
    """Return where environments live: ``$LMM_PARITY_ENGINES``, or the user's data folder."""
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own).expanduser().absolute()
    # The XDG specification says that a relative path is to be ignored.
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    base = base if base.is_absolute() else Path.home() / ".local" / "share"
    return base / "lmm-parity" / "engines"


def installed(name: str) -> bool:
    """Whether the program can be started: its environment is whole, or its language is there."""
    found = program(name)
    if found.language == "r":
        return shutil.which("Rscript") is not None and not _lacking_in_r(found)
    if found.language == "julia":
        return shutil.which("julia") is not None
    folder = environments_folder() / name
    if not _interpreter(folder).exists():
        return False
    with contextlib.suppress(OSError, ValueError):
        marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
        return bool(marker == {"packages": list(found.packages)})
    return False


def command(name: str) -> list[str]:
    """Return how a program is started.

    Raises
    ------
    BadInput
        When there is no program of that name.
    EnvironmentProblem
        When its environment has not been made.
    """
    found = program(name)
    if found.language != "python":
        return [*interpreter(name), str(found.path), *found.arguments]
    return [
        *interpreter(name),
        "-I",
        "-c",
        _START,
        str(_PROGRAMS),
        str(found.path),
        *found.arguments,
    ]


def interpreter(name: str) -> list[str]:
    """Return what runs a program and its user's scripts: the Python of its environment, or R.

    Raises
    ------
    BadInput
        When there is no program of that name.
    EnvironmentProblem
        When its environment has not been made.
    """
    found = program(name)
    if found.language == "r":
        return ["Rscript", "--vanilla"]
    if found.language == "julia":
        return ["julia", "--startup-file=no"]
    if not installed(name):
        raise EnvironmentProblem(
            f"engine {name!r} is not installed here: run lmm-parity engine install {name}"
        )
    return [str(_interpreter(environments_folder() / name))]


def is_ready(name: str, words: Sequence[str]) -> bool:
    """Whether an engine of this name that is started so is the ready program."""
    with contextlib.suppress(BadInput, EnvironmentProblem):
        return command(name) == list(words)
    return False


def stand_alone(name: str) -> tuple[list[str], dict[str, str]]:
    """Return a program as it can be handed on: how it is started, and its files by name."""
    found = program(name)
    folder, names = found.path.parent, (found.file, *found.modules, *_SHARED[found.language])
    files = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    runs = {"python": ["python"], "r": ["Rscript", "--vanilla"], "julia": ["julia"]}[found.language]
    return [*runs, found.file, *found.arguments], files


def make(name: str) -> Path | None:
    """Make the environment of a program, unless it is there; return its folder.

    It is made in a folder of its own and renamed when it is whole: an interruption leaves nothing
    that looks like an environment. There is none for R and Julia.

    Raises
    ------
    BadInput
        When there is no program of that name.
    EnvironmentProblem
        When it cannot be made: no fitting Python, packages that cannot be installed, or a language
        whose packages this program does not install.
    """
    found = program(name)
    if found.language != "python":
        _require_language(name, found)
        return None
    folder = environments_folder() / name
    if installed(name):
        return folder
    python = _fitting_python(name, found.python)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    except OSError as error:
        raise EnvironmentProblem(f"{folder.parent}: {error.strerror}") from error
    log = folder.parent / f"{name}.log"
    try:
        pip = [str(_interpreter(made)), "-I", "-m", "pip", "--no-input"]
        options = ["--disable-pip-version-check", "--quiet"]
        _run(name, [python, "-I", "-m", "venv", str(made)], log)
        _run(name, [*pip, *options, "install", *found.packages], log)
        marker = json.dumps({"packages": list(found.packages)})
        (made / _MARKER).write_text(marker, encoding="utf-8")
        if not installed(name):
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    log.unlink(missing_ok=True)
    return folder


def remove(name: str) -> bool:
    """Remove the environment of a program; return whether there was one."""
    program(name)
    folder = environments_folder() / name
    there = folder.exists()
    if there:
        # Out of the way first: what is half removed must not look whole.
        gone = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        folder.rename(gone / name)
        shutil.rmtree(gone, ignore_errors=True)
    (environments_folder() / f"{name}.log").unlink(missing_ok=True)
    return there


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(name: str, words: list[str], log: Path) -> None:
    """Run a step of the making; what it said last is kept where it fails."""
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        log.write_text("\n".join(lines[-_LOG_LINES:]) + "\n", encoding="utf-8")
        said = next((line.strip() for line in reversed(lines) if "ERROR" in line), "")
        raise EnvironmentProblem(
            f"engine {name!r} could not be installed: {said or lines[-1] if lines else 'no word'} "
            f"(more in {log})"
        )


def _fitting_python(name: str, wanted: str) -> str:
    """Return an interpreter of a wanted version: this program's own, or one that is on the path."""
    own = getattr(sys, "_base_executable", sys.executable)
    names = (f"python3.{minor}" for minor in range(14, 8, -1))
    for candidate in (own, *filter(None, map(shutil.which, names))):
        done = subprocess.run(
            [candidate, "-I", "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.returncode and _fits(tuple(map(int, done.stdout.split())), wanted):
            return str(candidate)
    raise EnvironmentProblem(f"engine {name!r} needs Python {wanted}, and there is none here")


def _fits(version: tuple[int, ...], wanted: str) -> bool:
    for sign, text in re.findall(r"(>=|<)([\d.]+)", wanted):
        bound = tuple(map(int, text.split(".")))
        if (version >= bound) != (sign == ">="):
            return False
    return True


def _require_language(name: str, found: Program) -> None:
    if found.language == "julia":
        if shutil.which("julia") is None:
            raise EnvironmentProblem(f"engine {name!r} needs Julia, and there is none here")
        return
    if shutil.which("Rscript") is None:
        raise EnvironmentProblem(f"engine {name!r} needs R, and there is no Rscript here")
    lacking = _lacking_in_r(found)
    if lacking:
        quoted = ", ".join(f'"{package}"' for package in lacking)
        raise EnvironmentProblem(
            f"engine {name!r} needs R packages: in R, install.packages(c({quoted}))"
        )


def _lacking_in_r(found: Program) -> list[str]:
    """Return which packages R has not: those of the program, and what it speaks JSON with."""
    packages = [*found.packages, "jsonlite"]
    words = ["Rscript", "--vanilla", str(r_script("programs/lacking_packages.R")), *packages]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return packages if done.returncode else done.stdout.split()
