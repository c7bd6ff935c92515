"""What a run depended on: versions, platform, BLAS, environment."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

import harness
from harness.engines.engine import Engine

_ENVIRONMENT = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "LC_ALL",
)


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions(engines: tuple[Engine, ...]) -> dict[str, str]:
    """Return versions by component, the program and Python first."""
    found = {"lmm-parity": harness.__version__, "Python": platform.python_version()}
    for engine in engines:
        found |= engine.versions()
    for key in _NOT_VERSIONS:
        found.pop(key, None)
    return found


_NOT_VERSIONS = (
    "BLAS",
    "LAPACK",
    "LAPACK_library",
    "platform",
    "locale",
    "contrasts",
    "random_numbers",
    "R_version_string",
)
"""What R's side reports along with its versions; it is shown elsewhere."""


def blas(engines: tuple[Engine, ...]) -> dict[str, str]:
    """Return the BLAS of numpy and of each engine that names one."""
    build = cast("dict[str, Any]", np.show_config(mode="dicts"))
    own = build.get("Build Dependencies", {}).get("blas", {})
    found = {"numpy": f"{own.get('name', 'unknown')} {own.get('version', '')}".strip()}
    for engine in engines:
        seen = engine.versions()
        if "BLAS" in seen:
            found[engine.name] = seen["BLAS"]
            found[f"{engine.name}, LAPACK"] = seen.get("LAPACK_library", seen.get("LAPACK", ""))
    return found


def machine() -> dict[str, str]:
    """Return operating system, machine and processor count."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cores": str(os.cpu_count() or 0),
    }


def environment() -> dict[str, str]:
    """Return the environment variables that change digits."""
    return {name: os.environ.get(name, "unset") for name in _ENVIRONMENT}
