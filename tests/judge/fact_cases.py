"""Cases of facts about engines, judged."""

import numpy as np
import pandas as pd

from harness.data.datasets import load_dataset
from harness.judge.causes.view import Pair
from harness.judge.judge import judge_outcomes
from harness.model.case import Case
from harness.model.model import bind, parse_model


def case_of(frame, formula, criterion="REML"):
    model = parse_model(formula, criterion)
    return Case("fact", model, bind(model, frame))


def fixture_case(name, formula, criterion="REML"):
    return case_of(load_dataset(name).frame, formula, criterion)


def seen_of(case, left, right):
    return judged(case, left, right)[1]


def judged(case, left, right):
    """The comparison, and what the predicates of two fits look at."""
    found = judge_outcomes(case, [left, right])
    (comparison,) = found.comparisons
    setting = left.setting
    views = (found.view(left.engine, setting), found.view(right.engine, setting))
    return comparison, Pair(*views, comparison.differences)


def six_groups_of_five(seed):
    """Thirty rows whose outcome has one decimal; what a seed shows was found by trying them."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(6), 5)
    x = rng.integers(0, 10, 30).astype(float)
    intercepts = rng.normal(size=6)[group] * rng.choice([0.1, 0.5, 1])
    slopes = rng.normal(size=6)[group] * x * rng.choice([0.02, 0.1, 0.3])
    y = np.round(intercepts + slopes + rng.normal(size=30), 1)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{k}" for k in group]})
