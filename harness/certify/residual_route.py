"""The optimum of a model with a residual covariance, by two routes at 200 digits.

Both work on the rows themselves, block by block of rows that hang together: V of a block is dense.
They share the parsed design, which rows belong together, and a start from the double-precision
referee; arithmetic is Arb's for both. The first has no formula for a derivative, the second none
for the deviance's minimum:

1. the deviance in (theta, rho, ratios of standard deviations, log sigma), H = V / s2, minimised by
   Newton's method with central differences;
2. the score equations in (Psi, rho, log ratios, s2) with analytic derivatives of V, solved by
   Newton's method on the score; p values by mpmath.

Unlike the other route's, this optimum is found and not proved to lie in a box: the balls hold what
each evaluation gives, and the routes agree to the digits that a file states.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flint import arb, arb_mat, ctx

from harness.certify.ball_differences import (
    Vector,
    differences,
    gradient_and_hessian,
    settled,
    values_and_jacobian,
)
from harness.certify.ball_likelihood import NotCertified, exact
from harness.certify.ball_route import ball_decimal, smallest_pivot, tested, upper_bound
from harness.certify.henderson_equations import mpf
from harness.certify.henderson_route import mp_decimal, tested_by_mpmath
from harness.certify.residual_rows import (
    ResidualModel,
    Rows,
    random_covariance,
    residual_covariance,
    residual_model,
)
from harness.model.design import Design
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import residual_parameters

PRECISION = 700
"""Bits of the working precision."""


@dataclass(frozen=True)
class Solved:
    """Every quantity by each route.

    Attributes
    ----------
    values, second : dict
        By the first route, and by the second.
    gradient : Decimal
        Largest derivative of the deviance left, in relative changes of the variables.
    curvature : Decimal
        Smallest pivot of its Hessian scaled to a unit diagonal.
    """

    values: dict[str, Decimal]
    second: dict[str, Decimal]
    gradient: Decimal
    curvature: Decimal


def solve_residual(design: Design, best: Optimum, *, reml: bool) -> Solved:
    """Find the optimum near the one that double precision gives.

    Parameters
    ----------
    best : Optimum
        In double precision.

    Raises
    ------
    NotCertified
        When the optimum is on a boundary or not determined, or Newton's method does not settle.
    """
    if best.optimality.singular:
        raise NotCertified("the optimum is on the boundary, which this route does not cover")
    if best.free:
        raise NotCertified("the data do not determine the variances")
    with ctx.workprec(PRECISION):
        model = residual_model(design, reml=reml)
        theta = [exact(v) for v in best.point.theta[: len(model.layout)]]
        stated = [exact(v) for _, v in residual_parameters(best.point)]
        first = _first(model, [*theta, *stated, exact(best.sigma).log()])
        second = _second(model, [*theta, *stated, exact(best.sigma)])
    return Solved(first.values, second, first.gradient, first.curvature)


@dataclass(frozen=True)
class _First:
    values: dict[str, Decimal]
    gradient: Decimal
    curvature: Decimal


def _factors(model: ResidualModel, theta: Sequence[arb]) -> list[arb_mat]:
    out = [arb_mat(q, q) for q in model.sizes]
    for value, (t, a, b) in zip(theta, model.layout, strict=True):
        out[t][a, b] = value
    return out


@dataclass(frozen=True)
class _Sums:
    """log|V|, and [X y]'V^-1 [X y], of all blocks."""

    logdet: arb
    cross: arb_mat


def _parts(cross: arb_mat, p: int) -> tuple[arb_mat, arb_mat, arb]:
    """(X'V^-1 X)^-1, GLS estimates, and the residual sum of squares."""
    information = arb_mat([[cross[i, j] for j in range(p)] for i in range(p)])
    c = information.inv()
    beta = c * arb_mat([[cross[i, p]] for i in range(p)])
    rss = cross[p, p] - sum((cross[i, p] * beta[i, 0] for i in range(p)), arb(0))
    return c, beta, rss


