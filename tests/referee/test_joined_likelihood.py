"""Structured random terms beside a residual covariance: likelihood, derivatives, optimum."""

import numpy as np
import pytest

from harness.referee.best_point import find_optimum
from harness.referee.residual_likelihood import likelihood_of
from tests.referee.exact_likelihood import exact_derivatives, exact_deviance
from tests.referee.joined_cases import MODELS, made, some_theta

SIGMA = 1.3

FEW = ("hetar1, toep", "beside others, us")
"""Those with many residual parameters: differences at 40 digits take a second for each pair."""


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", MODELS)
def test_the_deviance_is_that_of_40_digits(name, reml):
    design = made(name, subjects=4)
    theta = some_theta(design)
    right = exact_deviance(design, theta, SIGMA, reml=reml)
    # Rounding of some hundred operations on numbers of the size of the deviance.
    own = likelihood_of(design, reml=reml).at(theta)
    assert own.deviance(SIGMA) == pytest.approx(float(right), rel=1e-13, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reml"), [*((name, True) for name in MODELS), ("cs, car1", False), ("two, ar1", False)]
)
def test_every_derivative_is_that_of_differences_at_40_digits(name, reml):
    design = made(name, subjects=4, times=1 + (name not in FEW))
    theta = some_theta(design)
    own = likelihood_of(design, reml=reml).at(theta)
    gradient, hessian = exact_derivatives(design, theta, SIGMA, reml=reml)
    size = np.abs(hessian).max()
    assert own.gradient(SIGMA) == pytest.approx(gradient, abs=1e-11 * size)
    assert own.hessian(SIGMA) == pytest.approx(hessian, abs=1e-11 * size)
    twin, to_theta = own.conditioned()
    assert twin.profiled_gradient() == pytest.approx(to_theta.T @ own.profiled_gradient(), rel=1e-9)
    expected = to_theta.T @ own.profiled_hessian() @ to_theta
    assert twin.profiled_hessian() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_optimum_is_one(name):
    best = find_optimum(likelihood_of(made(name, subjects=40), reml=True))
    free = ~best.point.held
    # Newton's method converges quadratically: what is left is rounding.
    assert np.abs(best.point.profiled_gradient()[free]).max() < 1e-7
    assert best.optimality.gradient < 1e-7
    assert not best.optimality.false_boundary
    assert np.linalg.eigvalsh(best.point.profiled_hessian()[np.ix_(free, free)])[0] > -1e-7
