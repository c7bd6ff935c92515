"""The deviance at its lowest over all variance parameters but one or two, which are held."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.best_point import find_optimum
from harness.referee.constraint import Held, Minimum, Ordered, lowest, ordered
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.variance_parameter import Parameter

Array = NDArray[np.float64]

Given = tuple[tuple[Parameter, float], ...]
"""Parameters and the values at which they are held."""

INDEPENDENT: Array = np.zeros(0)
"""Parameters of a residual covariance where there is none."""


class Profiler:
    """The profiled deviance of one or two parameters of a case.

    Parameters
    ----------
    design : Design
    reml : bool
    relative : sequence of (q, q) arrays
        Covariance matrices of the best point, relative to the residual variance.
    sigma : float
        Residual standard deviation there, in the units of the data.
    held : tuple of Parameter
        At most one correlation and one standard deviation, the first of the correlated effects, or
        standard deviations of several terms.
    phi : array
        Parameters of the residual covariance at the best point; empty without one.
    """

    def __init__(
        self,
        design: Design,
        relative: Sequence[Array],
        sigma: float,
        held: tuple[Parameter, ...],
        *,
        reml: bool,
        phi: Array = INDEPENDENT,
    ) -> None:
        self.design, self.reml, self.held, self._phi = design, reml, held, phi
        first: dict[int, tuple[int, ...]] = {}
        for parameter in held:
            if len(parameter.effects) > len(first.get(parameter.term, ())):
                first[parameter.term] = parameter.effects
        self.ordered: Ordered = ordered(design, first, reml=reml).at_residual(phi)
        self.start = Minimum(self.ordered.theta(relative), sigma, math.nan)
        self._relative = tuple(relative)
        self._without: dict[tuple[object, ...], float] = {}

    def at(self, values: Sequence[float], start: Minimum | None = None) -> Minimum:
        """Return the lowest point with the parameters at these values."""
        start = start or self.start
        given = tuple(zip(self.held, values, strict=True))
        for parameter, value in given:
            if parameter.scale == "sd" and value <= 0.0:
                return replace(start, deviance=self._reduced(parameter, given))
        rows, right, sigma, valid = [], [], None, None
        for parameter, value in given:
            if parameter.scale == "sigma":
                sigma = value
                continue
            row = np.zeros(len(self.start.theta))
            place = self.ordered.place
            if parameter.scale == "sd":
                row[place(parameter.term, 0, 0)] = 1.0
                right.append(value)
            else:
                # The second row of the factor points along (value, sqrt(1 - value^2)).
                row[place(parameter.term, 1, 0)] = math.sqrt(max(1.0 - value * value, 0.0))
                row[place(parameter.term, 1, 1)] = -value
                right.append(0.0)
                valid = parameter, value
            rows.append(row)
        shape = (len(rows), len(self.start.theta))
        held = Held(np.reshape(rows, shape), np.array(right), sigma)
        found = lowest(self.ordered.likelihood, held, self._feasible(start, given), start.sigma)
        if valid is None:
            return found
        edge = self._edge(valid[0], given)
        if self._crossed(found, *valid) or found.deviance > edge:
            # The sign of a factor is free: a step too far leads to the opposite correlation.
            for other in self._other_starts():
                begin = self._feasible(other, given)
                again = lowest(self.ordered.likelihood, held, begin, other.sigma)
                better = again.deviance < found.deviance or self._crossed(found, *valid)
                if better and not self._crossed(again, *valid):
                    found = again
        if self._crossed(found, *valid) or found.deviance > edge:
            return replace(self.start, deviance=edge)
        return found

    def _feasible(self, start: Minimum, given: Given) -> Array:
        """Return theta near a start that has the parameters at their values, signs included."""
        factors = self.ordered.likelihood.factors(start.theta)
        for parameter, value in given:
            if parameter.scale == "sigma":
                continue
            lower = factors[parameter.term]
            if parameter.scale == "correlation":
                size = float(np.hypot(*lower[1, :2]))
                lower[0, 0] = abs(lower[0, 0])
                lower[1, :2] = size * value, size * math.sqrt(max(1.0 - value * value, 0.0))
            else:
                lower[0, 0] = value / start.sigma
        layout = self.ordered.likelihood.layout
        own = [factors[t][a, b] for t, a, b in layout]
        return np.concatenate([own, start.theta[len(layout) :]])

    def _other_starts(self) -> Iterator[Minimum]:
        """Yield the best point, and points with larger variances."""
        yield self.start
        for size in (0.1, 1.0):
            scaled = self.ordered.likelihood.products.basis.effects
            more = [size * np.linalg.inv(w.T @ w) for w in scaled]
            factors = self.ordered.likelihood.factors(self.start.theta)
            enlarged = [f @ f.T + extra for f, extra in zip(factors, more, strict=True)]
            yield replace(self.start, theta=self.ordered.likelihood.theta(enlarged))

    def _crossed(self, found: Minimum, parameter: Parameter, value: float) -> bool:
        """Whether a factor is past the boundary, where it has the opposite correlation."""
        lower = self.ordered.likelihood.factors(found.theta)[parameter.term]
        along = lower[1, 0] * value + lower[1, 1] * math.sqrt(max(1.0 - value * value, 0.0))
        return bool(lower[0, 0] * along < 0.0)

    def _edge(self, parameter: Parameter, given: Given) -> float:
        """Return the deviance where one of two correlated effects has no variance.

        That boundary belongs to every value of the correlation.
        """
        zeros = [
            Parameter("sd", parameter.term, (i,))
            for i in parameter.effects
            if Parameter("sd", parameter.term, (i,)) not in self.held
        ]
        return min((self._reduced(p, given) for p in zeros), default=math.inf)

    def _reduced(self, zero: Parameter, given: Given) -> float:
        """Return the lowest deviance with a standard deviation at 0: without the effect.

        Another standard deviation that is held stays held; a correlation with an effect that has no
        variance is none.
        """
        t, gone = zero.term, zero.effects[0]
        design = without(self.design, t, gone)
        vanished = len(self.design.random[t].names) == 1
        others = []
        for parameter, value in given:
            if parameter == zero or (
                parameter.scale == "correlation" and gone in parameter.effects
            ):
                continue
            term = parameter.term - (vanished and parameter.term > t)
            effects = parameter.effects
            if parameter.term == t:
                effects = tuple(i - (i > gone) for i in effects)
            others.append((Parameter(parameter.scale, term, effects), value))
        key = (zero, *others)
        if key not in self._without:
            if others:
                relative = [
                    np.delete(np.delete(psi, gone, 0), gone, 1) if i == t else psi
                    for i, psi in enumerate(self._relative)
                    if not (i == t and vanished)
                ]
                held = tuple(parameter for parameter, _ in others)
                smaller = Profiler(
                    design, relative, self.start.sigma, held, reml=self.reml, phi=self._phi
                )
                found = smaller.at([value for _, value in others]).deviance
            else:
                found = find_optimum(likelihood_of(design, reml=self.reml)).deviance
            self._without[key] = found
        return self._without[key]


def without(design: Design, term: int, effect: int) -> Design:
    """Return a design without one effect of one term."""
    terms = []
    for t, own in enumerate(design.random):
        if t != term:
            terms.append(own)
            continue
        kept = [i for i in range(len(own.names)) if i != effect]
        if kept:
            names = tuple(own.names[i] for i in kept)
            terms.append(replace(own, names=names, z=np.ascontiguousarray(own.z[:, kept])))
    return replace(design, random=tuple(terms))
