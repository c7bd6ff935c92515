"""Make a recipe smaller while what was seen in it stays.

A recipe out of a long run was not drawn by the Hypothesis of this process, which could only shrink
what it has drawn itself. Here every step is a change of the recipe that a person would try: leave
out a group, a row, an offset, an odd name; a simpler shape last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec.structs import fields, replace

from harness.base.errors import BadInput
from harness.data.recipes.forms import FORMS
from harness.data.recipes.shapes import Recipe, build
from harness.data.rungs import Rung

T = TypeVar("T")

_PLAIN = (
    "missing",
    "unused",
    "names",
    "labels",
    "level_order",
    "order",
    "y_power",
    "x_power",
    "y_offset",
    "x_offset",
    "tails",
    "near",
    "x",
    "between_factor",
    "levels",
    "correlation",
    "other_ratio",
    "effect",
    "gaps",
    "rho",
    "spread",
    "strata_ratio",
    "criterion",
)
"""Fields that are put to their default, in this order."""


def shrink(recipe: Recipe, predicate: Callable[[Rung], bool], *, max_tries: int = 500) -> Recipe:
    """Return a smaller recipe whose rung fulfils the predicate too.

    Parameters
    ----------
    recipe : Recipe
        One whose rung fulfils ``predicate``; it comes back unchanged if nothing smaller does.
    predicate : callable
        Exceptions that it raises are passed on.
    max_tries : int
        How often ``predicate`` may be called.
    """
    tries, seen = 0, {recipe}
    improved = True
    while improved:
        improved = False
        for candidate in _smaller(recipe):
            if candidate in seen:
                continue
            seen.add(candidate)
            try:
                rung = build(candidate)
            except BadInput:  # too few groups or rows for its model
                continue
            if tries == max_tries:
                return recipe
            tries += 1
            if predicate(rung):
                recipe, improved = candidate, True
                break
    return recipe


def _smaller(recipe: Recipe) -> Iterator[Recipe]:
    yield from _fewer_rows(recipe)
    defaults = {field.name: field.default for field in fields(Recipe)}
    for name in _PLAIN:
        if getattr(recipe, name) != defaults[name]:
            yield replace(recipe, **{name: defaults[name]})
    if recipe.missing > 1:
        yield replace(recipe, missing=recipe.missing - 1)
    if recipe.parts > 2:
        yield replace(recipe, parts=recipe.parts - 1)
    if recipe.levels > 2:
        yield replace(recipe, levels=recipe.levels - 1)
    for at, ratio in enumerate(recipe.ratios):
        if ratio != 1.0:
            yield replace(recipe, ratios=_changed(recipe.ratios, at, 1.0))
    for digits in (1, 0, 2, 3):
        if abs(digits - 0.5) < abs(recipe.digits - 0.5) or (digits, recipe.digits) == (1, 0):
            yield replace(recipe, digits=digits)
    for seed in range(min(recipe.seed, 5)):
        yield replace(recipe, seed=seed)
    yield from _simpler_shapes(recipe)


def _fewer_rows(recipe: Recipe) -> Iterator[Recipe]:
    sizes = recipe.sizes
    if sizes[-1] == 0:
        yield replace(recipe, sizes=_without_end(sizes))
        return
    present = [at for at, size in enumerate(sizes) if size]
    step = len(present) // 2
    while step:  # many groups at a time, then single ones
        for start in range(0, len(present), step):
            gone = set(present[start : start + step])
            if len(present) - len(gone) >= 2:
                left = tuple(0 if at in gone else size for at, size in enumerate(sizes))
                yield replace(recipe, sizes=_without_end(left))
        step //= 2
    for most in (max(sizes) // 2, max(sizes) - 1):
        if most:
            yield replace(recipe, sizes=tuple(min(size, most) for size in sizes))
    for at in present:
        for less in {sizes[at] // 2, sizes[at] - 1} - {0}:
            yield replace(recipe, sizes=_changed(sizes, at, less))
    if len(present) < len(sizes):
        yield replace(recipe, sizes=tuple(size for size in sizes if size))


def _without_end(sizes: tuple[int, ...]) -> tuple[int, ...]:
    while sizes and sizes[-1] == 0:
        sizes = sizes[:-1]
    return sizes


def _simpler_shapes(recipe: Recipe) -> Iterator[Recipe]:
    names = list(FORMS)
    for name in names[: names.index(recipe.shape)]:
        form = FORMS[name]
        if set(form.roles) <= set(recipe.form.roles) and form.effects <= recipe.form.effects:
            parts = recipe.parts if "h" in form.roles else 0
            ratios = recipe.ratios[: form.effects]
            yield replace(recipe, shape=name, ratios=ratios, parts=parts)


def _changed(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    return (*values[:at], value, *values[at + 1 :])
