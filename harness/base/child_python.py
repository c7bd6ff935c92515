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


def python_command() -> list[str]:
    """Return how the command line of a child begins."""
    return [sys.executable, "-P"]


def import_path() -> list[str]:
    """Return this process's search path, absolute, with the working directory last.

    It keeps its place where this package is imported from it.
    """
    here = os.getcwd()
    paths = list(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
    if here in paths and Path(here) not in {Path(folder).parent for folder in harness.__path__}:
        paths.remove(here)
        paths.append(here)
    return paths
