"""Structured random terms: optimum, certificate, what is not determined, df and adjustment."""

from dataclasses import replace

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum, nearest_minimum
from harness.referee.joint_hessian import joint_inverse
from harness.referee.kenward_roger import kenward_roger
from harness.referee.optimality import optimality
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.structured_adjustment import natural_directions
from tests.referee.dense_adjustment import dense_kenward_roger
from tests.referee.structured_cases import MODELS, made, repeats, some_theta


def search(formula, seed=0, *, reml=True, **options):
    return find_optimum(likelihood_of(made(formula, seed, **options), reml=reml))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_optimum_is_one(name):
    best = search(name, subjects=15)
    free = ~best.point.held
    # Newton's method converges quadratically: what is left is rounding.
    assert np.abs(best.point.profiled_gradient()[free]).max() < 1e-7
    assert best.optimality.gradient < 1e-7
    assert not best.optimality.false_boundary
    assert best.optimality.dual is None or best.optimality.dual >= 0.0
    assert np.linalg.eigvalsh(best.point.profiled_hessian()[np.ix_(free, free)])[0] > -1e-7


SAME = {
    "diag is ||": ("diag(1 + x | s)", "(1 + x || s)", {}),
    "cs of two is unstructured": ("cs(0 + f | s)", "(0 + f | s)", {"levels": 2}),
    "cs of a slope is unstructured": ("cs(1 + x | s)", "(1 + x | s)", {}),
    "hetar1 of two is unstructured": ("hetar1(0 + f | s)", "(0 + f | s)", {"levels": 2}),
    "us is what a bar is": ("us(1 + x | s)", "(1 + x | s)", {}),
    "ar1 of two is homcs": ("ar1(0 + f | s)", "homcs(0 + f | s)", {"levels": 2}),
    "homdiag is an interaction": ("homdiag(0 + f | s)", "(1 | s:f)", {}),
    "hom = TRUE": ("cs(0 + f | s, hom = TRUE)", "homcs(0 + f | s)", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("seed", range(6))
def test_two_ways_to_say_the_same(name, seed):
    left, right, options = SAME[name]
    reml = bool(seed % 2)
    one = search(f"y ~ x + {left}", seed, reml=reml, subjects=5 + seed, **options)
    other = search(f"y ~ x + {right}", seed, reml=reml, subjects=5 + seed, **options)
    assert one.deviance == pytest.approx(other.deviance, abs=1e-8)
    assert one.optimality.singular == other.optimality.singular
    for a, b in zip(one.tests, other.tests, strict=True):
        assert (a.estimate, a.se) == pytest.approx((b.estimate, b.se), rel=1e-6)
        assert a.df == pytest.approx(b.df, rel=1e-4)
    assert sorted(one.variance_errors)[0] == pytest.approx(
        sorted(other.variance_errors)[0], rel=1e-4, abs=1e-6
    )
    if reml and not one.optimality.singular:
        ours, theirs = (kenward_roger(best.point, linear=True) for best in (one, other))
        assert ours.covariance == pytest.approx(theirs.covariance, rel=1e-5)


@pytest.mark.slow
def test_one_correlation_is_nested_intercepts_where_it_is_positive_and_more_where_not():
    signs = set()
    for seed in range(6):
        frame = repeats(seed, subjects=5)
        if seed % 2:
            frame["y"] -= 1.4 * frame.groupby("s")["y"].transform("mean")
        own, nested = (
            find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=True))
            for model in map(
                parse_model, ("y ~ x + homcs(0 + f | s)", "y ~ x + (1 | s) + (1 | s:f)")
            )
        )
        rho = float(own.point.theta[-1])
        signs.add(np.sign(rho))
        if rho > 0.0:
            assert own.deviance == pytest.approx(nested.deviance, abs=1e-8)
        else:
            assert own.deviance < nested.deviance + 1e-8
            assert nested.optimality.singular
    assert signs == {-1.0, 1.0}


def test_a_boundary_that_is_none_is_told_from_one():
    likelihood = likelihood_of(made("diag of a factor"), reml=True)
    for i in range(3):
        theta = np.full(3, 1.5)
        theta[i] = 0.0
        assert optimality(likelihood.at(theta)).false_boundary
    likelihood = likelihood_of(made("homcs"), reml=True)
    for rho in (-0.5, 1.0):
        assert optimality(likelihood.at([2.6, rho])).false_boundary
    assert optimality(likelihood.at([0.0, 0.3])).false_boundary
    likelihood = likelihood_of(made("cs"), reml=True)
    assert optimality(likelihood.at([0.0, 0.0, 0.0, 0.3])).false_boundary
    assert optimality(likelihood.at([0.0, 2.0, 2.0, 0.6])).false_boundary


@pytest.mark.parametrize("rho", [1.0001, -0.5001])
def test_outside_the_cone_there_is_no_point(rho):
    with pytest.raises(np.linalg.LinAlgError):
        likelihood_of(made("homcs"), reml=True).at([1.0, rho])


