"""Profiles of models with structured random terms: standard deviations, correlations, sigma.

One parameter is held and the deviance is at its lowest over the others, within their bounds. A
correlation is a parameter of its structure. A standard deviation is v = sigma d, so that sigma =
v / d goes with d; at v = 0 it is d that is held. The steps are Newton's, as those of
:mod:`harness.referee.structured_search`, with the derivatives of what is held put in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.descent import STEPS, lower_along, newton_step, rounding
from harness.referee.likelihood_profile import FURTHEST, Curve, curve, first_step
from harness.referee.minima import evaluated
from harness.referee.optimum import Optimum
from harness.referee.structured_likelihood import StructuredLikelihood, StructuredPoint
from harness.referee.structured_search import free_parameters
from harness.referee.variance_parameter import Parameter

Array = NDArray[np.float64]

UNSTRUCTURED = "it is of a term without a structure beside one with"

_LEAST = 1e-3
"""Share of the best sigma down to which it is held."""


@dataclass(frozen=True)
class HeldPoint:
    """A point where a parameter has a value.

    Attributes
    ----------
    index : int or None
        Of theta, that is the parameter, or sets sigma; None where sigma itself is held.
    value : float
        Of the parameter, in the units of the data.
    deviation : bool
        Whether it is a standard deviation above zero, with which sigma goes.
    """

    point: StructuredPoint
    index: int | None
    value: float
    deviation: bool

    @property
    def sigma(self) -> float | None:
        """Residual standard deviation that goes with the value; None where it is free."""
        if self.index is None:
            return self.value
        if not self.deviation:
            return None
        d = abs(float(self.point.theta[self.index]))
        return self.value / d if d > 0.0 else np.inf

    @property
    def deviance(self) -> float:
        """Of the point, at its own sigma."""
        sigma = self.sigma
        if sigma is not None and not 0.0 < sigma < np.inf:
            return np.inf
        return self.point.deviance(sigma)

    def fixed(self) -> NDArray[np.bool_]:
        """Which of theta is held itself."""
        out = np.zeros(len(self.point.theta), dtype=bool)
        if self.index is not None and not self.deviation:
            out[self.index] = True
        return out

    def derivatives(self) -> tuple[Array, Array, Array]:
        """Gradient and Hessian in conditioned variables, and the matrix from them to theta."""
        twin, to_theta = self.point.conditioned()
        sigma = self.sigma
        if sigma is None:
            return twin.profiled_gradient(), twin.profiled_hessian(), to_theta
        gradient, hessian = twin.gradient(sigma), twin.hessian(sigma)
        k = len(self.point.theta)
        moves = np.vstack([np.eye(k), np.zeros(k)])
        bent = 0.0
        if self.index is not None:
            # sigma = v / d: its derivatives are -sigma / d and 2 sigma / d^2.
            unit = to_theta[self.index, self.index]
            d = float(self.point.theta[self.index])
            moves[-1, self.index] = -sigma / d * unit
            bent = 2.0 * sigma / d**2 * unit**2 * float(gradient[-1])
        inner = moves.T @ hessian @ moves
        if self.index is not None:
            inner[self.index, self.index] += bent
        return moves.T @ gradient, inner, to_theta


class StructuredProfile:
    """The profile of one variance parameter.

    Parameters
    ----------
    best : Optimum
        Of a model with a structured random term.

    Raises
    ------
    ValueError
        For a parameter of a term of several effects without a structure: :func:`has_profile`.
    """

    def __init__(self, best: Optimum, parameter: Parameter) -> None:
        assert isinstance(best.point, StructuredPoint)
        self.best, self.parameter, self.point = best, parameter, best.point
        self.likelihood: StructuredLikelihood = best.point.likelihood
        if not has_profile(self.likelihood, parameter):
            raise ValueError("the parameter is not one of theta")
        self.index = _index(self.likelihood, parameter)

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the parameter space."""
        return lower_end(self.likelihood, self.parameter), self.parameter.bounds[1]

    def curve(
        self, design: Design, *, level: float = 0.95, furthest: float = FURTHEST
    ) -> Curve[HeldPoint]:
        """Follow the profile; ``low`` and ``high`` are None where it meets the parameter space."""
        sigma = self.best.sigma
        factors = self.likelihood.factors(self.point.theta)
        covariances = [sigma**2 * f @ f.T for f in factors]
        here = self.parameter.value(covariances, sigma)
        low, high = self.ends
        if self.parameter.scale == "sigma":
            low = _LEAST * here
        return curve(
            self.lowest,
            here,
            self.best.deviance,
            (low, high),
            first_step(self.parameter, design, covariances, sigma),
            level=level,
            furthest=furthest,
        )

    def lowest(self, value: float, near: HeldPoint | None = None) -> HeldPoint:
        """Return the lowest point found with the parameter at a value.

        Raises
        ------
        LinAlgError
            Where nothing can be evaluated.
        """
        points = evaluated(self.likelihood.at, self._starts(value, near))
        deviation = self.parameter.scale == "sd" and value > 0.0
        found = [_descended(HeldPoint(p, self.index, value, deviation)) for p in points]
        if not found:
            raise np.linalg.LinAlgError("rounding leaves no information")
        return min(found, key=lambda one: one.deviance)

    def _starts(self, value: float, near: HeldPoint | None) -> Iterator[Array]:
        """Yield the best point and a neighbour, moved to the value."""
        scale = self.likelihood.products.basis.y_scale
        points = [self.point] if near is None else [near.point, self.point]
        for point in points:
            theta = point.theta.copy()
            if self.index is not None:
                moved = value
                if self.parameter.scale == "sd":
                    moved = value / (point.sigma * scale)
                theta[self.index] = moved
            yield theta
            free = np.zeros(len(theta), dtype=bool)
            free[: len(self.likelihood.layout)] = True
            if self.index is not None:
                free[self.index] = False
            yield np.where(free, 0.7 * theta, theta)


