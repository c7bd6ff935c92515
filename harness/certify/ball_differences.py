"""Newton's method and derivatives by central differences, in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from flint import arb, arb_mat

from harness.certify.ball_likelihood import NotCertified

_STEP = 120
"""Bits: differences are over a relative step of 2^-120 and err by 2^-240, 1e-72; of a second one
rounding leaves 2^-700 / 2^-240."""

_SETTLED = 210
"""Bits: Newton's method stops after a relative step below 2^-210, 1e-63."""

_NEWTON_STEPS = 12

Vector = list[arb]


def settled(start: Vector, solve: Callable[[Vector], tuple[Vector, arb_mat]]) -> Vector:
    """Newton steps on midpoints, from a function that gives residuals and their Jacobian."""
    at = [v.mid() for v in start]
    for _ in range(_NEWTON_STEPS):
        values, jacobian = solve(at)
        step = jacobian.solve(arb_mat([[v] for v in values]))
        at = [(v - step[i, 0]).mid() for i, v in enumerate(at)]
        moved = max(abs(step[i, 0]) / (1 + abs(v)) for i, v in enumerate(at))
        if moved < arb(2) ** -_SETTLED:
            return at
    raise NotCertified(f"Newton's method did not settle in {_NEWTON_STEPS} steps")


def _steps(at: Vector) -> Vector:
    return [((1 + abs(v)) * arb(2) ** -_STEP).mid() for v in at]


def _moved(at: Vector, *changes: tuple[int, arb]) -> Vector:
    out = list(at)
    for i, change in changes:
        out[i] += change
    return out


def differences(
    function: Callable[[Vector], Vector], at: Vector
) -> tuple[Vector, arb_mat, list[Vector]]:
    """Gradient and Hessian of the first value, gradients of the others."""
    steps, every = _steps(at), range(len(at))
    middle = function(at)[0]
    up = [function(_moved(at, (i, steps[i]))) for i in every]
    down = [function(_moved(at, (i, -steps[i]))) for i in every]
    first = [[(u - d) / (2 * steps[i]) for u, d in zip(up[i], down[i], strict=True)] for i in every]
    hessian = arb_mat(len(at), len(at))
    for i in every:
        hessian[i, i] = (up[i][0] - 2 * middle + down[i][0]) / steps[i] ** 2
        for j in range(i):
            both = function(_moved(at, (i, steps[i]), (j, steps[j])))[0]
            neither = function(_moved(at, (i, -steps[i]), (j, -steps[j])))[0]
            value = both + neither - up[i][0] - down[i][0] - up[j][0] - down[j][0] + 2 * middle
            hessian[i, j] = hessian[j, i] = value / (2 * steps[i] * steps[j])
    return [slope[0] for slope in first], hessian, [slope[1:] for slope in first]


def gradient_and_hessian(
    function: Callable[[Vector], Vector], at: Vector
) -> tuple[Vector, arb_mat]:
    """Return those of the first value of a function."""
    gradient, hessian, _ = differences(function, at)
    return gradient, hessian


def values_and_jacobian(function: Callable[[Vector], Vector], at: Vector) -> tuple[Vector, arb_mat]:
    """Values of a function and its derivatives by central differences."""
    columns = []
    for i, step in enumerate(_steps(at)):
        up, down = function(_moved(at, (i, step))), function(_moved(at, (i, -step)))
        columns.append([(u - d) / (2 * step) for u, d in zip(up, down, strict=True)])
    return function(at), arb_mat(columns).transpose()
