"""The columns of a recipe, as a table has them and as a data frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.data.recipes.recipe_labels import NAMES, label
from harness.data.recipes.recipe_noise import Array, Integers, decimals, heavy, normal, words
from harness.data.recipes.recipe_residuals import residuals, visits, weights
from harness.model.table import MISSING_CODE, FactorColumn, NumericColumn

if TYPE_CHECKING:  # recipes.py builds cases with this module
    from harness.data.recipes.shapes import Recipe

_RESIDUAL, _GROUP, _OTHER, _X, _X_GROUP, _V, _W, _ORDER, _GONE, _LEVELS = range(10)


@dataclass(frozen=True)
class DrawnColumns:
    """A column as it was drawn, its rows in order.

    Attributes
    ----------
    values : float64 or int64 of length n
        Numbers with NaN for missing, or indices into ``labels`` with -1 for missing.
    labels : tuple of str or int
        Of a factor, those included that no row has; empty for a number.
    stated : tuple of str
        Levels in the order that the recipe states; empty where it leaves that to the contract.
    """

    values: Array | Integers
    labels: tuple[str | int, ...] = ()
    stated: tuple[str, ...] = ()

    def column(self, name: str) -> NumericColumn | FactorColumn:
        """Return the column of the data contract, the one that the frame's would give."""
        if not self.labels:
            return NumericColumn(name, np.ascontiguousarray(self.values, dtype=np.float64))
        codes = self.values.astype(np.int32)
        present = np.unique(codes[codes >= 0]).tolist()
        order = self.stated or tuple(map(str, sorted(self.labels[k] for k in present)))
        place = {level: at for at, level in enumerate(order)}
        index = [place.get(str(text), MISSING_CODE) for text in self.labels]
        # -1 takes the last, which stands for a missing value.
        return FactorColumn(name, np.array([*index, MISSING_CODE], dtype=np.int32)[codes], order)

    def series(self) -> Array | Integers | list[str | int | None]:
        """Return what a data frame is made of."""
        if not self.labels:
            return self.values
        if isinstance(self.labels[0], str):
            return [None if k < 0 else self.labels[k] for k in self.values.tolist()]
        numbers = np.array([*self.labels, 0])[self.values]
        return np.where(self.values < 0, np.nan, numbers) if self.values.min() < 0 else numbers


def frame_of(drawn: Mapping[str, DrawnColumns]) -> pd.DataFrame:
    """Return the columns as a data frame."""
    return pd.DataFrame({name: column.series() for name, column in drawn.items()})


@dataclass(frozen=True)
class _Layout:
    """Who is where. ``group`` and ``row`` (within the group) key the noise of each row."""

    group: Integers
    row: Integers
    f: Integers
    b: Integers
    h: Integers
    complete: int


def _layout(recipe: Recipe) -> _Layout:
    sizes = np.array(recipe.sizes, dtype=np.int64)
    group = np.repeat(np.arange(len(sizes)), sizes)
    row = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    if recipe.missing:
        # A row with a missing value may be all that its group has.
        extra = np.arange(recipe.missing)
        at = (words(recipe.seed, _GONE, extra) % np.uint64(len(sizes) + 1)).astype(np.int64)
        group = np.concatenate([group, at])
        row = np.concatenate([row, np.append(sizes, 0)[at] + extra])
    complete = int(sizes.sum())
    f, b = _factors(recipe, group, row, complete)
    form = recipe.form
    h = row * 0
    if form.nested:
        h = row % recipe.parts
    elif form.crossed:
        h = (row + group) % recipe.parts
    return _Layout(group, row, f, b, h, complete)


