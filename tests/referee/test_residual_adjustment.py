"""Kenward and Roger's adjustment with a residual covariance."""

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.kenward_roger import KenwardRogerUndefined, kenward_roger
from harness.referee.residual_likelihood import likelihood_of
from tests.referee.dense_adjustment import dense_kenward_roger
from tests.referee.residual_cases import visits


def best(formula, residual, *, reml=True):
    model = parse_model(formula, "REML", residual)
    frame = visits(1, subjects=15)
    return find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=reml)).point


def adjusted(point, **options):
    found = kenward_roger(point, **options)
    return found.contrast_tests(np.eye(len(found.beta)))


def test_compound_symmetry_has_the_adjustment_of_a_random_intercept():
    # That one is compared with pbkrtest in test_kenward_roger.py.
    ours, theirs = adjusted(best("y ~ x", "cs(1 | s)")), adjusted(best("y ~ x + (1 | s)", ""))
    for a, b in zip(ours, theirs, strict=True):
        assert a.se == pytest.approx(b.se, rel=1e-7)
        assert a.df == pytest.approx(b.df, rel=1e-6)


def autoregression(point):
    """V, its first and its second derivatives in rho and s2, all n by n."""
    own = point.likelihood.design.residual
    sigma = point.sigma * point.likelihood.products.basis.y_scale
    same = own.group[:, None] == own.group
    lag = np.abs(own.position[:, None] - own.position)
    rho, s2 = float(point.phi[0]), sigma**2
    r = np.where(same, rho**lag, 0.0)
    slope = np.where(same, lag * rho ** np.maximum(lag - 1, 0.0), 0.0)
    bend = np.where(same, lag * (lag - 1) * rho ** np.maximum(lag - 2, 0.0), 0.0)
    return s2 * r, [s2 * slope, r], [[s2 * bend, slope], [slope, np.zeros_like(r)]]


@pytest.mark.parametrize("linear", [False, True])
def test_of_an_autoregression_it_is_that_of_the_definition(linear):
    point = best("y ~ x", "ar1(visit | s)")
    v, first, second = autoregression(point)
    x = point.likelihood.design.x
    covariance, df = dense_kenward_roger(x, v, first, None if linear else second)
    ours = adjusted(point, linear=linear)
    assert [t.se for t in ours] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-9)
    assert [t.df for t in ours] == pytest.approx(df, rel=1e-9)


def test_autoregression_in_continuous_time_has_the_same_adjustment():
    ours, theirs = (adjusted(best("y ~ x", f"{a}(visit | s)")) for a in ("car1", "ar1"))
    for a, b in zip(ours, theirs, strict=True):
        assert a.se == pytest.approx(b.se, rel=1e-6)
        assert a.df == pytest.approx(b.df, rel=1e-5)


def test_variances_by_strata_alone_are_linear():
    point = best("y ~ x", "het(sex)")
    for a, b in zip(adjusted(point), adjusted(point, linear=True), strict=True):
        assert (a.se, a.df) == (b.se, b.df)


@pytest.mark.parametrize("residual", ["ar1(visit | s) + het(sex)", "het(sex) + het(visit)"])
def test_where_it_depends_on_the_parametrisation_there_is_none(residual):
    with pytest.raises(KenwardRogerUndefined, match="parametrised"):
        kenward_roger(best("y ~ x", residual))
