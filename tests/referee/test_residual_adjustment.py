"""Kenward and Roger's adjustment with a residual covariance."""

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.best_point import find_optimum
from harness.referee.kenward_roger import KenwardRogerUndefined, kenward_roger
from harness.referee.residual_likelihood import likelihood_of
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


def by_definition(point, changes, bends):
    """SE and df from the full matrices: equations 3 and 6 to 9 of Kenward and Roger (1997)."""
    design, sigma = point.likelihood.design, point.sigma * point.likelihood.products.basis.y_scale
    residual = design.residual
    same = residual.group[:, None] == residual.group
    lag = np.abs(residual.position[:, None] - residual.position)
    v = sigma**2 * np.where(same, 1.0, 0.0) * changes["value"](lag)
    inverse = np.linalg.inv(v)
    x = design.x
    phi = np.linalg.inv(x.T @ inverse @ x)
    first = [np.where(same, g(lag, sigma), 0.0) for g in changes["first"]]
    k = len(first)
    p = [-x.T @ inverse @ g @ inverse @ x for g in first]
    information, inner = np.zeros((k, k)), np.zeros((k, k, *phi.shape))
    for i in range(k):
        for j in range(k):
            q = x.T @ inverse @ first[i] @ inverse @ first[j] @ inverse @ x
            information[i, j] = np.trace(inverse @ first[i] @ inverse @ first[j])
            information[i, j] += -2.0 * np.trace(phi @ q) + np.trace(phi @ p[i] @ phi @ p[j])
            bend = np.where(same, bends[i][j](lag, sigma), 0.0)
            inner[i, j] = q - p[i] @ phi @ p[j] - 0.25 * x.T @ inverse @ bend @ inverse @ x
    w = 2.0 * np.linalg.inv(information)
    covariance = phi + 2.0 * phi @ np.einsum("ij,ijkl->kl", w, inner) @ phi
    df = []
    for row in np.eye(len(phi)):
        u = np.array([row @ phi @ one @ phi @ row for one in p]) / (row @ phi @ row)
        df.append(2.0 / (u @ w @ u))
    return np.sqrt(np.diag(covariance)), np.array(df)


@pytest.mark.parametrize("linear", [False, True])
def test_of_an_autoregression_it_is_that_of_the_definition(linear):
    point = best("y ~ x", "ar1(visit | s)")
    rho = float(point.phi[0])
    lower = {1: lambda d: d * rho ** np.maximum(d - 1, 0.0)}
    second = lambda d: d * (d - 1) * rho ** np.maximum(d - 2, 0.0)  # noqa: E731
    none = lambda d, s: 0.0 * d  # noqa: E731
    changes = {
        "value": lambda d: rho**d,
        "first": [lambda d, s: s**2 * lower[1](d), lambda d, s: rho**d],
    }
    bends = [
        [lambda d, s: s**2 * second(d), lambda d, s: lower[1](d)],
        [lambda d, s: lower[1](d), none],
    ]
    if linear:
        bends = [[none, none], [none, none]]
    se, df = by_definition(point, changes, bends)
    ours = adjusted(point, linear=linear)
    assert [t.se for t in ours] == pytest.approx(se, rel=1e-9)
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
