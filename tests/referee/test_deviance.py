"""The likelihood is the definition's, its derivatives are its derivatives, digits survive units."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.recipes.shapes import Recipe, build
from harness.model.design import Design, RandomDesign
from harness.referee.crossproducts import RankDeficient, aliased_columns
from harness.referee.deviance import Likelihood
from harness.referee.triangular_factors import semidefinite_cholesky
from tests.referee.designs import (
    dense,
    design,
    frame_columns,
    lme4_order,
    r_formula,
    slope_data,
    structures,
)
from tests.referee.exact_likelihood import exact_point

STRUCTURES = structures()
BOTH = pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
EACH = pytest.mark.parametrize("name", list(STRUCTURES))


def thetas(likelihood, count, seed=0):
    """Random theta with signs of their own."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=len(likelihood.layout)) for _ in range(count)]


@BOTH
@EACH
def test_deviance_estimates_and_covariance_are_those_of_the_full_matrix(name, reml):
    made = STRUCTURES[name]
    likelihood = Likelihood(made, reml=reml)
    for theta in thetas(likelihood, 5):
        point = likelihood.at(theta)
        value, beta, covariance = dense(made, theta, reml=reml)
        # n = 30 to 50 with condition numbers of V below 1e3: the dense route keeps 12 digits.
        assert point.deviance() == pytest.approx(value, rel=1e-12)
        assert point.beta == pytest.approx(beta, rel=1e-10, abs=1e-12)
        s = point.sigma**2
        assert point.to_data(s * point.c) == pytest.approx(covariance, rel=1e-10, abs=1e-13)
        assert point.deviance(0.7) == pytest.approx(
            dense(made, theta, reml=reml, sigma=0.7)[0], rel=1e-12
        )


def test_without_random_terms_the_deviance_is_that_of_least_squares():
    made = design(*slope_data(3)[:2], [])
    for reml in (True, False):
        point = Likelihood(made, reml=reml).at([])
        value, beta, _ = dense(made, [], reml=reml)
        assert point.deviance() == pytest.approx(value, rel=1e-13)
        assert point.beta == pytest.approx(beta, rel=1e-12)


def central(function, at, steps):
    """Central differences, Richardson's extrapolation of two steps: error of order step^4."""
    rows = []
    for i, step in enumerate(steps):
        unit = np.eye(len(at))[i]
        wide = (function(at + step * unit) - function(at - step * unit)) / (2 * step)
        half = step / 2
        near = (function(at + half * unit) - function(at - half * unit)) / (2 * half)
        rows.append((4 * near - wide) / 3)
    return np.array(rows)


def check_derivatives(likelihood, theta):
    """Step 1e-3: truncation 1e-12 times fifth derivatives, rounding 1e-13 |d| / 1e-3 = 1e-8."""
    steps = np.full(len(theta), 1e-3)
    point = likelihood.at(theta)
    numeric = central(lambda t: likelihood.at(t).deviance(), theta, steps)
    assert point.profiled_gradient() == pytest.approx(numeric, rel=1e-6, abs=1e-6)
    numeric = central(lambda t: likelihood.at(t).profiled_gradient(), theta, steps)
    assert point.profiled_hessian() == pytest.approx(numeric, rel=1e-6, abs=1e-6)

    sigma = 1.3 * point.sigma * likelihood.products.basis.y_scale
    full = np.append(theta, sigma)
    steps = np.append(steps, 1e-3 * sigma)
    numeric = central(lambda v: likelihood.at(v[:-1]).deviance(v[-1]), full, steps)
    assert point.gradient(sigma) == pytest.approx(numeric, rel=1e-6, abs=1e-6)
    numeric = central(lambda v: likelihood.at(v[:-1]).gradient(v[-1]), full, steps)
    assert point.hessian(sigma) == pytest.approx(numeric, rel=1e-6, abs=1e-6)


@BOTH
@EACH
def test_gradient_and_hessian_are_the_derivatives(name, reml):
    likelihood = Likelihood(STRUCTURES[name], reml=reml)
    check_derivatives(likelihood, thetas(likelihood, 1, seed=7)[0])


