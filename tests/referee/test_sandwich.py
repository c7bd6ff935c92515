"""Robust standard errors are those of the whole V written out, and of statsmodels' GEE."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.referee.definitions import definition
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.standpoint import Standpoint


def frame(seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(9), rng.integers(3, 8, 9))
    out = pd.DataFrame({"g": [f"g{i}" for i in g], "x": rng.normal(size=len(g))})
    out["h"] = [f"{a}{b}" for a, b in zip(out["g"], rng.integers(0, 2, len(g)), strict=True)]
    out["w"] = rng.uniform(0.5, 2.0, len(g))
    out["y"] = out["x"] + rng.normal(0, 1.5, 9)[g] + rng.normal(size=len(g))
    return out


def stated(formula, data, reml=True):
    design = own_rung("c", Dataset("c", data, ""), formula, "REML" if reml else "ML").case.design
    best = find_optimum(Likelihood(design, reml=reml))
    at = Standpoint(design, "REML" if reml else "ML", best.point, best.sigma)
    return design, best, definition("se", "sandwich").value(at, (), 0.0)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    "formula",
    ["y ~ x + (1 | g)", "y ~ x + (x | g)", "y ~ x + (1 | g/h)", "y ~ x + weights(w) + (1 | g)"],
)
def test_the_sandwich_written_out(formula, reml):
    design, best, found = stated(formula, frame(4), reml)
    n = len(design.y)
    weights = np.ones(n) if design.weights is None else design.weights
    v = best.sigma**2 * np.diag(1.0 / weights)
    factors = best.point.likelihood.factors(best.point.theta)
    for term, lower in zip(design.random, factors, strict=True):
        half = term.z @ lower
        v += best.sigma**2 * (half @ half.T) * (term.codes[:, None] == term.codes)
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(design.x.T @ inverse @ design.x)
    residual = design.y - design.x @ bread @ design.x.T @ inverse @ design.y
    outer = min(design.random, key=lambda t: len(t.levels)).codes
    meat = np.zeros_like(bread)
    for level in np.unique(outer):
        own = outer == level
        score = design.x[own].T @ (inverse @ (residual * own))[own]
        meat += np.outer(score, score)
    np.testing.assert_allclose(found, np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-8)


def test_with_no_variance_it_is_the_independence_gee():
    data = frame(5)
    data["y"] = data["x"] + np.random.default_rng(0).normal(size=len(data))
    data["y"] -= data.groupby("g")["y"].transform("mean") - data["y"].mean()
    _, best, found = stated("y ~ x + (1 | g)", data)
    assert best.optimality.singular
    gee = sm.GEE(data["y"], sm.add_constant(data["x"]), groups=data["g"]).fit()
    np.testing.assert_allclose(found, gee.bse, rtol=1e-6)


def test_where_groups_cross_there_is_none():
    data = frame(6)
    data["k"] = np.tile(["a", "b", "c"], len(data))[: len(data)]
    assert stated("y ~ x + (1 | g) + (1 | k)", data)[2] is None
