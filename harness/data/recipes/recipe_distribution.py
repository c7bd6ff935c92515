"""What a list of recipes holds: how many of each shape and size, and how many with each trap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from harness.data.recipes.forms import SHAPES
from harness.data.recipes.shapes import Recipe, least_groups

_GROUPS = (2, 5, 10, 30, 100)
_ROWS = (1, 13, 31, 101, 501)


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over a list of recipes.

    Attributes
    ----------
    recipes : int
        All of them.
    shapes, criteria : dict
        Count by name.
    groups, rows : dict
        Count by range, ``"5 to 9"``; rows with missing values included.
    features : dict
        How many have each of ``FEATURES``.
    """

    recipes: int
    shapes: dict[str, int]
    criteria: dict[str, int]
    groups: dict[str, int]
    rows: dict[str, int]
    features: dict[str, int]


def _groups(recipe: Recipe) -> int:
    return sum(size > 0 for size in recipe.sizes)


def _rows(recipe: Recipe) -> int:
    return sum(recipe.sizes) + recipe.missing


def _sizes(recipe: Recipe) -> set[int]:
    return {size for size in recipe.sizes if size}


def _variances(recipe: Recipe) -> tuple[float, ...]:
    own = (recipe.other_ratio,) if "h" in recipe.form.roles else ()
    return recipe.ratios + own


FEATURES: dict[str, Callable[[Recipe], bool]] = {
    "balanced": lambda r: len(_sizes(r)) == 1,
    "unbalanced": lambda r: len(_sizes(r)) > 1,
    "groups of one row": lambda r: 1 in r.sizes,
    "fewest groups possible": lambda r: _groups(r) == least_groups(r),
    "two groups": lambda r: _groups(r) == 2,
    "hundred groups or more": lambda r: _groups(r) >= 100,
    "zero variance": lambda r: 0.0 in _variances(r),
    "variance ratio 0.01 to 0.1": lambda r: any(0.0 < v <= 0.1 for v in _variances(r)),
    "variance ratio 100 or more": lambda r: any(v >= 100.0 for v in _variances(r)),
    "variance ratio 1e4": lambda r: 1e4 in _variances(r),
    "correlation other than 0": lambda r: r.correlation != 0.0,
    "correlation +1": lambda r: r.correlation == 1.0,
    "correlation -1": lambda r: r.correlation == -1.0,
    "near-collinear predictors": lambda r: r.near > 0.0,
    "predictor constant within groups": lambda r: r.x == "between" or "w" in r.form.roles,
    "factor constant within groups": lambda r: r.between_factor,
    "offset of the outcome": lambda r: r.y_offset != 0,
    "offset of the predictor": lambda r: r.x_offset != 0,
    "units of the outcome": lambda r: r.y_power != 0,
    "units of the predictor": lambda r: r.x_power != 0,
    "heavy tails": lambda r: r.tails == "heavy",
    "no decimals": lambda r: r.digits == 0,
    "six decimals": lambda r: r.digits == 6,
    "missing values": lambda r: r.missing > 0,
    "unused levels": lambda r: r.unused > 0,
    "unordered levels": lambda r: r.level_order != "sorted",
    "numeric labels": lambda r: r.labels == "integers",
    "labels of digits": lambda r: r.labels == "digits",
    "labels that locales sort": lambda r: r.labels == "locale",
    "labels with spaces, colons, quotes": lambda r: r.labels == "awkward",
    "unsorted rows": lambda r: r.order != "sorted",
    "names with spaces": lambda r: r.names == "spaces",
    "names with dots": lambda r: r.names == "dots",
    "names beyond ASCII": lambda r: r.names == "unicode",
    "names of functions": lambda r: r.names == "functions",
    "reserved words as names": lambda r: r.names == "reserved",
    "names with quotes and operators": lambda r: r.names == "quotes",
}
"""Traits that a recipe has or has not."""


def distribution(recipes: Iterable[Recipe]) -> Distribution:
    """Count shapes, sizes and traits; what does not occur is there with 0."""
    all_of_them = tuple(recipes)
    shapes = Counter(recipe.shape for recipe in all_of_them)
    criteria = Counter(recipe.criterion for recipe in all_of_them)
    return Distribution(
        recipes=len(all_of_them),
        shapes={name: shapes[name] for name in dict.fromkeys([*SHAPES, *shapes])},
        criteria={name: criteria[name] for name in ("REML", "ML")},
        groups=_binned(map(_groups, all_of_them), _GROUPS),
        rows=_binned(map(_rows, all_of_them), _ROWS),
        features={name: sum(map(has, all_of_them)) for name, has in FEATURES.items()},
    )


def _binned(values: Iterable[int], starts: tuple[int, ...]) -> dict[str, int]:
    ends = (*(start - 1 for start in starts[1:]), None)
    names = [
        f"{a} or more" if b is None else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)
    ]
    counts = dict.fromkeys(names, 0)
    for value in values:
        at = max(k for k, start in enumerate(starts) if value >= start)
        counts[names[at]] += 1
    return counts