@pytest.mark.slow
def test_what_the_data_do_not_determine_is_said():
    # One row for each level: the variance of the effects is that of the residuals, too.
    best = search("y ~ x + homcs(0 + f | s)", subjects=20, times=1, lost=0.0)
    (direction,) = best.free
    change = direction.changes[0]
    assert change == pytest.approx(-direction.residual * np.eye(3), abs=1e-6)
    assert best.moved == frozenset()
    assert search("y ~ x + ar1(0 + f | s)", subjects=20, times=1, levels=5, lost=0.0).free == ()
    assert len(search("y ~ x + homcs(0 + f | s) + (1 | s)", subjects=15).free) == 1


def dense(design, point):
    """V, its first and its second derivatives in variances, rho and s2, all n by n, and s2."""
    s2 = float((point.sigma * point.likelihood.products.basis.y_scale) ** 2)
    n = len(design.y)
    (own,), (term,) = point.likelihood.terms, design.random
    x = point.theta.copy()
    k = own.deviations
    x[:k] = s2 * x[:k] ** 2  # variances in units of the data
    same = term.codes[:, None] == term.codes

    def v(parameters):
        inner = parameters[:-1].copy()
        inner[:k] = np.sqrt(inner[:k])
        whole = term.z @ own.matrix(inner) @ term.z.T
        return np.where(same, whole, 0.0) + parameters[-1] * np.eye(n)

    at = np.append(x, s2)
    steps = 1e-4 * np.maximum(np.abs(at), 0.1)
    units = np.diag(steps)
    first = [(v(at + u) - v(at - u)) / (2 * h) for u, h in zip(units, steps, strict=True)]
    second = [
        [
            (v(at + a + b) - v(at + a - b) - v(at - a + b) + v(at - a - b)) / (4 * h * g)
            for b, g in zip(units, steps, strict=True)
        ]
        for a, h in zip(units, steps, strict=True)
    ]
    return v(at), first, second


@pytest.mark.parametrize("name", ["diag of a factor", "homdiag", "cs", "ar1", "hetar1"])
def test_kenward_roger_is_that_of_the_full_matrices(name):
    design = made(name, subjects=8)
    point = likelihood_of(design, reml=True).at(some_theta(design))
    v, first, second = dense(design, point)
    for linear in (True, False):
        covariance, df = dense_kenward_roger(design.x, v, first, None if linear else second)
        own = kenward_roger(point, linear=linear)
        # Differences of V, at steps of 1e-4, have eight digits or so.
        assert own.covariance == pytest.approx(covariance, rel=1e-5)
        assert own.contrast_tests(np.eye(2))[1].df == pytest.approx(df[1], rel=1e-5)


def test_homcs_is_adjusted_as_nested_intercepts_are():
    design = made("homcs", subjects=8)
    own = likelihood_of(design, reml=True).at([1.2, 0.4])
    nested = made("y ~ x + (1 | s) + (1 | s:f)", subjects=8)
    apart = likelihood_of(nested, reml=True).at([1.2 * 0.4**0.5, 1.2 * 0.6**0.5])
    assert own.deviance() == pytest.approx(apart.deviance(), abs=1e-9)
    ours, theirs = kenward_roger(own), kenward_roger(apart)
    assert ours.covariance == pytest.approx(theirs.covariance, rel=1e-8)
    assert [t.df for t in ours.contrast_tests(np.eye(2))] == pytest.approx(
        [t.df for t in theirs.contrast_tests(np.eye(2))], rel=1e-7
    )


def test_parameters_at_a_bound_are_those_of_no_direction():
    likelihood = likelihood_of(made("cs"), reml=True)
    assert len(natural_directions(likelihood.at([1.0, 1.0, 1.0, 0.2])).terms) == 4
    assert len(natural_directions(likelihood.at([1.0, 0.0, 1.0, 1.0])).terms) == 2
    assert natural_directions(likelihood.at([0.0, 0.0, 0.0, 0.2])).terms == ()


@pytest.mark.slow
def test_the_joint_hessian_is_that_of_the_same_model_in_other_parameters():
    """At variances above zero: what is held at its bound is no variable of the structure's."""
    own = search("y ~ x + diag(1 + x | s)", 4, subjects=9).point
    plain = search("y ~ x + (1 + x || s)", 4, subjects=9).point
    assert not own.held.any()
    sigma = plain.sigma * plain.likelihood.products.basis.y_scale
    assert joint_inverse(own, sigma).errors == pytest.approx(
        joint_inverse(plain, sigma).errors, rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_no_descent_from_elsewhere_ends_lower(seed):
    formula = [
        "y ~ x + cs(0 + f | s)",
        "y ~ x + hetar1(0 + f | s)",
        "y ~ x + homcs(0 + f | s) + diag(1 + x | g)",
    ][seed % 3]
    rng = np.random.default_rng(seed)
    design = made(formula, seed, subjects=4 + seed, levels=3, times=1 + seed % 2)
    noise = rng.choice([0.0, 2.0, 5.0]) * rng.normal(size=len(design.y))
    likelihood = likelihood_of(replace(design, y=design.y + noise), reml=bool(seed % 2))
    best = find_optimum(likelihood)
    low = np.where(np.isfinite(likelihood.lower), likelihood.lower, -3.0)
    high = np.where(np.isfinite(likelihood.upper), likelihood.upper, 3.0)
    for start in rng.uniform(low, high, (5, len(low))):
        found = nearest_minimum(likelihood.at(start))
        assert found.deviance() > best.deviance - 1e-7
