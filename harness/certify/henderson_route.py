"""The same optimum, second route: Henderson's equations and differences, in mpmath.

It shares with the first route the design and the double-precision start, nothing else: other
equations (``henderson_equations.py``), other variables, another arithmetic, and no formula for a
derivative. All derivatives are central differences of the deviance: at 150 digits and steps of
1e-35 they keep 60 digits. Satterthwaite's df do not depend on the variables at a stationary point;
Kenward and Roger's information is -d2(log|V| + log|X'V^-1 X|), and their correction of the
covariance comes from -d2 (X'V^-1 X)^-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from harness.certify.henderson_equations import (
    Equations,
    Matrix,
    Real,
    Vector,
    context,
    dot,
    identity,
    make_equations,
    mpf,
    solved,
)
from harness.model.design import Design

_STEP = 35
"""Differences are taken over a relative step of 1e-35: they err by 1e-70 in the slope, and what
rounding leaves of a curvature is 1e-150 / 1e-70."""

_SETTLED = 55
"""Newton's method stops after a step below 1e-55, relative to the variables."""

_NEWTON_STEPS = 12


def solve_mixed(design: Design, *, reml: bool, theta: NDArray[np.float64]) -> dict[str, Decimal]:
    """Return every quantity at the optimum near ``theta``; zero columns stay zero."""
    equations = make_equations(design, reml=reml, theta=theta)
    at = _start(equations, theta)
    for _ in range(_NEWTON_STEPS):
        sizes = equations.scales(at)
        _, gradient, hessian = _differences(lambda v: [equations.deviance(v)], at, sizes)
        step = solved([row[:] for row in _component(hessian, 0)], [[g[0]] for g in gradient])
        largest = max(abs(s[0]) / size for s, size in zip(step, sizes, strict=True))
        at = [v - s[0] for v, s in zip(at, step, strict=True)]
        if largest < mpf(10) ** -_SETTLED:
            return {name: mp_decimal(v) for name, v in _quantities(equations, at).items()}
    raise ArithmeticError(f"Newton's method did not settle in {_NEWTON_STEPS} steps")


def solve_ols(design: Design) -> dict[str, Decimal]:
    """Least squares by Householder's reflections on the rows."""
    n, p = design.x.shape
    x = context.matrix([[mpf(float(v)) for v in row] for row in design.x])
    y = context.matrix([mpf(float(v)) for v in design.y])
    q, r = context.qr(x, mode="skinny")
    coordinates = q.T * y
    beta = context.lu_solve(r, coordinates)
    left = y - x * beta
    rss = context.fsum(v * v for v in left)
    inverse = context.inverse(r)
    variance = rss / (n - p)
    values = {
        "loglik": -n * (context.log(2 * context.pi * rss / n) + 1) / 2,
        "residual.variance": variance,
        "residual.sd": context.sqrt(variance),
    }
    for j in range(p):
        diagonal = context.fsum(inverse[j, k] ** 2 for k in range(p))
        tested = tested_by_mpmath(beta[j], context.sqrt(diagonal * variance), mpf(n - p))
        values |= {f"fixed.{j}.{name}": value for name, value in tested.items()}
    return {name: mp_decimal(v) for name, v in values.items()}


def _start(equations: Equations, theta: NDArray[np.float64]) -> Vector:
    """Variables for the double-precision theta, s2 at its best for it."""
    places = [(t, a, b) for t, q in enumerate(equations.sizes) for b in range(q)
              for a in range(b, q)]  # fmt: skip
    relative: Vector = []
    for t, (q, r) in enumerate(zip(equations.sizes, equations.ranks, strict=True)):
        lower = [[mpf(0)] * q for _ in range(q)]
        for value, (term, a, b) in zip(theta, places, strict=True):
            if term == t:
                lower[a][b] = mpf(float(value))
        psi = [[dot(u, v) for v in lower] for u in lower]
        k = [row[:r] for row in psi[:r]]
        relative += [k[a][b] for b in range(r) for a in range(b, r)]
        if r < q:
            share = solved([row[:] for row in k], [psi[i][r:] for i in range(r)])
            relative += [share[j][i] for i in range(q - r) for j in range(r)]
    m = equations.n - (equations.p if equations.reml else 0)
    s2 = equations.pieces([*relative, mpf(1)]).rss / m
    out, at = [], 0
    for q, r in zip(equations.sizes, equations.ranks, strict=True):
        covariances = r * (r + 1) // 2
        out += [v * s2 for v in relative[at : at + covariances]]
        at += covariances
        out += relative[at : at + (q - r) * r]
        at += (q - r) * r
    return [*out, s2]


