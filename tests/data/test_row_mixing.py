"""Rows mixed within groups: other values, the same sums of products, the same model."""

import random

import numpy as np
import pandas as pd
import pytest

from harness.data.row_mixing import mixed_rows
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.model.table import NumericColumn, Table


def case_of(formula, frame):
    model = parse_model(formula)
    return Case("own", model, bind(model, frame))


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    n = 120
    return pd.DataFrame(
        {
            "y": rng.uniform(5, 9, n),
            "x": rng.normal(9, 3, n),
            "z": rng.uniform(1, 2, n),
            "arm": np.tile([0.0, 1.0], n // 2),
            "age": np.repeat(rng.normal(40, 9, 8), n // 8),
            "f": np.tile(["a", "b", "c"], n // 3),
            "g": np.repeat(list("pqrstuvw"), n // 8),
        }
    )


def mixed_case(case, seed=1):
    new = mixed_rows(case, random.Random(seed))
    columns = [
        NumericColumn(c.name, new.get(c.name, c.values)) if isinstance(c, NumericColumn) else c
        for c in case.table.columns
    ]
    return new, Case("mixed", case.model, Table(tuple(columns)))


@pytest.mark.parametrize(
    ("formula", "mixed"),
    [
        ("y ~ x + (x | g)", {"y", "x"}),
        ("y ~ 0 + x * arm + z + (1 | g)", {"y", "x", "z"}),
        ("y ~ x + f:z + (z || g)", {"y", "x", "z"}),
    ],
)
def test_every_sum_of_products_within_a_group_stays(frame, formula, mixed):
    case = case_of(formula, frame)
    new, other = mixed_case(case)
    assert set(new) == mixed
    for name, values in new.items():
        assert not np.isclose(values, case.table[name].values, rtol=1e-6).any()
        assert np.ptp(values) > 0.0
    for term, again in zip(case.design.random, other.design.random, strict=True):
        assert list(term.codes) == list(again.codes)
        for k in range(len(term.levels)):
            rows = term.codes == k
            old = np.column_stack([case.design.y, case.design.x, term.z])[rows]
            got = np.column_stack([other.design.y, other.design.x, again.z])[rows]
            np.testing.assert_allclose(got.T @ got, old.T @ old, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize(
    ("formula", "mixed"),
    [
        ("log(y) ~ x + (x | g)", set()),
        ("y ~ x + log(age) + (1 | g)", {"y", "x"}),
        ("y ~ x + I(age^2) + x:age + (1 | g)", {"y", "x"}),
        # A product of two predictors, or a function of one, that differ in every row.
        ("y ~ x * z + (1 | g)", {"y"}),
        ("y ~ x + log(z) + (1 | g)", {"y", "x"}),
    ],
)
def test_what_the_model_is_not_linear_in_stays(frame, formula, mixed):
    case = case_of(formula, frame)
    new, other = mixed_case(case)
    assert set(new) == mixed
    old, got = case.design, other.design
    np.testing.assert_allclose(got.x.T @ got.x, old.x.T @ old.x, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(got.x.T @ got.y, old.x.T @ old.y, rtol=1e-9, atol=1e-8)


def test_rows_that_are_left_out_get_other_numbers(frame):
    frame.loc[4, "x"] = np.nan
    case = case_of("y ~ x + (x | g)", frame)
    new, _ = mixed_case(case)
    assert new["y"][4] != frame.loc[4, "y"]
    assert np.isnan(new["x"][4])


def test_a_large_group_is_mixed_in_parts(frame):
    large = pd.concat([frame.assign(g="one"), frame.assign(g="two")], ignore_index=True)
    case = case_of("y ~ x + (1 | g)", large)
    _, other = mixed_case(case)
    np.testing.assert_allclose(
        other.design.x.T @ other.design.y, case.design.x.T @ case.design.y, rtol=1e-11
    )
