"""Recipes with weights and residual covariances: drawn on demand, and what they say they are."""

import numpy as np
import pytest
from msgspec.structs import replace

from harness.data.recipes.forms import SHAPES, VISIT_SHAPES
from harness.data.recipes.recipe_draw import collect
from harness.data.recipes.recipe_noise import normal
from harness.data.recipes.recipe_residuals import residuals, visits, weights
from harness.data.recipes.shapes import Recipe, build
from harness.model.model import bind

BOUNDS = {"shapes": tuple(VISIT_SHAPES), "max_groups": 12, "max_rows": 60}


def noise(recipe, groups, rows):
    """Residuals of many groups as a matrix, a row for each group."""
    group, row = np.repeat(np.arange(groups), rows), np.tile(np.arange(rows), groups)
    found = residuals(recipe, group, row, row % 2, normal)
    return found.reshape(groups, rows)


def made(shape, **named):
    return Recipe(shape=shape, sizes=(5, 5), ratios=(1.0,) * VISIT_SHAPES[shape].effects, **named)


def test_they_are_drawn_by_name_only():
    assert {recipe.shape for recipe in collect(200, 1)} <= set(SHAPES)
    drawn = collect(200, 1, **BOUNDS)
    assert {recipe.shape for recipe in drawn} == set(VISIT_SHAPES)
    assert {recipe.rho < 0.0 for recipe in drawn} == {True, False}
    assert {recipe.spread for recipe in drawn} >= {0, 3, 6}
    assert any(recipe.gaps for recipe in drawn)


def test_the_frame_gives_the_table_and_the_same_recipe_the_same_bytes():
    for recipe in collect(30, 2, **BOUNDS):
        rung, again = build(recipe), build(recipe)
        case = rung.case
        assert case.table.checksum() == again.case.table.checksum()
        bound = bind(case.model, rung.data.frame, levels=rung.data.levels)
        assert bound.checksum() == case.table.checksum()
        assert (case.design.residual is None) == (case.design.weights is not None)


@pytest.mark.parametrize("rho", [-0.8, -0.4, 0.5, 0.98])
@pytest.mark.parametrize("gaps", [False, True])
def test_an_autoregression_has_its_correlation_at_every_distance(rho, gaps):
    recipe = made("ar1", rho=rho, gaps=gaps)
    groups, rows = 4000, 5
    found = noise(recipe, groups, rows)
    at = visits(recipe, np.repeat(np.arange(groups), rows), np.tile(np.arange(rows), groups))
    distance = np.diff(at.reshape(groups, rows), axis=1)
    assert set(distance.ravel().tolist()) == ({1.0, 2.0, 3.0} if gaps else {1.0})
    # A correlation of 4,000 pairs scatters by 1/63.
    for gap in np.unique(distance):
        mine = distance[:, 2] == gap
        got = np.corrcoef(found[mine, 2], found[mine, 3])[0, 1]
        assert got == pytest.approx(rho**gap, abs=6 / np.sqrt(mine.sum()))
    assert found.std(axis=0) == pytest.approx(np.ones(rows), abs=0.1)


def test_times_are_uneven_and_grow_within_groups():
    recipe = made("car1", rho=0.5)
    at = visits(recipe, np.zeros(8, dtype=np.int64), np.arange(8))
    assert (np.diff(at) > 0.0).all()
    assert len(set(np.round(np.diff(at), 2).tolist())) > 3


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.7])
def test_compound_symmetry_has_one_correlation_and_negative_too(rho):
    found = noise(made("symmetric", rho=rho), 4000, 5)
    got = np.corrcoef(found.T)[np.triu_indices(5, 1)]
    assert got == pytest.approx(np.full(10, rho), abs=0.1)
    assert found.std() == pytest.approx(1.0, abs=0.05)


def test_strata_and_weights_have_the_variances_that_they_say():
    found = noise(made("symmetric-strata", strata_ratio=3.0), 4000, 6)
    assert found[:, 1::2].std() / found[:, ::2].std() == pytest.approx(3.0, rel=0.05)
    recipe = made("weighted", spread=6)
    group, row = np.arange(3000), np.zeros(3000, dtype=np.int64)
    k = weights(recipe, group, row)
    assert k.min() == 1e-3
    assert k.max() == 9e3
    scaled = noise(recipe, 3000, 1).ravel() * np.sqrt(k)
    assert scaled.std() == pytest.approx(1.0, abs=0.08)


def test_rows_can_be_taken_away_without_changing_the_others():
    recipe = made("ar1", rho=0.9, gaps=True, digits=6)
    whole = build(replace(recipe, sizes=(5, 5, 5))).data.frame
    less = build(replace(recipe, sizes=(5, 3, 5))).data.frame
    same = whole.merge(less, on=list(less.columns))
    assert len(same) == len(less)


@pytest.mark.parametrize("shape", ["toeplitz", "correlated", "unstructured"])
def test_numbered_visits_are_few_and_have_groups_enough(shape):
    for recipe in collect(40, 4, **{**BOUNDS, "shapes": (shape,)}):
        assert max(recipe.sizes) <= 4
        assert len(recipe.sizes) >= 12
        assert not recipe.gaps
    found = noise(made(shape, rho=-0.8), 4000, 4)
    got = np.corrcoef(found.T)[0]
    assert got == pytest.approx([1.0, -0.8, 0.64, -0.512], abs=0.06)
