"""The likelihood with a residual covariance: its value, its derivatives, its optimum."""

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import ResidualUnbounded, StratumUnbounded, find_optimum
from harness.referee.cost import Cost, TooLarge
from harness.referee.deviance import Likelihood
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.residual_matrix import internal, stated
from tests.referee.exact_likelihood import exact_derivatives, exact_deviance
from tests.referee.residual_cases import MODELS, made, point, some_theta, visits

SIGMA = 1.3


def search(formula, residual, frame, *, reml=True):
    model = parse_model(formula, "REML", residual)
    return find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=reml))


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", MODELS)
def test_the_deviance_is_that_of_40_digits(name, reml):
    design = made(name)
    theta = some_theta(design)
    right = exact_deviance(design, theta, SIGMA, reml=reml)
    # Rounding of some hundred operations on numbers of the size of the deviance.
    assert point(design, theta, reml=reml).deviance(SIGMA) == pytest.approx(
        float(right), rel=1e-13, abs=1e-12
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reml"),
    [*((name, True) for name in MODELS), ("ar1, slopes, strata", False), ("toep", False)],
)
def test_every_derivative_is_that_of_differences_at_40_digits(name, reml):
    design = made(name, subjects=4)
    theta = some_theta(design)
    own = point(design, theta, reml=reml)
    gradient, hessian = exact_derivatives(design, theta, SIGMA, reml=reml)
    size = np.abs(hessian).max()
    assert own.gradient(SIGMA) == pytest.approx(gradient, abs=1e-11 * size)
    assert own.hessian(SIGMA) == pytest.approx(hessian, abs=1e-11 * size)


def test_derivatives_in_conditioned_variables_are_the_same_derivatives():
    design = made("ar1, slopes, strata")
    own = point(design, some_theta(design), reml=True)
    twin, to_theta = own.conditioned()
    assert twin.profiled_gradient() == pytest.approx(to_theta.T @ own.profiled_gradient(), rel=1e-9)
    expected = to_theta.T @ own.profiled_hessian() @ to_theta
    assert twin.profiled_hessian() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_random_effects_at_a_phi_are_those_of_the_full_covariance():
    # Two algebras: cross-products of whitened rows, and V itself.
    design = made("ar1, slopes, strata")
    own = point(design, some_theta(design), reml=True)
    for t, (s, tct, uu) in enumerate(own.summed):
        weights = {
            "s": lambda block: block.inverse,
            "tct": lambda block: block.y @ own.c @ block.y.swapaxes(1, 2),
            "uu": lambda block: block.e[:, :, None] * block.e[:, None, :],
        }
        for ours, weight in zip((s, tct, uu), weights.values(), strict=True):
            theirs = sum(
                block.z[t][i].T @ np.where(same, one, 0.0) @ block.z[t][i]
                for block in own.blocks
                for i, (same, one) in enumerate(
                    zip(block.matrix.stack.levels[t], weight(block), strict=True)
                )
            )
            assert ours == pytest.approx(theirs, rel=1e-10)


def test_what_is_stated_and_what_is_searched_in_are_inverses():
    for name in MODELS:
        own = made(name).residual
        values = np.linspace(0.2, 0.6, len(own.names))
        assert stated(own, internal(own, values)) == pytest.approx(values, rel=1e-14)
    with pytest.raises(np.linalg.LinAlgError):
        internal(made("het").residual, [-1.0])


@pytest.mark.parametrize("phi", [1.0, -1.0, 1.5, np.nan])
def test_outside_the_parameter_space_there_is_no_point(phi):
    with pytest.raises(np.linalg.LinAlgError):
        likelihood_of(made("ar1"), reml=True).at([phi])


def test_one_row_too_many_in_a_block_is_refused_with_the_estimate():
    with pytest.raises(TooLarge, match="rows hang together by residual groups"):
        likelihood_of(made("ar1"), reml=True, limit=Cost(1e-12, 1e9))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_optimum_is_one(name):
    best = find_optimum(likelihood_of(made(name, subjects=20), reml=True))
    # Newton's method converges quadratically: what is left is rounding.
    assert np.abs(best.point.profiled_gradient()).max() < 1e-7
    assert best.optimality.gradient < 1e-7
    assert not best.optimality.false_boundary
    assert np.linalg.eigvalsh(best.point.profiled_hessian())[0] > -1e-7


