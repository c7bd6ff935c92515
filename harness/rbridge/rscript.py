"""Run a script file in an R of its own, as a person would from a terminal."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from harness.rbridge.environment import find_r, worker_environment


def run_rscript(script: Path, *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run ``Rscript --vanilla`` on a script, in its folder, in the environment of the workers.

    Raises
    ------
    REnvironment
        When there is no R.
    subprocess.TimeoutExpired
        When it took longer than ``timeout`` seconds; R has been ended.
    """
    r = find_r()
    with tempfile.TemporaryDirectory(prefix="lmm-parity-") as temporary:
        return subprocess.run(
            [str(r.home / "bin" / "Rscript"), "--vanilla", script.name],
            cwd=script.parent,
            env=worker_environment(r, Path(temporary)),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
