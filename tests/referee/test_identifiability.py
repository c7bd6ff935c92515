"""What the data do not determine: the deviance is the same far along every direction found."""

import numpy as np
import pandas as pd
import pytest

from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.identifiability import undetermined_rows
from harness.referee.optimum import Optimum, find_optimum

GROUPS = np.repeat(np.arange(12), 6)


def table() -> pd.DataFrame:
    """12 groups of 6 rows, a factor of three levels in each."""
    r = np.random.default_rng(7)
    f = np.tile([0, 1, 2], 24)
    y = 10 + f + r.normal(0, 1.5, 12)[GROUPS] + r.normal(0, 1, (12, 3))[GROUPS, f]
    return pd.DataFrame(
        {
            "y": y + r.normal(0, 1, 72),
            "f": np.array(["a", "b", "c"])[f],
            "g": [f"g{i}" for i in GROUPS],
            "other": [f"B{i}" for i in GROUPS],
            "site": np.repeat(["A", "B", "C"], 24),
            "z": np.repeat([1.0, 2.0], 36),
            "half": np.repeat(["p", "q"], 36),
            "id": [f"i{k}" for k in range(72)],
            "t": r.normal(size=72),
        }
    )


def best_of(formula: str, *, reml: bool = True) -> tuple[Case, Optimum]:
    model = parse_model(formula)
    case = Case("c", model, bind(model, table()))
    return case, find_optimum(Likelihood(case.design, reml=reml))


@pytest.mark.parametrize(
    ("formula", "moved"),
    [
        ("y ~ f + (f || g)", ()),
        ("y ~ f + (1 | g) + (0 + f | g)", ()),
        ("y ~ f + (1 | g) + (1 | other)", ()),
        ("y ~ f + (1 | g / other)", ()),
        ("y ~ f + (1 | id)", ()),
        ("y ~ f + (1 | g) + (1 | id)", ()),
        ("y ~ site + (1 | site)", ("Intercept", "site[T.B]", "site[T.C]")),
        ("y ~ t + site + (1 | site)", ("Intercept", "site[T.B]", "site[T.C]")),
        ("y ~ z + (1 | half)", ("Intercept", "z")),
    ],
)
def test_the_deviance_is_level_along_a_free_direction(formula: str, moved: tuple[str, ...]) -> None:
    """On a grid from end to end of the direction, by plain evaluation of n x n matrices."""
    case, best = best_of(formula)
    assert len(best.free) == 1
    assert {case.design.x_names[j] for j in best.moved} == set(moved)
    free = best.free[0]
    factors = best.point.likelihood.factors(best.point.theta)
    psi = [best.sigma**2 * f @ f.T for f in factors]
    x, y = case.design.x, case.design.y

    def deviance(step: float) -> float:
        v = (best.sigma**2 + step * free.residual) * np.eye(len(y))
        for term, p, d in zip(case.design.random, psi, free.changes, strict=True):
            same = term.codes[:, None] == term.codes
            v += same * (term.z @ (p + step * d) @ term.z.T)
        inverse = np.linalg.inv(v)
        information = x.T @ inverse @ x
        beta = np.linalg.solve(information, x.T @ inverse @ y)
        logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
        rest = y - x @ beta
        return float(logs + rest @ inverse @ rest)

    ends = (max(free.low, -50.0), min(free.high, 50.0))
    grid = [deviance(step) for step in np.linspace(0.9 * ends[0], 0.9 * ends[1], 9)]
    assert max(grid) - min(grid) < 1e-8
    assert free.high - free.low > 0.1


@pytest.mark.parametrize(
    "formula", ["y ~ f + (f | g)", "y ~ f + (1 | g)", "y ~ t + (t || g)", "y ~ z + (1 | site)"]
)
def test_what_is_determined_has_no_free_direction(formula: str) -> None:
    _, best = best_of(formula)
    assert best.free == ()


def test_likelihood_without_restriction_determines_the_variance_of_sites() -> None:
    """It falls with the variance, whose estimate is zero."""
    _, best = best_of("y ~ site + (1 | site)", reml=False)
    assert best.free == ()
    assert best.optimality.singular


def test_redundant_effects_of_a_factor_are_not_singular() -> None:
    """The middle of the best points has full rank, whichever end a search comes to."""
    _, best = best_of("y ~ f + (f || g)")
    assert not best.optimality.singular


def test_contrast_within_groups_does_not_depend_on_the_groups_variance() -> None:
    case, best = best_of("y ~ t + site + (1 | site)")
    rows = np.eye(len(case.design.x_names))
    found = dict(zip(case.design.x_names, undetermined_rows(best.point, rows), strict=True))
    assert not found["t"]
    assert found["site[T.B]"]
