"""Profiles of the parameters of structured random terms, beside a residual covariance or not."""

import numpy as np
import pytest
from scipy import optimize

from harness.data.datasets import load_dataset
from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.likelihood_profile import FixedProfile, of_parameter, rise_of
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.structured_profile import StructuredProfile
from harness.referee.variance_parameter import parameters
from tests.referee.joined_cases import visited

pytestmark = pytest.mark.slow


def best_of(formula, residual="", seed=0, **options):
    model = parse_model(formula, "REML", residual)
    design = build_design(model, bind(model, visited(seed, **options)))
    return design, find_optimum(likelihood_of(design, reml=True))


def lowest(best, parameter, value):
    """The lowest deviance with a parameter held, by a search that knows no derivatives."""
    likelihood, sigma = best.point.likelihood, best.sigma
    profile = StructuredProfile(best, parameter)
    k, at = len(best.point.theta), profile.index

    def deviance(x):
        theta, own = x[:k].copy(), float(np.exp(x[k]))
        if parameter.scale == "sigma":
            own = value
        elif parameter.scale == "sd":
            theta[at] = value / own
        else:
            theta[at] = value
        try:
            return likelihood.at(theta).deviance(own)
        except np.linalg.LinAlgError:
            return 1e6

    start = np.append(best.point.theta, np.log(sigma))
    if parameter.scale == "sigma":
        start[k] = np.log(value)
    found = np.inf
    for _ in range(2):
        one = optimize.minimize(
            deviance,
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 3000, "maxfev": 3000},
        )
        start, found = one.x, min(found, float(one.fun))
    return found


@pytest.mark.parametrize(
    ("formula", "residual"),
    [
        ("y ~ x + homcs(0 + f | s)", ""),
        ("y ~ x + homcs(0 + f | s)", "ar1(visit | s)"),
    ],
)
def test_a_profile_is_the_lowest_deviance_with_the_parameter_held(formula, residual):
    design, best = best_of(formula, residual, subjects=12)
    covariances = [best.sigma**2 * f @ f.T for f in best.point.likelihood.factors(best.point.theta)]
    for parameter in parameters(design):
        value = parameter.value(covariances, best.sigma)
        low, high = StructuredProfile(best, parameter).ends
        held = value + 0.5 * (high - value if parameter.scale == "correlation" else value - low)
        ours = StructuredProfile(best, parameter).lowest(held)
        assert best.deviance < ours.deviance
        # Simplices end a little above the lowest point, never below.
        theirs = lowest(best, parameter, held)
        assert ours.deviance <= theirs + 1e-8
        assert ours.deviance == pytest.approx(theirs, abs=2e-4)


SAME = [
    ("diag(1 + x | s)", "(1 + x || s)", "", {}),
    ("diag(1 + x | s)", "(1 + x || s)", "ar1(visit | s)", {}),
    ("homdiag(0 + f | s)", "(1 | s:f)", "ar1(visit | s)", {}),
    ("cs(0 + f | s)", "(0 + f | s)", "", {"levels": 2}),
    ("hetar1(0 + f | s)", "(0 + f | s)", "het(sex)", {"levels": 2}),
]


@pytest.mark.parametrize(("left", "right", "residual", "options"), SAME)
def test_intervals_of_one_model_are_the_same_in_either_writing(left, right, residual, options):
    """Two codes: bounded steps in the structure's parameters, and a constraint on a factor."""
    design, best = best_of(f"y ~ x + {left}", residual, subjects=14, **options)
    other, plain = best_of(f"y ~ x + {right}", residual, subjects=14, **options)
    assert best.deviance == pytest.approx(plain.deviance, abs=1e-8)
    ours, theirs = parameters(design), parameters(other)
    assert len(ours) == len(theirs)
    relative = [f @ f.T for f in plain.point.likelihood.factors(plain.point.theta)]
    for one, two in zip(ours, theirs, strict=True):
        found = StructuredProfile(best, one).curve(design, furthest=0.0)
        right_ends = of_parameter(
            two,
            other,
            relative,
            plain.sigma,
            plain.deviance,
            reml=True,
            phi=plain.phi,
            furthest=0.0,
        )
        for end, known in ((found.low, right_ends.low), (found.high, right_ends.high)):
            assert (end is None) == (known is None)
            if end is not None:
                assert end == pytest.approx(known, rel=2e-4)
    for j in range(2):
        # BFGS to 1e-6 in the gradient: the ends are known to five digits.
        assert FixedProfile(best, j).interval() == pytest.approx(
            FixedProfile(plain, j).interval(), rel=1e-4, abs=1e-4
        )


def test_an_end_on_the_bound_of_the_structure_is_told():
    model = parse_model("distance ~ age + ar1(0 + factor(age) | Subject)")
    design = build_design(model, bind(model, load_dataset("Orthodont").frame))
    best = find_optimum(likelihood_of(design, reml=True))
    profile = StructuredProfile(best, parameters(design)[1])
    found = profile.curve(design)
    assert found.low == pytest.approx(0.78, abs=0.05)
    assert found.high is None
    rise = profile.lowest(1.0).deviance - best.deviance
    assert 0.0 < rise < rise_of(0.95) ** 2
    homcs = best_of("y ~ x + homcs(0 + f | s)", subjects=5)
    assert StructuredProfile(homcs[1], parameters(homcs[0])[1]).ends == (-0.5, 1.0)
