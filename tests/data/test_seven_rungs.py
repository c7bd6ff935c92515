"""The tutorial's seven rungs on anyone's table, and what they ask of it."""

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.seven_rungs import seven_rungs


def own(levels=None, **columns):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.normal(size=24), "x": rng.normal(size=24)})
    frame["g"] = np.tile([10, 2, 1], 8)
    return Dataset("own", frame.assign(**columns), "made here", levels or {})


def test_groups_coded_by_numbers_are_a_factor_in_numeric_order():
    rungs = {r.case.id: r.case for r in seven_rungs(own(), "y", "x", "g", prefix="p")}
    assert rungs["p/ancova-inter"].design.x_names == ("Intercept", "x", "g[T.2]", "g[T.10]")
    assert [i for i in rungs if "level-1" in i] == [
        f"p/hierarchical-level-1/g={k}" for k in (1, 2, 10)
    ]


def test_the_second_level_has_the_slopes_of_the_first():
    data = own()
    rungs = {r.case.id: r.case for r in seven_rungs(data, "y", "x", "g", prefix="p")}
    slopes = rungs["p/hierarchical"].design.y
    for k, slope in zip((1, 2, 10), slopes, strict=True):
        part = data.frame[data.frame.g == k]
        # Two formulas for one number, in double precision.
        assert slope == pytest.approx(np.polyfit(part.x, part.y, 1)[0], rel=1e-10)


def test_the_aggregation_has_the_groups_means():
    data = own()
    rungs = {r.case.id: r.case for r in seven_rungs(data, "y", "x", "g", prefix="p")}
    means = data.frame.groupby("g")[["x", "y"]].mean()
    design = rungs["p/aggregation"].design
    assert design.y == pytest.approx(means.y.to_numpy(), rel=1e-13)
    assert design.x[:, 1] == pytest.approx(means.x.to_numpy(), rel=1e-13)


def test_rows_with_a_missing_value_are_in_no_rung():
    data = own()
    data.frame.loc[4, "y"] = np.nan
    data.frame.loc[7, "x"] = np.nan
    rungs = {r.case.id: r.case for r in seven_rungs(data, "y", "x", "g", prefix="p")}
    assert len(rungs["p/lm-global"].design.y) == len(rungs["p/lmm-full/REML"].design.y) == 22
    complete = data.frame.dropna()
    means = complete.groupby("g").y.mean().to_numpy()
    assert rungs["p/aggregation"].design.y == pytest.approx(means, rel=1e-13)


@pytest.mark.parametrize(
    ("data", "columns", "message"),
    [
        (own(), ("y", "x", "y"), "outcome, predictor and group must be three different columns"),
        (own(), ("y", "x", "z"), "no column 'z' in the data"),
        (own(x=list("abcd") * 6), ("y", "x", "g"), "the predictor 'x' is not numeric"),
        (own(y="a"), ("y", "x", "g"), "the outcome 'y' is not numeric"),
        (own(g=1), ("y", "x", "g"), "grouping factor 'g' has one level"),
        (own(g=np.arange(24) % 2), ("y", "x", "g"), "'g' has 2 groups with complete rows"),
        (own(g=np.arange(24)), ("y", "x", "g"), "group '0' has fewer than 3 rows"),
        (own(x=np.tile([1, 2, 3], 8)), ("y", "x", "g"), "a constant 'x'"),
        (own(y=np.tile([1.0, 2.0, 3.0], 8)), ("y", "x", "g"), "group '1' has a constant 'y'"),
        (own(y=1.5), ("y", "x", "g"), "the outcome 'y' is 1.5 in every row used"),
    ],
)
def test_tables_that_the_ladder_cannot_use_are_refused(data, columns, message):
    with pytest.raises(BadInput) as caught:
        seven_rungs(data, *columns)
    assert message in str(caught.value)
