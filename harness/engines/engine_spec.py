"""How a user names an engine that is a program: ``NAME=COMMAND``, or an entry of a TOML file.

.. code-block:: toml

    [tool.lmm-parity.engines]
    mine = "env/bin/python my_engine.py"
    other = { command = ["Rscript", "other.R"], environment = { R_LIBS = "lib" } }
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.base.errors import BadInput, EnvironmentProblem

FILE = Path("pyproject.toml")
"""Where engines of a project are looked up, in the working directory."""

_NAME = re.compile(r"[A-Za-z][\w.-]*")


class CommandSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that is an engine, and variables that are set for it."""

    command: tuple[str, ...]
    environment: dict[str, str] = {}

    def written(self, name: str) -> str:
        """Return it as ``NAME=COMMAND``."""
        variables = [f"{key}={value}" for key, value in self.environment.items()]
        words = ["env", *variables, *self.command] if variables else self.command
        return f"{name}={shlex.join(words)}"


def engine_label(spec: str) -> str:
    """Return what an engine is called that a user has named: ``NAME`` of ``NAME=COMMAND``."""
    name, equals, _ = spec.partition("=")
    return name.strip() if equals else spec


def command_spec(spec: str) -> CommandSpec | None:
    """Read ``NAME=COMMAND``; None for what has no equals sign.

    Raises
    ------
    BadInput
        When the name or the command cannot be one.
    """
    name, equals, command = spec.partition("=")
    if not equals:
        return None
    _require_name(name.strip(), f"--engine {spec!r}")
    return CommandSpec(_words(command, f"--engine {spec!r}"))


def engines_in(path: Path) -> dict[str, CommandSpec]:
    """Read the table ``[tool.lmm-parity.engines]`` of a TOML file; empty where there is none.

    Raises
    ------
    BadInput
        When the file or an entry cannot be read.
    """
    try:
        with path.open("rb") as file:
            found: Any = tomllib.load(file)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    for key in ("tool", "lmm-parity", "engines"):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return {name: _entry(name, value, path) for name, value in found.items()}


def require_program(name: str, spec: CommandSpec) -> None:
    """Check that a program is there, without starting it.

    Raises
    ------
    EnvironmentProblem
        When it is not.
    """
    if shutil.which(spec.command[0]) is None:
        raise EnvironmentProblem(
            f"engine {name!r}: {spec.command[0]!r} is no program that can be run here"
        )


def _entry(name: str, value: Any, path: Path) -> CommandSpec:
    where = f"{path}, engine {name!r}"
    _require_name(name, where)
    if isinstance(value, str):
        return CommandSpec(_words(value, where))
    if isinstance(value, list):
        value = {"command": value}
    if isinstance(value, dict) and isinstance(value.get("command"), str):
        value = value | {"command": _words(value["command"], where)}
    try:
        found = msgspec.convert(value, CommandSpec)
    except msgspec.ValidationError as error:
        raise BadInput(f"{where}: {error}; write a command, or command and environment") from error
    if not found.command:
        raise BadInput(f"{where}: there is no command")
    return found


def _words(command: str, where: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from error
    if not words:
        raise BadInput(f"{where}: there is no command")
    return words


def _require_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(f"{where}: a name has letters, digits, '.', '_' and '-', a letter first")