def _first(model: ResidualModel, start: Vector) -> _First:
    """Minimise the deviance by Newton's method with differences."""

    def everything(at: Vector) -> Vector:
        """Deviance, and the variance of each estimate."""
        sums = _relative(model, at)
        c, _, rss = _parts(sums.cross, model.p)
        s2 = (2 * at[-1]).exp()
        value = model.m * (2 * arb.pi() * s2).log() + sums.logdet + rss / s2
        if model.reml:
            value -= c.det().log()
        return [value, *(s2 * c[j, j] for j in range(model.p))]

    at = settled(start, lambda v: gradient_and_hessian(everything, v))
    first, hessian, slopes = differences(everything, at)
    scaled = max(abs(g) * (1 + abs(v)) for g, v in zip(first, at, strict=True))
    curvature = smallest_pivot(hessian)
    if not curvature > 0:
        raise NotCertified("the Hessian is not positive definite at the stationary point")
    sums = _relative(model, at)
    c, beta, _ = _parts(sums.cross, model.p)
    s2 = (2 * at[-1]).exp()
    values = {
        "loglik": -everything(at)[0] / 2,
        "residual.variance": s2,
        "residual.sd": s2.sqrt(),
    }
    k = len(model.layout)
    values |= {f"theta.{i}": _signed(model, at, i) for i in range(k)}
    psi = [lower * lower.transpose() * s2 for lower in _factors(model, at[:k])]
    values |= dict(_random(psi))
    values |= {f"residual.{i}": v for i, v in enumerate(at[k:-1])}
    spread = hessian.inv() * arb(2)
    for j in range(model.p):
        variance = s2 * c[j, j]
        g = arb_mat([[slope[j]] for slope in slopes])
        df = 2 * variance**2 / (g.transpose() * spread * g)[0, 0]
        values |= tested(f"fixed.{j}", beta[j, 0], variance.sqrt(), df)
    return _First(
        {name: ball_decimal(v) for name, v in values.items()},
        upper_bound(scaled),
        ball_decimal(curvature),
    )


def _relative(model: ResidualModel, at: Vector) -> _Sums:
    """Return the sums with H = V / s2, of (theta, stated parameters of R, log sigma)."""
    k = len(model.layout)
    relative = [lower * lower.transpose() for lower in _factors(model, at[:k])]
    logdet, cross = arb(0), arb_mat(model.p + 1, model.p + 1)
    for block in model.blocks:
        h = residual_covariance(model, block, at[k:-1])
        for t, psi in enumerate(relative):
            h += random_covariance(block, t, psi)
        logdet += h.det().log()
        cross += block.xy.transpose() * h.solve(block.xy)
    return _Sums(logdet, cross)


def _signed(model: ResidualModel, at: Vector, i: int) -> arb:
    """Return an element of theta with the diagonal of its column positive."""
    t, _, b = model.layout[i]
    diagonal = at[model.layout.index((t, b, b))]
    return at[i] if diagonal > 0 else -at[i]


def _random(psi: Sequence[arb_mat]) -> Iterator[tuple[str, arb]]:
    for t, matrix in enumerate(psi):
        for b in range(matrix.ncols()):
            for a in range(b, matrix.ncols()):
                yield f"random.{t}.covariance.{a}.{b}", matrix[a, b]
                if a > b:
                    scale = (matrix[a, a] * matrix[b, b]).sqrt()
                    yield f"random.{t}.correlation.{a}.{b}", matrix[a, b] / scale
            yield f"random.{t}.sd.{b}", matrix[b, b].sqrt()


def _second(model: ResidualModel, start: Vector) -> dict[str, Decimal]:
    """Solve the score equations in (Psi, rho, log ratios, s2)."""
    k, correlations = len(model.layout), model.residual.correlations
    s2 = start[-1] ** 2
    psi = [lower * lower.transpose() * s2 for lower in _factors(model, start[:k])]
    ratios = [v.log() for v in start[k + correlations : -1]]
    at = [
        *(psi[t][a, b] for t, a, b in model.layout),
        *start[k : k + correlations],
        *ratios,
        s2,
    ]
    at = settled(at, lambda v: values_and_jacobian(lambda u: _score(model, u).score, v))
    found = _score(model, at)
    _, hessian = values_and_jacobian(lambda u: _score(model, u).score, at)
    spread = hessian.inv() * arb(2)
    psi = _covariances(model, at)
    values = {
        "loglik": -found.deviance / 2,
        "residual.variance": at[-1],
        "residual.sd": at[-1].sqrt(),
        **dict(_random(psi)),
    }
    place = 0
    for matrix in psi:
        lower = _cholesky(matrix * (1 / at[-1]))
        for b in range(matrix.ncols()):
            for a in range(b, matrix.ncols()):
                values[f"theta.{place}"] = lower[a][b]
                place += 1
    stated = [*at[k : k + correlations], *(v.exp() for v in at[k + correlations : -1])]
    values |= {f"residual.{i}": v for i, v in enumerate(stated)}
    out = {name: ball_decimal(v) for name, v in values.items()}
    for j in range(model.p):
        variance = found.c[j, j]
        g = arb_mat([[change[j, j]] for change in found.changes])
        df = 2 * variance**2 / (g.transpose() * spread * g)[0, 0]
        numbers = [mpf(_text(v)) for v in (found.beta[j, 0], variance.sqrt(), df)]
        for name, value in tested_by_mpmath(*numbers).items():
            out[f"fixed.{j}.{name}"] = mp_decimal(value)
    return out


