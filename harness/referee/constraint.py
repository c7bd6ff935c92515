"""The deviance at its lowest when some variance parameters are held at given values.

With Psi = sigma^2 L L' and the effects of a term in a suitable order, a standard deviation is
sigma |L_00|, and a correlation is the direction of the second row of L: both are linear in theta
once sigma is given. What is left free is minimised by Newton's method with a trust region, from the
analytic derivatives of :mod:`harness.referee.deviance`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from harness.model.design import Design
from harness.referee.deviance import Likelihood, Point
from harness.referee.residual_likelihood import ResidualLikelihood, likelihood_of
from harness.referee.structured_likelihood import StructuredLikelihood

Array = NDArray[np.float64]

_LIFT = 1e-4
"""Relative variance, in scaled effects, added to starts that are singular: on the boundary the
derivatives of the deviance in the factor vanish, so that nothing would leave it."""


@dataclass(frozen=True)
class Held:
    """What is held fixed: ``rows @ theta = values / sigma``, and sigma itself unless None."""

    rows: Array
    values: Array
    sigma: float | None = None


@dataclass(frozen=True)
class Minimum:
    """The lowest point found under a constraint; sigma in the units of the data."""

    theta: Array
    sigma: float
    deviance: float


@dataclass(frozen=True)
class Ordered:
    """A likelihood whose terms have their effects in another order.

    Attributes
    ----------
    orders : tuple of tuple of int
        For each term the effects of the design in the order of the likelihood.
    """

    likelihood: Likelihood
    orders: tuple[tuple[int, ...], ...]

    def theta(self, relative: Sequence[Array]) -> Array:
        """Return theta of relative covariance matrices in the order of the design."""
        return self.likelihood.theta(
            [psi[np.ix_(o, o)] for psi, o in zip(relative, self.orders, strict=True)]
        )

    def at_residual(self, phi: Array) -> Ordered:
        """Return the same with the parameters of the residual covariance that theta begins at."""
        if not isinstance(self.likelihood, ResidualLikelihood):
            return self
        return replace(self, likelihood=self.likelihood.given(phi))

    def place(self, term: int, row: int, column: int) -> int:
        """Index in theta of an element of a factor."""
        return self.likelihood.layout.index((term, row, column))


def ordered(design: Design, first: dict[int, tuple[int, ...]], *, reml: bool) -> Ordered:
    """Return the likelihood of a design with some effects of some terms put first.

    Parameters
    ----------
    first : dict
        Effects to be put first, by term.
    """
    orders, terms = [], []
    for t, term in enumerate(design.random):
        front = first.get(t, ())
        order = (*front, *(i for i in range(len(term.names)) if i not in front))
        orders.append(order)
        names = tuple(term.names[i] for i in order)
        terms.append(replace(term, names=names, z=np.ascontiguousarray(term.z[:, list(order)])))
    moved = replace(design, random=tuple(terms))
    return Ordered(likelihood_of(moved, reml=reml), tuple(orders))


def lowest(likelihood: Likelihood, held: Held, start: Array, sigma: float) -> Minimum:
    """Minimise the deviance over everything that is not held.

    Parameters
    ----------
    start : array
        Theta to start from; it need not satisfy the constraint.
    sigma : float
        Residual standard deviation to start from, in the units of the data.
    """
    problem = _Problem(likelihood, held, lifted(likelihood, start))
    begin = problem.coordinates(lifted(likelihood, start), sigma)
    if not len(begin):
        theta, at = problem.place(begin)
        return Minimum(theta, at, likelihood.at(theta).deviance(at))
    try:
        found = optimize.minimize(
            problem.value,
            begin,
            jac=problem.gradient,
            hess=problem.hessian,
            method="trust-exact",
            options={"gtol": 1e-5, "maxiter": 100, "initial_trust_radius": 0.5},
        )
    except UnboundLocalError:
        # scipy's step has no value where the Hessian has none: the deviance falls for ever.
        raise np.linalg.LinAlgError("the deviance has no minimum there") from None
    theta, at = problem.place(found.x)
    return Minimum(theta, at, float(found.fun))


def lifted(likelihood: Likelihood, theta: Array) -> Array:
    """Return theta with a little more variance where it is singular: derivatives vanish there."""
    if isinstance(likelihood, StructuredLikelihood):
        return likelihood.inwards(theta, _LIFT)
    basis = likelihood.products.basis.effects
    scaled = []
    for w, lower in zip(basis, likelihood.factors(theta), strict=True):
        psi = w @ lower @ lower.T @ w.T
        if len(psi) and float(np.linalg.eigvalsh(psi)[0]) < _LIFT:
            back = np.linalg.inv(w)
            psi = back @ (psi + _LIFT * np.eye(len(psi))) @ back.T
        else:
            psi = lower @ lower.T
        scaled.append(psi)
    k = len(likelihood.layout)
    return np.concatenate([likelihood.theta(scaled)[:k], theta[k:]])


class _Problem:
    """The deviance in free coordinates (log sigma, y), theta = p / sigma + M y.

    The columns of M are orthonormal combinations of well-conditioned variables at the start.
    """

    def __init__(self, likelihood: Likelihood, held: Held, start: Array) -> None:
        self.likelihood = likelihood
        self.held = held
        to_theta = likelihood.at(start).conditioned()[1]
        rows = held.rows @ to_theta
        self.particular: Array = to_theta @ (np.linalg.pinv(rows) @ held.values)
        self.free: Array = to_theta @ linalg.null_space(rows) if len(rows) else to_theta
        self._at: Array | None = None
        self._point: Point | None = None
        self._derivatives: tuple[Array, Array] | None = None

    def coordinates(self, theta: Array, sigma: float) -> Array:
        """Return the coordinates of the point that satisfies the constraint nearest to a start."""
        at = self.held.sigma or sigma
        y = np.linalg.lstsq(self.free, theta - self.particular / at, rcond=None)[0]
        return np.asarray(y if self.held.sigma else np.append(math.log(sigma), y))

    def place(self, x: Array) -> tuple[Array, float]:
        """Return theta and sigma of coordinates."""
        if self.held.sigma is not None:
            return self.particular / self.held.sigma + self.free @ x, self.held.sigma
        sigma = math.exp(min(max(float(x[0]), -700.0), 700.0))
        return self.particular / sigma + self.free @ x[1:], sigma

    def _evaluated(self, x: Array) -> tuple[Point, float]:
        theta, sigma = self.place(x)
        if self._at is None or not np.array_equal(self._at, x):
            self._at, self._point = x.copy(), self.likelihood.at(theta)
            self._derivatives = None
        assert self._point is not None
        return self._point, sigma

    def value(self, x: Array) -> float:
        """Deviance; infinite where it cannot be evaluated."""
        try:
            point, sigma = self._evaluated(x)
            value = point.deviance(sigma)
        except (np.linalg.LinAlgError, ValueError, OverflowError):
            return math.inf
        return value if math.isfinite(value) else math.inf

    def gradient(self, x: Array) -> Array:
        """Gradient in the coordinates."""
        return self._both(x)[0]

    def hessian(self, x: Array) -> Array:
        """Hessian in the coordinates."""
        return self._both(x)[1]

    def _both(self, x: Array) -> tuple[Array, Array]:
        try:
            point, sigma = self._evaluated(x)
        except np.linalg.LinAlgError:  # a proposal that its infinite value has refused
            return np.zeros(len(x)), np.eye(len(x))
        if self._derivatives is None:
            g, h = point.gradient(sigma), point.hessian(sigma)
            moves = np.vstack([self.free, np.zeros(self.free.shape[1])])
            if self.held.sigma is None:
                p = self.particular / sigma
                moves = np.column_stack([np.append(-p, sigma), moves])
                bend = float(g @ np.append(p, sigma))
            gradient, hessian = moves.T @ g, moves.T @ h @ moves
            if self.held.sigma is None:
                hessian[0, 0] += bend
            self._derivatives = gradient, hessian
        return self._derivatives
