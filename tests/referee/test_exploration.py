"""Exploration: matrices of the theory that give, by dense algebra, what the referee has."""

import numpy as np
import pandas as pd
import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.data.ladder import full_ladder
from harness.data.rungs import select
from harness.referee import exploration
from harness.referee.exploration import Exploration, TooManyRows, explore

# Two routes in double precision on well-conditioned models of a hundred rows.
EQUAL = 1e-9


@pytest.fixture(scope="module")
def visits():
    """Subjects in sites, visits missed, two sexes, weights, an offset; rows have labels."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(18):
        own = rng.normal()
        e = 0.0
        for j in range(6):
            e = 0.6 * e + 0.8 * rng.normal()
            if rng.random() < 0.85:
                rows.append((f"s{i:02d}", f"c{i % 5}", j, "fm"[i % 2], rng.normal(), own + e))
    frame = pd.DataFrame(rows, columns=["s", "site", "visit", "sex", "x", "y"])
    frame["y"] = 3.0 + frame["x"] + frame["y"] * np.where(frame["sex"] == "m", 2.0, 1.0)
    frame["w"] = rng.uniform(0.5, 4.0, len(frame))
    frame["o"] = rng.normal(size=len(frame))
    frame.loc[[3, 7], "x"] = np.nan
    return frame.set_axis([f"row {i}" for i in range(len(frame))])


MODELS = [
    ("y ~ x", {}),
    ("y ~ x + (1 | s)", {}),
    ("y ~ x + (visit | s)", {}),
    ("y ~ x + (visit || s)", {}),
    ("y ~ x + (1 | site/s)", {}),
    ("y ~ x * sex + (1 | s) + (1 | visit)", {}),
    ("y ~ x + (1 | s)", {"weights": "w"}),
    ("y ~ x + (1 | s)", {"offset": "o"}),
    ("y ~ x", {"residual": "ar1(visit | s)"}),
    ("y ~ x", {"residual": "car1(visit | s)"}),
    ("y ~ x", {"residual": "cs(1 | s) + het(sex)"}),
    ("y ~ x", {"residual": "us(visit | s)"}),
    ("y ~ x + (1 | s)", {"residual": "ar1(visit | s)"}),
    ("y ~ x + (1 | site)", {"residual": "het(sex)"}),
]


@pytest.mark.parametrize("ml", [False, True])
@pytest.mark.parametrize(("formula", "options"), MODELS)
def test_v_alone_gives_estimates_errors_and_likelihood(visits, formula, options, ml):
    found = explore(formula, visits, ml=ml, **options)
    dense = found.by_v()
    tests = found.best.tests
    assert dense.loglik == pytest.approx(found.loglik, abs=EQUAL * len(visits))
    for name, test in zip(found.names, tests, strict=True):
        assert dense.beta[name] == pytest.approx(test.estimate, rel=EQUAL, abs=EQUAL)
        assert np.sqrt(dense.covariance.loc[name, name]) == pytest.approx(test.se, rel=EQUAL)


@pytest.mark.parametrize(("formula", "options"), MODELS)
def test_v_is_what_it_is_said_to_be(visits, formula, options):
    found = explore(formula, visits, **options)
    z, d = found.Z.to_numpy(), found.D.to_numpy()
    assert np.array_equal(found.V, found.V.T)
    assert np.allclose(found.V, z @ d @ z.T + found.R, rtol=1e-12)
    assert list(found.V.index) == [i for i in visits.index if not np.isnan(visits.loc[i, "x"])]
    assert np.allclose(found.fitted + found.residuals, found.y)
    u = np.concatenate([one.to_numpy().ravel() for one in found.effects.values()] or [[]])
    beta = found.parameters[list(found.names)].to_numpy()
    assert np.allclose(found.X.to_numpy() @ beta + z @ u, found.fitted)
    # BLUPs as every textbook has them: D Z'V^-1 (y - X beta).
    left = found.y - found.X.to_numpy() @ beta
    assert np.allclose(u, d @ z.T @ np.linalg.solve(found.V, left), atol=1e-8)


def test_the_penalty_gives_the_same_as_the_model(visits):
    for formula, options in MODELS[1:]:
        found = explore(formula, visits, **options)
        if found.best.optimality.singular:
            continue
        beta, u = found.penalised()
        own = [one.to_numpy().ravel() for one in found.effects.values()]
        assert np.allclose(u, np.concatenate(own or [[]]), atol=1e-8)
        assert np.allclose(beta, found.parameters[list(found.names)], atol=1e-8)


def test_residuals_have_the_correlation_and_the_variances_that_are_stated(visits):
    found = explore("y ~ x", visits, residual="ar1(visit | s) + het(sex)")
    rho, ratio = found.parameters[["residual rho", "residual sd ratio m"]]
    # The first level that comes is the reference only where it sorts first.
    used = visits.dropna()
    r = found.R.to_numpy() / found.residual_variance
    scale = np.where(used["sex"] == "m", ratio, 1.0)
    apart = np.abs(used["visit"].to_numpy()[:, None] - used["visit"].to_numpy())
    same = used["s"].to_numpy()[:, None] == used["s"].to_numpy()
    assert np.allclose(r, np.where(same, rho**apart, 0.0) * np.outer(scale, scale))


def test_weights_divide_the_residual_variance(visits):
    found = explore("y ~ x + (1 | s)", visits, weights="w")
    assert np.allclose(np.diag(found.R) * visits["w"].dropna()[found.rows], found.residual_variance)


def test_shrinkage_goes_from_none_to_all(visits):
    found = explore("y ~ x + (1 | s)", visits)
    sizes = [np.abs(found.shrunken(t)["s"]["Intercept"]).sum() for t in (1e-9, 0.1, 1.0, 10.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 1e-6
    pd.testing.assert_frame_equal(found.shrunken(1.0)["s"], found.effects["s"])


def test_what_is_drawn_has_the_mean_and_the_covariance_of_the_model(visits):
    found = explore("y ~ x + (1 | s)", visits, offset="o")
    rng = np.random.default_rng(1)
    drawn = np.array([found.simulated(rng) for _ in range(4000)])
    mean = found.X.to_numpy() @ found.parameters[list(found.names)] + visits["o"][found.rows]
    scale = np.sqrt(np.diag(found.V))
    # Means and correlations of 4,000 draws scatter by 1/63; six times that is beyond chance.
    assert np.abs((drawn.mean(axis=0) - mean) / scale).max() < 0.1
    assert (
        np.abs(np.cov(drawn.T) / np.outer(scale, scale) - found.V / np.outer(scale, scale)).max(
            axis=None
        )
        < 0.1
    )


def test_a_case_of_the_ladder_and_its_frame_are_one():
    (rung,) = select(full_ladder(), ["sleepstudy/slope/REML"])
    by_case = explore(rung.case)
    by_frame = explore("Reaction ~ Days + (Days | Subject)", rung.data.frame)
    assert isinstance(by_case, Exploration)
    assert by_case.loglik == by_frame.loglik
    assert repr(by_frame).splitlines()[1] == "REML, 180 rows; X 180 x 2; Z: 18 Subject x 2"
    assert "interior optimum" in repr(by_frame)


def test_two_terms_of_one_group_are_told_apart(visits):
    found = explore("y ~ x + (visit || s)", visits)
    assert list(found.covariances) == ["s", "s (2)"]
    assert {"s var(Intercept)", "s (2) var(visit)"} < set(found.parameters.index)


def test_the_certificate_says_which_matrix_lacks_rank():
    pupils = load_dataset("score_parentedu_byclass").frame
    found = explore("score ~ edu + (edu | classroom)", pupils)
    assert "classroom has rank 1 of 2" in found.certificate
    assert "closed form" in explore("score ~ edu", pupils).certificate
    with pytest.raises(np.linalg.LinAlgError):
        found.penalised()


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("y ~ x",), {}, r"explore\(formula, data\)"),
        (("y ~ x", 3), {}, "DataFrame, not int"),
        (("y ~ nothing",), {"data": "visits"}, "nothing"),
        (("y ~ x + I(2 * x) + (1 | s)",), {"data": "visits"}, "aliased"),
        (("y ~ x",), {"data": "visits", "residual": "ar2(visit | s)"}, "ar2"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(visits, arguments, options, words):
    options = {k: visits if k == "data" else v for k, v in options.items()}
    with pytest.raises(BadInput, match=words) as refused:
        explore(*arguments, **options)
    assert "\n" not in str(refused.value)


def test_a_case_takes_no_options():
    (rung,) = select(full_ladder(), ["dyestuff/REML"])
    with pytest.raises(BadInput, match="a case has its data"):
        explore(rung.case, ml=True)


def test_large_matrices_are_refused_and_the_rest_is_not(visits, monkeypatch):
    monkeypatch.setattr(exploration, "MOST_ROWS", 50)
    found = explore("y ~ x + (1 | s)", visits)
    assert len(found.effects["s"]) == 18
    for matrix in ("Z", "D", "R", "V"):
        with pytest.raises(TooManyRows, match="for 50 at most"):
            getattr(found, matrix)


def test_the_package_offers_it():
    assert harness.explore is explore
