"""Where R is, the environment it runs in, and what to do when it is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.base.library_path import library_path
from harness.base.numerics import repeatable
from harness.rbridge.failures import REnvironment

# rpy2-rinterface 3.6.6 calls R_getVar, which R has had since 4.5, and its metadata does not say so.
RPY2_FOR_OLD_R = ("rpy2==3.6.6", "rpy2-rinterface==3.6.5", "rpy2-robjects==3.6.6")


@dataclass(frozen=True)
class RInstallation:
    """An R on this machine: its home directory and its version, ``(4, 2, 2)``."""

    home: Path
    version: tuple[int, ...]

    @property
    def version_text(self) -> str:
        """``"4.2.2"``."""
        return ".".join(map(str, self.version))


def find_r() -> RInstallation:
    """Find R by ``R_HOME`` or, without it, by the ``R`` on the path.

    Raises
    ------
    REnvironment
        When there is none, saying how to install one.
    """
    home = os.environ.get("R_HOME") or _output_of("R", "RHOME")
    if not home:
        raise REnvironment(f"R was not found. {install_r()}")
    program = Path(home) / "bin" / "R"
    described = _output_of(str(program), "--version") if program.exists() else ""
    found = re.search(r"R version (\d+)\.(\d+)\.(\d+)", described)
    if found is None:
        raise REnvironment(
            f"{home} is not the home of a working R. Unset R_HOME, or set it to what `R RHOME` says"
        )
    return RInstallation(Path(home), tuple(int(part) for part in found.groups()))


def install_r() -> str:
    """Return the sentence that says how to install R."""
    return (
        "Install it: apt-get install r-base-dev r-cran-lme4 r-cran-lmertest r-cran-pbkrtest, "
        "or from https://cran.r-project.org"
    )


def install_r_package(package: str) -> str:
    """Return the sentence that says how to install an R package."""
    return (
        f"Install it: apt-get install r-cran-{package.lower()}, "
        f"""or Rscript -e 'install.packages("{package}", repos = "https://cloud.r-project.org")'"""
    )


def install_rpy2(r: RInstallation) -> str:
    """Return the sentence that says how to install the rpy2 that fits an R."""
    wanted = " ".join(RPY2_FOR_OLD_R) if r.version < (4, 5) else "--upgrade rpy2"
    return f"Install the one that fits R {r.version_text}: python -m pip install {wanted}"


def explain_start(error: str, r: RInstallation, wrote: str = "") -> str:
    """Turn the exception that importing rpy2 or starting R raised into advice.

    Parameters
    ----------
    wrote : str
        What came on standard error meanwhile.
    """
    if "No module named 'rpy2" in error:
        return f"rpy2 is not installed. {install_rpy2(r)}"
    if "undefined symbol" in error or "R_getVar" in error or "symbol not found" in error:
        pair = f"rpy2-rinterface {rpy2_version()} does not work with R {r.version_text}"
        return f"{pair}. {install_rpy2(r)}"
    said = f"; standard error: {wrote}" if wrote else ""
    return f"R {r.version_text} in {r.home} cannot be embedded: {error}{said}"


def rpy2_version() -> str:
    """Return the version of rpy2's lower half, which has to match R; empty when not installed."""
    try:
        return metadata.version("rpy2-rinterface")
    except metadata.PackageNotFoundError:
        return ""


def worker_environment(r: RInstallation, temporary: Path) -> dict[str, str]:
    """Return the environment variables of the R process.

    They have to be in place before numpy, R or a BLAS is loaded, so they are given to a new process
    and never set in this one.
    """
    environment = dict(os.environ)
    environment |= repeatable()
    libraries = [str(r.home / "lib"), library_path() or ""]
    environment |= {
        # Messages in English and one collation everywhere; LANGUAGE overrides LC_ALL in gettext.
        "R_HOME": str(r.home),
        "LD_LIBRARY_PATH": ":".join(part for part in libraries if part),
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "en",
        "TZ": "UTC",
        # Where R's vectors lie in memory depends on what was there before: see layout.py.
        "PYTHONHASHSEED": "0",
        # An empty name is no file (?Startup): neither the user's nor the working directory's.
        "R_PROFILE": "",
        "R_PROFILE_USER": "",
        "R_ENVIRON_USER": "",
        "TMPDIR": str(temporary),
    }
    environment |= _front_end_folders(r)
    environment.pop("R_DEFAULT_PACKAGES", None)
    return environment


_FOLDER = re.compile(r"^(R_(?:SHARE|INCLUDE|DOC)_DIR)=([^$\s]+)$", re.MULTILINE)


def _front_end_folders(r: RInstallation) -> dict[str, str]:
    """Return the folders that the script ``R`` names; they may lie outside R's home."""
    try:
        script = (r.home / "bin" / "R").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(_FOLDER.findall(script))


def _output_of(program: str, argument: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, argument],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
