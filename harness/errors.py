"""What the program says when it cannot go on, and the exit code that goes with it."""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNEXPLAINED = 1
EXIT_BAD_INPUT = 2
EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130


class HarnessError(Exception):
    """A message of one clear line (a caret line may follow), and an exit code."""

    exit_code = EXIT_BAD_INPUT


class BadInput(HarnessError):
    """The user's data, formula, file or option cannot be used as it is."""

    exit_code = EXIT_BAD_INPUT


class EnvironmentProblem(HarnessError):
    """Something the program needs (R, an R package, a matching rpy2) is missing or broken."""

    exit_code = EXIT_ENVIRONMENT