@pytest.mark.slow
class TestOtherWaysToSayTheSame:
    def test_compound_symmetry_is_a_random_intercept(self):
        frame = visits(1, subjects=20)
        cs = search("y ~ x", "cs(1 | s)", frame)
        model = parse_model("y ~ x + (1 | s)")
        plain = find_optimum(Likelihood(build_design(model, bind(model, frame)), reml=True))
        assert cs.deviance == pytest.approx(plain.deviance, abs=1e-9)
        between = float(plain.point.theta[0] ** 2)
        assert cs.point.phi[0] == pytest.approx(between / (1.0 + between), rel=1e-6)
        for ours, theirs in zip(cs.tests, plain.tests, strict=True):
            assert ours.se == pytest.approx(theirs.se, rel=1e-7)
            assert ours.df == pytest.approx(theirs.df, rel=1e-5)

    def test_a_negative_correlation_has_no_random_intercept(self):
        frame = visits(2, subjects=20, lost=0.0)
        frame["y"] -= 1.3 * frame.groupby("s")["y"].transform("mean")
        cs = search("y ~ x", "cs(1 | s)", frame)
        assert -0.5 < cs.point.phi[0] < -0.1
        model = parse_model("y ~ x + (1 | s)")
        plain = find_optimum(Likelihood(build_design(model, bind(model, frame)), reml=True))
        assert plain.optimality.singular
        assert cs.deviance < plain.deviance - 1.0

    def test_one_stratum_is_no_stratum(self):
        frame = visits(3, subjects=10).assign(all="one")
        own = search("y ~ x + (1 | s)", "het(all)", frame)
        model = parse_model("y ~ x + (1 | s)")
        plain = find_optimum(Likelihood(build_design(model, bind(model, frame)), reml=True))
        assert own.deviance == pytest.approx(plain.deviance, abs=1e-9)
        assert own.point.theta == pytest.approx(plain.point.theta, rel=1e-6)

    def test_with_the_same_times_for_all_discrete_and_continuous_autoregression_are_one(self):
        frame = visits(4, subjects=20)
        discrete = search("y ~ x", "ar1(visit | s)", frame)
        assert discrete.point.phi[0] > 0.0
        continuous = search("y ~ x", "car1(visit | s)", frame)
        assert continuous.deviance == pytest.approx(discrete.deviance, abs=1e-9)
        assert np.exp(continuous.point.phi[0]) == pytest.approx(discrete.point.phi[0], rel=1e-6)

    def test_with_two_visits_every_correlation_is_one_number(self):
        frame = visits(5, subjects=15, times=2)
        found = {
            text: search("y ~ x", text, frame).deviance
            for text in ("ar1(visit | s)", "cs(1 | s)", "toep(visit | s)", "corr(visit | s)")
        }
        assert list(found.values()) == pytest.approx([found["cs(1 | s)"]] * 4, abs=1e-9)

    def test_variances_by_visit_make_a_correlation_unstructured_covariance(self):
        frame = visits(6, subjects=20)
        us = search("y ~ x", "us(visit | s)", frame)
        both = search("y ~ x", "corr(visit | s) + het(visit)", frame)
        assert both.deviance == pytest.approx(us.deviance, abs=1e-9)

    @pytest.mark.parametrize("text", ["ar1(visit | s)", "us(visit | s)", "toep(visit | s)"])
    def test_the_order_of_rows_means_nothing_where_the_visit_is_given(self, text):
        frame = visits(7, subjects=12)
        turned = frame.sample(frac=1.0, random_state=1)
        one, other = search("y ~ x", text, frame), search("y ~ x", text, turned)
        assert other.deviance == pytest.approx(one.deviance, abs=1e-9)
        assert other.point.phi == pytest.approx(one.point.phi, abs=1e-6)

    def test_a_gap_in_visits_counts(self):
        frame = visits(8, subjects=20)
        frame = frame[frame["visit"] != 1]
        wide = search("y ~ x", "ar1(visit | s)", frame)
        near = search("y ~ x", "ar1(near | s)", frame.assign(near=(frame["visit"] > 0).astype(int)))
        assert wide.deviance == pytest.approx(near.deviance, abs=1e-9)
        assert wide.point.phi[0] ** 2 == pytest.approx(near.point.phi[0], rel=1e-5)


