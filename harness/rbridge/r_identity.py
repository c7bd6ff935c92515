"""What R would load, read from its files: starting R to ask takes seconds.

R is not run beyond ``R --version``. The library folders are found as R finds them (``?.libPaths``):
``R_LIBS``, then ``R_LIBS_USER`` and ``R_LIBS_SITE`` with the defaults of ``etc/Renviron``, then R's
own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from harness.base.numerics import repeatable
from harness.rbridge.environment import RInstallation, find_r, rpy2_version

REQUIRED = ("lme4", "lmerTest", "Matrix", "nloptr", "minqa", "numDeriv")
"""Packages without which there is no fit; pbkrtest and Rcpp count where they are."""

_OPTIONAL = ("pbkrtest", "Rcpp", "RcppEigen")

_LIBRARIES = ("libRblas.so", "libRlapack.so", "libblas.so.3", "liblapack.so.3", "libflexiblas.so.3")
_LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib/*-linux-gnu", "/usr/local/lib")

_DEFAULT = re.compile(r"\$\{(\w+):?-([^{}]*)\}|\$\{(\w+)\}")


def r_identity() -> dict[str, str]:
    """Return what decides R's numbers, by name.

    That is R, the packages with their builds, BLAS and LAPACK and the variables they go by. A
    package rebuilt from changed sources under the same version counts as another one, since
    ``Built`` in its DESCRIPTION is part of what is returned.

    Returns
    -------
    dict
        Empty when a package is not where R would look by its environment (a site profile may add
        folders): only R itself can say then.

    Raises
    ------
    REnvironment
        When there is no R.
    """
    r = find_r()
    folders = library_folders(r, os.environ)
    found = {"R": r.version_text, "R home": str(r.home), "rpy2-rinterface": rpy2_version()}
    for package in (*REQUIRED, *_OPTIONAL):
        about = _description(package, folders)
        if about:
            found[package] = about
        elif package in REQUIRED:
            return {}
    return found | _linear_algebra(r) | repeatable()


def library_folders(r: RInstallation, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders in which R started with ``--vanilla`` looks for packages, in its order."""
    variables = dict(environment) | {"R_HOME": str(r.home)}
    for name, value in _renviron(r.home / "etc" / "Renviron"):
        # What the system's file assigns from the variable itself keeps what the user has set.
        variables[name] = _expand(value, variables)
    platform = variables.get("R_PLATFORM", "")
    listed = ":".join(variables.get(name, "") for name in ("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"))
    short = ".".join(map(str, r.version[:2]))
    defaults = {
        "%U": f"~/R/{platform}-library/{short}",
        "%S": str(r.home / "site-library"),
        "%V": r.version_text,
        "%v": short,
        "%p": platform,
    }
    for mark, value in defaults.items():
        listed = listed.replace(mark, value)
    paths = [Path(part).expanduser() for part in listed.split(":") if part and part != "NULL"]
    return tuple(dict.fromkeys(p for p in (*paths, r.home / "library") if p.is_dir()))


def _renviron(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    pairs = [line.partition("=") for line in lines if re.match(r"\s*\w+=", line)]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _expand(value: str, variables: Mapping[str, str]) -> str:
    """Expand ``${NAME-default}``, innermost first; as in R an empty variable counts as unset."""

    def put(hit: re.Match[str]) -> str:
        name = hit[1] or hit[3]
        return variables.get(name, "") or (hit[2] or "")

    while _DEFAULT.search(value):
        value = _DEFAULT.sub(put, value)
    return re.sub(r"[\"']", "", value)


def _description(package: str, folders: tuple[Path, ...]) -> str:
    """Version and build of the first package of the name: ``"1.1-31 (R 4.2.2; x86_64...)"``."""
    for folder in folders:
        try:
            text = (folder / package / "DESCRIPTION").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = dict(re.findall(r"^(Version|Built|RemoteSha):\s*(.+)$", text, re.MULTILINE))
        if "Version" in fields:
            built = " ".join(fields.get(name, "") for name in ("Built", "RemoteSha")).strip()
            return f"{fields['Version']} ({built})"
    return ""


def _linear_algebra(r: RInstallation) -> dict[str, str]:
    """Where the links to BLAS and LAPACK lead, with size: an alternative may be switched."""
    found = {}
    folders = [r.home / "lib"]
    for pattern in _LIBRARY_FOLDERS:
        folders += sorted(Path("/").glob(pattern[1:]))
    for folder in folders:
        for name in _LIBRARIES:
            path = folder / name
            if path.exists():
                real = path.resolve()
                found[str(path)] = f"{real}, {real.stat().st_size} bytes"
    return found
