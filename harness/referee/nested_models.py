"""Which of two models is a smaller one, and how the likelihood ratio of nested models falls out.

Where a variance is zero under the null hypothesis, the likelihood ratio is no chi-square but a
mixture of several (Self and Liang 1987, JASA 82: 605). One random effect less, with its
covariances, gives equal parts of the chi-squares on d - 1 and d degrees of freedom (Stram and Lee
1994, Biometrics 50: 1171). For several effects at once the weights depend on the data; p then
lies between the bounds of Kodde and Palm (1986, Econometrica 54: 1243).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.model.design import Design
from harness.referee.covariance_space import column_space, covariance_ranks, same_columns
from harness.referee.optimum import Optimum
from harness.referee.residual_matrix import is_one_sided

Array = NDArray[np.float64]

ROUNDED = 1e-12
"""Relative difference of two deviances that is no more than their rounding."""


@dataclass(frozen=True)
class Nesting:
    """How a model lies to another of the same rows.

    Attributes
    ----------
    same_fixed : bool
        Whether the fixed effects span the same columns.
    same, smaller, larger : bool
        Of the first model, beside the second; all are false where neither holds the other.
    parameters, fixed, effects : int
        How many more parameters, fixed effects and random effects the second has. Random effects
        are counted by the space that they span in each grouping factor; a correlation in continuous
        time, which cannot be negative, counts as one.
    """

    same_fixed: bool
    same: bool
    smaller: bool
    larger: bool
    parameters: int
    fixed: int
    effects: int


def nesting_of(one: Design, other: Design) -> Nesting:
    """Compare the spaces of two models: of their fixed effects, and of their covariances."""
    less, more, both = covariance_ranks(one, other)
    fixed = column_space(other.x).shape[1] - column_space(one.x).shape[1]
    parameters = more - less + fixed
    same_fixed = one.x.shape == other.x.shape and same_columns(one.x, other.x)
    return Nesting(
        same_fixed=same_fixed,
        same=more == less == both and same_fixed,
        smaller=both == more and parameters > 0 and _within(one, other),
        larger=both == less and parameters < 0 and _within(other, one),
        parameters=parameters,
        fixed=fixed,
        effects=_effects(other) - _effects(one),
    )


def fall_between(before: Optimum, after: Optimum, one: Design, two: Design, *, reml: bool) -> float:
    """Return how much lower the log-likelihood of ``two`` is than that of ``one``.

    Parameters
    ----------
    before, after : Optimum
        Of ``one`` and ``two``, by one criterion.
    """
    fall = 0.5 * (after.deviance - before.deviance)
    # Another coding of the same columns moves the REML constant, and nothing else.
    if reml and not np.array_equal(one.x, two.x):
        fall += log_volume(one.x) - log_volume(two.x)
    if abs(2.0 * fall) <= ROUNDED * max(1.0, abs(before.deviance)):
        return 0.0  # p of a variance at the boundary jumps from 1 to 1/2 there
    return float(fall)


def log_volume(x: Array) -> float:
    """Return half of log |X'X|, what the REML log-likelihood has of the coding."""
    return float(np.log(np.abs(np.diag(np.linalg.qr(x, mode="r")))).sum())


def _within(small: Design, large: Design) -> bool:
    q = column_space(large.x)
    left = column_space(small.x)
    return bool(np.abs(left - q @ (q.T @ left)).max(initial=0.0) < 1e-6)


def _effects(design: Design) -> int:
    """Return how many random effects there are, those of one grouping factor counted as a space."""
    total = int(design.residual is not None and is_one_sided(design.residual))
    done: list[NDArray[np.int32]] = []
    for term in design.random:
        if any(np.array_equal(term.codes, codes) for codes in done):
            continue
        done.append(term.codes)
        alike = [t.z for t in design.random if np.array_equal(t.codes, term.codes)]
        total += column_space(np.column_stack(alike)).shape[1]
    return total


def null_p(ratio: float, parameters: int, effects: int) -> tuple[float, float, str]:
    """Return p of a likelihood ratio from below and above, and its null distribution in words.

    Parameters
    ----------
    ratio : float
        Twice the difference of the log-likelihoods.
    parameters : int
        How many more the larger model has.
    effects : int
        Random effects whose variances are zero in the smaller model and need not be in the larger.
    """
    d = parameters
    if effects == 0:
        p = float(stats.chi2.sf(ratio, d))
        return p, p, f"chi-square({d})"
    if effects == 1:
        p = _half(ratio, d)
        return p, p, f"an equal mixture of chi-square({d - 1}) and chi-square({d})"
    free = max(d - effects * (effects + 1) // 2, 0)
    text = f"a mixture of chi-squares on {free} to {d} degrees of freedom"
    return _half(ratio, free + 1), _half(ratio, d), text


def _half(ratio: float, d: int) -> float:
    lower = float(stats.chi2.sf(ratio, d - 1)) if d > 1 else float(ratio <= 0.0)
    return 0.5 * lower + 0.5 * float(stats.chi2.sf(ratio, d))
