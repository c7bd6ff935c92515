"""The ladder: which rungs there are, and what it asks of anyone's table."""

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.rungs import full_ladder, select, seven_rungs
from harness.spelling.calls import lme4_formula

LADDER = full_ladder()
IDS = [rung.case.id for rung in LADDER]


def own(levels=None, **columns):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.normal(size=24), "x": rng.normal(size=24)})
    frame["g"] = np.tile([10, 2, 1], 8)
    return Dataset("own", frame.assign(**columns), "made here", levels or {})


def test_every_id_is_there_once():
    assert len(set(IDS)) == len(IDS)


def test_the_tutorials_rungs_come_first_with_its_names():
    titles = list(dict.fromkeys(r.title for r in LADDER if r.case.id.startswith("tutorial/")))
    assert titles == [
        "LM-Global",
        "ANCOVA-Inter",
        "Aggregation",
        "Hierarchical, level 1",
        "Hierarchical",
        "LMM-Inter",
        "ANCOVA-Full",
        "LMM-Full",
    ]


@pytest.mark.parametrize(
    ("rung", "formula"),
    [
        ("tutorial/lmm-full", "score ~ edu + (edu | classroom)"),
        ("sleepstudy/intercept", "Reaction ~ Days + (1 | Subject)"),
        ("sleepstudy/slope", "Reaction ~ Days + (Days | Subject)"),
        ("sleepstudy/uncorrelated", "Reaction ~ Days + (Days || Subject)"),
        ("dyestuff", "Yield ~ 1 + (1 | Batch)"),
        ("dyestuff2", "Yield ~ 1 + (1 | Batch)"),
        ("pastes", "strength ~ 1 + (1 | batch/cask)"),
        ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
        ("dietox/intercept", "Weight ~ Time + (1 | Pig)"),
        ("dietox/slope", "Weight ~ Time + (Time | Pig)"),
        ("dietox/uncorrelated", "Weight ~ Time + (Time || Pig)"),
        ("sitka/slope", "size ~ Time + (Time | tree)"),
        ("nested", "y ~ 1 + (1 | group1/group2)"),
    ],
)
def test_every_mixed_model_is_there_in_reml_and_ml(rung, formula):
    pair = [r for r in LADDER if r.case.id.rpartition("/")[0] == rung]
    assert [r.case.model.criterion for r in pair] == ["REML", "ML"]
    assert {lme4_formula(r.case.model) for r in pair} == {formula}


def test_the_effect_of_interest_is_one_of_the_models():
    for rung in LADDER:
        assert rung.focus in rung.case.design.x_names


def test_cakes_factors_have_the_order_of_r():
    design = next(r for r in LADDER if r.case.id == "cake/REML").case.design
    assert design.x.shape == (270, 18)
    assert "recipe[T.B]:temperature[T.185]" in design.x_names
    assert "recipe[T.A]" not in design.x_names


def test_one_rung_or_those_under_it_can_be_chosen():
    chosen = [r.case.id for r in select(LADDER, ["sleepstudy/slope", "dyestuff/ML"])]
    assert chosen == ["sleepstudy/slope/REML", "sleepstudy/slope/ML", "dyestuff/ML"]
    assert [r.case.id for r in select(LADDER, ["dyestuff"])] == ["dyestuff/REML", "dyestuff/ML"]


def test_a_rung_chosen_twice_is_there_once():
    assert len(select(LADDER, ["dyestuff", "dyestuff/ML", "dyestuff"])) == 2


@pytest.mark.parametrize("wanted", ["dye", "", "dyestuff/", "tutorial/lmm"])
def test_a_part_of_a_name_is_no_rung(wanted):
    with pytest.raises(BadInput, match="`lmm-parity ladder` lists them"):
        select(LADDER, [wanted])


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