SIGNS = list(itertools.product([-1, 0, 1], repeat=3))


@pytest.mark.slow
@pytest.mark.parametrize("signs", SIGNS, ids=str)
def test_derivatives_hold_at_every_sign_pattern_of_theta(signs):
    """statsmodels' gradient turns wrong where a diagonal is negative."""
    likelihood = Likelihood(STRUCTURES["slope"], reml=True)
    check_derivatives(likelihood, np.array(signs) * [0.8, 0.5, 0.6])


@EACH
def test_derivatives_in_conditioned_variables_are_a_linear_map_of_those_in_theta(name):
    likelihood = Likelihood(STRUCTURES[name], reml=True)
    point = likelihood.at(thetas(likelihood, 1, seed=5)[0])
    twin, to_theta = point.conditioned()
    assert twin.deviance() == point.deviance()
    assert twin.profiled_gradient() == pytest.approx(
        to_theta.T @ point.profiled_gradient(), rel=1e-10, abs=1e-11
    )
    assert twin.profiled_hessian() == pytest.approx(
        to_theta.T @ point.profiled_hessian() @ to_theta, rel=1e-10, abs=1e-10
    )


@EACH
def test_the_sign_of_a_column_of_the_factor_does_not_matter(name):
    likelihood = Likelihood(STRUCTURES[name], reml=True)
    theta = thetas(likelihood, 1)[0]
    flipped = [-v if b == 0 else v for v, (_, _, b) in zip(theta, likelihood.layout, strict=True)]
    assert likelihood.at(flipped).deviance() == pytest.approx(
        likelihood.at(theta).deviance(), rel=1e-15
    )


def small(seed=11):
    y, x, z, g = slope_data(seed, groups=4, per=4)
    return design(y, x, [(z, g), (np.ones(len(y)), np.arange(len(y)) % 3)])


@BOTH
def test_deviance_and_estimates_agree_with_forty_digits(reml):
    made = small()
    likelihood = Likelihood(made, reml=reml)
    for theta in thetas(likelihood, 2, seed=2):
        exact, point = exact_point(made, theta), likelihood.at(theta)
        assert abs(point.deviance() / exact.deviance(reml=reml) - 1) < 1e-12
        assert max(abs(a / b - 1) for a, b in zip(point.beta, exact.beta, strict=True)) < 1e-12


def shifted(made, *, y=(1.0, 0.0), x=(1.0, 0.0)):
    """y -> a y + b, and column 1 of X and of every two-column Z -> c x + d."""
    columns = made.x.copy()
    columns[:, 1] = x[0] * columns[:, 1] + x[1]
    random = []
    for term in made.random:
        z = term.z.copy()
        if z.shape[1] > 1:
            z[:, 1] = x[0] * z[:, 1] + x[1]
        random.append(RandomDesign(term.group, term.names, z, term.codes, term.levels))
    return Design(y[0] * made.y + y[1], columns, made.x_names, tuple(random), made.rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"y": (1.0, 1e6)},
        {"y": (1e-8, 0.0)},
        {"x": (1e6, 0.0)},
        {"x": (6.0, 2000.0)},
        {"x": (1.0, 1e5)},
    ],
    ids=["y + 1e6", "y * 1e-8", "x * 1e6", "x a year", "x + 1e5"],
)
def test_units_and_origins_cost_no_digits(change):
    """Against 40 digits on the same doubles: differences of deviances and estimates to 1e-9."""
    made = shifted(small(), **change)
    likelihood = Likelihood(made, reml=True)
    scale, origin = change.get("x", (1.0, 0.0))
    points = []
    for relative in ([0.9, 0.3, 0.5], [0.4, -0.6, 0.8]):
        # The covariance of the unchanged model in the new effects, so that V stays moderate.
        back = np.array([[1.0, -origin / scale], [0.0, 1.0 / scale]])
        psi = np.array([[relative[0], 0.0], relative[1:]])
        psi = back @ psi @ psi.T @ back.T
        lower = semidefinite_cholesky(psi)
        theta = np.array([lower[0, 0], lower[1, 0], lower[1, 1], 0.7])
        points.append((likelihood.at(theta), exact_point(made, theta)))
    (a, exact_a), (b, exact_b) = points
    fall = exact_a.deviance(reml=True) - exact_b.deviance(reml=True)
    assert abs((a.deviance() - b.deviance()) / fall - 1) < 1e-9
    assert max(abs(v / w - 1) for v, w in zip(a.beta, exact_a.beta, strict=True)) < 1e-9


