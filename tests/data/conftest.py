"""R with the oracle functions, started once for this folder."""

import pytest

from harness.rbridge import RSession


@pytest.fixture(scope="session")
def oracle():
    with RSession(timeout=60, extra_scripts=("oracle.R",)) as session:
        yield session