def has_profile(likelihood: StructuredLikelihood, parameter: Parameter) -> bool:
    """Whether a parameter is one of theta: not of several effects without a structure."""
    if parameter.scale == "sigma":
        return True
    own = likelihood.terms[parameter.term]
    return bool(own.structure) or own.q == 1


def lower_end(likelihood: StructuredLikelihood, parameter: Parameter) -> float:
    """Return the lower end of the parameter space; of a correlation it is the structure's."""
    if parameter.scale == "correlation":
        return float(likelihood.terms[parameter.term].bounds[0][-1])
    return parameter.bounds[0]


def _index(likelihood: StructuredLikelihood, parameter: Parameter) -> int | None:
    if parameter.scale == "sigma":
        return None
    mine, own = likelihood.slices[parameter.term], likelihood.terms[parameter.term]
    if parameter.scale == "correlation":
        return int(mine.stop) - 1
    alone = not own.structure or own.deviations == own.q
    return int(mine.start) + (parameter.effects[0] if alone else 0)


class _Along:
    """A held point as a step along a line sees it."""

    def __init__(self, held: HeldPoint) -> None:
        self.held = held

    def deviance(self) -> float:
        return self.held.deviance


def _descended(start: HeldPoint) -> HeldPoint:
    """Go down from a point by Newton's steps within the bounds."""
    held, radius = start, 1.0
    likelihood = start.point.likelihood
    value = held.deviance
    if not np.isfinite(value):
        return held

    def within(theta: Array) -> _Along:
        point = likelihood.at(np.clip(theta, likelihood.lower, likelihood.upper))
        return _Along(HeldPoint(point, held.index, held.value, held.deviation))

    for _ in range(STEPS):
        gradient, hessian, to_theta = held.derivatives()
        noise = rounding(likelihood)
        free = free_parameters(held.point, gradient, hessian, noise) & ~held.fixed()
        if not free.any():
            break
        down, _ = newton_step(gradient[free], hessian[np.ix_(free, free)], value, noise)
        if down is None:
            break
        step = np.zeros(len(free))
        step[free] = down
        length = min(float(np.linalg.norm(step)), radius)
        step *= length / float(np.linalg.norm(step))
        moved, share = lower_along(held.point.theta, to_theta @ step, value, within)
        if moved is None:
            break
        radius = 2.0 * radius if share == 1.0 else max(2.0 * share * length, 1e-6)
        held, value = moved.held, moved.deviance()
    return held
