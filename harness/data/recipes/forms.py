"""Forms of model that data are generated for, simple ones first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Shape:
    """A form of model.

    Attributes
    ----------
    formula : str
        With roles for columns: outcome ``y``, predictors ``x`` and ``v``, cluster-level predictor
        ``w``, factors ``f`` and ``b`` (two levels), grouping factors ``g`` and ``h``, weights
        ``k``.
    numeric, per_level : int
        Columns of X: ``numeric + per_level * (levels of f - 1)``.
    effects : int
        Random effects of each level of ``g``.
    residual : str
        Residual covariance, with the visit or time ``t`` of a row; empty for none.
    most_rows : int, optional
        Rows of a group at most, where a residual covariance has more parameters for each visit.
    """

    title: str
    formula: str
    numeric: int
    per_level: int = 0
    effects: int = 1
    residual: str = ""
    most_rows: int | None = None

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Columns that the model uses, in its order."""
        return tuple(dict.fromkeys(re.findall(r"{(\w)}", self.formula + self.residual)))

    @property
    def own(self) -> bool:
        """Whether residuals are not independent with one variance."""
        return bool(self.residual) or "k" in self.roles

    @property
    def numbered(self) -> bool:
        """Whether visits are numbers of a list, and not times with distances of any size."""
        return self.most_rows is not None

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

VISIT_SHAPES: dict[str, Shape] = {
    "ar1": Shape("AR(1) over visits", "{y} ~ {x}", 2, effects=0, residual="ar1({t} | {g})"),
    "ar1-intercept": Shape(
        "random intercept and AR(1)", "{y} ~ {x} + (1 | {g})", 2, residual="ar1({t} | {g})"
    ),
    "car1": Shape(
        "AR(1) in continuous time", "{y} ~ {x}", 2, effects=0, residual="car1({t} | {g})"
    ),
    "symmetric": Shape("compound symmetry", "{y} ~ {x}", 2, effects=0, residual="cs(1 | {g})"),
    "toeplitz": Shape(
        "a correlation for each distance",
        "{y} ~ {x}",
        2,
        effects=0,
        residual="toep({t} | {g})",
        most_rows=4,
    ),
    "correlated": Shape(
        "a correlation for each two visits",
        "{y} ~ {x}",
        2,
        effects=0,
        residual="corr({t} | {g})",
        most_rows=4,
    ),
    "unstructured": Shape(
        "variances and correlations of visits",
        "{y} ~ {x}",
        2,
        effects=0,
        residual="us({t} | {g})",
        most_rows=4,
    ),
    "strata": Shape("variances by stratum", "{y} ~ {x} + (1 | {g})", 2, residual="het({b})"),
    "symmetric-strata": Shape(
        "compound symmetry and variances by stratum",
        "{y} ~ {x}",
        2,
        effects=0,
        residual="cs(1 | {g}) + het({b})",
    ),
    "weighted": Shape("weights", "{y} ~ {x} + (1 | {g}) + weights({k})", 2),
    "weighted-slope": Shape(
        "weights and a correlated slope", "{y} ~ {x} + ({x} | {g}) + weights({k})", 2, effects=2
    ),
}
"""Those with weights or a residual covariance: drawn when they are asked for by name, since most
engines cannot express them."""

FORMS: dict[str, Shape] = {**SHAPES, **VISIT_SHAPES}
"""Every form by name."""