@EACH
def test_row_order_and_level_names_do_not_matter(name):
    made = STRUCTURES[name]
    rng = np.random.default_rng(4)
    order = rng.permutation(len(made.y))
    random = []
    for term in made.random:
        names = rng.permutation(len(term.levels)).astype(np.int32)
        random.append(
            RandomDesign(
                term.group, term.names, term.z[order], names[term.codes][order], term.levels
            )
        )
    moved = Design(made.y[order], made.x[order], made.x_names, tuple(random), made.rows)
    for reml in (True, False):
        here, there = Likelihood(made, reml=reml), Likelihood(moved, reml=reml)
        theta = thetas(here, 1)[0]
        # Sums in another order: a few units in the last place of n terms.
        assert there.at(theta).deviance() == pytest.approx(here.at(theta).deviance(), rel=1e-13)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    groups=st.integers(2, 7),
    q=st.integers(1, 3),
    per=st.integers(2, 6),
    reml=st.booleans(),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_small_design_agrees_with_the_full_matrix(seed, groups, q, per, reml, scale):
    y, x, z, g = slope_data(seed, groups, per, q)
    likelihood = Likelihood(design(y, x, [(z, g)]), reml=reml)
    theta = scale * np.random.default_rng(seed).normal(size=len(likelihood.layout))
    value, beta, _ = dense(design(y, x, [(z, g)]), theta, reml=reml)
    # With variances of 1e6 the dense route itself keeps about nine digits.
    assert likelihood.at(theta).deviance() == pytest.approx(value, rel=1e-9)
    assert likelihood.at(theta).beta == pytest.approx(beta, rel=1e-6, abs=1e-8)


@pytest.mark.r
@BOTH
@EACH
def test_deviance_is_lme4s_own_at_random_theta(r, name, reml):
    """lme4's deviance function, given the same columns; 1e-10 relative is its own rounding."""
    made = STRUCTURES[name]
    likelihood = Likelihood(made, reml=reml)
    order = lme4_order(made)
    points = [np.abs(t) for t in thetas(likelihood, 4, seed=9)]
    reply = r.call(
        "oracle_deviance",
        {
            "columns": frame_columns(made),
            "formula": r_formula(made),
            "criterion": "REML" if reml else "ML",
            "theta": np.concatenate([t[order] for t in points]),
        },
    )
    p = made.x.shape[1]
    beta = reply.numbers("beta").reshape(4, p)
    covariance = reply.numbers("covariance").reshape(4, p, p)
    for i, theta in enumerate(points):
        point = likelihood.at(theta)
        assert point.deviance() == pytest.approx(reply.numbers("deviance")[i], rel=1e-10)
        assert point.beta == pytest.approx(beta[i], rel=1e-8, abs=1e-10)
        s2 = point.sigma**2
        assert point.to_data(s2 * point.c) == pytest.approx(covariance[i], rel=1e-8, abs=1e-12)


ALIASED = {
    "independent": np.array([[1, 0.0], [1, 1], [1, 2], [1, 4]]),
    "constant twice": np.array([[1, 2.0, 0], [1, 2, 1], [1, 2, 3], [1, 2, 4]]),
    "sum of two": np.array([[1, 0.0, 1, 0], [1, 1, 2, 5], [1, 2, 3, 1], [1, 4, 5, 2]]),
    "zero column": np.array([[1, 0.0, 3], [1, 0, 1], [1, 0, 2], [1, 0, 2]]),
    "nearly aliased": np.array([[1, 0.0], [1, 1e-9], [1, 0], [1, 3e-9]]),
    "small units": np.array([[1, 0.0], [1, 1e-12], [1, 5e-12], [1, 3e-12]]) - [[0, 2e-12]],
}


