"""Strategies: what is found shrinks to a table that a person can read."""

import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from harness.base.errors import BadInput
from harness.data.recipes.recipe_distribution import distribution
from harness.data.recipes.shapes import Recipe, least_rows
from harness.data.recipes.strategies import build, cases, collect, minimal, recipes, rungs, shrink
from harness.model.case import Case
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum

pytestmark = pytest.mark.slow

QUIET = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}


def sizes(rung):
    return np.bincount(rung.case.design.random[0].codes)


def optimum(rung):
    reml = rung.case.model.criterion == "REML"
    return find_optimum(Likelihood(rung.case.design, reml=reml))


def one_row(rung):
    return sizes(rung).min() == 1


def unbalanced(rung):
    return np.ptp(sizes(rung)) > 0


def boundary(rung):
    return optimum(rung).optimality.singular


def slope_variance_zero(rung):
    terms = rung.case.design.random
    if len(terms) != 2 or terms[1].names != (rung.focus,):
        return False
    theta = optimum(rung).point.theta
    return theta[1] == 0.0 and theta[0] > 0.0


def correlation_at_one(rung):
    best = optimum(rung)
    terms = rung.case.design.random
    return terms[0].z.shape[1] == 2 and best.optimality.ranks == (1,) and best.point.theta[0] > 0.1


def incomplete(rung):
    return not rung.case.table.complete.all()


def level_lost_in_the_middle(rung):
    column = rung.case.table[rung.case.model.random[0].group[0]]
    used = np.unique(column.codes[rung.case.table.complete])
    return len(used) < len(column.levels)


def far_from_zero(rung):
    return abs(rung.case.design.y.mean()) > 1e5


def two_factors(rung):
    return sum("T." in name and ":" in name for name in rung.case.design.x_names) > 0


PLANTED = [
    one_row,
    unbalanced,
    boundary,
    slope_variance_zero,
    correlation_at_one,
    incomplete,
    level_lost_in_the_middle,
    far_from_zero,
    two_factors,
]


def digits(rung):
    """Longest number among the outcomes, as it is printed."""
    column = rung.data.frame.iloc[:, 0].dropna()
    return max(len(repr(value).lstrip("-").replace(".", "")) for value in column.tolist())


@pytest.mark.parametrize("predicate", PLANTED, ids=lambda f: f.__name__)
def test_what_is_found_shrinks_to_a_table_of_twelve_rows(predicate):
    found = minimal(predicate, seed=1)
    assert found is not None
    rung = build(found)
    assert predicate(rung)
    assert len(rung.data.frame) <= 12
    assert digits(rung) <= (8 if predicate is far_from_zero else 4)
    assert found.names == found.labels == "plain"
    assert found.order == "sorted"


@pytest.mark.parametrize("predicate", PLANTED[:3], ids=lambda f: f.__name__)
def test_hypothesis_alone_shrinks_to_twelve_rows(predicate):
    found = hypothesis.find(
        rungs(), predicate, settings=settings(max_examples=1000, derandomize=True, **QUIET)
    )
    assert len(found.data.frame) <= 12
    assert digits(found) <= 4


@pytest.mark.parametrize(
    "predicate",
    [unbalanced, boundary, level_lost_in_the_middle, far_from_zero, two_factors],
    ids=lambda f: f.__name__,
)
def test_a_recipe_of_a_long_run_shrinks_without_having_been_drawn_here(predicate):
    large = next(
        recipe
        for recipe in collect(200, seed=4, max_rows=80)
        if sum(recipe.sizes) > 25 and predicate(build(recipe))
    )
    small = shrink(large, predicate)
    assert predicate(build(small))
    assert len(build(small).data.frame) <= 12


def test_the_simplest_recipe_is_a_random_intercept_with_two_groups():
    found = minimal(lambda rung: True)
    assert found.stated() == {"shape": "intercept", "sizes": (2, 2)}
    frame = build(found).data.frame
    assert frame["g"].tolist() == ["g1", "g1", "g2", "g2"]
    assert frame["x"].tolist() == [0.0, 1.0, 0.0, 1.0]


def test_nothing_found_is_none():
    assert minimal(lambda rung: False, max_examples=20) is None


def test_shrinking_asks_no_more_often_than_it_may():
    recipe = max(collect(50, seed=2), key=lambda r: sum(r.sizes))
    asked = []
    assert shrink(recipe, lambda rung: bool(asked.append(1)), max_tries=7) == recipe
    assert len(asked) == 7


def test_an_error_of_the_predicate_is_passed_on():
    def fails(rung):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        minimal(fails)
    with pytest.raises(ZeroDivisionError):
        shrink(Recipe(shape="intercept", sizes=(3, 3)), fails)


def test_hypothesis_draws_every_shape_and_nearly_every_trait():
    drawn = []

    @settings(max_examples=400, derandomize=True, phases=[Phase.generate], **QUIET)
    @given(recipes())
    def draw(recipe):
        drawn.append(recipe)

    draw()
    counts = distribution(drawn)
    assert min(counts.shapes.values()) > 0
    assert sum(count == 0 for count in counts.features.values()) <= 2


@settings(max_examples=60, derandomize=True, **QUIET)
@given(cases(shapes=["nested", "slope"], max_rows=60, max_groups=9))
def test_cases_are_within_the_limits(case):
    assert isinstance(case, Case)
    assert case.table.n_rows <= 60
    assert len(case.design.random[0].levels) <= 9


@settings(max_examples=60, derandomize=True, **QUIET)
@given(recipes())
def test_no_draw_is_short_of_rows(recipe):
    assert sum(recipe.sizes) >= least_rows(recipe)


@pytest.mark.parametrize("strategy", [recipes, cases, rungs])
def test_a_wrong_argument_is_named_when_the_strategy_is_made(strategy):
    with pytest.raises(BadInput, match="max_rows is 1"):
        strategy(max_rows=1)
    with pytest.raises(TypeError, match="max_row"):
        strategy(max_row=10)


def test_collecting_does_not_need_hypothesis():
    code = (
        "import sys; sys.modules['hypothesis'] = None; "
        "from harness.data.recipes.recipe_draw import collect; "
        "from harness.data.recipes.shapes import build; "
        "print(*[build(r).case.table.checksum() for r in collect(5, seed=3)])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [build(r).case.table.checksum() for r in collect(5, seed=3)]