@pytest.mark.slow
class TestWhatIsNotDetermined:
    def test_an_unstructured_residual_covariance_beside_a_random_intercept(self):
        best = search("y ~ x + (1 | s)", "us(visit | s)", visits(9, subjects=20))
        (direction,) = best.free
        # What the intercept gains, variances and covariances of the residuals lose.
        assert direction.changes[0][0, 0] == pytest.approx(-direction.residual, rel=1e-6)
        assert best.moved == frozenset()

    def test_compound_symmetry_beside_a_random_intercept(self):
        best = search("y ~ x + (1 | s)", "cs(1 | s)", visits(1, subjects=20))
        assert len(best.free) == 1

    @pytest.mark.parametrize("name", ["ar1, intercept", "toep", "het", "us, crossed"])
    def test_nothing_else(self, name):
        assert find_optimum(likelihood_of(made(name, subjects=20), reml=True)).free == ()

    def test_more_correlations_than_the_groups_can_hold_have_no_maximum(self):
        frame = visits(10, subjects=3, times=6, lost=0.0)
        with pytest.raises(ResidualUnbounded):
            search("y ~ x", "us(visit | s)", frame)


@pytest.mark.parametrize("apart", [1, 2, 30, 10_000, 1_000_000])
def test_the_best_autoregression_does_not_depend_on_the_unit_that_visits_are_counted_in(apart):
    frame = visits(3, subjects=20, times=6, lost=0.0)
    model = parse_model("y ~ x", "REML", "ar1(visit | s)")
    at_one = find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=True))
    frame["visit"] *= apart
    found = find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=True))
    assert found.deviance == pytest.approx(at_one.deviance, abs=1e-6)
    assert abs(found.point.phi[0]) ** apart == pytest.approx(abs(at_one.point.phi[0]), rel=1e-4)


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x + (1 | s)"])
@pytest.mark.parametrize("residual", ["het(rare)", "ar1(visit | s) + het(rare)"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_stratum_that_is_fitted_exactly_has_no_maximum_by_ml(formula, residual, rows):
    frame = visits(4, subjects=8)
    frame["rare"] = ["no"] * len(frame)
    frame.loc[frame.index[-rows:], "rare"] = "yes"
    model = parse_model(formula, "ML", residual)
    design = build_design(model, bind(model, frame))
    likelihood = likelihood_of(design, reml=False)
    plain = np.zeros(len(likelihood.layout) + len(likelihood.phi))
    below = []
    for log_ratio in (-8.0, -10.0, -12.0):
        plain[-1] = log_ratio
        below.append(likelihood.at(plain).deviance())
    # log|V| falls by as much for ever: 2 x 2 for every row.
    assert np.diff(below) == pytest.approx([-4.0 * rows] * 2, rel=1e-3)
    with pytest.raises(StratumUnbounded, match="stratum 'yes' goes to zero"):
        find_optimum(likelihood)
    # By REML |X'V^-1 X| gives that back.
    assert np.isfinite(find_optimum(likelihood_of(design, reml=True)).deviance)


def test_a_stratum_that_is_not_fitted_exactly_has_a_maximum():
    frame = visits(4, subjects=8)
    frame["rare"] = ["no"] * len(frame)
    frame.loc[frame.index[-3:], "rare"] = "yes"
    model = parse_model("y ~ x", "ML", "het(rare)")
    design = build_design(model, bind(model, frame))
    assert np.isfinite(find_optimum(likelihood_of(design, reml=False)).deviance)
