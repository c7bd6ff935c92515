"""One scoring step in the variances: exact in balanced data, and at rest at an optimum."""

import numpy as np
import pandas as pd
import pytest

from harness.data.datasets import load_dataset
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.scoring_step import scoring_step


def likelihood_of(frame, formula, criterion="REML"):
    model = parse_model(formula, criterion)
    design = Case("step", model, bind(model, frame)).design
    return Likelihood(design, reml=criterion == "REML")


def anova(frame, y, g):
    """Mean squares between and within of balanced data, and the rows of a group."""
    groups = frame.groupby(g)[y]
    k, n = groups.ngroups, len(frame)
    between = n / k * groups.mean().var()
    return between, groups.var().mean(), n / k


@pytest.mark.parametrize("name", ["Dyestuff", "Dyestuff2"])
@pytest.mark.parametrize("theta", [0.0, 0.3, 2.0])
def test_it_gives_the_estimates_of_the_analysis_of_variance_from_anywhere(name, theta):
    frame = load_dataset(name).frame
    between, within, rows = anova(frame, "Yield", "Batch")
    ((found,),), residual = scoring_step(
        likelihood_of(frame, "Yield ~ 1 + (1 | Batch)").at([theta])
    )
    # Both are sums of squares of thirty rows: rounding.
    assert found[0] == pytest.approx((between - within) / rows, rel=1e-10)
    assert residual == pytest.approx(within, rel=1e-10)
    # Dyestuff2 has less between than within: beyond the boundary.
    assert (found[0] < 0.0) == (name == "Dyestuff2")


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
        ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        ("RatPupWeight", "weight ~ Lsize + (1 | Litter)"),
    ],
)
def test_an_interior_optimum_stays_where_it_is(name, formula, criterion):
    best = find_optimum(likelihood_of(load_dataset(name).frame, formula, criterion))
    found, residual = scoring_step(best.point)
    factors = best.point.likelihood.factors(best.point.theta)
    # The optimum is good to a decrement of 1e-13 in deviance: 3e-7 standard errors.
    assert residual == pytest.approx(best.sigma**2, rel=1e-6)
    for own, factor in zip(found, factors, strict=True):
        right = best.sigma**2 * factor @ factor.T
        np.testing.assert_allclose(own, right, rtol=1e-5, atol=1e-6 * np.abs(right).max())


def test_from_zero_it_solves_raos_equations():
    """V = I: tr(M G_r M G_s) a_s = y'M G_r M y, with dense matrices."""
    rng = np.random.default_rng(5)
    g = np.repeat(range(6), [2, 5, 3, 4, 7, 2])
    x = rng.normal(size=len(g))
    y = x + rng.normal(0, 2, 6)[g] + rng.normal(size=len(g))
    frame = pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g]})
    ((found,),), residual = scoring_step(likelihood_of(frame, "y ~ x + (1 | g)").at([0.0]))
    columns = np.column_stack([np.ones(len(x)), x])
    m = np.eye(len(x)) - columns @ np.linalg.pinv(columns)
    changes = [m @ (g[:, None] == g) @ m, m]
    left = [[np.trace(a @ b) for a in changes] for b in changes]
    right = [y @ a @ m @ y if i == 0 else y @ a @ y for i, a in enumerate(changes)]
    np.testing.assert_allclose([found[0], residual], np.linalg.solve(left, right), rtol=1e-9)
