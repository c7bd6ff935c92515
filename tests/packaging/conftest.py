"""The built wheel, once for all tests of what it gives, in an environment of its own."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--no-build-isolation", "--wheel-dir", out, CHECKOUT)
    (built,) = out.glob("lmm_parity-*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Return the console script of the wheel in an environment of its own.

    Its dependencies are read from the environment that runs the tests: the tests promise to need
    no network. What a path line adds is searched last and its own path files are not read, so the
    checkout, which is installed there as editable, stays out of sight.
    """
    environment = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    pip(python, "install", wheel)
    purelib = Path(
        subprocess.run(
            [python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "lmm-parity"


def pip(python, command, *arguments):
    offline = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", command, *offline, *arguments], check=True)
