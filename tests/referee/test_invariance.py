"""What does not change the model changes neither the referee's df nor a verdict."""

import numpy as np
import pandas as pd
import pytest

from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.satterthwaite import contrast_tests

MODELS = {
    "intercept": "y ~ x + (1 | g)",
    "slope": "y ~ x + (x | g)",
    "crossed": "y ~ x + (x | g) + (1 | h)",
    "nested": "y ~ x + (1 | g) + (1 | g:h)",
}
SHIFTS = {
    "y * 1e-8": (1e-8, 0.0, 1.0, 0.0),
    "y * 1e8": (1e8, 0.0, 1.0, 0.0),
    "-y": (-1.0, 0.0, 1.0, 0.0),
    "y + 1e6": (1.0, 1e6, 1.0, 0.0),
    "x * 1e6": (1.0, 0.0, 1e6, 0.0),
    "x * 1e-6": (1.0, 0.0, 1e-6, 0.0),
    "-x": (1.0, 0.0, -1.0, 0.0),
    "x + 2000": (1.0, 0.0, 1.0, 2000.0),
    "all at once": (1e3, -5e4, 0.01, 1990.0),
}


def frame(singular=False):
    rng = np.random.default_rng(3)
    sizes = rng.integers(6, 12, 10)
    g = np.repeat(np.arange(10), sizes)
    h = rng.permutation(np.arange(len(g)) % 4)
    x = rng.normal(size=len(g))
    slopes = 0.0 if singular else 0.6
    y = 2 + x + rng.normal(size=10)[g] + slopes * rng.normal(size=10)[g] * x
    y += 0.7 * rng.normal(size=4)[h] + 0.5 * rng.normal(size=40)[4 * g + h]
    y += rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{k}" for k in g], "h": [f"h{k}" for k in h]})


def case(formula, data, criterion="REML"):
    model = parse_model(formula, criterion)
    return Case("invariance", model, bind(model, data, factors=("g", "h")))


def moved(data, change):
    a, b, c, d = change
    return data.assign(y=a * data.y + b, x=c * data.x + d)


def relabelled(data):
    """Other names, in another order."""
    return data.assign(
        g=data.g.map(lambda v: f"z{(7 * int(v[1:])) % 10} é"),
        h=data.h.map({"h0": "d", "h1": "B", "h2": "10", "h3": "9"}),
    )


def shuffled(data):
    return data.sample(frac=1.0, random_state=5).reset_index(drop=True)


RENAMED = {"row order": shuffled, "level names and order": relabelled}
REORDERED = {
    "crossed": "y ~ (1 | h) + (x | g) + x",
    "nested": "y ~ (1 | g:h) + (1 | g) + x",
}


def df_at_optimum(made, contrasts):
    best = find_optimum(Likelihood(made.design, reml=made.model.criterion == "REML"))
    assert not best.optimality.false_boundary
    return np.array([row.df for row in contrast_tests(best.point, contrasts)])


@pytest.mark.slow
@pytest.mark.parametrize("singular", [False, True])
@pytest.mark.parametrize("change", list(SHIFTS))
@pytest.mark.parametrize("name", list(MODELS))
def test_df_do_not_depend_on_units_or_origins(name, change, singular):
    """The same contrasts: the slope, and the mean at the old origin of x.

    1e-7: with y + 1e6 the data themselves lose six of their sixteen digits.
    """
    # Only models with a slope become singular with these data; the others are done twice.
    data = frame(singular)
    _, _, c, d = SHIFTS[change]
    before = df_at_optimum(case(MODELS[name], data), np.eye(2))
    after = df_at_optimum(
        case(MODELS[name], moved(data, SHIFTS[change])), np.array([[1.0, d], [0.0, c]])
    )
    assert after == pytest.approx(before, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("change", list(RENAMED))
@pytest.mark.parametrize("name", list(MODELS))
def test_df_do_not_depend_on_rows_or_labels(name, change, criterion):
    data = frame()
    before = df_at_optimum(case(MODELS[name], data, criterion), np.eye(2))
    after = df_at_optimum(case(MODELS[name], RENAMED[change](data), criterion), np.eye(2))
    assert after == pytest.approx(before, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(REORDERED))
def test_df_do_not_depend_on_the_order_of_terms(name):
    before = df_at_optimum(case(MODELS[name], frame()), np.eye(2))
    after = df_at_optimum(case(REORDERED[name], frame()), np.eye(2))
    assert after == pytest.approx(before, rel=1e-7)


def verdict(r, made, data):
    """Verdict on lme4 beside the referee: an engine's own limits of unit show as causes."""
    engines = (RefereeEngine(), Lme4Engine(r))
    (comparison,) = judge(made, engines, ("tight",)).comparisons
    return comparison


@pytest.mark.r
@pytest.mark.parametrize("name", list(MODELS))
def test_verdicts_do_not_depend_on_rows_labels_or_terms(r, name):
    data = frame()
    before = verdict(r, case(MODELS[name], data), data).verdict
    assert before == "AGREE"
    for change in RENAMED.values():
        assert verdict(r, case(MODELS[name], change(data)), change(data)).verdict == before
    if name in REORDERED:
        assert verdict(r, case(REORDERED[name], data), data).verdict == before


FAR = ("y + 1e6", "x + 2000", "all at once")
"""Origins at which lme4, which centres nothing, loses digits of its deviance and stops short."""


@pytest.mark.r
@pytest.mark.parametrize("change", list(SHIFTS))
@pytest.mark.parametrize("name", list(MODELS))
def test_verdicts_do_not_depend_on_units_or_origins_but_where_lme4_itself_does(r, name, change):
    """The referee is never blamed, nothing is unexplained, and a changed verdict is lme4's own."""
    data = moved(frame(), SHIFTS[change])
    found = verdict(r, case(MODELS[name], data), data)
    assert "referee" not in found.blamed
    assert found.verdict != "UNEXPLAINED"
    numerical = {"lmertest-units", "lmertest-steps", "lmertest-rounding"}
    if change not in FAR:
        assert found.verdict == "AGREE" or numerical & set(found.causes), found
    elif found.verdict == "WRONG_OPTIMUM":
        assert found.blamed == ("lme4",)
