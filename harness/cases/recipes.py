"""Recipes: complete descriptions of generated clustered data with a model.

A recipe is one line of JSON. What it describes is drawn (``strategies.py``), collected, sent to
other processes, shrunk and kept as a regression; the table is built from it where it is needed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from harness.cases.case import Case
from harness.cases.datasets import Dataset
from harness.cases.ladder import Rung
from harness.cases.model import Model, bind, parse_model
from harness.cases.recipe_data import (
    NAMES,
    Array,
    Integers,
    Labels,
    Names,
    decimals,
    heavy,
    label,
    normal,
    words,
)
from harness.cases.spelling import quote_name
from harness.cases.table import FactorColumn, Table
from harness.errors import BadInput
from harness.numbers import decode, encode

Criterion = Literal["REML", "ML"]


@dataclass(frozen=True)
class Shape:
    """A form of model.

    Attributes
    ----------
    formula : str
        With roles for columns: outcome ``y``, predictors ``x`` and ``v``, cluster-level predictor
        ``w``, factors ``f`` and ``b`` (two levels), grouping factors ``g`` and ``h``.
    numeric, per_level : int
        Columns of X: ``numeric + per_level * (levels of f - 1)``.
    effects : int
        Random effects of each level of ``g``.
    """

    title: str
    formula: str
    numeric: int
    per_level: int = 0
    effects: int = 1

    @property
    def roles(self) -> tuple[str, ...]:
        """Columns that the formula uses, in its order."""
        return tuple(dict.fromkeys(re.findall(r"{(\w)}", self.formula)))

    @property
    def products(self) -> bool:
        """Whether the model has an interaction with ``x``."""
        return "{x} *" in self.formula

    @property
    def nested(self) -> bool:
        """Whether ``h`` is nested in ``g``."""
        return "{g}/{h}" in self.formula

    @property
    def crossed(self) -> bool:
        """Whether ``h`` is crossed with ``g``."""
        return "h" in self.roles and not self.nested


SHAPES: dict[str, Shape] = {
    "intercept": Shape("random intercept", "{y} ~ {x} + (1 | {g})", 2),
    "mean": Shape("random intercept, no predictor", "{y} ~ 1 + (1 | {g})", 1),
    "slope": Shape("correlated slope", "{y} ~ {x} + ({x} | {g})", 2, effects=2),
    "independent": Shape("independent slope", "{y} ~ {x} + ({x} || {g})", 2, effects=2),
    "slope-only": Shape("random slope without intercept", "{y} ~ {x} + (0 + {x} | {g})", 2),
    "predictors": Shape("two predictors", "{y} ~ {x} + {v} + (1 | {g})", 3),
    "cluster": Shape("cluster-level predictor", "{y} ~ {x} + {w} + (1 | {g})", 3),
    "cluster-slope": Shape(
        "cluster-level predictor of slopes", "{y} ~ {x} * {w} + ({x} | {g})", 4, effects=2
    ),
    "factor": Shape("factor predictor", "{y} ~ {f} + (1 | {g})", 1, 1),
    "factors": Shape("two factors with interaction", "{y} ~ {f} * {b} + (1 | {g})", 2, 2),
    "interaction": Shape("factor by predictor", "{y} ~ {x} * {f} + (1 | {g})", 2, 2),
    "interaction-slope": Shape(
        "factor by predictor, correlated slope", "{y} ~ {x} * {f} + ({x} | {g})", 2, 2, effects=2
    ),
    "several": Shape("several predictors", "{y} ~ {x} + {v} + {w} + {f} + (1 | {g})", 4, 1),
    "two-slopes": Shape(
        "two correlated slopes", "{y} ~ {x} + {v} + ({x} + {v} | {g})", 3, effects=3
    ),
    "nested": Shape("nested", "{y} ~ {x} + (1 | {g}/{h})", 2),
    "crossed": Shape("crossed", "{y} ~ {x} + (1 | {g}) + (1 | {h})", 2),
    "slope-crossed": Shape(
        "correlated slope and crossed intercept",
        "{y} ~ {x} + ({x} | {g}) + (1 | {h})",
        2,
        effects=2,
    ),
}
"""Forms of model by name, simple ones first."""

_RANGES: dict[str, tuple[float, float]] = {
    "parts": (0, 1000),
    "levels": (2, 8),
    "other_ratio": (0.0, 1e8),
    "correlation": (-1.0, 1.0),
    "near": (0.0, 1.0),
    "digits": (0, 6),
    "y_offset": (-(10**7), 10**7),
    "x_offset": (-(10**7), 10**7),
    "y_power": (-12, 12),
    "x_power": (-12, 12),
    "missing": (0, 1000),
    "unused": (0, 1000),
    "seed": (0, 2**63 - 1),
}


class Recipe(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A data set and a model.

    Before units and offsets the residual variance is 1.

    Attributes
    ----------
    shape : str
        A key of ``SHAPES``.
    sizes : tuple of int
        Rows without missing values of each group. 0 leaves a group out; the others stay as they
        are.
    parts : int
        Levels of ``h``: within each group when nested, in all when crossed.
    levels : int
        Levels of the factor ``f``.
    between_factor : bool
        Whether ``f`` is constant within groups.
    x : {"time", "within", "mixed", "between"}
        ``time`` is 0, 1, 2, ... in each group; ``within`` varies between rows, ``mixed`` between
        groups also, ``between`` between groups only.
    effect : float
        Coefficient of every predictor.
    ratios : tuple of float
        Variances of the random effects of ``g``, relative to the residual's.
    other_ratio : float
        That of the effects of ``h``.
    correlation : float
        Of each slope of ``g`` with the first effect.
    near : float
        Standard deviation of ``v`` around ``x``; 0 when they have nothing to do with each other.
    tails : {"normal", "heavy"}
        Distribution of residuals and random effects; ``heavy`` is Student's t with two df.
    digits : int
        Decimals before units are applied.
    y_offset, x_offset : int
        Added to the values, in residual standard deviations (``y``).
    y_power, x_power : int
        Units: values are multiplied by ten to this power.
    missing : int
        Rows with one missing value, beside those of ``sizes``.
    unused : int
        Levels of each factor that no row has.
    level_order : {"sorted", "reversed", "shuffled"}
        ``sorted`` leaves the order to the data contract; the others state one.
    labels, names : str
        How levels and columns are called.
    order : {"sorted", "interleaved", "shuffled"}
        Order of the rows.
    seed : int
        Of the noise.
    """

    shape: str
    criterion: Criterion = "REML"
    sizes: tuple[int, ...]
    ratios: tuple[float, ...] = (1.0,)
    correlation: float = 0.0
    parts: int = 0
    other_ratio: float = 1.0
    levels: int = 2
    between_factor: bool = False
    x: Literal["time", "within", "mixed", "between"] = "time"
    effect: float = 1.0
    near: float = 0.0
    tails: Literal["normal", "heavy"] = "normal"
    digits: int = 1
    y_offset: int = 0
    x_offset: int = 0
    y_power: int = 0
    x_power: int = 0
    missing: int = 0
    unused: int = 0
    level_order: Literal["sorted", "reversed", "shuffled"] = "sorted"
    labels: Labels = "plain"
    names: Names = "plain"
    order: Literal["sorted", "interleaved", "shuffled"] = "sorted"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise BadInput(f"recipe: no shape {self.shape!r}; there are {', '.join(SHAPES)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(f"recipe: {name} is {value}; it must be from {low:g} to {high:g}")
        if any(size < 0 for size in self.sizes) or sum(size > 0 for size in self.sizes) < 2:
            raise BadInput("recipe: sizes must be 0 or more, with rows in at least two groups")
        wanted = self.form.effects
        if len(self.ratios) != wanted or any(not 0.0 <= r <= 1e8 for r in self.ratios):
            raise BadInput(f"recipe: ratios must be {wanted} numbers from 0 to 1e+08")
        if "h" in self.form.roles and self.parts < 2:
            raise BadInput(f"recipe: parts must be at least 2 for the shape {self.shape!r}")

    @property
    def form(self) -> Shape:
        """The form of model that ``shape`` names."""
        return SHAPES[self.shape]

    @property
    def id(self) -> str:
        """``gen/<shape>/<digest>/<criterion>``; REML and ML of the same data share the digest."""
        same = msgspec.structs.replace(self, criterion="REML")
        digest = hashlib.sha256(encode(same)).hexdigest()[:10]
        return f"gen/{self.shape}/{digest}/{self.criterion}"

    @property
    def fixed_columns(self) -> int:
        """Columns of X."""
        return self.form.numeric + self.form.per_level * (self.levels - 1)


def least_groups(recipe: Recipe) -> int:
    """Return how many groups leave a degree of freedom between groups."""
    roles = recipe.form.roles
    flat = "x" in roles and recipe.x == "between"
    between = (1 + ("w" in roles)) * (2 if flat and "w" in roles and recipe.form.products else 1)
    between += flat and not ("w" in roles and recipe.form.products)
    if "f" in roles and recipe.between_factor:
        between += (recipe.levels - 1) * (2 if flat and recipe.form.products else 1)
    return between + 1


def least_size(recipe: Recipe) -> int:
    """Return how many rows each group needs: two where its own slope in ``x`` is told by X."""
    if not recipe.form.products or recipe.x == "between":
        return 1
    return 2 if "w" in recipe.form.roles or recipe.between_factor else 1


def least_rows(recipe: Recipe) -> int:
    """Return how many complete rows leave a residual beside fixed and random effects.

    More rows than random effects is also what lme4 asks for.
    """
    return random_effects(recipe) + recipe.fixed_columns


def random_effects(recipe: Recipe) -> int:
    """Return the number of columns of Z; those of ``g`` are not counted beside nested ones."""
    groups = sum(size > 0 for size in recipe.sizes)
    if recipe.form.nested:
        return sum(min(size, recipe.parts) for size in recipe.sizes)
    return groups * recipe.form.effects + (recipe.parts if recipe.form.crossed else 0)


def build(recipe: Recipe) -> Rung:
    """Build the table and the model of a recipe.

    The same recipe gives the same bytes on every platform.

    Raises
    ------
    BadInput
        When the recipe has fewer groups or rows than its model can be fitted to.
    """
    groups = sum(size > 0 for size in recipe.sizes)
    if groups < least_groups(recipe):
        raise BadInput(f"recipe: {groups} groups; its model needs {least_groups(recipe)}")
    if sum(recipe.sizes) < least_rows(recipe):
        rows = sum(recipe.sizes)
        raise BadInput(f"recipe: {rows} rows; its model needs {least_rows(recipe)}")
    names = NAMES[recipe.names]
    frame, levels = _frame(recipe)
    model = _model(recipe.shape, recipe.criterion, recipe.names)
    factors = [name for role, name in names.items() if role in "fbgh" and name in frame]
    table = bind(model, frame, factors=factors, levels=levels)
    rows = len(frame)
    origin = f"generated ({recipe.id.split('/')[2]})"
    data = Dataset(f"{recipe.form.title}, {groups} groups, {rows} rows", frame, origin, levels)
    title = f"{recipe.form.title}, {groups} groups, {rows} rows"
    case = Case(recipe.id, model, table)
    return Rung(case, title, f"Generated: {recipe.form.title}", _focus(recipe, table), data)


@cache
def _model(shape: str, criterion: Criterion, names: Names) -> Model:
    quoted = {role: quote_name(name) for role, name in NAMES[names].items()}
    return parse_model(SHAPES[shape].formula.format(**quoted), criterion)


def _focus(recipe: Recipe, table: Table) -> str:
    names, roles = NAMES[recipe.names], recipe.form.roles
    if "x" in roles:
        return names["x"]
    if "f" not in roles:
        return "Intercept"
    column = table.rows(table.complete)[names["f"]]
    assert isinstance(column, FactorColumn)
    return f"{names['f']}[T.{column.levels[np.unique(column.codes)[1]]}]"


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


def _frame(recipe: Recipe) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """Return the data, and the levels of factors whose order is stated."""
    form, names, seed = recipe.form, NAMES[recipe.names], recipe.seed
    place = _layout(recipe)
    group, row = place.group, place.row
    x = _steps(_predictor(recipe, place), recipe.digits, place)
    if form.products:
        x = _varied(x, recipe, place)
    ten = 10.0**recipe.digits
    x_raw = x / ten
    extra = 0
    v = normal(seed, _V, group, row)
    if recipe.near:
        extra = int(np.ceil(-np.log10(recipe.near)))
        v = x_raw + recipe.near * v
    v = _steps(v, recipe.digits + extra, place)
    w = _steps(normal(seed, _W, group), recipe.digits, place)
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
    within = normal(recipe.seed, _X, place.group, place.row)
    return within + 2.0 * between if recipe.x == "mixed" else within


def _steps(values: Array, digits: int, place: _Layout) -> Array:
    """Round to whole steps of ``10**-digits``; what rounding made constant varies again."""
    steps = np.asarray(np.rint(values * 10.0**digits))
    flat = all(np.ptp(values[place.group == k]) == 0.0 for k in np.unique(place.group))
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
    plain = place.group if recipe.x == "between" else place.row
    for tried in (x, plain * 10.0**recipe.digits):
        if all(np.ptp(tried[:n][codes == k]) > 0.0 for k in np.unique(codes)):
            return tried
    return np.arange(len(x)) * 10.0**recipe.digits


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
    basis = _span(recipe, place, columns)
    basis = np.linalg.svd(basis, full_matrices=False)
    inside = basis.U[:, 1e-9 * basis.S[0] < basis.S]
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
    cells = [np.float64(place.f[:n] == k) for k in range(recipe.levels) if "f" in form.roles]
    if "b" in form.roles:
        cells += [c * place.b[:n] for c in cells]
    if "{x} * {f}" in form.formula:
        cells += [c * columns["x"][:n] for c in cells]
    own = place.h[:n] + place.group[:n] * (recipe.parts if form.nested else 0)
    random = [np.float64(own == k) for k in np.unique(own) if "h" in form.roles]
    for k in np.unique(place.group[:n]):
        in_group = np.float64(place.group[:n] == k)
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


def write_recipes(recipes: Iterable[Recipe], path: Path) -> None:
    """Write recipes as JSON lines; the file has its name only when it is whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(b"".join(encode(recipe) + b"\n" for recipe in recipes))
    partial.replace(path)


def read_recipes(path: Path) -> tuple[Recipe, ...]:
    """Read JSON lines of recipes; empty lines are passed over.

    Raises
    ------
    BadInput
        When the file cannot be read, or with the number of a line that is not a recipe.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    return tuple(_read(path, at, line) for at, line in enumerate(lines, 1) if line.strip())


def _read(path: Path, number: int, line: bytes) -> Recipe:
    try:
        recipe: Recipe = decode(line, Recipe)
    except (msgspec.DecodeError, UnicodeDecodeError, BadInput) as error:
        raise BadInput(f"{path}: line {number} is not a recipe: {error}") from error
    return recipe