@pytest.mark.r
@pytest.mark.parametrize("name", list(ALIASED))
def test_aliased_columns_are_those_that_lm_drops(r, name):
    x = ALIASED[name]
    columns = {f"x{j}": np.ascontiguousarray(c) for j, c in enumerate(x.T)}
    formula = "y ~ 0 + " + " + ".join(columns)
    reply = r.call(
        "oracle_lm_aliased",
        {"columns": {"y": np.array([1.0, 3, 2, 5]), **columns}, "formula": formula},
    )
    assert aliased_columns(x) == np.flatnonzero(reply.numbers("aliased")).tolist()


def test_aliased_fixed_effects_are_named():
    y, x, z, g = slope_data(0)
    with pytest.raises(RankDeficient, match="aliased fixed effects: x2"):
        Likelihood(design(y, np.column_stack([x, x[:, 0] - x[:, 1]]), [(z, g)]), reml=True)


def test_no_more_rows_than_fixed_effects_is_refused():
    with pytest.raises(ValueError, match="2 rows for 2 fixed effects"):
        Likelihood(design([1.0, 2.0], [[1, 0], [1, 1]], [(np.ones(2), [0, 1])]), reml=True)


@pytest.mark.parametrize("outcome", ["constant", "zero", "exact"])
def test_an_outcome_without_variance_is_refused(outcome):
    _, x, z, g = slope_data(0)
    y = {"constant": np.full(len(x), 5.0), "zero": np.zeros(len(x)), "exact": x @ [3.0, 0.1]}
    with pytest.raises(ValueError, match="the fixed effects fit the outcome exactly"):
        Likelihood(design(y[outcome], x, [(z, g)]), reml=True)


def test_one_row_more_than_fixed_effects_can_be_evaluated():
    made = design([0.3, -1.0, 2.0], [[1, 0], [1, 1], [1, 5]], [(np.ones(3), [0, 0, 1])])
    assert Likelihood(made, reml=True).at([0.8]).deviance() == pytest.approx(
        dense(made, [0.8], reml=True)[0], rel=1e-12
    )


def test_a_likelihood_without_a_maximum_is_refused():
    """Three rows that X and Z fit exactly: ML grows with log(c) as both variances' ratio does."""
    made = design([0.3, -1.0, 2.0], [[1, 0], [1, 1], [1, 5]], [(np.ones(3), [0, 0, 1])])
    falls = [dense(made, [c], reml=False)[0] for c in (1e3, 1e4, 1e5)]
    assert np.diff(falls) == pytest.approx([-2.0 * np.log(10.0)] * 2, rel=1e-4)
    with pytest.raises(ValueError, match="the likelihood grows without bound"):
        Likelihood(made, reml=False)
    g = np.repeat(np.arange(5), 4)
    steps = design(np.array([1.0, 3.0, 2.0, 7.0, 4.0])[g], np.ones((20, 1)), [(np.ones(20), g)])
    for reml in (True, False):
        with pytest.raises(ValueError, match="the likelihood grows without bound"):
            Likelihood(steps, reml=reml)


def test_a_variance_ratio_of_1e16_keeps_its_digits():
    """Theta 1e8: V has a condition number of 1e17, which the full matrix could not bear."""
    made = small()
    theta = np.array([1e8, -3e7, 2e8, 1e8])
    exact = exact_point(made, theta)
    point = Likelihood(made, reml=True).at(theta)
    assert abs(point.deviance() / exact.deviance(reml=True) - 1) < 1e-11
    assert max(abs(a / b - 1) for a, b in zip(point.beta, exact.beta, strict=True)) < 1e-6


