"""Profiles of residual correlations and ratios, and what competes with a random effect."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.competition import COMPETING, competition
from harness.referee.likelihood_profile import FixedProfile, of_parameter, rise_of
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.residual_profile import ResidualProfile
from harness.referee.variance_parameter import parameters
from tests.referee.residual_cases import MODELS, made

PROFILED = [name for name in MODELS if name != "crossed"]


def best_of(design, *, reml=True):
    return find_optimum(likelihood_of(design, reml=reml))


def series(seed, subjects, visits, rho, intercept, slope):
    """Rows of subjects, autocorrelated, with an intercept and a slope of each."""
    draw = np.random.default_rng(seed)
    rows = []
    for i in range(subjects):
        e, b0, b1 = draw.normal(), intercept * draw.normal(), slope * draw.normal()
        for t in range(visits):
            rows.append((f"s{i}", t, 1.0 + 0.5 * t + b0 + b1 * t + e))
            e = rho * e + math.sqrt(1.0 - rho**2) * draw.normal()
    return pd.DataFrame(rows, columns=["s", "visit", "y"])


def fitted(frame, random, residual="ar1(visit | s)"):
    model = parse_model(f"y ~ visit + {random}", "REML", residual)
    return best_of(build_design(model, bind(model, frame)))


def lowest(best, at, value, seeds=2):
    """The lowest deviance with one phi held, by a search that knows no derivatives."""
    likelihood, k = best.point.likelihood, len(best.point.likelihood.layout)
    free = np.delete(np.arange(len(best.point.theta)), k + at)

    def deviance(x):
        theta = best.point.theta.copy()
        theta[free], theta[k + at] = x, value
        try:
            return likelihood.at(theta).deviance()
        except np.linalg.LinAlgError:
            return 1e6

    found = math.inf
    for seed in range(seeds):
        start = best.point.theta[free] + 0.3 * np.random.default_rng(seed).normal(size=len(free))
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000}
        if len(free):
            one = optimize.minimize(deviance, start, method="Nelder-Mead", options=options)
            found = min(found, float(one.fun))
        else:
            found = deviance(start)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ar1", "ar1, intercept", "car1, strata", "cs across groups", "toep", "us, strata"]
)
def test_a_profile_is_the_lowest_deviance_with_the_parameter_held(name):
    best = best_of(made(name, subjects=10))
    for at in range(len(best.phi)):
        profile = ResidualProfile(best, at)
        for step in (-0.15, 0.25):
            value = float(best.phi[at]) + step
            # Nelder and Mead end where a simplex is 1e-9 wide: 1e-7 and less in deviance, and in
            # four and more dimensions now and then higher than the lowest, never lower.
            assert profile.lowest(value).deviance == pytest.approx(
                lowest(best, at, value), abs=1e-6
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILED)
def test_the_interval_ends_where_the_deviance_has_risen_by_the_quantile(name):
    best = best_of(made(name, subjects=10))
    for at in range(len(best.phi)):
        profile = ResidualProfile(best, at)
        curve = profile.curve(level=0.9)
        assert curve.minimum == best.deviance
        assert min(curve.deviance) == best.deviance
        assert list(curve.values) == sorted(curve.values)
        for end in (curve.low, curve.high):
            if end is None:
                continue
            phi = end
            if not profile.correlation or best.point.likelihood.residual.structure == "car1":
                phi = math.log(end)
            rise = profile.lowest(phi).deviance - best.deviance
            # False position stops at 1e-6 in the root of the rise.
            assert math.sqrt(rise) == pytest.approx(rise_of(0.9), abs=1e-5)
            assert rise_of(0.9) ** 2 == pytest.approx(stats.chi2.ppf(0.9, 1))


def test_a_correlation_goes_to_the_end_of_what_is_positive_definite():
    draw = np.random.default_rng(3)
    frame = pd.DataFrame({"s": np.repeat(list("abcd"), 4), "y": draw.normal(size=16)})
    model = parse_model("y ~ 1", "REML", "cs(1 | s)")
    profile = ResidualProfile(best_of(build_design(model, bind(model, frame))), 0)
    assert profile.ends == (-1.0 / 3.0, 1.0)
    curve = profile.curve()
    assert min(curve.values) > -1.0 / 3.0
    assert curve.low is None or curve.low > -1.0 / 3.0


def test_profiles_of_random_effects_beside_a_residual_covariance_begin_at_it():
    """Held at its best value, a parameter gives the best point again."""
    design = made("ar1, slopes, strata", subjects=14)
    best = best_of(design)
    relative = [f @ f.T for f in best.point.likelihood.factors(best.point.theta)]
    for parameter in parameters(design):
        value = parameter.value([best.sigma**2 * psi for psi in relative], best.sigma)
        if parameter.scale == "correlation" and abs(value) > 0.999:
            continue
        curve = of_parameter(
            parameter, design, relative, best.sigma, best.deviance, reml=True, phi=best.phi
        )
        near = sorted(curve.deviance)[:3]
        assert near[0] == best.deviance
        assert near[-1] - best.deviance < 0.5  # the first steps are small ones


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", ["ar1", "car1, strata", "us, crossed"])
def test_the_profile_of_a_fixed_effect_has_the_right_derivatives(name, reml):
    design = made(name, subjects=10)
    best = best_of(design, reml=reml)
    profile = FixedProfile(best, 1)
    value = best.point.beta[1] + 0.3
    x = np.linalg.solve(profile.to_theta, profile.starts[1]) + 0.01
    _, gradient = profile._both(x, value)
    h = 1e-5
    for i in range(len(x)):
        step = np.eye(len(x))[i] * h
        difference = profile._both(x + step, value)[0] - profile._both(x - step, value)[0]
        # Differences of deviances of 100 at 1e-5: 1e-9 of rounding, and h^2.
        assert gradient[i] == pytest.approx(difference / (2 * h), abs=2e-6)


def test_a_random_intercept_and_a_long_autocorrelation_of_few_visits_compete():
    best = fitted(series(0, 30, 4, 0.9, 1.0, 0.0), "(1 | s)")
    found = competition(best)
    assert (found.term, found.effect, found.residual) == (0, 0, 0)
    assert found.correlation < -COMPETING
    assert found.correlation == pytest.approx(_by_differences(best), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [(30, 12, 0.3, 1.0, 0.0), (30, 12, 0.3, 1.0, 0.3)],
    ids=["intercept", "slope"],
)
def test_nothing_competes_where_many_visits_tell_the_two_apart(seed, options):
    random = "(1 | s)" if options[-1] == 0.0 else "(visit | s)"
    best = fitted(series(seed, *options), random)
    assert competition(best) is None
    if random == "(1 | s)":
        assert abs(_by_differences(best)) < COMPETING


def test_where_the_likelihood_is_the_same_they_compete_without_a_number():
    best = fitted(series(2, 20, 4, 0.3, 1.0, 0.0), "(1 | s)", "us(visit | s)")
    found = competition(best)
    assert not found.determined
    assert (found.term, found.effect) == (0, 0)


def test_without_a_correlation_or_random_effects_nothing_competes():
    frame = series(1, 20, 4, 0.5, 1.0, 0.0)
    frame["half"] = np.where(frame["s"].str[1:].astype(int) < 10, "a", "b")
    assert competition(fitted(frame, "0")) is None
    assert competition(fitted(frame, "(1 | s)", "het(half)")) is None
    model = parse_model("y ~ visit + (1 | s)")
    assert competition(best_of(build_design(model, bind(model, frame)))) is None


def _by_differences(best):
    """Correlation of the estimates of a random intercept's SD and of rho, by differences."""
    likelihood = best.point.likelihood
    here = np.array([math.log(best.sigma * best.point.theta[0]), best.phi[0], math.log(best.sigma)])

    def deviance(x):
        sd, sigma = math.exp(x[0]), math.exp(x[2])
        return likelihood.at([sd / sigma, x[1]]).deviance(sigma)

    h = 1e-4
    hessian = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            a, b = np.eye(3)[i] * h, np.eye(3)[j] * h
            both = deviance(here + a + b) + deviance(here - a - b)
            hessian[i, j] = (both - deviance(here + a - b) - deviance(here - a + b)) / (4 * h * h)
    inverse = np.linalg.inv(hessian)
    return inverse[0, 1] / math.sqrt(inverse[0, 0] * inverse[1, 1])
