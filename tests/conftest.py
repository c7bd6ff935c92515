"""What several test folders share."""

import os
import sys

import pytest

from harness import cli
from harness.base import heartbeat
from harness.base.library_path import VARIABLE, library_path
from harness.rbridge.worker import RSession


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep what the tests store out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMM_PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_sign_of_life():
    """Have commands say only what they have to say, also where the machine is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heartbeat, "SECONDS", 1e6)
        yield


R_SCRIPTS = ("faults.R", "oracle.R", "oracle_inference.R", "oracle_profile.R")
"""What only tests ask of R: to go wrong, and what its own methods give."""


@pytest.fixture(scope="session")
def r():
    """One warm R for all tests; its faults are contained, so tests cannot disturb each other."""
    from harness.diagnose import user_engines

    with RSession(timeout=120, extra_scripts=(*R_SCRIPTS, *user_engines.R_SCRIPTS)) as session:
        yield session


@pytest.fixture
def lmm_parity(monkeypatch, capfd):
    """Return a function that runs ``main()`` here: exit code, standard output and error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lmm-parity", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture(autouse=True)
def own_library_path():
    """Undo what rpy2, loaded in this process, writes for the Python processes of later tests."""
    yield
    path = library_path()
    if path is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = path