def test_redundant_random_effects_are_no_obstacle():
    y, x, z, g = slope_data(2)
    for extra in (z[:, 1], np.zeros(len(y)), z[:, 0] - z[:, 1], 1e-9 * z[:, 1] + z[:, 0]):
        made = design(y, x, [(np.column_stack([z, extra]), g)])
        theta = np.array([0.5, 0.1, 0.2, 0.7, -0.3, 0.4])
        assert Likelihood(made, reml=True).at(theta).deviance() == pytest.approx(
            dense(made, theta, reml=True)[0], rel=1e-11
        )


def test_a_constant_slope_within_groups_and_groups_of_one_can_be_evaluated():
    y, x, _, g = slope_data(5)
    between = np.random.default_rng(0).normal(size=g.max() + 1)[g]
    single = np.arange(len(y))
    for z, codes in ((np.column_stack([np.ones(len(y)), between]), g), (x, single)):
        made = design(y, x, [(z, codes)])
        assert Likelihood(made, reml=True).at([0.5, 0.2, 0.4]).deviance() == pytest.approx(
            dense(made, [0.5, 0.2, 0.4], reml=True)[0], rel=1e-12
        )


@pytest.mark.parametrize(
    "matrix",
    [np.zeros((2, 2)), np.array([[0.0, 0], [0, 4]]), np.array([[4.0, 2], [2, 1]]), np.eye(3)],
)
def test_the_cholesky_factor_of_a_singular_matrix_has_exact_zeros(matrix):
    lower = semidefinite_cholesky(matrix)
    assert np.array_equal(lower @ lower.T, matrix)
    assert np.array_equal(lower, np.tril(lower))
    assert all(math.copysign(1, d) > 0 for d in np.diag(lower))


def test_a_small_variance_beside_a_large_one_is_not_zero():
    """The intercept and the slope of a predictor in years, or in microseconds."""
    factor = np.array([[1e6, 0.0], [-3e-4, 2e-4]])
    lower = semidefinite_cholesky(factor @ factor.T)
    # The pivot of 4e-8 is a difference of numbers of 1.3e-7: eight of sixteen digits are enough.
    np.testing.assert_allclose(lower, factor, rtol=1e-8)


@pytest.mark.slow
def test_many_crossed_levels_are_reduced_whether_refined_or_not():
    rng = np.random.default_rng(0)
    n = 10_000
    first, second = rng.integers(0, 300, n), rng.integers(0, 150, n)
    y, terms = rng.normal(size=n), [(np.ones(n), first), (np.ones(n), second)]
    likelihood = Likelihood(design(y, np.ones((n, 1)), terms), reml=True)
    # With both variances at zero the model is that of the mean.
    plain = Likelihood(design(y, np.ones((n, 1)), []), reml=True)
    assert likelihood.at([0.0, 0.0]).deviance() == pytest.approx(plain.at([]).deviance(), rel=1e-12)


@pytest.mark.parametrize("third", [7.8e-7, 0.0], ids=["nearly singular", "singular"])
def test_a_singular_covariance_of_large_slopes_costs_no_digits(third):
    """Slopes vary 10,000 times as much as residuals, x up to 56: the outcome is a thousand sigma.

    X'H^-1 X has a condition of 1e8, so that normal equations leave 8 digits of the estimates in
    the direction that is known best: 3e-5 of the log-likelihood.
    """
    made = build(
        Recipe(
            shape="interaction-slope",
            criterion="ML",
            sizes=(57, 4, 17, 6),
            ratios=(1.0, 10000.0),
            correlation=0.9,
            levels=2,
            between_factor=True,
            effect=-3.0,
            y_offset=10,
            seed=323177284,
        )
    ).case.design
    for reml in (True, False):
        point = Likelihood(made, reml=reml).at([1.1265, 74.027, third])
        exact = exact_point(made, [1.1265, 74.027, third])
        # Rounding of the data as they are, 1e-16 of |y| / sigma squared, 1e9 here.
        assert point.deviance() == pytest.approx(float(exact.deviance(reml=reml)), abs=1e-9)
        errors = point.sigma * np.sqrt(np.diag(point.to_data(point.c)))
        off = (point.beta - np.array([float(b) for b in exact.beta])) / errors
        assert np.abs(off).max() < 1e-8
