"""What several test folders share."""

import pytest

from harness.rbridge import RSession


@pytest.fixture(scope="session")
def r():
    """One warm R for all tests; its faults are contained, so tests cannot disturb each other."""
    with RSession(timeout=60, extra_scripts=("faults.R",)) as session:
        yield session
