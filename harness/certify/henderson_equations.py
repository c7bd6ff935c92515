"""Henderson's equations in mpmath: one elimination gives the likelihood.

The mixed-model equations bordered by y (Henderson 1950; Bates and DebRoy 2004),

    [ Z'Z + W   Z'X   Z'y ]      W = s2 Psi^-1 at every level,
    [ X'Z       X'X   X'y ]      pivots of Z give |Z'Z + W| = |H| |W|, H = V / s2,
    [ y'Z       y'X   y'y ]      pivots of X give |X'H^-1 X|, the last pivot is r'H^-1 r.

The variables are linear in V where Psi has full rank: the elements of Psi and s2. Where it has not,
Psi = N K N' with N = [1; B], the variables are the elements of K and B, and Z becomes Z N.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from harness.model.design import Design

DIGITS = 150
"""Decimal digits of the working precision."""

Real = Any
"""An ``mpf`` of this module's context."""

context = mpmath.mp.clone()
context.dps = DIGITS
mpf = context.mpf

Vector = list[Real]
Matrix = list[list[Real]]
Unit = tuple[int, int]
"""A term and a level; ``_FIXED`` stands for [X y]."""

_FIXED: Unit = (-1, 0)


@dataclass(frozen=True)
class Pieces:
    """log|V|, log|X'V^-1 X|, r'V^-1 r, (X'V^-1 X)^-1 and the GLS estimates."""

    log_v: Real
    log_xvx: Real
    rss: Real
    covariance: Matrix
    beta: Vector


@dataclass(frozen=True)
class Equations:
    """Cross-products of a design, and the face of the cone on which the optimum is sought."""

    n: int
    p: int
    reml: bool
    sizes: tuple[int, ...]
    ranks: tuple[int, ...]
    levels: tuple[int, ...]
    cross: dict[tuple[Unit, Unit], Matrix]
    """Cross-products of units that share a row."""

    def unpack(self, variables: Sequence[Real]) -> tuple[list[Matrix], list[Matrix], Real]:
        """K and N of every term, and s2. Order: per term K's columns, then B's rows; s2 last."""
        values = iter(variables)
        k_all, n_all = [], []
        for q, r in zip(self.sizes, self.ranks, strict=True):
            k = [[mpf(0)] * r for _ in range(r)]
            for b in range(r):
                for a in range(b, r):
                    k[a][b] = k[b][a] = next(values)
            n = [[mpf(int(i == j)) for j in range(r)] for i in range(r)]
            n += [[next(values) for _ in range(r)] for _ in range(q - r)]
            k_all.append(k)
            n_all.append(n)
        return k_all, n_all, next(values)

    def scales(self, variables: Sequence[Real]) -> Vector:
        """Size of each variable; of a covariance, which may be zero, by the variances beside it."""
        k_all, n_all, s2 = self.unpack(variables)
        out: Vector = []
        for k, n in zip(k_all, n_all, strict=True):
            r = len(k)
            out += [context.sqrt(abs(k[a][a] * k[b][b])) for b in range(r) for a in range(b, r)]
            out += [max(abs(v), mpf("1e-10")) for row in n[r:] for v in row]
        return [*out, s2]

    def deviance(self, variables: Sequence[Real]) -> Real:
        """-2 log-likelihood with every constant."""
        return self._criterion(self.pieces(variables))

    def _criterion(self, pieces: Pieces) -> Real:
        m = self.n - (self.p if self.reml else 0)
        value = m * context.log(2 * context.pi) + pieces.log_v + pieces.rss
        return value + pieces.log_xvx if self.reml else value

    def everything(self, variables: Sequence[Real]) -> Vector:
        """Deviance, log|V| + log|X'V^-1 X|, and the diagonal of (X'V^-1 X)^-1."""
        pieces = self.pieces(variables)
        diagonal = [row[j] for j, row in enumerate(pieces.covariance)]
        return [self._criterion(pieces), pieces.log_v + pieces.log_xvx, *diagonal]

    def pieces(self, variables: Sequence[Real]) -> Pieces:
        """Eliminate once."""
        k_all, n_all, s2 = self.unpack(variables)
        p = self.p
        offsets, width = {}, 0
        # Terms with most levels first: their blocks are the smallest and fill in least.
        for t in sorted(range(len(self.sizes)), key=lambda t: -self.levels[t]):
            for level in range(self.levels[t]):
                offsets[t, level] = width
                width += self.ranks[t]
        offsets[_FIXED] = width
        rows: list[dict[int, Real]] = [defaultdict(mpf) for _ in range(width + p + 1)]
        for (left, right), block in self.cross.items():
            first, second = offsets[left], offsets[right]
            narrow = self._on_face(block, left, right, n_all)
            for i, line in enumerate(narrow, first):
                for j, value in enumerate(line, second):
                    if i <= j:
                        rows[i][j] = value
                    elif left != right:
                        rows[j][i] = value
        log_w = mpf(0)
        for t, k in enumerate(k_all):
            r = len(k)
            if not r:
                continue
            inverse = solved([line[:] for line in k], identity(r))
            for level in range(self.levels[t]):
                start = offsets[t, level]
                for a in range(r):
                    for b in range(a, r):
                        rows[start + a][start + b] += s2 * inverse[a][b]
            pivots = _determinant([line[:] for line in k])
            log_w += self.levels[t] * (r * context.log(s2) - context.log(pivots))
        product = _eliminate(rows, width)
        log_h = context.log(product) - log_w
        xhx = [[rows[width + min(i, j)].get(width + max(i, j), mpf(0)) for j in range(p)]
               for i in range(p)]  # fmt: skip
        xhy = [[rows[width + i].get(width + p, mpf(0))] for i in range(p)]
        inverse = solved([line[:] for line in xhx], identity(p))
        beta = solved([line[:] for line in xhx], xhy)
        log_xhx = context.log(_eliminate(rows, width + p, start=width))
        rss = rows[width + p][width + p]
        return Pieces(
            log_v=log_h + self.n * context.log(s2),
            log_xvx=log_xhx - p * context.log(s2),
            rss=rss / s2,
            covariance=[[s2 * v for v in line] for line in inverse],
            beta=[line[0] for line in beta],
        )

    def _on_face(self, block: Matrix, left: Unit, right: Unit, n_all: list[Matrix]) -> Matrix:
        """Turn a cross-product of Z's columns to Z N's."""
        for unit, first in ((left, True), (right, False)):
            t = unit[0]
            if t < 0 or self.ranks[t] == self.sizes[t]:
                continue
            n = n_all[t]
            if first:
                block = [
                    [dot([line[j] for line in n], [row[c] for row in block])
                     for c in range(len(block[0]))]
                    for j in range(self.ranks[t])
                ]  # fmt: skip
            else:
                block = [
                    [dot(row, [line[j] for line in n]) for j in range(self.ranks[t])]
                    for row in block
                ]
        return block


