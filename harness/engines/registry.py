"""Engines by name: those of this program, those of other packages, and any program or class.

A package offers an engine by an entry point of the group ``lmm_parity.engines``: a name, and a
class or function that gives the engine when called without arguments. A program is an engine by
``NAME=COMMAND`` or by an entry of the project's TOML file, see :mod:`harness.engines.engine_spec`;
some are ready, see :mod:`harness.engines.environments`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from harness.base.errors import STOPS, BadInput, EnvironmentProblem
from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.engine import Engine
from harness.engines.engine_spec import (
    FILE,
    CommandSpec,
    command_spec,
    engine_label,
    engines_in,
    require_program,
)
from harness.engines.guard import GuardedEngine
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.rbridge.environment import find_r
from harness.rbridge.failures import RFailure
from harness.rbridge.worker import RSession

ENTRY_POINTS = "lmm_parity.engines"


def _statsmodels() -> Engine:
    """Return its engine; who only names engines is spared the import."""
    from harness.engines.statsmodels import StatsmodelsEngine

    return StatsmodelsEngine()


_HERE: dict[str, Callable[[], Engine]] = {
    "statsmodels": _statsmodels,
    RefereeEngine.name: RefereeEngine,
}
"""Engines that need nothing but Python."""


def engine_names() -> tuple[str, ...]:
    """Return every name that :func:`open_engine` knows, this program's own first."""
    named = {*_commands(), *_offered(), *environments.programs()}
    return (*_HERE, Lme4Engine.name, *sorted(named))


def require_engine(name: str) -> None:
    """Check that an engine is known and could run here, without starting anything.

    Raises
    ------
    BadInput
        When no engine has the name.
    EnvironmentProblem
        When it needs an R that is not there.
    """
    require_known(name)
    command = _command(name)
    if command is not None:
        require_program(engine_label(name), command)
    if name != Lme4Engine.name:
        return
    try:
        find_r()
    except RFailure as failure:
        raise EnvironmentProblem(f"{failure} (lmm-parity doctor says more)") from None


def require_known(name: str) -> None:
    """Check that there is an engine of this name, whether or not it could run here.

    Raises
    ------
    BadInput
        When no engine has the name.
    """
    if name in environments.programs():
        return
    if name != Lme4Engine.name and _command(name) is None:
        _maker(name)


@contextmanager
def open_engine(
    name: str, *, timeout: float = 120.0, memory_mb: int | None = 4096, start: bool = True
) -> Iterator[Engine]:
    """Give the engine called ``name``; what it started is ended afterwards.

    Parameters
    ----------
    name : str
        A name of :func:`engine_names`, ``NAME=COMMAND`` for a program, or ``module:attribute`` for
        a class or function that gives an engine when called without arguments; the module may lie
        in the working directory.
    timeout : float
        Seconds that a fit in R or in another program may take.
    memory_mb : int or None
        Megabytes that a fit in R, or in another program, may allocate on top of the program itself.
    start : bool
        Begin to start R, and start a program, at once and not with the first fit.

    Raises
    ------
    BadInput, EnvironmentProblem
        As :func:`require_engine`.
    """
    require_engine(name)
    if name == Lme4Engine.name:
        with open_lme4(timeout, memory_mb=memory_mb, start=start) as engine:
            yield engine
        return
    command = _command(name)
    if command is None:
        yield _maker(name)()
        return
    with CommandEngine(
        engine_label(name),
        command.command,
        timeout=timeout,
        memory_mb=memory_mb,
        environment=command.environment,
    ) as program:
        if start:
            program.start()
        yield program


@contextmanager
def open_lme4(
    timeout: float, *, memory_mb: int | None = 4096, start: bool = True
) -> Iterator[Engine]:
    """Give lme4, R starting in the background or with the first fit."""
    with RSession(timeout=timeout, memory_mb=memory_mb) as session:
        if start:
            session.start()
        yield Lme4Engine(session)


def _command(name: str) -> CommandSpec | None:
    """Return the program that an engine is, or None where it is something else.

    Raises
    ------
    BadInput
        For a program under the name of another engine.
    EnvironmentProblem
        For a ready program whose environment has not been made.
    """
    given = command_spec(name)
    label = engine_label(name)
    if given is not None and (label in _HERE or label == Lme4Engine.name):
        raise BadInput(
            f"--engine {name!r}: {label} is an engine of this program; name it otherwise"
        )
    if given is not None or label in _HERE:
        return given
    named = _commands().get(label)
    if named is None and label in environments.programs():
        return CommandSpec(tuple(environments.command(label)))
    return named


def _commands() -> dict[str, CommandSpec]:
    """Return the programs that the project in the working directory names as engines."""
    return engines_in(FILE) if FILE.is_file() else {}


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _maker(name: str) -> Callable[[], Engine]:
    if name in _HERE:
        return _HERE[name]
    offered = _offered()
    if name in offered:
        return partial(_made, name, offered[name].load)
    module, colon, attribute = name.partition(":")
    if colon and module and attribute:
        return partial(_made, name, partial(_attribute, module, attribute))
    raise BadInput(
        f"no engine {name!r}; there are {', '.join(engine_names())}, or write NAME=COMMAND or "
        "module:attribute"
    )


_TOLD = (ImportError, AttributeError, TypeError)
"""Errors whose text says what they are."""


def _attribute(module: str, attribute: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        # Last: a file of the user's that is called like a module of others does not stand for it.
        sys.path.append(here)
    return getattr(import_module(module), attribute)


def _made(name: str, load: Callable[[], Callable[[], Engine]]) -> Engine:
    try:
        engine = load()()
    except STOPS:
        raise
    except BaseException as error:
        kind = "" if isinstance(error, _TOLD) else f"{type(error).__name__}: "
        raise BadInput(f"engine {name!r} cannot be loaded: {kind}{error}") from error
    missing = [
        n for n in ("name", "versions", "unsupported", "fit", "begin") if not hasattr(engine, n)
    ]
    if missing:
        raise BadInput(f"engine {name!r} lacks {', '.join(missing)}")
    return GuardedEngine(engine)
