"""How a Python process is started from this one: what it imports is what this one would import.

The working directory is a user's: it may hold a ``json.py`` or a ``statsmodels.py``, and Python
looks there first in a process started with ``-c`` or ``-m``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import harness

SAFE_PATH = "PYTHONSAFEPATH"
"""The variable that does what ``-P`` does, for children whose command line is not ours."""


SEARCH_PATH = "PYTHONPATH"


def python_command() -> list[str]:
    """Return how the command line of a child begins."""
    return [sys.executable, "-P"]


def own_variables() -> dict[str, str | None]:
    """Return these variables as this process has them; None where it has not."""
    return {name: os.environ.get(name) for name in (SAFE_PATH, SEARCH_PATH)}


def search_path() -> str:
    """Return :func:`import_path` as ``PYTHONPATH`` takes it."""
    return os.pathsep.join(entry for entry in import_path() if os.pathsep not in entry)


def import_path() -> list[str]:
    """Return this process's search path, absolute and without the working directory.

    It stays where this package is imported from it. At the end it would not do: rpy2 is a package
    without ``__init__.py``, and a file of its name comes before it from wherever it is.
    """
    here = os.getcwd()
    paths = list(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
    if here in paths and Path(here) not in {Path(folder).parent for folder in harness.__path__}:
        paths.remove(here)
    return paths
