"""Every planted mistake is found by the property meant for it, and named where it has a name."""

from functools import cache

import pytest
from msgspec.structs import replace

from harness.conformance import planted_engines
from harness.conformance.fit_memory import Remembered
from harness.conformance.planted_engines import PLANTED
from harness.conformance.profiles import PROFILES
from harness.conformance.properties import PROPERTIES
from harness.data.recipes.shapes import build
from harness.data.recipes.strategies import collect
from harness.engines.referee_engine import RefereeEngine
from harness.engines.registry import open_engine

SMALL = {"max_groups": 8, "max_rows": 40}
"""Tables that a person can read, and that take little time."""


@pytest.fixture(scope="module")
def rungs():
    """Return a function that gives the generated cases of profile pr, of these shapes or of all.

    What it draws finds every planted mistake.
    """
    pr = PROFILES["pr"]

    @cache
    def drawn(shapes=()):
        bounds = {**pr.bounds, **({"shapes": shapes} if shapes else {})}
        return [build(recipe) for recipe in collect(pr.examples, pr.seed, **bounds)]

    return drawn


def shows(mistake, name, rung):
    """Whether the property finds the mistake on a case and names its cause."""
    outcome = PROPERTIES[mistake.found_by].check(mistake.make(), rung.case)
    found = outcome.status in ("fails", "unexplained")
    assert not found or outcome.engines == (name,)
    assert not found or outcome.discrepancy > 1.0
    return found and (not mistake.cause or mistake.cause in outcome.causes)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found_within_profile_pr_and_named(name, rungs):
    mistake = PLANTED[name]
    assert mistake.make().name == name
    assert any(shows(mistake, name, rung) for rung in rungs(mistake.shapes))


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_the_engine_without_the_mistake_has_the_property(name, rungs):
    engine = Remembered(RefereeEngine())
    for rung in rungs(PLANTED[name].shapes)[:3]:
        outcome = PROPERTIES[PLANTED[name].found_by].check(engine, rung.case)
        assert outcome.status in ("holds", "not applicable"), outcome.sentence


# A table of twelve rows shows every mistake but that of a factor with a level for each coefficient.
@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_is_shown_by_a_table_of_twelve_rows(name):
    from harness.data.recipes.strategies import minimal

    mistake = PLANTED[name]
    only = {"shapes": mistake.shapes} if mistake.shapes else {}
    recipe = minimal(lambda rung: shows(mistake, name, rung), max_examples=60, **SMALL, **only)
    assert recipe is not None
    assert build(recipe).case.table.n_rows <= mistake.rows


def test_a_planted_engine_can_be_run_by_its_place():
    with open_engine("harness.conformance.planted_engines:swapped_variances") as engine:
        assert engine.name == "swapped-variances"


def test_a_mistake_changes_nothing_else(rungs):
    """Without what was altered the fit is the right one: the cause is the mistake's."""
    case = rungs()[0].case
    right = RefereeEngine().fit(case, "default")
    wrong = planted_engines.z_for_t().fit(case, "default")
    assert replace(wrong, coefficients=(), engine="", seconds=0.0) == replace(
        right, coefficients=(), engine="", seconds=0.0
    )
