"""What programs print under their own definitions, on the smallest data that show it."""

import pandas as pd
import pytest

from harness.data.datasets import Dataset, load_dataset
from harness.data.recipes.shapes import Recipe, build
from harness.data.rungs import Rung
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.case_record import case_record
from harness.judge.causes.df_causes import lmertest_steps
from harness.judge.definition_notes import definition_notes
from harness.judge.judge import judge
from tests.judge.fact_cases import case_of, fixture_case, judged, six_groups_of_five

pytestmark = pytest.mark.r


def test_lmertests_df_depend_on_the_units_of_the_outcome(r):
    frame = load_dataset("sleepstudy").frame.assign(y=lambda d: d["Reaction"] * 1e-7)
    case = case_of(frame, "y ~ Days + (Days | Subject)")
    right = Lme4Engine(r).fit(case, "tight")
    verdict, seen = judged(case, RefereeEngine().fit(case, "tight"), right)
    assert "lmertest-units" in verdict.causes
    assert verdict.blamed == ("lme4",)
    # 17 in milliseconds; FACTS: 6.37 at 1e-7. The referee's do not move.
    assert seen.one.audit.coefficients[1].df == pytest.approx(17.0, abs=1e-4)
    assert right.coefficients[1].df < 10.0


def test_lmertests_steps_are_too_large_with_years_for_a_predictor(r):
    frame = six_groups_of_five(51).assign(x=lambda d: d["x"] + 2000)
    case = case_of(frame, "y ~ x + (x | g)")
    verdict, seen = judged(
        case, RefereeEngine().fit(case, "default"), Lme4Engine(r).fit(case, "default")
    )
    assert verdict.verdict == "FALSE_STATEMENT"
    assert verdict.causes[0] == "lmertest-steps"
    printed, right = seen.reference.fit.coefficients[1].df, seen.reference.audit.coefficients[1].df
    assert printed / right > 1.5
    centred = case_of(frame.assign(x=frame.x - 2004), "y ~ x + (x | g)")
    again, _ = judged(
        centred, RefereeEngine().fit(centred, "default"), Lme4Engine(r).fit(centred, "default")
    )
    assert "lmertest-steps" not in again.causes


def test_df_that_no_steps_give_are_not_laid_to_lmertests_steps(r):
    recipe = Recipe(
        shape="crossed",
        sizes=(4, 4, 4, 4, 4, 4),
        ratios=(0.3,),
        parts=4,
        other_ratio=0.0,
        x="between",
        effect=0.0,
        digits=1,
        x_offset=2000,
        y_power=6,
        seed=2722968219,
    )
    case = build(recipe).case
    verdict, seen = judged(
        case, RefereeEngine().fit(case, "default"), Lme4Engine(r).fit(case, "default")
    )
    # Off by a factor of billions; the steps on the referee's deviance give other billions.
    assert max(c.df for c in seen.reference.fit.coefficients) > 1e6
    assert lmertest_steps(seen.reference) is None
    assert verdict.verdict == "TOLERANCE"
    assert verdict.causes[:2] == ("singular-df", "true-boundary")


def definitions_of(case, r):
    found = judge(case, [StatsmodelsEngine(), Lme4Engine(r)], ("default",))
    rung = Rung(case, "", "", "", Dataset("fact", pd.DataFrame(), ""))
    return {d.cause: d for d in definition_notes(case_record(found, rung), "statsmodels")}


def test_unbalanced_data_show_the_joint_hessian_in_statsmodels_standard_errors(r):
    # Litters of 2 to 18 pups.
    found = definitions_of(fixture_case("RatPupWeight", "weight ~ Lsize + (1 | Litter)"), r)
    joint = found["se-joint-hessian"]
    assert abs(joint.value / joint.like_for_like - 1.0) > 1e-4
    # lme4 prints the like-for-like one.
    assert joint.reference == pytest.approx(joint.like_for_like, rel=1e-3)


def test_balanced_data_do_not(r):
    found = definitions_of(fixture_case("sleepstudy", "Reaction ~ Days + (1 | Subject)"), r)
    assert "se-joint-hessian" not in found


def test_normal_p_values_and_the_variance_column_are_told_apart_from_disagreements(r):
    found = definitions_of(fixture_case("sleepstudy", "Reaction ~ Days + (Days | Subject)"), r)
    z = found["z-for-t"]
    assert z.value < 1e-4 * z.reference
    assert z.like_for_like == pytest.approx(z.reference, rel=1e-2)
    column = found["variance-se-column"]
    assert column.value < 0.1 * column.like_for_like
    assert column.reference is None


def test_the_variance_column_scales_with_the_wrong_power_of_the_units():
    frame = load_dataset("sleepstudy").frame
    one, ten = (
        StatsmodelsEngine().fit(
            case_of(frame.assign(y=frame["Reaction"] * k), "y ~ Days + (1 | Subject)"), "default"
        )
        for k in (1.0, 10.0)
    )
    ratio = (
        dict(ten.variance_se)["Subject: Intercept"] / dict(one.variance_se)["Subject: Intercept"]
    )
    # A standard error of a variance has squared units: 100. MixedLM's grows by 10.
    assert ratio == pytest.approx(10.0, rel=1e-2)
