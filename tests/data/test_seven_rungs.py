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
    rungs = {r.case.id: r.case for r in seven_rungs(own(), "y", "x", "g", prefix="p").rungs}
    assert rungs["p/ancova-inter"].design.x_names == ("Intercept", "x", "g[T.2]", "g[T.10]")
    assert [i for i in rungs if "level-1" in i] == [
        f"p/hierarchical-level-1/g={k}" for k in (1, 2, 10)
    ]


def test_the_second_level_has_the_slopes_of_the_first():
    data = own()
    rungs = {r.case.id: r.case for r in seven_rungs(data, "y", "x", "g", prefix="p").rungs}
    slopes = rungs["p/hierarchical"].design.y
    for k, slope in zip((1, 2, 10), slopes, strict=True):
        part = data.frame[data.frame.g == k]
        # Two formulas for one number, in double precision.
        assert slope == pytest.approx(np.polyfit(part.x, part.y, 1)[0], rel=1e-10)


def test_the_aggregation_has_the_groups_means():
    data = own()
    rungs = {r.case.id: r.case for r in seven_rungs(data, "y", "x", "g", prefix="p").rungs}
    means = data.frame.groupby("g")[["x", "y"]].mean()
    design = rungs["p/aggregation"].design
    assert design.y == pytest.approx(means.y.to_numpy(), rel=1e-13)
    assert design.x[:, 1] == pytest.approx(means.x.to_numpy(), rel=1e-13)


def test_rows_with_a_missing_value_are_in_no_rung():
    data = own()
    data.frame.loc[4, "y"] = np.nan
    data.frame.loc[7, "x"] = np.nan
    rungs = {r.case.id: r.case for r in seven_rungs(data, "y", "x", "g", prefix="p").rungs}
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
        (own(x=1.5), ("y", "x", "g"), "the predictor 'x' is the same in every row used"),
        (own(g=np.arange(24)), ("y", "x", "g"), "every group of 'g' has one row"),
        (own(y=1.5), ("y", "x", "g"), "the outcome 'y' is 1.5 in every row used"),
    ],
)
def test_tables_that_the_ladder_cannot_use_are_refused(data, columns, message):
    with pytest.raises(BadInput) as caught:
        seven_rungs(data, *columns)
    assert message in str(caught.value)


def sized(*sizes):
    """A table with groups a, b, c ... of these many rows."""
    rng = np.random.default_rng(8)
    n = sum(sizes)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "g": np.repeat(list("abcdefgh")[: len(sizes)], sizes),
        }
    )


def constant_in(frame, *groups, column="x"):
    frame = frame.copy()
    for group in groups:
        frame.loc[frame.g == group, column] = float(ord(group))
    return frame


BALANCED = sized(4, 4, 4).assign(x=np.tile([0.0, 1.0, 2.0, 3.0], 3))

# The table, the rungs left out, a reason given. All others are there.
ALLOWED = [
    (sized(5, 5, 2, 5), {"hierarchical-level-1/g=c"}, "level 1, g c: 2 rows, a regression takes 3"),
    (
        sized(5, 1, 2, 5, 1),
        {f"hierarchical-level-1/g={k}" for k in "bce"} | {"ancova-full"},
        "level 1, g b, e: 1 row, a regression takes 3",
    ),
    (
        constant_in(sized(5, 5, 5, 5), "b"),
        {"hierarchical-level-1/g=b", "ancova-full"},
        "ANCOVA-Full: x is constant in g b, which has no slope",
    ),
    (
        constant_in(sized(4, 4, 4), "a", "b", "c"),
        {f"hierarchical-level-1/g={k}" for k in "abc"}
        | {"hierarchical", "ancova-inter", "ancova-full"},
        "ANCOVA-Inter: x is constant in every g, so that it cannot be told from g",
    ),
    (constant_in(sized(5, 5, 5), "c", column="y"), {"hierarchical-level-1/g=c"}, "y is constant"),
    (BALANCED, {"aggregation"}, "Aggregation: x has the same mean in every group"),
    (sized(9, 9), {"aggregation"}, "Aggregation: 2 groups for 2 coefficients"),
    (
        sized(2, 2, 2, 3),
        {f"hierarchical-level-1/g={k}" for k in "abc"} | {"hierarchical"},
        "Hierarchical: 1 group for 1 coefficient",
    ),
    (
        constant_in(sized(4, 4, 4), "a", "b", "c", column="y"),
        {f"hierarchical-level-1/g={k}" for k in "abc"}
        | {"hierarchical", "ancova-inter", "ancova-full", "lmm-inter", "lmm-full"},
        "LMM-Inter: it fits every row exactly",
    ),
]


@pytest.mark.parametrize(("frame", "missing", "reason"), ALLOWED)
def test_a_rung_that_cannot_be_made_is_left_out_with_its_reason(frame, missing, reason):
    found = seven_rungs(Dataset("own", frame, "made here"), "y", "x", "g", prefix="p")
    ids = {
        r.case.id.removeprefix("p/").removesuffix("/REML").removesuffix("/ML") for r in found.rungs
    }
    every = {
        "lm-global",
        "ancova-inter",
        "aggregation",
        "hierarchical",
        "ancova-full",
        "lmm-inter",
        "lmm-full",
        *(f"hierarchical-level-1/g={k}" for k in set(frame.g)),
    }
    assert every - ids == missing
    assert any(reason in why for why in found.left_out)
    assert all(why in found.rungs[0].notes[-1] for why in found.left_out)


def test_the_second_level_says_of_how_many_groups_it_has_slopes():
    found = seven_rungs(Dataset("own", sized(5, 5, 2, 5), "made here"), "y", "x", "g", prefix="p")
    second = next(r for r in found.rungs if r.case.id == "p/hierarchical")
    assert len(second.case.design.y) == 3
    assert second.notes[-1] == "Of 3 of the 4 groups; the others have no slope."


def test_a_full_table_leaves_nothing_out():
    assert seven_rungs(own(), "y", "x", "g").left_out == ()
