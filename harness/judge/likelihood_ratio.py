"""The likelihood ratio of two nested models at their best points, with its null distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.base.errors import BadInput
from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.nested_models import Nesting, fall_between, nesting_of, null_p
from harness.referee.optimum import Optimum
from harness.referee.standpoint import Standpoint


@dataclass(frozen=True)
class FittedModel:
    """A model at its best point.

    Attributes
    ----------
    name : str
        Its formula.
    """

    name: str
    design: Design
    best: Optimum
    criterion: Criterion

    @property
    def standpoint(self) -> Standpoint:
        """The best point as a place to stand."""
        return Standpoint(self.design, self.criterion, self.best.point, self.best.sigma)


@dataclass(frozen=True)
class Ratio:
    """A likelihood ratio of nested models, with its null distribution.

    Attributes
    ----------
    p_bounds : tuple of float
        Between which p lies.
    null : str
        The distribution in words.
    p_chi_square : float
        By chi-square on all parameters.
    """

    statistic: float
    nesting: Nesting
    p_bounds: tuple[float, float]
    null: str
    p_chi_square: float


def ratio_of(one: FittedModel, two: FittedModel) -> Ratio:
    """Return the likelihood ratio of a model and a larger one, of the same rows.

    Raises
    ------
    BadInput
        Where neither is the smaller, and by REML where their fixed effects are others.
    """
    nesting = nesting_of(one.design, two.design)
    _refuse(nesting, one, two)
    ratio = log_ratio(one, two)
    low, high, null = _null(ratio, nesting, one, two)
    naive = float(stats.chi2.sf(ratio, nesting.parameters))
    return Ratio(ratio, nesting, (low, high), null, naive)


def same_rows(one: FittedModel, two: FittedModel) -> None:
    """Refuse models of other rows, outcomes or weights."""
    n, m = len(one.design.y), len(two.design.y)
    if n != m:
        raise BadInput(
            f"the models are of {n} and {m} rows: leave out the rows that either one has to"
        )
    if not np.array_equal(one.design.y, two.design.y):
        raise BadInput("the models are of other outcomes")
    ones = np.ones(n)
    one_w, two_w = (ones if w is None else w for w in (one.design.weights, two.design.weights))
    if not np.array_equal(one_w, two_w):
        raise BadInput("the models have other weights")


def _refuse(nesting: Nesting, one: FittedModel, two: FittedModel) -> None:
    reml = one.criterion == "REML"
    if reml and not nesting.same_fixed:
        raise BadInput(
            "REML likelihoods of models with other fixed effects are of other data: compare them "
            "by ML"
        )
    if nesting.same:
        raise BadInput(_same_parameters(one, two))
    if nesting.larger:
        raise BadInput("the first model holds the second: give the smaller one first")
    if not nesting.smaller:
        raise BadInput("neither model holds the other: a likelihood ratio does not test them")


_ROUNDED = 1e-5
"""Difference of two deviances that is none: of the same best point, searched for twice."""


def _same_parameters(one: FittedModel, two: FittedModel) -> str:
    """Say of models with the same parameters near independence what they are to each other.

    They can allow different values: a random intercept no negative covariance, ``cs`` one, and
    ``car1`` no negative correlation, ``ar1`` one.
    """
    fall = one.best.deviance - two.best.deviance
    if abs(fall) > _ROUNDED:
        more = "second" if fall > 0.0 else "first"
        return (
            f"the two have the same parameters, but the {more} allows values that the other does "
            "not, such as a negative correlation, and is best there: no df tests them"
        )
    if _written(one.design) == _written(two.design):
        return "the two are one model, written otherwise"
    return (
        "the two have the same parameters and the same best likelihood; one may allow values that "
        "the other does not, such as a negative correlation"
    )


def _written(design: Design) -> tuple[str, list[str]]:
    residual = "" if design.residual is None else design.residual.structure
    return residual, sorted(f"{term.group}: {term.structure}" for term in design.random)


def log_ratio(one: FittedModel, two: FittedModel) -> float:
    """Return twice the difference of the log-likelihoods, the larger model's less the smaller's."""
    fall = fall_between(two.best, one.best, two.design, one.design, reml=one.criterion == "REML")
    return max(2.0 * fall, 0.0)


def _null(
    ratio: float, nesting: Nesting, one: FittedModel, two: FittedModel
) -> tuple[float, float, str]:
    if two.best.free and not ratio:
        return 0.0, 1.0, "nothing: the data do not determine what is tested"
    low, high, null = null_p(ratio, nesting.parameters, nesting.effects)
    covariances = nesting.parameters > nesting.fixed
    if covariances and one.best.optimality.singular:
        # A variance that is zero already leaves the other cones unknown: the widest bounds hold.
        low, high, _ = null_p(ratio, nesting.parameters, nesting.parameters + 1)
        return low, high, f"bounds, as the smaller model is singular, where {null} does not hold"
    return low, high, null
