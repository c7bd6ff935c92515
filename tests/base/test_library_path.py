"""Workers get the libraries this program was started with, whatever rpy2 put before them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

SCRIPT = """
import os
import rpy2.robjects
from harness.campaign.case_task import case_task, unfinished_case
from harness.campaign.setup import Setup
from harness.campaign.workers import close_workers, warm_up
from harness.base.library_path import library_path

if __name__ == "__main__":
    # Where R adds nothing, what another version of rpy2 may add stands in for it.
    changed = os.environ.setdefault("LD_LIBRARY_PATH", "/usr/lib/R/lib")
    assert library_path() is None, library_path()
    setup = Setup(("statsmodels", "referee"), "referee", case_task, unfinished_case)
    opened = warm_up(setup)
    variables = open(f"/proc/{opened.process}/environ", "rb").read().split(b"\\0")
    assert not [v for v in variables if v.startswith(b"LD_LIBRARY_PATH=")], variables
    assert os.environ["LD_LIBRARY_PATH"] == changed
    close_workers()
"""


@pytest.mark.r
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the variable is Linux's")
def test_workers_do_not_inherit_the_library_path_that_rpy2_has_set(tmp_path):
    if importlib.util.find_spec("rpy2.robjects") is None:
        pytest.skip("rpy2.robjects is not installed")
    script = tmp_path / "own.py"
    script.write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
