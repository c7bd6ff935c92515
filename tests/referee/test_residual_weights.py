"""Weights beside a residual covariance: R is scaled by W^-1/2 from both sides."""

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.exploration import explore
from harness.referee.residual_likelihood import likelihood_of
from tests.referee.exact_likelihood import exact_derivatives, exact_deviance
from tests.referee.residual_cases import MODELS, some_theta, visits

BESIDE = ("ar1, slopes, strata", "car1, strata", "cs", "us, crossed", "het")


def weighted(name, spread=1.0, **options):
    """A design of residual_cases with weights."""
    formula, residual = MODELS[name]
    frame = visits(0, **options)
    draw = np.random.default_rng(5)
    frame["w"] = np.exp(spread * draw.uniform(-2.0, 2.0, len(frame)))
    model = parse_model(f"{formula} + weights(w)", "REML", residual)
    return build_design(model, bind(model, frame))


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", BESIDE)
def test_beside_a_residual_covariance_the_deviance_is_that_of_40_digits(name, reml):
    design = weighted(name)
    theta = some_theta(design)
    own = likelihood_of(design, reml=reml).at(theta)
    right = float(exact_deviance(design, theta, 1.3, reml=reml))
    # Rounding of some hundred operations on numbers of the size of the deviance.
    assert own.deviance(1.3) == pytest.approx(right, rel=1e-13, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", BESIDE)
def test_beside_a_residual_covariance_every_derivative_is_that_of_differences(name):
    design = weighted(name, subjects=4)
    theta = some_theta(design)
    own = likelihood_of(design, reml=True).at(theta)
    gradient, hessian = exact_derivatives(design, theta, 1.3, reml=True)
    size = np.abs(hessian).max()
    assert own.gradient(1.3) == pytest.approx(gradient, abs=1e-11 * size)
    assert own.hessian(1.3) == pytest.approx(hessian, abs=1e-11 * size)


@pytest.mark.parametrize("name", ["cs", "ar1, slopes, strata"])
def test_equal_weights_beside_a_residual_covariance_divide_the_variance(name):
    formula, residual = MODELS[name]
    frame = visits(0, subjects=14).assign(w=4.0)
    found = []
    for text in (formula, f"{formula} + weights(w)"):
        model = parse_model(text, "REML", residual)
        design = build_design(model, bind(model, frame))
        found.append(find_optimum(likelihood_of(design, reml=True)))
    plain, heavy = found
    assert heavy.deviance == pytest.approx(plain.deviance, abs=1e-8)
    # s2 of a row of weight one is four times that of the rows there are.
    assert heavy.sigma == pytest.approx(2.0 * plain.sigma, rel=1e-6)
    assert heavy.phi == pytest.approx(plain.phi, abs=1e-5)
    for one, other in zip(plain.tests, heavy.tests, strict=True):
        assert (other.estimate, other.se) == pytest.approx((one.estimate, one.se), rel=1e-6)
        assert other.df == pytest.approx(one.df, rel=1e-4)


def test_weights_and_a_covariance_of_the_residuals_are_one_matrix():
    """V = Z D Z' + s2 W^-1/2 R W^-1/2, as explore() shows it, has the standard errors."""
    frame = visits(0, subjects=14)
    frame["w"] = np.random.default_rng(5).uniform(0.5, 4.0, len(frame))
    found = explore("y ~ x + (1 | s)", frame, weights="w", residual="ar1(visit | s)")
    x, v = found.X.to_numpy(), found.V.to_numpy()
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ np.linalg.solve(v, x))))
    assert errors == pytest.approx([test.se for test in found.best.tests], rel=1e-9)
    rows = np.sqrt(frame["w"].to_numpy())
    inside = found.R.to_numpy() * np.outer(rows, rows) / found.residual_variance
    rho = float(found.parameters["residual rho"])
    assert inside[0, 1] == pytest.approx(rho, rel=1e-12)
    assert np.diag(inside) == pytest.approx(1.0)
