"""A store, and a table to fit."""

import pandas as pd
import pytest

from harness.base.resources import fixture
from harness.store.shelf import Store
from tests.store.counting import CountingEngine


@pytest.fixture(autouse=True)
def _nothing_counted():
    CountingEngine.fits.clear()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


@pytest.fixture(scope="module")
def frame():
    return pd.read_csv(fixture("data", "sleepstudy.csv"))
