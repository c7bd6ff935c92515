"""Cases that properties are checked on."""

import pytest

from harness.conformance import model_twins
from harness.conformance.suite import suite_of
from harness.data.ladder import full_ladder
from harness.data.recipes.shapes import build


@pytest.fixture(scope="session")
def ladder():
    return {rung.case.id: rung.case for rung in full_ladder()}


@pytest.fixture(scope="session")
def sleepstudy(ladder):
    return ladder["sleepstudy/slope/REML"]


@pytest.fixture(scope="session")
def dyestuff(ladder):
    return ladder["dyestuff/REML"]


@pytest.fixture(scope="session")
def singular(dyestuff):
    """A case whose optimum has a variance of zero."""
    return model_twins.without_variance(dyestuff).case


@pytest.fixture(scope="session")
def drawn():
    """Return a generated case by its id: those of a board of 30."""
    recipes = {r.id: r for r in suite_of((), "referee", "pr", examples=30).checks().recipes}
    return lambda name: build(recipes[name]).case
