"""The likelihood in Arb's balls: Woodbury's identity, analytic derivatives.

Every number is an interval that is proved to hold the true value (Johansson 2017, IEEE Trans.
Comput. 66:1281). The data enter as the exact binary rationals that the doubles are. With H = V / s2
= I + Z L L' Z', A = Z'Z, B = Z'[X y] and M = I + L'A L, block by block of connected levels,

    log|H| = log|M|,  S = Z'H^-1 Z = A - A L M^-1 L'A,  T = Z'H^-1 [X y] = B - A L M^-1 L'B,

and derivatives as in ``deviance.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from harness.model.design import Design


class NotCertified(ValueError):
    """The proof failed, or this optimum is of a kind it does not cover; the text says which."""


@dataclass(frozen=True)
class Block:
    """Levels that rows connect: A = Z'Z, B = Z'[X y], and term and first column of each level."""

    a: arb_mat
    b: arb_mat
    slots: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Problem:
    """A design and a face of the cone on which the optimum is sought."""

    n: int
    p: int
    reml: bool
    sizes: tuple[int, ...]
    ranks: tuple[int, ...]
    layout: tuple[tuple[int, int, int], ...]
    """Term, row and column of the free elements of theta."""
    free: tuple[int, ...]
    """Their places in theta."""
    blocks: tuple[Block, ...]
    whole: arb_mat
    """[X y]'[X y]."""

    @property
    def m(self) -> int:
        """Rows less, for REML, fixed effects."""
        return self.n - (self.p if self.reml else 0)


def exact(value: float) -> arb:
    """Return a ball without radius."""
    return arb(float(value))


def make_problem(design: Design, *, reml: bool, theta: NDArray[np.float64]) -> Problem:
    """Take cross-products, without rounding as far as the precision goes.

    Raises
    ------
    NotCertified
        When theta has a zero pivot before a column that is not zero.
    """
    n, p = design.x.shape
    sizes = tuple(term.z.shape[1] for term in design.random)
    places = [(t, a, b) for t, q in enumerate(sizes) for b in range(q) for a in range(b, q)]
    ranks = []
    for t in range(len(sizes)):
        mine = [(v, a, b) for v, (s, a, b) in zip(theta, places, strict=True) if s == t]
        pivots = [bool(v != 0.0) for v, a, b in mine if a == b]
        rank = sum(pivots)
        if not all(pivots[:rank]) or any(v for v, _, b in mine if b >= rank):
            raise NotCertified(f"the factor of term {t + 1} has a zero pivot before its last")
        ranks.append(rank)
    free = tuple(i for i, (t, _, b) in enumerate(places) if b < ranks[t])
    xy = arb_mat([[exact(v) for v in (*x, y)] for x, y in zip(design.x, design.y, strict=True)])
    return Problem(
        n=n,
        p=p,
        reml=reml,
        sizes=sizes,
        ranks=tuple(ranks),
        layout=tuple(places[i] for i in free),
        free=free,
        blocks=tuple(_blocks(design)),
        whole=xy.transpose() * xy,
    )


def _blocks(design: Design) -> list[Block]:
    """Sort rows into blocks that share no level, by merging the levels that meet in a row."""
    terms = design.random
    parent = {(t, k): (t, k) for t, term in enumerate(terms) for k in range(len(term.levels))}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    codes = [term.codes.tolist() for term in terms]
    for met in zip(*codes, strict=True):
        first = root((0, met[0]))
        for t, k in enumerate(met[1:], 1):
            parent[root((t, k))] = first
    rows: dict[tuple[int, int], list[int]] = {}
    for i, k in enumerate(codes[0]):
        rows.setdefault(root((0, k)), []).append(i)
    return [_block(design, mine) for mine in rows.values()]


def _block(design: Design, rows: list[int]) -> Block:
    slots: dict[tuple[int, int], int] = {}
    width = 0
    for t, term in enumerate(design.random):
        for k in dict.fromkeys(term.codes[rows].tolist()):
            slots[t, k] = width
            width += term.z.shape[1]
    z = arb_mat(len(rows), width)
    for at, i in enumerate(rows):
        for t, term in enumerate(design.random):
            start = slots[t, int(term.codes[i])]
            for j, value in enumerate(term.z[i]):
                z[at, start + j] = exact(value)
    xy = arb_mat([[exact(v) for v in (*design.x[i], design.y[i])] for i in rows])
    right = z.transpose()
    return Block(right * z, right * xy, tuple((t, start) for (t, _), start in slots.items()))


