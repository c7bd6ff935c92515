"""The optimum, first route: proved to lie in a box, in Arb's ball arithmetic.

Newton's method finds the stationary point on the face of the
cone that the double-precision referee names (columns of L that are zero stay zero). Krawczyk's
operator K(x, r) = x - Y g(x) + (1 - Y H(x + r)) r then proves that the box x + r holds exactly one
stationary point and that it lies in K (Krawczyk 1969; Rump 2010, theorem 13.3). Every quantity is
evaluated on that box, so that its ball holds the quantity at the true optimum.

On a face, G = Z'(P - P y y'P) Z summed over levels must be positive definite on the null space of
Psi (``optimality.py``); with a positive definite Hessian on the face that makes the point a strict
local minimum on the whole cone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from numpy.typing import NDArray

from harness.certify.ball_likelihood import (
    NotCertified,
    Problem,
    State,
    evaluate,
    exact,
    identity,
    inner,
    make_problem,
    part,
)
from harness.model.design import Design

PRECISION = 500
"""Bits of the working precision, 150 decimal digits."""

BOX = 200
"""Bits: the box on which uniqueness is proved has a relative radius of 2^-200, 6e-61."""

_NEWTON_STEPS = 12


@dataclass(frozen=True)
class BallCertificate:
    """What was proved about the optimum.

    Attributes
    ----------
    ranks : tuple of int
        Rank of each Psi_t.
    gradient : Decimal
        Upper bound on the derivatives of the deviance in relative changes of the free parameters,
        at the point on which the box is centred.
    radius : Decimal or None
        Upper bound on the relative radius of the box that holds the optimum; None where no box is
        proved to.
    curvature : Decimal or None
        Smallest pivot of the Hessian scaled to a unit diagonal, proved positive.
    dual : Decimal or None
        Smallest eigenvalue of G in the null space of Psi, whitened by S; None without one.
    """

    ranks: tuple[int, ...]
    gradient: Decimal
    radius: Decimal | None
    curvature: Decimal | None
    dual: Decimal | None


@dataclass(frozen=True)
class Enclosed:
    """Midpoints of every quantity by name, the largest relative radius, and the certificate."""

    values: dict[str, Decimal]
    error: Decimal
    certificate: BallCertificate


def solve_mixed(design: Design, *, reml: bool, theta: NDArray[np.float64]) -> Enclosed:
    """Certify the optimum near ``theta``, whose zero columns are taken as exactly zero.

    Raises
    ------
    NotCertified
        When the proof fails.
    """
    with ctx.workprec(PRECISION):
        problem = make_problem(design, reml=reml, theta=theta)
        start = [exact(theta[i]) for i in problem.free]
        start.append(evaluate(problem, [*start, arb(1)]).profiled_sigma())
        centre = _newton(problem, start)
        box, gradient = _proved_box(problem, centre)
        state = evaluate(problem, box)
        for value, (t, a, b) in zip(box, problem.layout, strict=False):
            # With a free pivot of zero the point lies on a smaller face, where d is even in it.
            if a == b and value.contains(0):
                raise NotCertified(f"term {t + 1} has a smaller rank than the start")
        curvature = smallest_pivot(state.hessian)
        if not curvature > 0:
            raise NotCertified("the Hessian is not proved positive definite on the face")
        dual = _dual(problem, state)
        if dual is not None and not dual > 0:
            raise NotCertified(
                "the deviance falls, or may fall, where a variance of zero grows: the dual "
                f"eigenvalue is {dual.str(10)}"
            )
        values = _quantities(problem, state)
        certificate = BallCertificate(
            ranks=problem.ranks,
            gradient=upper_bound(gradient),
            radius=upper_bound(
                max(b.rad() / s for b, s in zip(box, _sizes(problem, centre), strict=True))
            ),
            curvature=ball_decimal(curvature),
            dual=None if dual is None else ball_decimal(dual),
        )
        return _enclosed(values, certificate)


def solve_ols(design: Design) -> Enclosed:
    """Least squares in rational arithmetic: only roots, logarithms and p values are rounded."""
    with ctx.workprec(PRECISION):
        n, p = design.x.shape
        columns = [[_rational(v) for v in column] for column in (*design.x.T, design.y)]
        gram = [
            [sum((a * b for a, b in zip(u, v, strict=True)), Fraction()) for v in columns]
            for u in columns
        ]
        xx = fmpq_mat([[_fmpq(v) for v in row[:p]] for row in gram[:p]])
        xy = fmpq_mat([[_fmpq(row[p])] for row in gram[:p]])
        if xx.det() == 0:
            raise NotCertified("the fixed effects are linearly dependent")
        inverse = xx.inv()
        beta = inverse * xy
        rss = _fmpq(gram[p][p]) - (xy.transpose() * beta)[0, 0]
        variance = rss / (n - p)
        mean_square = arb(rss / n)
        if not mean_square > 0:
            raise NotCertified("the fixed effects fit the outcome exactly")
        values = {
            "loglik": -(((2 * arb.pi() * mean_square).log() + 1) * n) / 2,
            "residual.variance": arb(variance),
            "residual.sd": arb(variance).sqrt(),
        }
        for j in range(p):
            se = arb(inverse[j, j] * variance).sqrt()
            values |= tested(f"fixed.{j}", arb(beta[j, 0]), se, arb(n - p))
        zero = Decimal(0)
        return _enclosed(values, BallCertificate((), zero, zero, None, None))


def _rational(value: float) -> Fraction:
    return Fraction(float(value))


def _fmpq(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def _newton(problem: Problem, start: list[arb]) -> list[arb]:
    """Newton steps on midpoints, until they are far smaller than the box that is to be proved."""
    at = [v.mid() for v in start]
    for _ in range(_NEWTON_STEPS):
        state = evaluate(problem, at)
        step = state.hessian.solve(arb_mat([[g] for g in state.gradient]))
        moved = [(v - step[i, 0]).mid() for i, v in enumerate(at)]
        sizes = _sizes(problem, at)
        largest = max(abs(step[i, 0] / size).abs_upper() for i, size in enumerate(sizes))
        at = moved
        if largest < arb(2) ** -(BOX + 60):
            return at
    raise NotCertified(f"Newton's method did not settle in {_NEWTON_STEPS} steps")


def _sizes(problem: Problem, variables: list[arb]) -> list[arb]:
    """Scale of each variable: for theta the largest of its column, as an element may be zero."""
    columns: dict[tuple[int, int], arb] = {}
    for v, (t, _, b) in zip(variables, problem.layout, strict=False):
        columns[t, b] = columns.get((t, b), arb(0)).max(abs(v))
    return [*(columns[t, b] for t, _, b in problem.layout), abs(variables[-1])]


def _proved_box(problem: Problem, centre: list[arb]) -> tuple[list[arb], arb]:
    """Return a box that holds exactly one stationary point, and the relative gradient."""
    state = evaluate(problem, centre)
    sizes = _sizes(problem, centre)
    radii = [size * arb(2) ** -BOX for size in sizes]
    box = [v + arb(0, r.abs_upper()) for v, r in zip(centre, radii, strict=True)]
    inverse = arb_mat(state.hessian).inv()
    near = arb_mat(inverse.nrows(), inverse.ncols(), [v.mid() for v in inverse.entries()])
    newton = near * arb_mat([[g] for g in state.gradient])
    slack = identity(len(centre)) - near * evaluate(problem, box).hessian
    spread = slack * arb_mat([[arb(0, r.abs_upper())] for r in radii])
    inside = [v - newton[i, 0] + spread[i, 0] for i, v in enumerate(centre)]
    if not all(b.contains_interior(k) for b, k in zip(box, inside, strict=True)):
        raise NotCertified("Krawczyk's operator does not map the box into itself")
    scaled = [abs(g * v) for g, v in zip(state.gradient, sizes, strict=True)]
    return inside, max((g.abs_upper() for g in scaled), default=arb(0))


def smallest_pivot(hessian: arb_mat) -> arb:
    """Smallest pivot of the symmetric elimination, diagonal scaled to one."""
    k = hessian.nrows()
    scale = [hessian[i, i].rsqrt() for i in range(k)]
    left = [[hessian[i, j] * scale[i] * scale[j] for j in range(k)] for i in range(k)]
    smallest = arb(1)
    for i in range(k):
        pivot = left[i][i]
        smallest = smallest.min(pivot)
        for a in range(i + 1, k):
            share = left[a][i] / pivot
            for b in range(i + 1, k):
                left[a][b] -= share * left[i][b]
    return smallest


def _dual(problem: Problem, state: State) -> arb | None:
    """Smallest eigenvalue of G against S beside the range of Psi, over the terms.

    G L = 0, so G is a form on the effects modulo the range of L. Its representatives are taken
    orthogonal to that range in S, N = (1 - L (L'SL)^-1 L'S) e_j, which makes the eigenvalues those
    of no particular units or coding of the effects.
    """
    smallest: arb | None = None
    for t, (q, rank) in enumerate(zip(problem.sizes, problem.ranks, strict=True)):
        if rank == q:
            continue
        s, tct, uu = state.summed[t]
        beside = identity(q)
        if rank:
            lam = part(state.lambdas[t], range(q), range(rank))
            right = lam.transpose() * s
            beside = beside - lam * (right * lam).inv() * right
        null = part(beside, range(q), range(rank, q))
        g = s - tct if problem.reml else s
        g = null.transpose() * (g - uu * (1 / state.sigma**2)) * null
        white = (null.transpose() * s * null).inv() * g
        eigenvalues = [white[0, 0]] if q - rank == 1 else [v.real for v in white.eig()]
        for value in eigenvalues:
            smallest = value if smallest is None else smallest.min(value)
    return smallest


def _quantities(problem: Problem, state: State) -> dict[str, arb]:
    variance = state.sigma**2
    values = {
        "loglik": -state.deviance() / 2,
        "residual.variance": variance,
        "residual.sd": state.sigma,
    }
    place = 0
    for t, q in enumerate(problem.sizes):
        psi = state.lambdas[t] * state.lambdas[t].transpose() * variance
        for b in range(q):
            for a in range(b, q):
                values[f"theta.{place}"] = state.lambdas[t][a, b]
                values[f"random.{t}.covariance.{a}.{b}"] = psi[a, b]
                # A variance of exactly zero has no correlation.
                if a > b and psi[a, a] > 0 and psi[b, b] > 0:
                    correlation = psi[a, b] * (psi[a, a] * psi[b, b]).rsqrt()
                    values[f"random.{t}.correlation.{a}.{b}"] = correlation
                place += 1
            values[f"random.{t}.sd.{b}"] = psi[b, b].nonnegative_part().sqrt()
    covariance = state.c * variance
    spread = state.hessian.inv() * arb(2)
    df = []
    for j in range(problem.p):
        g = [variance * dc[j, j] for dc in state.dc] + [2 * covariance[j, j] / state.sigma]
        column = arb_mat([[v] for v in g])
        df.append(2 * covariance[j, j] ** 2 / (column.transpose() * spread * column)[0, 0])
    for j in range(problem.p):
        se = covariance[j, j].sqrt()
        values |= tested(f"fixed.{j}", state.beta[j, 0], se, df[j])
    if problem.reml and problem.ranks == problem.sizes:
        adjusted, kr_df = _kenward_roger(problem, state)
        for j in range(problem.p):
            found = tested("", state.beta[j, 0], adjusted[j, j].sqrt(), kr_df[j])
            for name in ("se", "df", "t", "p"):
                values[f"fixed.{j}.kr_{name}"] = found[f".{name}"]
    return values


def _kenward_roger(problem: Problem, state: State) -> tuple[arb_mat, list[arb]]:
    """Return the adjusted covariance and the df of single coefficients (Kenward and Roger 1997).

    In the variance parameters g = (elements of Psi, s2), V is linear with derivatives V_r. With
    W = 2 I^-1, I_rs = tr(P V_r P V_s), R_rs = X'V^-1 V_r P V_s V^-1 X and F = (X'V^-1 X)^-1,

        F_A = F + 2 F (sum W_rs R_rs) F,     df = 2 F_jj^2 / (sum W_rs dF_jj/dg_r dF_jj/dg_s);

    the second is 2 / A2 of their paper, to which their df reduces for one contrast (A1 = A2). What
    belongs to s2 follows from sum_r g_r V_r = V, so that sum_r g_r P V_r P = P and
    sum_r g_r R_rs = 0, without a product over rows.
    """
    c, variance = state.c, state.sigma**2
    elements = [
        (t, a, b) for t, q in enumerate(problem.sizes) for b in range(q) for a in range(b, q)
    ]
    directions, gamma = [], []
    for t, a, b in elements:
        matrix = arb_mat(problem.sizes[t], problem.sizes[t])
        matrix[a, b] = matrix[b, a] = arb(1)
        directions.append((t, matrix))
        gamma.append(((state.lambdas[t] * state.lambdas[t].transpose())[a, b]) * variance)
    sums = state.sums(directions)
    k, every = len(elements), range(len(elements))
    c_h = [c * h for h in sums.tt]
    information, r = arb_mat(k + 1, k + 1), {}
    for e in every:
        for f in every:
            value = sums.ss[e][f] - 2 * inner(c, sums.tst[e][f]) + (c_h[e] * c_h[f]).trace()
            information[e, f] = value / variance**2
            r[e, f] = (sums.tst[e][f] - sums.tt[e] * c_h[f]) * variance**-3
    for e, (t, matrix) in enumerate(directions):
        s, tct, _ = state.summed[t]
        whole = inner(s - tct, matrix) / variance
        known = sum((gamma[f] * information[e, f] for f in every), arb(0))
        information[e, k] = information[k, e] = (whole - known) / variance
        r[e, k] = sum((r[e, f] * gamma[f] for f in every), arb_mat(problem.p, problem.p))
        r[e, k] = r[e, k] * (-1 / variance)
        r[k, e] = r[e, k].transpose()
    known = sum((gamma[e] * gamma[f] * information[e, f] for e in every for f in every), arb(0))
    known += 2 * variance * sum((gamma[e] * information[e, k] for e in every), arb(0))
    information[k, k] = (problem.n - problem.p - known) / variance**2
    r[k, k] = sum((r[k, e] * gamma[e] for e in every), arb_mat(problem.p, problem.p))
    r[k, k] = r[k, k] * (-1 / variance)
    w = information.inv() * arb(2)
    total = arb_mat(problem.p, problem.p)
    for (e, f), share in r.items():
        total += share * w[e, f]
    covariance = c * variance
    adjusted = covariance + covariance * total * covariance * arb(2)
    changes = [c_h[e] * c for e in every]
    df = []
    for j in range(problem.p):
        slopes = [change[j, j] for change in changes]
        own = sum((g * v for g, v in zip(gamma, slopes, strict=True)), arb(0))
        slopes.append((covariance[j, j] - own) / variance)
        column = arb_mat([[v] for v in slopes])
        df.append(2 * covariance[j, j] ** 2 / (column.transpose() * w * column)[0, 0])
    return adjusted, df


def tested(name: str, estimate: arb, se: arb, df: arb) -> dict[str, arb]:
    """Test a coefficient: p = I_{df / (df + t^2)}(df / 2, 1 / 2)."""
    t = estimate / se
    if t.contains(0):
        # The density of t is below 1/2, so 1 - p < |t|; the ball around I_1 would be without bound.
        p = 1 + arb(0, t.abs_upper())
    else:
        p = (df / (df + t**2)).beta_lower(df / 2, arb(1) / 2, 1)
    return {
        f"{name}.estimate": estimate,
        f"{name}.se": se,
        f"{name}.df": df,
        f"{name}.t": t,
        f"{name}.p": p,
    }


_DIGITS = 60


def ball_decimal(ball: arb) -> Decimal:
    """Midpoint to 60 digits."""
    return Decimal(ball.mid().str(_DIGITS, radius=False))


def upper_bound(ball: arb) -> Decimal:
    """Upper end of its absolute value, to three digits."""
    return Decimal(ball.abs_upper().str(3, radius=False))


def _enclosed(values: dict[str, arb], certificate: BallCertificate) -> Enclosed:
    """Strip the balls. One that holds zero and is smaller than 1e-80 is zero (balanced data)."""
    decimals, error = {}, arb(0)
    for name, ball in values.items():
        if ball.is_finite() and not ball.contains(0):
            error = error.max(ball.rad() / ball.abs_lower())
            decimals[name] = ball_decimal(ball)
        elif ball.is_finite() and ball.rad() < arb(10) ** -80:
            decimals[name] = Decimal(0)
        else:
            raise NotCertified(f"{name} is not enclosed: {ball.str(10)}")
    return Enclosed(decimals, upper_bound(error), certificate)
