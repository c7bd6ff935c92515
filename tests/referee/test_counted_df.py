"""Degrees of freedom counted from a design, by hand and by six programs' published intervals."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.judge.fixed_effect_tests import inference
from harness.referee.containment import containment_df
from harness.referee.counted_df import (
    between_within_classic_df,
    between_within_df,
    containment_rank_df,
    group_equations_df,
    rank,
    residual_df,
    residual_xz_df,
)

BANK = Path(__file__).parents[3] / "shared" / "bank" / "bioequivalence"

needs_bank = pytest.mark.skipif(not BANK.is_dir(), reason="needs ../shared/bank")


def design(formula, frame):
    return own_rung("case", Dataset("drawn", frame, ""), formula, "REML").case.design


@pytest.fixture(scope="module")
def trial():
    """Ten subjects in two arms, four visits each, and x that changes at every visit."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "subject": np.repeat([f"s{i}" for i in range(10)], 4),
            "arm": np.repeat(["a", "b"], 20),
            "visit": np.tile([f"v{j}" for j in range(4)], 10),
            "x": rng.normal(size=40),
        }
    )
    frame["y"] = rng.normal(size=40)
    return frame


def test_a_split_plot_has_the_df_of_its_analysis_of_variance(trial):
    # Subjects in arms: 10 - 2 = 8; the rest: 40 - 10 - 3 visits - 3 interactions = 24.
    d = design("y ~ arm * visit + (1 | subject)", trial)
    assert d.x_names[1] == "arm[T.b]"
    found = containment_rank_df(d)
    assert found[:2] == (8.0, 8.0)
    assert set(found[2:]) == {24.0}
    assert set(residual_xz_df(d)) == {24.0}
    assert set(residual_df(d)) == {32.0}


def test_a_random_slope_contains_its_predictor(trial):
    d = design("y ~ x + (x | subject)", trial)
    # Intercepts add ten columns, of which X has the constant; slopes ten, of which X has x.
    assert containment_rank_df(d) == (9.0, 9.0)
    assert set(residual_xz_df(d)) == {20.0}
    assert containment_df(d) == (29.0, 29.0)  # nlme counts by levels


def test_between_and_within_differ_in_the_intercept_only(trial):
    d = design("y ~ arm + x + (1 | subject)", trial)
    # n - p = 37: ten subjects less two columns between them, and the rest.
    assert between_within_df(d) == (8.0, 8.0, 29.0)
    assert between_within_classic_df(d) == (29.0, 8.0, 29.0)
    without = design("y ~ 0 + arm + x + (1 | subject)", trial)
    assert between_within_df(without) == (8.0, 8.0, 29.0)
    assert between_within_classic_df(without) == (8.0, 8.0, 29.0)


def test_hlm_counts_the_equation_of_each_random_coefficient(trial):
    frame = trial.assign(age=np.repeat(np.arange(10.0) ** 2, 4), subject2=np.repeat(range(20), 2))
    # Ten subjects; the intercept's equation has itself and arm, the slope's itself and x:arm.
    assert group_equations_df(design("y ~ 1 + (1 | subject)", frame)) == (9.0,)
    assert group_equations_df(design("y ~ arm + (1 | subject)", frame)) == (8.0, 8.0)
    both = design("y ~ arm * x + age + (x | subject)", frame)
    assert both.x_names == ("Intercept", "arm[T.b]", "x", "age", "arm[T.b]:x")
    assert group_equations_df(both) == (7.0, 7.0, 8.0, 7.0, 8.0)
    # A slope that is not random has an equation without an error: 40 rows less 4 effects.
    fixed = design("y ~ arm * x + (1 | subject)", frame)
    assert group_equations_df(fixed) == (8.0, 8.0, 36.0, 36.0)
    assert group_equations_df(design("y ~ x + (1 | subject) + (1 | visit)", frame)) is None
    assert group_equations_df(design("y ~ x + (1 | subject) + (1 | subject2)", frame)) is None


def test_hlm_prints_them():
    """HLM 6 on UCLA's page, the vendor's example, and HLM 5 on UCLA's page for Hox, chapter 4."""
    achievement = load_dataset("MathAchieve").frame
    assert group_equations_df(design("MathAch ~ 1 + (1 | School)", achievement)) == (159.0,)
    both = group_equations_df(design("MathAch ~ Sex + (Sex | School)", achievement))
    assert both == (159.0, 159.0)
    # Hox's popularity of 2000 pupils in 100 schools, HLM 5: only their numbers count.
    pupils = pd.DataFrame(
        {"school": np.repeat([f"s{i}" for i in range(100)], 20), "sex": np.tile([0.0, 1.0], 1000)}
    ).assign(y=np.random.default_rng(1).normal(size=2000))
    assert group_equations_df(design("y ~ sex + (1 | school)", pupils)) == (99.0, 1998.0)


