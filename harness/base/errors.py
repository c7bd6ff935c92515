"""What the program says when it cannot go on, and the exit code that goes with it."""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNEXPLAINED = 1
EXIT_BAD_INPUT = 2
EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130


def exit_code_of(*, unexplained: int, no_engine: int, nothing: bool = False) -> int:
    """Return how a command that fits ends: 0 when every case agreed or has its cause.

    Parameters
    ----------
    unexplained : int
        Cases or properties without a cause: 1.
    no_engine : int
        Cases for which an engine was not there: 3, whatever the others are.
    nothing : bool
        Nothing was looked at, which is no success: 1.
    """
    if no_engine:
        return EXIT_ENVIRONMENT
    return EXIT_UNEXPLAINED if unexplained or nothing else EXIT_OK


class Stop(BaseException):
    """What this program raises to end what is under way, whoever's code that is."""


STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit, Stop)
"""What ends a program. All else that code of others raises is its failure, ``Exception`` or not."""


class HarnessError(Exception):
    """A message of one clear line (a caret line may follow), and an exit code."""

    exit_code = EXIT_BAD_INPUT


class BadInput(HarnessError):
    """The user's data, formula, file or option cannot be used as it is."""

    exit_code = EXIT_BAD_INPUT


class EnvironmentProblem(HarnessError):
    """Something the program needs (R, an R package, a matching rpy2) is missing or broken."""

    exit_code = EXIT_ENVIRONMENT
