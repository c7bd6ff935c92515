"""Recipes: complete descriptions of generated clustered data with a model.

A recipe is one line of JSON. What it describes is drawn (``strategies.py``), collected, sent to
other processes, shrunk and kept as a regression; the table is built from it where it is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from harness.base.errors import BadInput
from harness.base.files import write_file
from harness.base.json import decode, encode
from harness.data.datasets import Dataset
from harness.data.recipes.forms import FORMS, Shape
from harness.data.recipes.recipe_data import draw_columns, frame_of
from harness.data.recipes.recipe_labels import NAMES, Labels, Names
from harness.data.rungs import Rung
from harness.model.case import Case
from harness.model.model import Model, parse_model, require_fittable
from harness.model.table import FactorColumn, Table
from harness.spelling.lme4_spelling import quote_name

Criterion = Literal["REML", "ML"]


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
    "rho": (-1.0, 1.0),
    "spread": (0, 12),
    "strata_ratio": (1e-6, 1e6),
    "seed": (0, 2**63 - 1),
}


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set and a model.

    Before units and offsets the residual variance is 1.

    Attributes
    ----------
    shape : str
        A key of ``FORMS``.
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
    rho : float
        Correlation of the residuals at a distance of one visit, or of any two of a group.
    gaps : bool
        Whether visits are missed.
    spread : int
        Orders of magnitude that weights are spread over.
    strata_ratio : float
        Standard deviation of the residuals in the second stratum, relative to the first.
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
    rho: float = 0.0
    gaps: bool = False
    spread: int = 0
    strata_ratio: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        # Equal recipes are written alike: 1 for 1.0 would be another id.
        msgspec.structs.force_setattr(self, "sizes", tuple(self.sizes))
        msgspec.structs.force_setattr(self, "ratios", tuple(map(float, self.ratios)))
        for name in ("correlation", "other_ratio", "effect", "near", "rho", "strata_ratio"):
            msgspec.structs.force_setattr(self, name, float(getattr(self, name)))
        if self.shape not in FORMS:
            raise BadInput(f"recipe: no shape {self.shape!r}; there are {', '.join(FORMS)}")
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
        return FORMS[self.shape]

    @property
    def id(self) -> str:
        """``gen/<shape>/<digest>/<criterion>``; REML and ML of the same data share the digest."""
        about = {name: value for name, value in self.stated().items() if name != "criterion"}
        digest = hashlib.sha256(encode(about)).hexdigest()[:10]
        return f"gen/{self.shape}/{digest}/{self.criterion}"

    def stated(self) -> dict[str, Any]:
        """Return the fields that are not at their defaults, which is enough to write it down."""
        return {
            name: value
            for name, default in _defaults().items()
            if (value := getattr(self, name)) != default
        }

    @property
    def fixed_columns(self) -> int:
        """Columns of X."""
        return self.form.numeric + self.form.per_level * (self.levels - 1)


@cache
def _defaults() -> dict[str, object]:
    # Looking them up evaluates every annotation anew, which took a quarter of building a case.
    return {field.name: field.default for field in msgspec.structs.fields(Recipe)}


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
    """Return how many rows each group needs: two where its own slope in ``x`` is told by X.

    Two too where rows of a group are correlated, though one group of two would do.
    """
    if "{g}" in recipe.form.residual:
        return 2
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
    drawn = draw_columns(recipe)
    model = _model(recipe.shape, recipe.criterion, recipe.names, recipe.labels)
    table = Table(tuple(drawn[name].column(name) for name in _columns(model)))
    require_fittable(model, table)
    name = recipe.id
    title = f"{recipe.form.title}, {groups} groups, {table.n_rows} rows"
    levels = {name: column.stated for name, column in drawn.items() if column.stated}
    # Most campaigns never look at the frame.
    data = Dataset(title, partial(frame_of, drawn), f"generated ({name.split('/')[2]})", levels)
    case = Case(name, model, table)
    if recipe.form.residual:
        # Whether it can be told from these rows shows when it is evaluated.
        case.design  # noqa: B018
    return Rung(case, title, recipe.shape, _focus(recipe, table), data)


@cache
def _model(shape: str, criterion: Criterion, names: Names, labels: Labels) -> Model:
    plain = {role: quote_name(name) for role, name in NAMES[names].items()}
    quoted = dict(plain)
    if labels == "integers":  # a factor only because the formula says so
        quoted |= {role: f"factor({quoted[role]})" for role in "fb"}
    form = FORMS[shape]
    return parse_model(form.formula.format(**quoted), criterion, form.residual.format(**plain))


@cache
def _columns(model: Model) -> tuple[str, ...]:
    """Return the columns of a model in the order in which a table has them."""
    return tuple(dict.fromkeys(name.name for name in model.names()))


def _focus(recipe: Recipe, table: Table) -> str:
    names, roles = NAMES[recipe.names], recipe.form.roles
    if "x" in roles:
        return names["x"]
    if "f" not in roles:
        return "Intercept"
    column = table.rows(table.complete)[names["f"]]
    assert isinstance(column, FactorColumn)
    return f"{names['f']}[T.{column.levels[np.unique(column.codes)[1]]}]"


def write_recipes(recipes: Iterable[Recipe], path: Path) -> None:
    """Write recipes as JSON lines; the file has its name only when it is whole."""
    write_file(path, b"".join(encode(recipe.stated()) + b"\n" for recipe in recipes))


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
