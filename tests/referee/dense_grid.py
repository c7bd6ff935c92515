"""Small designs with one to three variance parameters, and their deviance on a dense grid.

The deviance is that of the full V, by definition: nothing of the referee's algebra is used.
"""

import itertools

import numpy as np
from scipy.optimize import minimize

from tests.referee.designs import design

KINDS = ("intercept", "slope alone", "independent", "nested", "crossed", "correlated", "three")
"""One variance parameter (two kinds), two (three kinds), three (two kinds)."""


def small_design(seed, groups=range(2, 6)):
    """Design number ``seed``, its criterion and its kind: few rows, often with weak effects.

    A factor that is crossed with the groups has three levels, beside more than five groups as many.
    """
    rng = np.random.default_rng([2024, seed])
    kind = KINDS[seed % len(KINDS)]
    groups = int(rng.integers(groups.start, groups.stop))
    sizes = rng.integers(2, 6, groups) if rng.random() < 0.6 else np.full(groups, 3)
    g = np.repeat(np.arange(groups), sizes)
    n, one = len(g), np.ones(len(g))
    x = rng.normal(size=n) if rng.random() < 0.5 else np.concatenate([np.arange(k) for k in sizes])
    crossed = max(3, groups if groups > 5 else 0)
    h = np.arange(n) % crossed
    rng.shuffle(h)
    z = np.column_stack([one, x])
    terms = {
        "intercept": [(one, g)],
        "slope alone": [(x, g)],
        "independent": [(one, g), (x, g)],
        "nested": [(one, g), (one, np.unique(crossed * g + h, return_inverse=True)[1])],
        "crossed": [(one, g), (one, h)],
        "correlated": [(z, g)],
        "three": [(one, g), (x, g), (one, h)],
    }[kind]
    sd = rng.choice([0.0, 0.3, 1.0, 3.0], size=3)
    y = (z * rng.normal(size=(groups, 2))[g] * sd[:2]).sum(axis=1)
    y += sd[2] * rng.normal(size=crossed)[h] + x * rng.normal() + rng.normal(size=n)
    return design(y.round(1), z, terms), bool(rng.random() < 0.7), kind


class Dense:
    """The deviance, profiled over sigma and beta, at many covariances at once."""

    def __init__(self, made, *, reml):
        self.made, self.reml = made, reml
        self.right = np.column_stack([made.x, made.y])
        self.blocks = [
            (t.codes[:, None] == t.codes[None, :]) * _both(t.z[:, i], t.z[:, j], twice=i != j)
            for t in made.random
            for j in range(t.z.shape[1])
            for i in range(j, t.z.shape[1])
        ]
        # Variances at which half of an effect is shrunk away.
        self.sizes = [
            len(t.levels) / float((t.z[:, i] ** 2).sum())
            for t in made.random
            for i in range(t.z.shape[1])
        ]

    def at(self, parameters):
        """Deviances at rows of relative (co)variances, in the order of the blocks."""
        (n, p), m = self.made.x.shape, len(self.made.y)
        m -= p if self.reml else 0
        out = np.empty(len(parameters))
        for first in range(0, len(out), 2000):
            some = parameters[first : first + 2000]
            h = np.eye(n) + np.tensordot(some, np.array(self.blocks), axes=1)
            root = np.linalg.cholesky(h)
            solved = np.linalg.solve(root, np.broadcast_to(self.right, (len(some), n, p + 1)))
            inner = np.linalg.cholesky(solved.swapaxes(1, 2) @ solved)
            sides = np.log(np.diagonal(inner, axis1=1, axis2=2))
            value = 2.0 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
            value += m * (1.0 + np.log(2.0 * np.pi / m) + 2.0 * sides[:, p])
            if self.reml:
                value += 2.0 * sides[:, :p].sum(axis=1)
            out[first : first + 2000] = value
        return out

    def _from_free(self, free, grid):
        """Relative (co)variances of grid coordinates: steps of the lattice, and a correlation."""
        free = np.atleast_2d(free)
        places = np.clip(free, 0.0, None)
        variances = []
        for k, size in enumerate(self.sizes):
            # The first step is from zero, the others are even in the logarithm.
            low, high = np.log(size * 1e-2), np.log(size * 1e4)
            rate = (high - low) / (grid - 2)
            inside = np.exp(low + (places[:, k] - 1.0) * rate)
            variances.append(np.where(places[:, k] < 1.0, places[:, k] * np.exp(low), inside))
        if len(self.blocks) == len(variances):
            return np.column_stack(variances)
        a, b = variances
        return np.column_stack([a, np.clip(free[:, 2], -1, 1) * np.sqrt(a * b), b])

    def lowest(self, grid):
        """The lowest deviance: of a lattice, and of walks down from its lowest local minima."""
        axes = [np.arange(grid, dtype=float)] * len(self.sizes)
        correlated = len(self.blocks) > len(self.sizes)
        if correlated:
            axes.append(np.linspace(-1.0, 1.0, grid))
        lattice = np.array(list(itertools.product(*axes)))
        shape = tuple(len(axis) for axis in axes)
        height = self.at(self._from_free(lattice, grid)).reshape(shape)
        lower = np.ones(shape, dtype=bool)
        padded = np.pad(height, 1, constant_values=np.inf)
        for move in itertools.product((-1, 0, 1), repeat=len(shape)):
            if any(move):
                at = tuple(slice(1 + d, 1 + d + k) for d, k in zip(move, shape, strict=True))
                lower &= height <= padded[at]
        places = np.flatnonzero(lower.ravel())
        places = places[np.argsort(height.ravel()[places], kind="stable")][:4]
        bounds = [(0.0, grid - 1.0)] * len(self.sizes) + [(-1.0, 1.0)] * correlated
        walked = [
            minimize(
                lambda free: float(self.at(self._from_free(free, grid))[0]),
                lattice[i],
                method="Nelder-Mead",
                bounds=bounds,
                options={"xatol": 1e-5, "fatol": 1e-9, "maxiter": 400},
            ).fun
            for i in places
        ]
        return min([float(height.min()), *walked])


def _both(a, b, *, twice):
    outer = np.outer(a, b)
    return outer + outer.T if twice else outer
