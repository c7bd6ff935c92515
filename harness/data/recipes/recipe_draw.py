"""Draw recipes, by asking for one whole number after another.

The numbers come from Hypothesis where it should search and shrink (``strategies.py``), and from a
seeded generator where a fixed list is wanted (:func:`collect`): Hypothesis mixes constants of the
modules that happen to be loaded into its draws, so that the same seed does not give the same list
in two programs. The smaller the numbers, the simpler the recipe.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np
from msgspec.structs import replace

from harness.base.errors import BadInput
from harness.data.recipes.forms import FORMS, SHAPES
from harness.data.recipes.recipe_labels import Labels, Names
from harness.data.recipes.recipe_noise import words
from harness.data.recipes.shapes import (
    Criterion,
    Recipe,
    least_groups,
    least_rows,
    least_size,
)

Choose = Callable[[int, int], int]
"""Returns a whole number from the first to the second, both included."""

T = TypeVar("T")

CROSSED_EFFECTS = 200
"""Random effects of ``g`` in a crossed model, where every evaluation of the likelihood works on a
dense matrix of all of them: with 400 the optimum of one case takes most of a minute."""


class Bounds(TypedDict, total=False):
    """Keyword arguments of every function that draws; see :class:`Limits`."""

    shapes: Sequence[str] | None
    criteria: Sequence[Criterion]
    max_groups: int
    max_rows: int
    missing: bool
    offsets: bool
    odd_names: bool
    heavy_tails: bool


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What may be drawn.

    Attributes
    ----------
    shapes : sequence of str, optional
        Keys of ``harness.data.recipes.forms.FORMS``; by default those of ``SHAPES``, which have
        neither weights nor a residual covariance.
    criteria : sequence of {"REML", "ML"}
    max_groups : int
        Levels of the first grouping factor.
    max_rows : int
        Rows of the table, those with missing values included.
    missing : bool
        Whether there may be missing values.
    offsets : bool
        Whether there may be offsets and units other than 1.
    odd_names : bool
        Whether columns and levels may have names that trip programs, and stated level orders.
    heavy_tails : bool
        Whether noise may have heavy tails.

    Raises
    ------
    BadInput
        When an argument cannot be used; the message names it.
    """

    shapes: Sequence[str] | None = None
    criteria: Sequence[Criterion] = ("REML", "ML")
    max_groups: int = 300
    max_rows: int = 2000
    missing: bool = True
    offsets: bool = True
    odd_names: bool = True
    heavy_tails: bool = True

    def __post_init__(self) -> None:
        for name in ("shapes", "criteria"):
            if isinstance(getattr(self, name), str):
                raise BadInput(f"{name} must be a sequence of names, not one string")
        if not self.forms:
            raise BadInput("shapes is empty; leave it out for all shapes")
        unknown = next((s for s in self.forms if s not in FORMS), None)
        if unknown is not None:
            raise BadInput(f"shapes has {unknown!r}; there are {', '.join(FORMS)}")
        if not self.criteria or not set(self.criteria) <= {"REML", "ML"}:
            raise BadInput(f"criteria is {tuple(self.criteria)!r}; it must hold REML, ML or both")
        for name in ("max_groups", "max_rows"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 2:
                raise BadInput(f"{name} is {value!r}; it must be a whole number of 2 or more")
        for name in ("missing", "offsets", "odd_names", "heavy_tails"):
            if not isinstance(getattr(self, name), bool):
                raise BadInput(f"{name} is {getattr(self, name)!r}; it must be True or False")
        for shape in self.forms:
            plain = _plainest(shape)
            if self.max_groups < least_groups(plain):
                raise BadInput(
                    f"max_groups is {self.max_groups}; the shape {shape!r} needs "
                    f"{least_groups(plain)}"
                )
            if not self.fits(plain):
                raise BadInput(f"max_rows is {self.max_rows}; that is too few for {shape!r}")

    @property
    def forms(self) -> tuple[str, ...]:
        """The shapes, simple ones first."""
        if self.shapes is None:
            return tuple(SHAPES)
        known = [s for s in FORMS if s in self.shapes]
        return (*known, *(s for s in self.shapes if s not in FORMS))

    def most_groups(self, recipe: Recipe) -> int:
        """Return how many groups there may be for each to get rows enough."""
        form = recipe.form
        each = recipe.parts if form.nested else form.effects
        rest = recipe.fixed_columns + (recipe.parts if form.crossed else 0)
        most = min(self.max_groups, (self.max_rows - rest) // (each + 1))
        return min(most, CROSSED_EFFECTS // form.effects) if form.crossed else most

    def fits(self, recipe: Recipe) -> bool:
        """Whether groups and rows enough for the recipe's model are allowed."""
        return self.most_groups(recipe) >= least_groups(recipe)


def _plainest(shape: str, criterion: Criterion = "REML") -> Recipe:
    form = FORMS[shape]
    return Recipe(
        shape=shape,
        criterion=criterion,
        sizes=(1, 1),
        ratios=(1.0,) * form.effects,
        parts=2 if "h" in form.roles else 0,
    )


_RATIOS = (1.0, 0.0, 0.1, 0.0, 10.0, 0.01, 0.0, 1.0, 100.0, 0.1, 0.3, 1e4)
_CORRELATIONS = (0.0, 0.5, -0.5, 0.9, -0.9, 1.0, -1.0)
_ODD_NAMES: tuple[Names, ...] = (
    "spaces",
    "dots",
    "unicode",
    "functions",
    "reserved",
    "quotes",
)
_ODD_LABELS: tuple[Labels, ...] = ("integers", "integers", "digits", "locale", "awkward")
_GROUPS = (4, 4, 10, 4, 10, 4, 10, 40, 10, 40, 10, 40, 40, 1000)
_ROWS = (3, 5, 8, 5, 20, 60)


def draw_recipe(choose: Choose, limits: Limits) -> Recipe:
    """Draw a recipe that can be built and fitted; nothing is drawn in vain.

    Every recipe takes the same numbers in the same order, needed or not, but for one a group at the
    end: Hypothesis takes fewer numbers for simpler, and a shape that has more options is not.
    """
    recipe = _plainest(_one(choose, limits.forms), _one(choose, tuple(limits.criteria)))
    recipe = _structure(choose, limits, recipe)
    recipe = _noise(choose, limits, recipe)
    if recipe.form.own:
        recipe = _residuals(choose, recipe)
    recipe = _presentation(choose, limits, recipe)
    missing = _mostly(choose, 0, (1, 2, 3, 6), 20)
    recipe = _sizes(choose, limits, recipe)
    room = limits.max_rows - sum(recipe.sizes)
    return replace(recipe, missing=min(missing, room) if limits.missing else 0)


def _one(choose: Choose, options: Sequence[T]) -> T:
    return options[choose(0, len(options) - 1)]


def _mostly(choose: Choose, default: T, others: Sequence[T], weight: int) -> T:
    """Return the default ``weight`` times as often as each of the others."""
    at = choose(0, weight + len(others) - 1)
    return default if at < weight else others[at - weight]


def _structure(choose: Choose, limits: Limits, recipe: Recipe) -> Recipe:
    """Draw predictors and factors, each only as far as its groups and rows are allowed."""

    def allowed(changed: Recipe) -> Recipe:
        return changed if limits.fits(changed) else recipe

    form = recipe.form
    parts = choose(2, 4 if form.nested else 8)
    levels = choose(2, 4)
    between = choose(0, 2) == 2
    slopes = form.effects > 1 or recipe.shape == "slope-only"
    kind = choose(0, 2 if slopes else 3)
    near = _mostly(choose, 0.0, (0.1, 0.01, 0.001), 3)
    if "h" in form.roles:
        recipe = allowed(replace(recipe, parts=parts))
    if "f" in form.roles:
        recipe = allowed(replace(recipe, levels=levels))
        if "b" not in form.roles:
            recipe = allowed(replace(recipe, between_factor=between))
    if "x" in form.roles:
        kinds = ("time", "within", "mixed", "between")
        recipe = allowed(replace(recipe, x=kinds[kind]))
    if "v" in form.roles:
        recipe = replace(recipe, near=near)
    return recipe


def _noise(choose: Choose, limits: Limits, recipe: Recipe) -> Recipe:
    form = recipe.form
    ratios = tuple(_one(choose, _RATIOS) for _ in range(3))
    other_ratio = _one(choose, _RATIOS)
    correlation = _one(choose, _CORRELATIONS)
    effect = _one(choose, (1.0, 0.0, 0.5, -3.0))
    digits = _mostly(choose, 1, (0, 2, 3, 6), 4)
    heavy = choose(0, 6) == 6
    changes: dict[str, Any] = {"ratios": ratios[: form.effects], "digits": digits}
    if form.roles != ("y", "g"):
        changes["effect"] = effect
    if form.effects > 1 and "||" not in form.formula:
        changes["correlation"] = correlation
    if "h" in form.roles:
        changes["other_ratio"] = other_ratio
    if limits.heavy_tails and heavy:
        changes["tails"] = "heavy"
    return replace(recipe, **changes)


def _residuals(choose: Choose, recipe: Recipe) -> Recipe:
    """Draw what only residuals with weights or a covariance have; others take no numbers for it."""
    form = recipe.form
    rho = _one(choose, (0.5, 0.0, -0.4, 0.9, 0.98, -0.8))
    gaps = choose(0, 1) == 1
    spread = _one(choose, (1, 0, 3, 6))
    ratio = _one(choose, (2.0, 1.0, 0.3, 10.0))
    changes: dict[str, Any] = {}
    if "t" in form.roles:
        # With gaps a numbered visit would be one of few groups, which say little of its covariance.
        changes = {"rho": rho, "gaps": gaps and not form.numbered}
    elif form.residual.startswith("cs"):
        changes = {"rho": rho}
    if "k" in form.roles:
        changes["spread"] = spread
    if "het" in form.residual:
        changes["strata_ratio"] = ratio
    return replace(recipe, **changes)


def _presentation(choose: Choose, limits: Limits, recipe: Recipe) -> Recipe:
    order = _mostly(choose, "sorted", ("interleaved", "shuffled"), 3)
    y_offset = _mostly(choose, 0, (10, 500, -2000, 10**6), 14)
    y_power = _mostly(choose, 0, (3, -6, -3, 6), 14)
    x_offset = _mostly(choose, 0, (10, 2000, -100, 10**5), 14)
    x_power = _mostly(choose, 0, (3, -6, -2, 6), 14)
    names = _mostly(choose, "plain", _ODD_NAMES, 24)
    labels = _mostly(choose, "plain", _ODD_LABELS, 8)
    level_order = _mostly(choose, "sorted", ("reversed", "shuffled"), 8)
    unused = _mostly(choose, 0, (1, 3), 10)
    changes: dict[str, Any] = {"order": order}
    if limits.offsets:
        changes |= {"y_offset": y_offset, "y_power": y_power}
        if "x" in recipe.form.roles:
            # Far from zero, near-collinear predictors would count as one column.
            far = recipe.near and abs(x_offset) > 1e5 * recipe.near
            changes |= {"x_offset": 0 if far else x_offset, "x_power": x_power}
    if limits.odd_names:
        changes |= {"names": names, "labels": labels, "level_order": level_order, "unused": unused}
    return replace(recipe, **changes)


def _sizes(choose: Choose, limits: Limits, recipe: Recipe) -> Recipe:
    least, most = least_groups(recipe), limits.most_groups(recipe)
    # With fewer groups than a few for each visit the likelihood often has no maximum.
    least = max(least, min(most, 3 * (recipe.form.most_rows or 0)))
    groups = choose(least, max(least, min(most, _one(choose, _GROUPS))))
    rows = min(_one(choose, _ROWS), limits.max_rows // groups)
    low = least_size(recipe)
    high = max(low, min(rows, recipe.form.most_rows or rows))
    balanced = choose(0, 2) == 0
    recipe = replace(recipe, seed=choose(0, 2**32 - 1))
    if balanced:
        sizes = [choose(low, high)] * groups
    elif groups <= 12:
        sizes = [choose(low, high) for _ in range(groups)]
    else:
        drawn = words(recipe.seed, 100, np.arange(groups)) % np.uint64(high - low + 1)
        sizes = [low + size for size in drawn.tolist()]
    at = 0
    while sum(sizes) < least_rows(replace(recipe, sizes=tuple(sizes))):
        if balanced:
            sizes = [size + 1 for size in sizes]
        else:
            sizes[at % groups] += 1
            at += 1
    return replace(recipe, sizes=tuple(sizes))


def collect(n: int, seed: int = 0, **bounds: Unpack[Bounds]) -> list[Recipe]:
    """Draw ``n`` different recipes; the same for the same arguments, whatever else is loaded.

    Parameters
    ----------
    bounds
        As :class:`Limits`.

    Raises
    ------
    BadInput
        For arguments that cannot be used, or when there are not that many different recipes.
    """
    if n < 1:
        raise BadInput(f"n is {n}; it must be 1 or more")
    limits = Limits(**bounds)
    # Python promises the same random() for a seed in all its versions, and nothing else.
    source = random.Random(seed)

    def choose(low: int, high: int) -> int:
        return low + int(source.random() * (high - low + 1))

    found: dict[Recipe, None] = {}
    for _ in range(20 * n + 100):
        found[draw_recipe(choose, limits)] = None
        if len(found) == n:
            return list(found)
    raise BadInput(f"only {len(found)} different recipes were found; widen the limits")