@dataclass(frozen=True)
class _Score:
    deviance: arb
    score: Vector
    c: arb_mat
    beta: arb_mat
    changes: list[arb_mat]
    """Derivatives of (X'V^-1 X)^-1."""


def _covariances(model: ResidualModel, at: Vector) -> list[arb_mat]:
    out = [arb_mat(q, q) for q in model.sizes]
    for value, (t, a, b) in zip(at, model.layout, strict=False):
        out[t][a, b] = out[t][b, a] = value
    return out


def _score(model: ResidualModel, at: Vector) -> _Score:
    """Return the derivatives of the deviance, V differentiated analytically."""
    k, p = len(model.layout), model.p
    correlations = model.residual.correlations
    rho, logs, s2 = at[k : k + correlations], at[k + correlations : -1], at[-1]
    psi = _covariances(model, at)
    logdet, cross = arb(0), arb_mat(p + 1, p + 1)
    kept = []
    for block in model.blocks:
        r = residual_covariance(model, block, [*rho, *(v.exp() for v in logs)])
        v = r * s2
        for t, matrix in enumerate(psi):
            v += random_covariance(block, t, matrix)
        inverse = v.inv()
        solved = inverse * block.xy
        logdet += v.det().log()
        cross += block.xy.transpose() * solved
        kept.append((inverse, solved, list(_changes(model, block, r, rho, s2))))
    c, beta, rss = _parts(cross, p)
    deviance = model.m * (2 * arb.pi()).log() + logdet + rss
    if model.reml:
        deviance -= c.det().log()
    left = arb_mat([[-beta[j, 0]] for j in range(p)] + [[arb(1)]])
    select = arb_mat(p + 1, p)
    for j in range(p):
        select[j, j] = arb(1)
    score, changes = [], []
    for i in range(len(at)):
        trace, inner, quadratic = arb(0), arb_mat(p, p), arb(0)
        for inverse, solved, own in kept:
            change = own[i]
            trace += (inverse * change).trace()
            residual = solved * left
            quadratic += (residual.transpose() * change * residual)[0, 0]
            x = solved * select
            inner += x.transpose() * change * x
        value = trace - quadratic
        if model.reml:
            value -= (c * inner).trace()
        score.append(value)
        changes.append(c * inner * c)
    return _Score(deviance, score, c, beta, changes)


def _changes(
    model: ResidualModel, block: Rows, r: arb_mat, rho: Sequence[arb], s2: arb
) -> Iterator[arb_mat]:
    """Yield the derivative of V of a block in each variable."""
    for t, a, b in model.layout:
        unit = arb_mat(model.sizes[t], model.sizes[t])
        unit[a, b] = unit[b, a] = arb(1)
        yield random_covariance(block, t, unit)
    size = len(block.index)
    for number, value in enumerate(rho):
        # d rho^k = rho^k k / rho; R has rho^k and what it is multiplied by.
        out = arb_mat(size, size)
        for i in range(size):
            for j in range(size):
                if block.index[i, j] == number:
                    out[i, j] = s2 * r[i, j] * block.power[i][j] / value
        yield out
    for times in block.times:
        yield arb_mat([[s2 * r[i, j] * int(times[i, j]) for j in range(size)] for i in range(size)])
    yield r


def _cholesky(matrix: arb_mat) -> list[Vector]:
    q = matrix.ncols()
    lower = [[arb(0)] * q for _ in range(q)]
    for b in range(q):
        lower[b][b] = (matrix[b, b] - sum((v**2 for v in lower[b][:b]), arb(0))).sqrt()
        for a in range(b + 1, q):
            known = sum((u * v for u, v in zip(lower[a][:b], lower[b][:b], strict=True)), arb(0))
            lower[a][b] = (matrix[a, b] - known) / lower[b][b]
    return lower


def _text(ball: arb) -> str:
    return str(ball.mid().str(150, radius=False))
