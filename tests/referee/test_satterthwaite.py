"""Satterthwaite's degrees of freedom: lmerTest's at the same theta, and those of theory."""

import math

import numpy as np
import pytest

from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.satterthwaite import contrast_tests, two_sided_p
from tests.referee.designs import (
    design,
    frame_columns,
    lme4_order,
    r_formula,
    slope_data,
    structures,
)
from tests.referee.test_optimum import CASES, attack, data_case

STRUCTURES = structures()


def rows_at(likelihood, theta, **options):
    return contrast_tests(likelihood.at(theta), np.eye(likelihood.products.p), **options)


def compare(r, made, criterion, rel):
    reply = r.call(
        "oracle_lmertest",
        {"columns": frame_columns(made), "formula": r_formula(made), "criterion": criterion},
    )
    theta = np.empty(len(reply.numbers("theta")))
    theta[lme4_order(made)] = reply.numbers("theta")
    rows = rows_at(
        Likelihood(made, reml=criterion == "REML"), theta, sigma=reply.numbers("sigma")[0]
    )
    assert [row.df for row in rows] == pytest.approx(reply.numbers("df"), rel=rel)
    assert [row.se for row in rows] == pytest.approx(reply.numbers("se"), rel=1e-8)


@pytest.mark.r
@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("name", list(STRUCTURES))
def test_df_are_lmertests_at_the_same_theta(r, name, criterion):
    """1e-6: what Richardson's extrapolation in numDeriv leaves."""
    compare(r, STRUCTURES[name], criterion, 1e-6)


@pytest.mark.r
@pytest.mark.parametrize(("name", "formula"), CASES)
def test_df_are_lmertests_on_real_data_singular_fits_included(r, name, formula):
    compare(r, data_case(name, formula).design, "REML", 1e-6)


def test_balanced_one_way_data_have_the_df_of_the_analysis_of_variance():
    """The mean of k groups of equal size has k - 1 df, whatever the variances."""
    for k, per in ((4, 5), (9, 2), (30, 6)):
        rng = np.random.default_rng(k)
        g = np.repeat(np.arange(k), per)
        y = 3 * rng.normal(size=k)[g] + rng.normal(size=len(g))
        best = find_optimum(
            Likelihood(design(y, np.ones((len(g), 1)), [(np.ones(len(g)), g)]), reml=True)
        )
        assert contrast_tests(best.point, [[1.0]])[0].df == pytest.approx(k - 1, rel=1e-9)


def test_sleepstudy_has_17_df():
    best = find_optimum(Likelihood(data_case(*CASES[1]).design, reml=True))
    rows = contrast_tests(best.point, np.eye(2))
    assert [row.df for row in rows] == pytest.approx([17.0, 17.0], rel=1e-6)
    assert rows[1].p == pytest.approx(3.264e-6, rel=1e-3)


@pytest.mark.parametrize("reml", [True, False])
def test_no_variance_gives_the_df_of_the_model_without_random_effects(reml):
    y, x, z, g = slope_data(1)
    likelihood = Likelihood(design(y, x, [(z, g)]), reml=reml)
    expected = len(y) - 2 if reml else len(y)  # 2 (l'Cl)^2 / var(l'Cl) with sigma^2's own 2 s^4 / m
    for row in rows_at(likelihood, np.zeros(3)):
        assert row.df == pytest.approx(expected, rel=1e-9)
    for row in rows_at(Likelihood(design(y, x, []), reml=reml), []):
        assert row.df == pytest.approx(expected, rel=1e-12)


def test_a_slope_without_variance_gives_the_df_of_random_intercepts():
    """At theta = (a, 0, 0) the slope's variance has no first-order effect on C."""
    y, x, z, g = slope_data(8, sd=(1.0, 0.0))
    reduced = find_optimum(Likelihood(design(y, x, [(z[:, 0], g)]), reml=True)).point
    both = design(y, x, [(z[:, 0], g), (z[:, 1], g)])
    rows = rows_at(Likelihood(both, reml=True), [reduced.theta[0], 0.0])
    assert [row.df for row in rows] == pytest.approx(
        [row.df for row in contrast_tests(reduced, np.eye(2))], rel=1e-9
    )


@pytest.mark.parametrize("theta", [[0.0, 0.7, 0.0], [0.0, 0.0, 0.7], [0.8, 0.3, 0.0]])
def test_a_factor_without_full_rank_gives_finite_df(theta):
    y, x, z, g = slope_data(1)
    for row in rows_at(Likelihood(design(y, x, [(z, g)]), reml=True), theta):
        assert 0.0 < row.df < 1e4


@pytest.mark.parametrize(
    ("a", "c", "d"), [(1e-8, 1, 0), (1e6, 1, 0), (1, 1e6, 0), (1, 1, 2000), (1, 1, 1e5)]
)
def test_df_of_the_slope_do_not_depend_on_units_or_origins(a, c, d):
    """lmerTest's do: its cut-off of eigenvalues is absolute."""
    y, x, z, g = slope_data(4, groups=10, per=6)
    to = np.array([[1.0, d], [0.0, c]])
    base, moved = (
        contrast_tests(find_optimum(Likelihood(made, reml=True)).point, [[0.0, 1.0]])[0]
        for made in (design(y, x, [(z, g)]), design(a * y, x @ to, [(z @ to, g)]))
    )
    assert moved.df == pytest.approx(base.df, rel=1e-7)
    assert moved.statistic == pytest.approx(base.statistic, rel=1e-8)


def test_a_huge_variance_between_groups_leaves_the_df_of_the_group_means():
    best = find_optimum(Likelihood(attack("variance ratio 1e16"), reml=True))
    assert [row.df for row in contrast_tests(best.point, np.eye(2))] == pytest.approx(
        [11.0, 11.0], rel=1e-6
    )


def test_the_rows_of_a_contrast_matrix_are_tested_one_by_one():
    y, x, z, g = slope_data(2)
    point = find_optimum(Likelihood(design(y, x, [(z, g)]), reml=True)).point
    one, two = contrast_tests(point, [[1.0, 2.0], [-2.0, -4.0]])
    assert one.estimate == pytest.approx(point.beta @ [1.0, 2.0])
    assert two.df == pytest.approx(one.df, rel=1e-12)
    assert two.statistic == pytest.approx(-one.statistic, rel=1e-12)
    assert one.p == two_sided_p(one.statistic, one.df)


def test_estimates_given_from_outside_are_the_ones_tested():
    y, x, z, g = slope_data(2)
    point = Likelihood(design(y, x, [(z, g)]), reml=True).at([0.5, 0.1, 0.4])
    row = contrast_tests(point, [[0.0, 1.0]], beta=np.array([1.0, 3.0]))[0]
    assert row.estimate == 3.0
    wide = contrast_tests(point, [[0.0, 1.0]], sigma=2 * row.se / 1.0)[0]
    assert wide.se > 0.0


def test_infinite_df_mean_a_normal_distribution():
    assert two_sided_p(1.959963984540054, math.inf) == pytest.approx(0.05, rel=1e-12)
    assert two_sided_p(-12.706204736432095, 1.0) == pytest.approx(0.05, rel=1e-10)