def _factors(
    recipe: Recipe, group: Integers, row: Integers, complete: int
) -> tuple[Integers, Integers]:
    """Levels of ``f`` and ``b``: every cell has a complete row, or two where it has a slope."""
    count = recipe.levels
    if recipe.between_factor:
        present = np.array(recipe.sizes) > 0
        rank = np.append(np.cumsum(present) - 1, 0)
        f, b = rank[group] % count, row % 2
    else:
        f, b = (row + group) % count, (row // count + group) % 2
    cells = count * (2 if "b" in recipe.form.roles else 1)
    cell = (f + count * b * (cells > count))[:complete]
    if np.bincount(cell, minlength=cells).min() < 1 + recipe.form.products:
        running = np.arange(len(row)) % cells
        f, b = running % count, running // count
    return f, b


def draw_columns(recipe: Recipe) -> dict[str, DrawnColumns]:
    """Return the columns of a recipe by name."""
    place = _layout(recipe)
    factors = {"g": place.group, "h": place.h, "f": place.f, "b": place.b}
    numbers = _numbers(recipe, place)
    order = _row_order(recipe, place)
    drawn = {}
    for role, gone in zip(recipe.form.roles, _gone(recipe, place.complete), strict=True):
        if role in numbers:
            numbers[role][gone] = np.nan
            column = DrawnColumns(numbers[role][order])
        else:
            column = _factor(recipe, role, factors[role].copy(), gone, order)
        drawn[NAMES[recipe.names][role]] = column
    return drawn


def _numbers(recipe: Recipe, place: _Layout) -> dict[str, Array]:
    """Return outcome and predictors by role, in units and with offsets."""
    form, seed = recipe.form, recipe.seed
    group, row = place.group, place.row
    x = _steps(_predictor(recipe, place), recipe.digits, place, flat=recipe.x == "between")
    if form.products:
        x = _varied(x, recipe, place)
    ten = 10.0**recipe.digits
    # Before units and offsets; a model without x has one all the same, which its sizes need.
    raw: dict[str, Array] = {"x": x / ten}
    found = {"x": decimals(x + recipe.x_offset * ten, recipe.x_power - recipe.digits)}
    if "v" in form.roles:
        v = normal(seed, _V, group, row)
        digits = recipe.digits
        if recipe.near:
            digits += int(np.ceil(-np.log10(recipe.near) - 1e-9))
            v = raw["x"] + recipe.near * v
        v = _steps(v, digits, place)
        raw["v"] = v / 10.0**digits
        offset = recipe.x_offset * 10.0**digits if recipe.near else 0.0
        found["v"] = decimals(v + offset, recipe.x_power - digits)
    if "w" in form.roles:
        w = _steps(normal(seed, _W, group), recipe.digits, place, flat=True)
        raw["w"] = w / ten
        found["w"] = decimals(w, -recipe.digits)
    if "t" in form.roles:
        found["t"] = visits(recipe, group, row)
    if "k" in form.roles:
        found["k"] = weights(recipe, group, row)
    outcome = _not_fitted_exactly(np.rint(_outcome(recipe, place, raw) * ten), recipe, place, raw)
    found["y"] = decimals(outcome + recipe.y_offset * ten, recipe.y_power - recipe.digits)
    return found


def _outcome(recipe: Recipe, place: _Layout, columns: dict[str, Array]) -> Array:
    form, group = recipe.form, place.group
    noise = heavy if recipe.tails == "heavy" else normal
    if form.own:
        y = residuals(recipe, group, place.row, place.b, noise)
    else:
        y = noise(recipe.seed, _RESIDUAL, group, place.row)
    for role in ("x", "v", "w"):
        if role in form.roles:
            y = y + recipe.effect * columns[role]
    if "f" in form.roles:
        y = y + recipe.effect * place.f
    for effect, values in zip(_effects(recipe, group), _z(recipe, columns), strict=True):
        y = y + effect * values
    if "h" in form.roles:
        # (1 | g/h) gives each group its own levels of h; in crossed models h is one factor.
        own = group * (1 if form.nested else 0)
        y = y + np.sqrt(recipe.other_ratio) * noise(recipe.seed, _OTHER, own, place.h)
    return y


def _factor(
    recipe: Recipe, role: str, codes: Integers, gone: Integers, order: Integers
) -> DrawnColumns:
    prefix = {"f": "a"}.get(role, role)
    count = int(codes.max()) + 1 + recipe.unused
    labels = tuple(label(recipe.labels, prefix, k) for k in range(count))
    stated: tuple[str, ...] = ()
    if recipe.unused or recipe.level_order != "sorted":
        stated = _level_order(recipe, role, [str(text) for text in labels])
    codes[gone] = MISSING_CODE
    return DrawnColumns(codes[order], labels, stated)


def _predictor(recipe: Recipe, place: _Layout) -> Array:
    if recipe.x == "time":
        return place.row.astype(np.float64)
    if recipe.x == "between":
        return normal(recipe.seed, _X_GROUP, place.group)
    values = normal(recipe.seed, _X, place.group, place.row)
    if recipe.x == "mixed":
        values += 2.0 * normal(recipe.seed, _X_GROUP, place.group)
    return values


def _steps(values: Array, digits: int, place: _Layout, *, flat: bool = False) -> Array:
    """Round to whole steps of ``10**-digits``; what rounding made constant varies again.

    ``flat`` says that the values are constant within groups.
    """
    steps = np.asarray(np.rint(values * 10.0**digits), dtype=np.float64)
    # A predictor of three groups with two values could be the same as a factor of two levels.
    if len(np.unique(steps[: place.complete])) < (3 if flat else 2):
        steps = steps + (place.group if flat else place.row)
    return steps


def _varied(x: Array, recipe: Recipe, place: _Layout) -> Array:
    """Replace ``x`` where it is constant among rows that need it to vary.

    Those are a level of ``f`` that has its own slope, and a group where ``w`` changes the slope.
    """
    n = place.complete
    codes = (place.f if "f" in recipe.form.roles else place.group)[:n]
    plain = (place.group if recipe.x == "between" else place.row).astype(np.float64)
    for tried in (x, plain * 10.0**recipe.digits):
        if all(np.ptp(tried[:n][codes == k]) > 0.0 for k in np.unique(codes)):
            return tried
    return np.arange(len(x), dtype=np.float64) * 10.0**recipe.digits


def _effects(recipe: Recipe, group: Integers) -> list[Array]:
    """Random effects of each row's group; each slope is correlated with the first effect."""
    noise = heavy if recipe.tails == "heavy" else normal
    rho = recipe.correlation
    rest = np.sqrt((1.0 - rho) * (1.0 + rho))
    first = noise(recipe.seed, _GROUP, group, group * 0)
    out = []
    for k, ratio in enumerate(recipe.ratios):
        own = first
        if k:
            own = rho * first + rest * noise(recipe.seed, _GROUP, group, group * 0 + k)
        out.append(np.sqrt(ratio) * own)
    return out


def _z(recipe: Recipe, columns: dict[str, Array]) -> list[Array]:
    if recipe.shape == "slope-only":
        return [columns["x"]]
    found = [np.ones(len(columns["x"])), columns["x"], *(columns[r] for r in "v" if r in columns)]
    return found[: recipe.form.effects]


def _not_fitted_exactly(
    y: Array, recipe: Recipe, place: _Layout, columns: dict[str, Array]
) -> Array:
    """Change a rounded outcome that the effects fit exactly, which has no likelihood, by one step.

    It takes few rows and coarse rounding, so larger data are not looked at.
    """
    n = place.complete
    if n > 40:
        return y
    vectors, scale, _ = np.linalg.svd(_span(recipe, place, columns), full_matrices=False)
    inside = vectors[:, scale > 1e-9 * scale[0]]
    for bumped in range(-1, n):
        tried = y.copy()
        if bumped >= 0:
            tried[bumped] += 1.0
        part = tried[:n]
        left = part - inside @ (inside.T @ part)
        if np.abs(left).max() > 1e-6 * max(1.0, np.abs(part).max()):
            return tried
    return y


def _span(recipe: Recipe, place: _Layout, columns: dict[str, Array]) -> Array:
    """Columns of X and Z on the complete rows, redundant ones included; of length n."""
    n, form = place.complete, recipe.form
    ones = np.ones(n)
    numeric = [columns[role][:n] for role in ("x", "v", "w") if role in form.roles]
    fixed = [ones, *numeric]
    if form.formula.count("{x} * {w}"):
        fixed.append(columns["x"][:n] * columns["w"][:n])
    cells = [(place.f[:n] == k).astype(float) for k in range(recipe.levels) if "f" in form.roles]
    if "b" in form.roles:
        cells += [c * place.b[:n] for c in cells]
    if "{x} * {f}" in form.formula:
        cells += [c * columns["x"][:n] for c in cells]
    own = place.h[:n] + place.group[:n] * (recipe.parts if form.nested else 0)
    random = [(own == k).astype(float) for k in np.unique(own) if "h" in form.roles]
    for k in np.unique(place.group[:n]):
        in_group = (place.group[:n] == k).astype(float)
        random += [in_group * values[:n] for values in _z(recipe, columns)]
    return np.column_stack([*fixed, *cells, *random])


def _level_order(recipe: Recipe, role: str, labels: list[str]) -> tuple[str, ...]:
    if recipe.level_order == "reversed":
        return tuple(reversed(labels))
    if recipe.level_order == "shuffled":
        keys = words(recipe.seed, _LEVELS, np.array([ord(role)]), np.arange(len(labels)))
        return tuple(labels[k] for k in np.argsort(keys, kind="stable"))
    return tuple(labels)


def _gone(recipe: Recipe, complete: int) -> list[Integers]:
    """Return the empty rows of each column: one field in each row after the complete ones."""
    roles = recipe.form.roles
    if not recipe.missing:
        return [np.empty(0, dtype=np.int64)] * len(roles)
    extra = np.arange(recipe.missing)
    # A missing weight is refused; the weights are the last column.
    count = len(roles) - ("k" in roles)
    columns = (words(recipe.seed, _GONE, extra, extra) % np.uint64(count)).astype(np.int64)
    return [complete + np.flatnonzero(columns == at) for at in range(len(roles))]


def _row_order(recipe: Recipe, place: _Layout) -> Integers:
    if recipe.order == "shuffled":
        keys = words(recipe.seed, _ORDER, place.group, place.row)
        return np.asarray(np.argsort(keys, kind="stable"))
    first = (place.row, place.group) if recipe.order == "interleaved" else (place.group, place.row)
    return np.asarray(np.lexsort(first[::-1]))
