"""The likelihood of a model that has random terms whose covariance matrix has a structure.

``theta`` holds the parameters of each term in turn (:mod:`harness.referee.term_covariance`). At a
point everything follows from the same cross-products as without a structure; derivatives are taken
along Psi_i, the derivative of Psi in a parameter, and Psi_ij. In the scaled effects P_i = W Psi_i
W' (see :mod:`harness.referee.deviance`, whose formulas these are).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design
from harness.referee.component_blocks import Bucket
from harness.referee.cost import LIMIT, Cost
from harness.referee.deviance import IN_VARIABLES, Likelihood, Point, orthonormal
from harness.referee.term_covariance import TermCovariance

Array = NDArray[np.float64]


class StructuredLikelihood(Likelihood):
    """The deviance of a design with structured random terms, under one criterion.

    Raises
    ------
    TooLarge, ValueError
        As :class:`Likelihood` does.
    """

    def __init__(self, design: Design, *, reml: bool, limit: Cost = LIMIT) -> None:
        super().__init__(design, reml=reml, limit=limit)
        self.design = design
        self.terms = tuple(TermCovariance(t.structure, t.z.shape[1]) for t in design.random)
        self.layout = tuple((t, a, b) for t, own in enumerate(self.terms) for a, b in own.places)
        ends = np.cumsum([0, *(len(own.places) for own in self.terms)])
        self.slices = tuple(map(slice, ends[:-1], ends[1:]))
        lower, upper = zip(*(own.bounds for own in self.terms), strict=True)
        self.lower, self.upper = np.concatenate(lower), np.concatenate(upper)

    def factors(self, theta: Sequence[float] | Array) -> tuple[Array, ...]:
        """Return lower-triangular factors of the relative covariance matrices."""
        theta = np.asarray(theta, dtype=np.float64)
        return tuple(
            own.factor(theta[mine]) for own, mine in zip(self.terms, self.slices, strict=True)
        )

    def theta(self, relative: Sequence[Array]) -> Array:
        """Return theta of relative covariance matrices Psi_t / s2.

        Raises
        ------
        LinAlgError
            When one has not its structure.
        """
        pairs = zip(self.terms, relative, strict=True)
        return np.concatenate([own.parameters(np.asarray(psi, float)) for own, psi in pairs])

    def at(self, theta: Sequence[float] | Array) -> StructuredPoint:
        """Evaluate at ``theta``, sigma still free.

        Raises
        ------
        LinAlgError
            Outside the bounds.
        """
        theta = np.asarray(theta, dtype=np.float64)
        self.require_within(theta)
        return StructuredPoint(self, theta)

    def require_within(self, theta: Array) -> None:
        """Refuse what is outside the bounds.

        Raises
        ------
        LinAlgError
            When some parameter is.
        """
        if not ((theta >= self.lower) & (theta <= self.upper)).all():
            raise np.linalg.LinAlgError("outside the parameter space")

    def inwards(self, theta: Array, variance: float) -> Array:
        """Return theta with no bounded parameter at its bound.

        Parameters
        ----------
        variance : float
            Relative variance of scaled effects, and share of a correlation's range, to move by.
        """
        out = np.array(theta, dtype=np.float64)
        for t, (own, mine) in enumerate(zip(self.terms, self.slices, strict=True)):
            if not own.structure:
                continue
            w = self.products.basis.effects[t]
            lengths = np.linalg.norm(w, axis=0) if own.deviations == own.q else np.linalg.norm(w)
            k = mine.start + own.deviations
            out[mine.start : k] = np.maximum(out[mine.start : k], np.sqrt(variance) / lengths)
            if own.correlated:
                low, high = own.bounds[0][-1], own.bounds[1][-1]
                room = variance * (high - low)
                out[k] = min(max(out[k], low + room), high - room)
        return out

    def unstructured(self, design: Design) -> Likelihood:
        """Return the likelihood of other terms, without structures, of the same rows."""
        return Likelihood(design, reml=self.reml)


class StructuredPoint(Point):
    """The likelihood at one theta."""

    likelihood: StructuredLikelihood

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which of theta are at a bound: there the model is that of the face."""
        likelihood = self.likelihood
        return np.asarray((self.theta <= likelihood.lower) | (self.theta >= likelihood.upper))

    @cached_property
    def changes(self) -> tuple[tuple[slice, Array, Array], ...]:
        """Per term: its slice of the variables, P_i (k, q, q) and P_ij (k, k, q, q)."""
        out = []
        likelihood = self.likelihood
        for own, mine, w in zip(
            likelihood.terms, likelihood.slices, likelihood.products.basis.effects, strict=True
        ):
            x = self.theta[mine]
            out.append((mine, w @ own.first(x) @ w.T, w @ own.second(x) @ w.T))
        return tuple(out)

    @cached_property
    def _conditioned(self) -> tuple[Point, Array]:
        likelihood = self.likelihood
        to_theta = np.eye(len(self.theta))
        changes = []
        for t, (mine, first, second) in enumerate(self.changes):
            w = likelihood.products.basis.effects[t]
            size = 1.0 + np.linalg.norm(self.lambdas[t], axis=1)
            own = _own_variables(likelihood.terms[t], w / size[:, None])
            to_theta[mine, mine] = own
            bends = np.einsum("ia,jb,ijkl->abkl", own, own, second, optimize=True)
            changes.append((mine, np.einsum("ia,ijk->ajk", own, first), bends))
        twin = copy.copy(self)
        for cached in (*IN_VARIABLES, "_conditioned"):
            twin.__dict__.pop(cached, None)
        twin.__dict__.update(solved=self.solved, summed=self.summed, changes=tuple(changes))
        return twin, to_theta

    @cached_property
    def gradient_parts(self) -> tuple[Array, Array]:
        """Derivatives of the log-determinants and of rss."""
        logdet, rss = np.zeros(len(self.theta)), np.zeros(len(self.theta))
        for (mine, first, _), (s, tct, uu) in zip(self.changes, self.summed, strict=True):
            logdet[mine] = np.tensordot(first, s - tct if self.likelihood.reml else s)
            rss[mine] = -np.tensordot(first, uu)
        return logdet, rss

    @cached_property
    def xhx_derivatives(self) -> Array:
        """T'P_i T for each variable: (k, p, p); d(X'H^-1 X) is minus this."""
        p = self.likelihood.products.p
        out = np.zeros((len(self.theta), p, p))
        for t, (mine, first, _) in enumerate(self.changes):
            rows, _ = self._rows(t)
            out[mine] = np.einsum("lap,iab,lbq->ipq", rows, first, rows, optimize=True)
        return out

    def _times_each(self, bucket: Bucket, blocks: Array) -> Array:
        out = np.empty((len(self.theta), *blocks.shape))
        for t, (mine, first, _) in enumerate(self.changes):
            for i, change in enumerate(first, mine.start):
                matrices: list[Array | None] = [None] * len(bucket.slots)
                matrices[t] = change
                out[i] = bucket.times(blocks, tuple(matrices))
        return out

    def _second_order(self) -> tuple[Array, Array]:
        k = len(self.theta)
        logdet, rss = np.zeros((k, k)), np.zeros((k, k))
        for (mine, _, second), (s, tct, uu) in zip(self.changes, self.summed, strict=True):
            logdet[mine, mine] = np.tensordot(second, s - tct if self.likelihood.reml else s)
            rss[mine, mine] = -np.tensordot(second, uu)
        return logdet, rss

    @cached_property
    def gls_slopes(self) -> Array:
        """T'P_i u for each variable, (k, p)."""
        out = np.zeros((len(self.theta), self.likelihood.products.p))
        for t, (mine, first, _) in enumerate(self.changes):
            rows, u = self._rows(t)
            out[mine] = np.einsum("lap,iab,lb->ip", rows, first, u, optimize=True)
        return out


def _own_variables(own: TermCovariance, w: Array) -> Array:
    """Return the matrix from well-conditioned variables of a term to its parameters."""
    out = np.eye(len(own.places))
    if own.structure:
        alone = own.deviations == own.q
        for i in range(own.deviations):
            out[i, i] = 1.0 / float(np.linalg.norm(w[:, i] if alone else w))
        return out
    for i, (a, b) in enumerate(own.places):
        if a == b:
            column = slice(i, i + own.q - b)
            _, out[column, column] = orthonormal(w[:, b:])
    return out