def make_equations(design: Design, *, reml: bool, theta: NDArray[np.float64]) -> Equations:
    """Take cross-products; ranks are the numbers of columns of theta that are not zero."""
    sizes = tuple(term.z.shape[1] for term in design.random)
    ranks, at = [], 0
    for q in sizes:
        columns = [theta[at + q * b - b * (b - 1) // 2 :][: q - b] for b in range(q)]
        ranks.append(sum(bool(np.any(column)) for column in columns))
        at += q * (q + 1) // 2
    xy = np.column_stack([design.x, design.y])
    sums: dict[tuple[Unit, Unit], Matrix] = {}
    exact = [[mpf(float(v)) for v in row] for row in xy]
    effects = [[[mpf(float(v)) for v in row] for row in term.z] for term in design.random]
    codes = [term.codes.tolist() for term in design.random]
    for i, fixed in enumerate(exact):
        units = [((t, code[i]), effects[t][i]) for t, code in enumerate(codes)]
        units.append((_FIXED, fixed))
        for a, (left, first) in enumerate(units):
            for right, second in units[a:]:
                block = sums.get((left, right))
                if block is None:
                    sums[left, right] = [[u * v for v in second] for u in first]
                else:
                    for line, u in zip(block, first, strict=True):
                        for j, v in enumerate(second):
                            line[j] += u * v
    return Equations(
        n=len(design.y),
        p=design.x.shape[1],
        reml=reml,
        sizes=sizes,
        ranks=tuple(ranks),
        levels=tuple(len(term.levels) for term in design.random),
        cross=sums,
    )


def _eliminate(rows: list[dict[int, Real]], stop: int, start: int = 0) -> Real:
    """Eliminate columns ``start`` to ``stop`` of a symmetric matrix given by its upper rows.

    Returns the product of the pivots; what is left stands in the remaining rows.
    """
    product = mpf(1)
    for i in range(start, stop):
        row = rows[i]
        pivot = row[i]
        product *= pivot
        others = sorted(j for j in row if j > i)
        for place, a in enumerate(others):
            share = row[a] / pivot
            target = rows[a]
            for b in others[place:]:
                target[b] -= share * row[b]
    return product


def _determinant(matrix: Matrix) -> Real:
    """Return the determinant of a symmetric matrix."""
    rows = [{j: v for j, v in enumerate(row) if j >= i} for i, row in enumerate(matrix)]
    return _eliminate(rows, len(rows))


def identity(k: int) -> Matrix:
    """Return the k x k identity."""
    return [[mpf(int(i == j)) for j in range(k)] for i in range(k)]


def dot(left: Sequence[Real], right: Sequence[Real]) -> Real:
    """Return the scalar product."""
    return context.fdot(left, right)


def solved(matrix: Matrix, right: Matrix) -> Matrix:
    """Solve by Gauss-Jordan elimination with row pivots; ``matrix`` is used up."""
    size = len(matrix)
    right = [row[:] for row in right]
    for i in range(size):
        best = max(range(i, size), key=lambda r: abs(matrix[r][i]))
        matrix[i], matrix[best] = matrix[best], matrix[i]
        right[i], right[best] = right[best], right[i]
        pivot = matrix[i][i]
        for r in range(size):
            if r == i:
                continue
            share = matrix[r][i] / pivot
            if share:
                matrix[r] = [u - share * v for u, v in zip(matrix[r], matrix[i], strict=True)]
                right[r] = [u - share * v for u, v in zip(right[r], right[i], strict=True)]
    return [[v / matrix[i][i] for v in row] for i, row in enumerate(right)]
