"""The data frame of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.cases.recipe_labels import NAMES, label
from harness.cases.recipe_noise import Array, Integers, decimals, heavy, normal, words

if TYPE_CHECKING:  # recipes.py builds cases with this module
    from harness.cases.recipes import Recipe

_RESIDUAL, _GROUP, _OTHER, _X, _X_GROUP, _V, _W, _ORDER, _GONE, _LEVELS = range(10)


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


def recipe_frame(recipe: Recipe) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """Return the data, and the levels of factors whose order is stated."""
    form, names, seed = recipe.form, NAMES[recipe.names], recipe.seed
    place = _layout(recipe)
    group, row = place.group, place.row
    x = _steps(_predictor(recipe, place), recipe.digits, place, flat=recipe.x == "between")
    if form.products:
        x = _varied(x, recipe, place)
    ten = 10.0**recipe.digits
    x_raw = x / ten
    extra = 0
    v = normal(seed, _V, group, row)
    if recipe.near:
        extra = int(np.ceil(-np.log10(recipe.near) - 1e-9))
        v = x_raw + recipe.near * v
    v = _steps(v, recipe.digits + extra, place)
    w = _steps(normal(seed, _W, group), recipe.digits, place, flat=True)
    columns: dict[str, Array] = {"x": x_raw, "v": v / 10.0 ** (recipe.digits + extra), "w": w / ten}
    noise = heavy if recipe.tails == "heavy" else normal
    y = noise(seed, _RESIDUAL, group, row)
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
        y = y + np.sqrt(recipe.other_ratio) * noise(seed, _OTHER, own, place.h)
    outcome = _not_fitted_exactly(np.rint(y * ten), recipe, place, columns)
    data: dict[str, object] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for role in form.roles:
        name = names[role]
        if role == "y":
            data[name] = decimals(outcome + recipe.y_offset * ten, recipe.y_power - recipe.digits)
        elif role == "x":
            data[name] = decimals(x + recipe.x_offset * ten, recipe.x_power - recipe.digits)
        elif role == "v":
            offset = recipe.x_offset * 10.0 ** (recipe.digits + extra) if recipe.near else 0.0
            data[name] = decimals(v + offset, recipe.x_power - recipe.digits - extra)
        elif role == "w":
            data[name] = decimals(w, -recipe.digits)
        else:
            codes = {"g": group, "h": place.h, "f": place.f, "b": place.b}[role]
            prefix = {"f": "a"}.get(role, role)
            count = int(codes.max()) + 1
            labels = [label(recipe.labels, prefix, k) for k in range(count + recipe.unused)]
            data[name] = [labels[k] for k in codes]
            if recipe.unused or recipe.level_order != "sorted":
                levels[name] = _level_order(recipe, role, [str(text) for text in labels])
    frame = pd.DataFrame(data)
    _take_out(frame, recipe, place.complete)
    return frame.iloc[_row_order(recipe, place)].reset_index(drop=True), levels


def _predictor(recipe: Recipe, place: _Layout) -> Array:
    if recipe.x == "time":
        return place.row.astype(np.float64)
    between = normal(recipe.seed, _X_GROUP, place.group)
    if recipe.x == "between":
        return between
    values = normal(recipe.seed, _X, place.group, place.row)
    if recipe.x == "mixed":
        values += 2.0 * between
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
    ones = np.ones(len(columns["x"]))
    if recipe.shape == "slope-only":
        return [columns["x"]]
    return [ones, columns["x"], columns["v"]][: recipe.form.effects]


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


def _take_out(frame: pd.DataFrame, recipe: Recipe, complete: int) -> None:
    """Empty one field in each row after the complete ones."""
    if not recipe.missing:
        return
    extra = np.arange(recipe.missing)
    columns = words(recipe.seed, _GONE, extra, extra) % np.uint64(frame.shape[1])
    for at, column in enumerate(columns.astype(np.int64).tolist()):
        name = frame.columns[column]
        if pd.api.types.is_integer_dtype(frame[name]):
            frame[name] = frame[name].astype(np.float64)
        frame.loc[complete + at, name] = None


def _row_order(recipe: Recipe, place: _Layout) -> Integers:
    if recipe.order == "shuffled":
        keys = words(recipe.seed, _ORDER, place.group, place.row)
        return np.asarray(np.argsort(keys, kind="stable"))
    first = (place.row, place.group) if recipe.order == "interleaved" else (place.group, place.row)
    return np.asarray(np.lexsort(first[::-1]))
