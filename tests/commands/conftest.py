"""The tests' own R for commands, which would start one each."""

import contextlib

import pytest

from harness.engines import registry
from harness.engines.lme4 import Lme4Engine


@pytest.fixture
def warm(r, monkeypatch):
    """Let the commands use the tests' R and not one of their own."""

    @contextlib.contextmanager
    def engine(*_, **__):
        yield Lme4Engine(r)

    monkeypatch.setattr(registry, "open_lme4", engine)


@pytest.fixture
def run(tmp_path, monkeypatch, lmm_parity):
    """Return a function that runs ``main()`` with arguments in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lmm_parity
