"""Residuals that are correlated, or have variances of their own: visits, weights, strata.

As all noise, each number depends on its place alone, so that rows and groups can be taken away
without changing those that stay. An autoregression is begun anew for each group and goes through
all its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from harness.data.recipes.recipe_noise import Array, Integers, decimals, words

if TYPE_CHECKING:  # recipes.py builds cases with this module
    from harness.data.recipes.shapes import Recipe

RESIDUAL, _VISIT, _TIME, _WEIGHT, _POWER = 0, 10, 11, 12, 13
"""Streams; the first is that of independent residuals."""


def visits(recipe: Recipe, group: Integers, row: Integers) -> Array:
    """Return the visit of each row, or its time: 0, 1, 2, ..., or with gaps of 1, 2 and 3.

    Times are a few hundredths apart from whole numbers.
    """
    at = row.astype(np.float64)
    if recipe.gaps:
        at = 2.0 * at + (words(recipe.seed, _VISIT, group, row) % np.uint64(2))
    if recipe.form.residual.startswith("car1"):
        own = (words(recipe.seed, _TIME, group, row) % np.uint64(80)).astype(np.float64)
        return decimals(100.0 * at + own, -2)
    return at


def weights(recipe: Recipe, group: Integers, row: Integers) -> Array:
    """Return the weight of each row: a digit times a power of ten."""
    digit = 1.0 + (words(recipe.seed, _WEIGHT, group, row) % np.uint64(9)).astype(np.float64)
    place = words(recipe.seed, _POWER, group, row) % np.uint64(recipe.spread + 1)
    power = place.astype(np.int64) - recipe.spread // 2
    out = np.empty(len(digit))
    for own in np.unique(power).tolist():
        mine = power == own
        out[mine] = decimals(digit[mine], own)
    return out


def residuals(
    recipe: Recipe,
    group: Integers,
    row: Integers,
    stratum: Integers,
    noise: Callable[..., Array],
) -> Array:
    """Return residuals with the variances and the correlation that a recipe states."""
    structure = recipe.form.residual
    # An autoregression is one of the correlations that the structures of numbered visits have.
    if structure.startswith(("ar1", "car1")) or recipe.form.numbered:
        out = _autoregressive(recipe, group, row, noise)
    elif structure.startswith("cs"):
        out = _symmetric(recipe, group, row, noise)
    else:
        out = noise(recipe.seed, RESIDUAL, group, row)
    if "het" in structure:
        out = np.where(stratum == 1, recipe.strata_ratio, 1.0) * out
    if "k" in recipe.form.roles:
        out = out / np.sqrt(weights(recipe, group, row))
    return np.asarray(out)


def _autoregressive(
    recipe: Recipe, group: Integers, row: Integers, noise: Callable[..., Array]
) -> Array:
    groups, last = int(group.max()) + 1, int(row.max()) + 1
    every = np.arange(groups)
    rho = abs(recipe.rho) if recipe.form.residual.startswith("car1") else recipe.rho
    out = np.empty((groups, last))
    before = np.zeros(groups)
    for at in range(last):
        place = np.full(groups, at)
        fresh = noise(recipe.seed, RESIDUAL, every, place)
        now = visits(recipe, every, place)
        share = np.zeros(groups) if at == 0 else rho ** (now - before)
        out[:, at] = share * out[:, at - 1] + np.sqrt(1.0 - share**2) * fresh if at else fresh
        before = now
    return np.asarray(out[group, row])


def _symmetric(
    recipe: Recipe, group: Integers, row: Integers, noise: Callable[..., Array]
) -> Array:
    """One correlation between any two rows of a group; as low as their number allows."""
    fresh = noise(recipe.seed, RESIDUAL, group, row)
    counts = np.bincount(group)[group]
    mean = (np.bincount(group, weights=fresh) / np.maximum(np.bincount(group), 1))[group]
    rho = np.maximum(recipe.rho, -0.98 / np.maximum(counts - 1, 1))
    # The mean of a group has the variance (1 + (m - 1) rho) / m, what is left 1 - rho.
    between = np.sqrt(1.0 + (counts - 1) * rho)
    return np.asarray(np.sqrt(1.0 - rho) * (fresh - mean) + between * mean)