def _differences(
    function: Callable[[Vector], Vector], at: Vector, sizes: Vector
) -> tuple[Vector, list[Vector], list[list[Vector]]]:
    """Value, first and second derivatives of a vector-valued function, each a vector."""
    steps = [size * mpf(10) ** -_STEP for size in sizes]
    every = range(len(at))

    def moved(*changes: tuple[int, int]) -> Vector:
        point = list(at)
        for i, sign in changes:
            point[i] += sign * steps[i]
        return function(point)

    middle = function(at)
    up, down = [moved((i, 1)) for i in every], [moved((i, -1)) for i in every]
    first = [
        [(u - d) / (2 * h) for u, d in zip(up[i], down[i], strict=True)]
        for i, h in enumerate(steps)
    ]
    second: list[list[Vector]] = [[[] for _ in every] for _ in every]
    for i in every:
        second[i][i] = [
            (u - 2 * m + d) / steps[i] ** 2 for u, m, d in zip(up[i], middle, down[i], strict=True)
        ]
        for j in range(i):
            both, neither = moved((i, 1), (j, 1)), moved((i, -1), (j, -1))
            second[i][j] = second[j][i] = [
                (b + n - u - d - v - w + 2 * m) / (2 * steps[i] * steps[j])
                for b, n, u, d, v, w, m in zip(
                    both, neither, up[i], down[i], up[j], down[j], middle, strict=True
                )
            ]
    return middle, first, second


def _component(nested: list[list[Vector]], index: int) -> Matrix:
    return [[cell[index] for cell in row] for row in nested]


def _quantities(equations: Equations, at: Vector) -> dict[str, Real]:
    k_all, n_all, s2 = equations.unpack(at)
    pieces = equations.pieces(at)
    middle, first, second = _differences(equations.everything, at, equations.scales(at))
    values = {
        "loglik": -middle[0] / 2,
        "residual.variance": s2,
        "residual.sd": context.sqrt(s2),
    }
    values |= dict(_random(equations, k_all, n_all, s2))
    root = context.sqrt
    spread = solved(_component(second, 0), [[2 * v for v in row] for row in identity(len(at))])
    full_rank = equations.ranks == equations.sizes
    if equations.reml and full_rank:
        information = [[-v for v in row] for row in _component(second, 1)]
        w = solved(information, [[2 * v for v in row] for row in identity(len(at))])
    for j in range(equations.p):
        variance = pieces.covariance[j][j]
        g = [slope[2 + j] for slope in first]
        tested = tested_by_mpmath(
            pieces.beta[j], root(variance), 2 * variance**2 / _form(g, spread)
        )
        values |= {f"fixed.{j}.{name}": value for name, value in tested.items()}
        if equations.reml and full_rank:
            bend = _component(second, 2 + j)
            adjusted = variance - sum((dot(u, v) for u, v in zip(w, bend, strict=True)), mpf(0))
            tested = tested_by_mpmath(pieces.beta[j], root(adjusted), 2 * variance**2 / _form(g, w))
            values |= {
                f"fixed.{j}.kr_{name}": v for name, v in tested.items() if name != "estimate"
            }
    return values


def _form(vector: Vector, matrix: Matrix) -> Real:
    return dot(vector, [dot(row, vector) for row in matrix])


def _random(
    equations: Equations, k_all: list[Matrix], n_all: list[Matrix], s2: Real
) -> Iterator[tuple[str, Real]]:
    place = 0
    for t, (k, n) in enumerate(zip(k_all, n_all, strict=True)):
        q, r = equations.sizes[t], equations.ranks[t]
        nk = [[dot(u, column) for column in k] for u in n]
        psi = [[dot(u, v) for v in n] for u in nk]
        lower = _lower([[v / s2 for v in row] for row in psi], r)
        for b in range(q):
            for a in range(b, q):
                yield f"theta.{place}", lower[a][b]
                yield f"random.{t}.covariance.{a}.{b}", psi[a][b]
                if a > b and psi[a][a] and psi[b][b]:
                    correlation = psi[a][b] / context.sqrt(psi[a][a] * psi[b][b])
                    yield f"random.{t}.correlation.{a}.{b}", correlation
                place += 1
            yield f"random.{t}.sd.{b}", context.sqrt(psi[b][b])


def _lower(matrix: Matrix, rank: int) -> Matrix:
    """Cholesky's factor of a semidefinite matrix whose leading block of that rank is definite."""
    q = len(matrix)
    lower = [[mpf(0)] * q for _ in range(q)]
    for b in range(rank):
        lower[b][b] = context.sqrt(matrix[b][b] - dot(lower[b][:b], lower[b][:b]))
        for a in range(b + 1, q):
            lower[a][b] = (matrix[a][b] - dot(lower[a][:b], lower[b][:b])) / lower[b][b]
    return lower


def tested_by_mpmath(estimate: Real, se: Real, df: Real) -> dict[str, Real]:
    """Test a coefficient, p by the incomplete beta function."""
    t = estimate / se
    half = mpf(1) / 2
    p = context.betainc(df / 2, half, 0, df / (df + t * t), regularized=True)
    return {"estimate": estimate, "se": se, "df": df, "t": t, "p": p}


def mp_decimal(value: Real) -> Decimal:
    """To 60 digits."""
    return Decimal(context.nstr(value, 60, strip_zeros=False))
