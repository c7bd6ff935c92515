"""What several test folders share."""

import contextlib
import gc
import io
import os
import sys
from types import SimpleNamespace

import pytest

from harness.base import heartbeat, numerics

# The arithmetic of the tests' own process, and of those it starts, is that of the program: one
# kernel, which a BLAS takes when it is loaded, and one thread. On a busy machine two of them wait
# for each other a hundred times as long as they compute.
numerics.pin()
import numpy  # noqa: E402, F401
import scipy.linalg  # noqa: E402, F401

from harness import cli  # noqa: E402
from harness.base.library_path import VARIABLE, library_path  # noqa: E402
from harness.campaign import campaign_file, driver  # noqa: E402
from harness.rbridge.worker import RSession  # noqa: E402

# As the program does. Four thousand collected tests would be looked through for cycles again and
# again, which is a tenth of the time that tests in this process take.
gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish():
    """Leave what was collected out of all later looks for cycles."""
    gc.freeze()


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


@pytest.fixture(scope="session", autouse=True)
def one_worker():
    """Have commands start one worker where they are not told how many: each opens its engines."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (driver, campaign_file):
            patch.setattr(module, "cores", lambda: 1)
        yield


R_SCRIPTS = ("faults.R", "oracle.R", "oracle_inference.R", "oracle_profile.R")
"""What only tests ask of R: to go wrong, and what its own methods give."""


@pytest.fixture(scope="session")
def r():
    """One warm R for all tests; its faults are contained, so tests cannot disturb each other."""
    from harness.diagnose import user_engines

    with RSession(timeout=120, extra_scripts=(*R_SCRIPTS, *user_engines.R_SCRIPTS)) as session:
        yield session


@pytest.fixture(scope="session", autouse=True)
def diagnoses_in_one_r(r):
    """Have diagnoses in this process take the tests' R: one of their own takes seconds to start."""
    from harness.diagnose import user_engines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_engines, "RSession", lambda *_, **__: contextlib.nullcontext(r))
        yield


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


@pytest.fixture(scope="session")
def command():
    """Return a function that runs ``main()`` here, in a folder, for fixtures of a module too.

    To import the program takes seconds: a process of its own is for what is shown of processes.
    """

    def run(folder, *arguments, **environment):
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in "12")
        code = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "argv", ["lmm-parity", *map(str, arguments)])
            for name, value in environment.items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    cli.main()
                except SystemExit as ended:
                    code = ended.code or 0
        out, err = (stream.buffer.getvalue().decode() for stream in (out, err))
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

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
