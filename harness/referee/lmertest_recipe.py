"""Programs' ways to Satterthwaite's df, applied to any likelihood: numerical derivatives.

lmerTest takes numDeriv's Richardson extrapolation (Gilbert and Varadhan, ``genD`` and ``jacobian``,
r = 4, v = 2): steps of a tenth of each parameter for the Hessian and 1e-4 of it for the Jacobian,
an absolute 1e-4 near zero; eigenvalues of the Hessian up to an absolute 1e-8 are left out. Others
take plain central differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.deviance import Likelihood

Array = NDArray[np.float64]

EPSILON = float(np.finfo(float).eps)
NEAR_ZERO = math.sqrt(EPSILON / 7e-7)
CUT_OFF = 1e-8


def _extrapolated(values: list[Any]) -> Any:
    """Extrapolate values at steps h, h/2, h/4, ... to a step of zero."""
    for m in range(1, len(values)):
        values = [(4.0**m * b - a) / (4.0**m - 1.0) for a, b in pairwise(values)]
    return values[0]


def _steps(x: Array, share: float) -> list[Array]:
    first = np.abs(share * x) + 1e-4 * (np.abs(x) < NEAR_ZERO)
    return [first / 2.0**i for i in range(4)]


def _hessian(f: Callable[[Array], float], x: Array) -> Array:
    k, middle, unit = len(x), f(x), np.eye(len(x))
    out, steps = np.empty((k, k)), _steps(x, 0.1)
    for i in range(k):
        out[i, i] = _extrapolated(
            [(f(x + h * unit[i]) - 2 * middle + f(x - h * unit[i])) / h[i] ** 2 for h in steps]
        )
    for i in range(k):
        for j in range(i):
            mixed = []
            for h in steps:
                e = h * (unit[i] + unit[j])
                squares = out[i, i] * h[i] ** 2 + out[j, j] * h[j] ** 2
                mixed.append((f(x + e) - 2 * middle + f(x - e) - squares) / (2 * h[i] * h[j]))
            out[i, j] = out[j, i] = _extrapolated(mixed)
    return out


def _jacobian(f: Callable[[Array], Array], x: Array) -> list[Array]:
    unit, steps = np.eye(len(x)), _steps(x, 1e-4)
    return [
        _extrapolated([(f(x + h * e) - f(x - h * e)) / (2 * h @ e) for h in steps]) for e in unit
    ]


def _rounded(
    likelihood: Likelihood, noise: tuple[float, float], rng: np.random.Generator
) -> tuple[Callable[[Array], float], Callable[[Array], Array]]:
    """Return deviance and variances of the coefficients as functions of (theta, sigma), rounded."""

    def deviance(v: Array) -> float:
        return likelihood.at(v[:-1]).deviance(v[-1]) + noise[0] * rng.normal()

    def variances(v: Array) -> Array:
        point = likelihood.at(v[:-1])
        internal = v[-1] / likelihood.products.basis.y_scale
        covariance = np.asarray(point.c, dtype=np.float64)
        diagonal = internal**2 * np.diag(point.to_data(covariance))
        return np.asarray(diagonal * (1.0 + noise[1] * rng.normal(size=len(diagonal))))

    return deviance, variances


def recipe_df(
    likelihood: Likelihood,
    theta: Array,
    sigma: float,
    *,
    noise: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> Array:
    """Return the df of every coefficient.

    ``noise`` disturbs the deviance absolutely, and each variance relatively.
    """
    deviance, variances = _rounded(likelihood, noise, np.random.default_rng(seed))
    x = np.append(theta, sigma)
    values, vectors = np.linalg.eigh(_hessian(deviance, x))
    kept = vectors[:, values > CUT_OFF] / np.sqrt(values[values > CUT_OFF])
    g = np.array(_jacobian(variances, x)).T @ kept
    return np.asarray(variances(x) ** 2 / (g**2).sum(axis=1))


def difference_df(
    likelihood: Likelihood,
    theta: Array,
    sigma: float,
    *,
    step: float,
    noise: tuple[float, float],
    seed: int = 0,
) -> Array:
    """Return the df of every coefficient by plain central differences, as other programs take them.

    Parameters
    ----------
    step : float
        Of each element of theta; sigma moves by this share of itself.
    noise : tuple of float
        As in :func:`recipe_df`.
    """
    deviance, variances = _rounded(likelihood, noise, np.random.default_rng(seed))
    x = np.append(theta, sigma)
    moves = np.diag(np.append(np.full(len(theta), step), step * sigma))
    # In units of the steps, whatever the units of sigma.
    middle = deviance(x)
    hessian = np.diag([deviance(x + a) - 2.0 * middle + deviance(x - a) for a in moves])
    for i, j in combinations(range(len(x)), 2):
        a, b = moves[i], moves[j]
        corners = deviance(x + a + b) - deviance(x + a - b) - deviance(x - a + b)
        hessian[i, j] = hessian[j, i] = 0.25 * (corners + deviance(x - a - b))
    g = 0.5 * np.array([variances(x + a) - variances(x - a) for a in moves])
    solved = np.linalg.lstsq(hessian, g, rcond=None)[0]
    return np.asarray(variances(x) ** 2 / (g * solved).sum(axis=0))


def rounding_of_lme4(
    design: Design, factors: Sequence[Array], sigma: float
) -> tuple[float, float, float]:
    """Model the rounding of lme4's deviance and, relatively, of its covariance matrix.

    The third number is |y| / sigma. ``factors`` are those of the relative covariances, lower
    triangular, a term each.

    lme4 solves normal equations in the data as they are, neither centred nor scaled, with condition
    number k after scaling to a unit diagonal: relative errors of k epsilon (Higham 2002, theorem
    10.3). Its residual sum of squares is that of y - mu, rounded at the size of y.
    """
    design = design.whitened()
    n, pairs = len(design.y), zip(design.random, factors, strict=True)
    blocks = [term.columns(term.z @ lower) for term, lower in pairs]
    columns = np.column_stack([*blocks, design.x])
    normal = columns.T @ columns
    random = np.arange(columns.shape[1] - design.x.shape[1])
    normal[random, random] += 1.0
    size = np.sqrt(np.diag(normal))
    condition = float(np.linalg.cond(normal / np.outer(size, size)))
    outcome = float(np.linalg.norm(design.y)) / sigma
    return EPSILON * (outcome * math.sqrt(n) + condition), EPSILON * condition, outcome