def test_two_factors_within_subjects_are_left_to_sas(trial):
    trial = trial.assign(f=np.tile(["p", "q"], 20))
    assert between_within_df(design("y ~ visit + (1 | subject)", trial)) is not None
    assert between_within_df(design("y ~ visit + f + (1 | subject)", trial)) is None


def test_crossed_groups_have_no_subjects_and_a_rank(trial):
    d = design("y ~ x + (1 | subject) + (1 | visit)", trial)
    assert between_within_df(d) is None
    assert between_within_classic_df(d) is None
    # In the order of the model: subjects 9, visits 3; x is in neither: 40 - 2 - 9 - 3.
    assert containment_rank_df(d) == (3.0, 26.0)


def test_an_effect_that_no_other_order_changes_gets_what_its_groups_add_after_the_others(trial):
    d = design("y ~ 1 + (1 | arm) + (1 | subject)", trial)
    # Two arms beside the constant add 1, ten subjects beside those 8; the least is the intercept's.
    assert containment_rank_df(d) == (1.0,)


@pytest.mark.parametrize("seed", range(12))
def test_a_rank_is_that_of_the_whole_matrix(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(12, 40))
    x = np.column_stack([np.ones(n), rng.integers(0, 2, n), rng.normal(size=n)])
    if seed % 3 == 0:
        x = np.column_stack([x, x[:, 1] + x[:, 2]])
    blocks, dense = [], [x]
    for _ in range(int(rng.integers(1, 4))):
        codes = rng.integers(0, rng.integers(2, n), n).astype(np.int32)
        z = rng.choice([0.0, 1.0, 2.5], n) if rng.random() < 0.5 else np.ones(n)
        blocks.append((z, codes))
        dense.append(z[:, None] * (codes[:, None] == np.unique(codes)))
    assert rank(x, blocks) == np.linalg.matrix_rank(np.column_stack(dense))
    assert rank(x) == np.linalg.matrix_rank(x)


def test_ranks_of_a_design_that_is_too_large_are_refused_and_not_begun():
    n = 200_000
    codes = np.arange(n, dtype=np.int32)
    blocks = [(np.ones(n), codes // 2), (np.ones(n), codes % 90_000)]
    assert rank(np.ones((n, 1)), blocks) is None


def published():
    return pd.read_csv(BANK / "expected.csv", dtype=str).to_dict("records") if BANK.is_dir() else []


@needs_bank
@pytest.mark.parametrize("row", published(), ids=lambda r: f"{r['dataset']} {r['df_rule']}")
def test_published_bioequivalence_intervals_come_out_to_their_digits(row):
    frame = pd.read_csv(BANK / f"{row['dataset']}.csv", comment="#", na_values=["."])
    frame = frame.dropna(subset=["PK"]).assign(log_pk=lambda d: np.log(d["PK"]))
    found = inference(
        "log_pk ~ sequence + period + treatment + (1 | subject)",
        frame,
        df=row["df_rule"],
        alpha=0.10,
        factors=["period", "subject"],
    )
    shown = 100.0 * np.exp(found.table.loc["treatment[T.T]", ["ci_low", "ci_high", "estimate"]])
    for value, key in zip(shown, ("lower", "upper", "point_estimate"), strict=True):
        half = 0.5 * 10.0 ** -len(row[key].partition(".")[2])
        # Programs stop beside the optimum: DS29's lower limit is 88.4353749 there, and 88.4353756
        # where nlme stops, so that 88.43538 is printed.
        assert abs(value - float(row[key])) <= half + 1e-8 * value


def test_counted_df_stand_in_the_t_test_and_in_the_interval():
    frame = load_dataset("sleepstudy").frame
    formula = "Reaction ~ Days + (Days | Subject)"
    fair = inference(formula, frame).table.loc["Days"]
    for rule, df in (("containment", 17.0), ("residual", 178.0), ("containment-levels", 161.0)):
        row = inference(formula, frame, df=rule).table.loc["Days"]
        assert row["df"] == df
        assert (row["estimate"], row["se"], row["t"]) == (fair["estimate"], fair["se"], fair["t"])
        assert row["p"] == pytest.approx(2.0 * stats.t.sf(row["t"], df), rel=1e-12)
        half = stats.t.isf(0.025, df) * row["se"]
        assert row["ci_high"] - row["estimate"] == pytest.approx(half, rel=1e-12)
    normal = inference(formula, frame, df="none").table.loc["Days"]
    assert math.isinf(normal["df"])
    assert normal["p"] == pytest.approx(2.0 * stats.norm.sf(normal["t"]), rel=1e-12)