@dataclass(frozen=True)
class Sums:
    """Sums over blocks for matrices M_i placed at every level of a term.

    ``ss[i][j]`` = tr(S M_i S M_j), ``tt[i]`` = T'M_i T, ``tst[i][j]`` = T'M_i S M_j T, ``tu[i]`` =
    T'M_i u, ``usu[i][j]`` = u'M_i S M_j u.
    """

    ss: list[list[arb]]
    tt: list[arb_mat]
    tst: list[list[arb_mat]]
    tu: list[arb_mat]
    usu: list[list[arb]]


class State:
    """The likelihood at (free theta, sigma), and its derivatives."""

    def __init__(self, problem: Problem, variables: list[arb]) -> None:
        self.problem = problem
        self.sigma = variables[-1]
        self.lambdas = [arb_mat(q, q) for q in problem.sizes]
        for value, (t, a, b) in zip(variables, problem.layout, strict=False):
            self.lambdas[t][a, b] = value
        p = problem.p
        cross = problem.whole
        self.log_h = arb(0)
        half = []
        for block in problem.blocks:
            k = block.a.nrows()
            factor = arb_mat(k, k)
            for t, start in block.slots:
                _place(factor, start, self.lambdas[t])
            al, lb = block.a * factor, factor.transpose() * block.b
            m = factor.transpose() * al + identity(k)
            inverse = m.inv()
            self.log_h += m.det().log()
            cross = cross - lb.transpose() * inverse * lb
            half.append((block.a - al * inverse * al.transpose(), block.b - al * inverse * lb))
        self.xhx = part(cross, range(p), range(p))
        self.c = self.xhx.inv()
        self.beta = self.c * part(cross, range(p), [p])
        residual = arb_mat([*([-self.beta[j, 0]] for j in range(p)), [arb(1)]])
        self.rss = cross[p, p] - (part(cross, [p], range(p)) * self.beta)[0, 0]
        self.solved = [(s, part(t, range(t.nrows()), range(p)), t * residual) for s, t in half]

    def profiled_sigma(self) -> arb:
        """Residual standard deviation at its best for theta, without radius."""
        return (self.rss / self.problem.m).sqrt().mid()

    def deviance(self) -> arb:
        """-2 log-likelihood with every constant."""
        variance = self.sigma**2
        value = self.problem.m * (2 * arb.pi() * variance).log() + self.log_h + self.rss / variance
        return value + self.xhx.det().log() if self.problem.reml else value

    def derivatives(self) -> None:
        """Fill ``gradient``, ``hessian`` in (theta, sigma), ``dc`` (dC / d theta) and sums."""
        problem, c = self.problem, self.c
        self.summed = self._summed()
        directions = []
        for t, a, b in problem.layout:
            q = problem.sizes[t]
            matrix = arb_mat(q, q)
            for i in range(q):
                matrix[a, i] += self.lambdas[t][i, b]
                matrix[i, a] += self.lambdas[t][i, b]
            directions.append((t, matrix))
        sums = self.sums(directions)
        k = len(directions)
        c_h1 = [c * h1 for h1 in sums.tt]
        self.dc = [m * c for m in c_h1]
        m, sigma = problem.m, self.sigma
        logs, rss = [], []
        for t, matrix in directions:
            s, tct, uu = self.summed[t]
            logs.append(inner(s - tct if problem.reml else s, matrix))
            rss.append(-inner(uu, matrix))
        self.gradient = [a + b / sigma**2 for a, b in zip(logs, rss, strict=True)]
        self.gradient.append(2 * m / sigma - 2 * self.rss / sigma**3)
        hessian = arb_mat(k + 1, k + 1)
        for i in range(k):
            for j in range(k):
                log_ij = -sums.ss[i][j]
                rss_ij = 2 * sums.usu[i][j] - 2 * (sums.tu[i].transpose() * c * sums.tu[j])[0, 0]
                if problem.reml:
                    log_ij += 2 * inner(c, sums.tst[i][j]) - (c_h1[i] * c_h1[j]).trace()
                (t, a, b), (t2, a2, b2) = problem.layout[i], problem.layout[j]
                if (t, b) == (t2, b2):
                    s, tct, uu = self.summed[t]
                    log_ij += 2 * (s[a, a2] - tct[a, a2] if problem.reml else s[a, a2])
                    rss_ij -= 2 * uu[a, a2]
                hessian[i, j] = log_ij + rss_ij / sigma**2
            hessian[i, k] = hessian[k, i] = -2 * rss[i] / sigma**3
        hessian[k, k] = -2 * m / sigma**2 + 6 * self.rss / sigma**4
        self.hessian = hessian

    def _summed(self) -> list[tuple[arb_mat, arb_mat, arb_mat]]:
        """Per term, sums over its levels of S, T C T' and u u'."""
        out = [tuple(arb_mat(q, q) for _ in range(3)) for q in self.problem.sizes]
        for block, (s, t, u) in zip(self.problem.blocks, self.solved, strict=True):
            for term, start in block.slots:
                at = range(start, start + self.problem.sizes[term])
                rows = part(t, at, range(self.problem.p))
                effects = part(u, at, [0])
                old = out[term]
                out[term] = (
                    old[0] + part(s, at, at),
                    old[1] + rows * self.c * rows.transpose(),
                    old[2] + effects * effects.transpose(),
                )
        return [(s, tct, uu) for s, tct, uu in out]

    def sums(self, directions: list[tuple[int, arb_mat]]) -> Sums:
        """Return the sums for symmetric q x q matrices, each with the term it belongs to."""
        count, p = len(directions), self.problem.p
        every = range(count)
        out = Sums(
            [[arb(0) for _ in every] for _ in every],
            [arb_mat(p, p) for _ in every],
            [[arb_mat(p, p) for _ in every] for _ in every],
            [arb_mat(p, 1) for _ in every],
            [[arb(0) for _ in every] for _ in every],
        )
        for block, (s, t, u) in zip(self.problem.blocks, self.solved, strict=True):
            size = s.nrows()
            placed = []
            for term, matrix in directions:
                whole = arb_mat(size, size)
                for owner, start in block.slots:
                    if owner == term:
                        _place(whole, start, matrix)
                placed.append(whole)
            ms = [m * s for m in placed]
            mt, mu = [m * t for m in placed], [m * u for m in placed]
            for i in every:
                out.tt[i] += t.transpose() * mt[i]
                out.tu[i] += t.transpose() * mu[i]
                s_mt, s_mu = s * mt[i], s * mu[i]
                for j in every:
                    out.ss[i][j] += inner(ms[i], ms[j].transpose())
                    out.tst[j][i] += mt[j].transpose() * s_mt
                    out.usu[j][i] += (mu[j].transpose() * s_mu)[0, 0]
        return out


def evaluate(problem: Problem, variables: list[arb]) -> State:
    """Evaluate the likelihood and its derivatives at balls (free theta, sigma)."""
    state = State(problem, variables)
    state.derivatives()
    return state


def identity(k: int) -> arb_mat:
    """Return the k x k identity."""
    return arb_mat(k, k, [int(i == j) for i in range(k) for j in range(k)])


def _place(into: arb_mat, start: int, matrix: arb_mat) -> None:
    for i in range(matrix.nrows()):
        for j in range(matrix.ncols()):
            into[start + i, start + j] = matrix[i, j]


def part(matrix: arb_mat, rows: range | list[int], columns: range | list[int]) -> arb_mat:
    """Return rows and columns of a matrix."""
    return arb_mat(len(rows), len(columns), [matrix[i, j] for i in rows for j in columns])


def inner(left: arb_mat, right: arb_mat) -> arb:
    """Return the sum of products of elements, tr(left' right)."""
    return sum((a * b for a, b in zip(left.entries(), right.entries(), strict=True)), arb(0))
