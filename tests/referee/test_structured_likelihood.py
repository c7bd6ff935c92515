"""The likelihood of structured random terms: its value and its derivatives."""

import numpy as np
import pytest

from harness.referee.residual_likelihood import likelihood_of
from harness.referee.term_covariance import TermCovariance
from tests.referee.exact_likelihood import exact_derivatives, exact_deviance
from tests.referee.structured_cases import MODELS, made, some_theta

SIGMA = 1.3


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
    ("name", "reml"), [*((name, True) for name in MODELS), ("cs", False), ("beside others", False)]
)
def test_every_derivative_is_that_of_differences_at_40_digits(name, reml):
    design = made(name, subjects=4, times=1 + (name == "cs"))
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


@pytest.mark.parametrize("structure", ["", "diag", "homdiag", "cs", "homcs", "ar1", "hetar1"])
def test_parameters_are_read_off_their_matrix(structure):
    own = TermCovariance(structure, 4)
    x = np.linspace(0.3, 1.2, len(own.places))
    if structure not in ("", "diag", "homdiag"):
        for rho in (-0.3, 0.0, 0.8):
            x[-1] = rho
            assert own.parameters(own.matrix(x)) == pytest.approx(x, rel=1e-9, abs=1e-9)
    lower = own.factor(x)
    assert lower @ lower.T == pytest.approx(own.matrix(x), rel=1e-12)
    if structure:
        with pytest.raises(np.linalg.LinAlgError):
            own.parameters(own.matrix(x) + np.outer([1, 2, 3, -1], [1, 2, 3, -1]))
