"""The ladder: which rungs there are."""

import pytest

from harness.base.errors import BadInput
from harness.data.ladder import every_rung, full_ladder
from harness.data.rungs import select
from harness.spelling.lme4_spelling import lme4_formula

LADDER = full_ladder()
IDS = [rung.case.id for rung in LADDER]


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
    for rung in every_rung():
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


def test_a_run_without_a_choice_leaves_out_the_parts_that_most_engines_cannot_express():
    every = every_rung()
    assert every[: len(LADDER)] == LADDER
    parts = [r.case.id.partition("/")[0] for r in every[len(LADDER) :]]
    assert list(dict.fromkeys(parts)) == ["residual", "formula"]
    assert not any(r.case.design.residual or r.case.model.formula.weights for r in LADDER)
    assert len(select(every, ["residual"])) == parts.count("residual") == 22


@pytest.mark.parametrize(
    ("rung", "formula", "residual"),
    [
        ("residual/tutorial-cs", "score ~ edu", "cs(1 | classroom)"),
        ("residual/sleepstudy-ar1", "Reaction ~ Days", "ar1(Days | Subject)"),
        ("residual/orthodont-us", "distance ~ Sex * I(age - 11)", "us(age | Subject)"),
        ("residual/bodyweight", "weight ~ Time * Diet + (Time | Rat)", "car1(Time | Rat)"),
    ],
)
def test_the_models_of_the_residual_part(rung, formula, residual):
    pair = select(every_rung(), [rung])
    assert [r.case.model.criterion for r in pair] == ["REML", "ML"]
    assert {lme4_formula(r.case.model) for r in pair} == {formula}
    assert {r.case.model.residual.text() for r in pair} == {residual}
