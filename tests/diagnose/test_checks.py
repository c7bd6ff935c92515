"""What is in the data is found without a fit, with its numbers."""

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.diagnose.data_checks import data_checks
from harness.diagnose.diagnosis_cost import refuse_or_size
from harness.diagnose.group_checks import group_checks
from harness.diagnose.singular import direction_of
from harness.model.case import Case
from harness.model.model import bind, parse_model


def case_of(frame, formula, **options):
    model = parse_model(formula)
    return Case("checked", model, bind(model, frame, **options))


def found(case):
    checks = [*data_checks(case), *group_checks(case)]
    return {check.key: check for check in checks}


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "y": rng.normal(size=60),
            "x": rng.normal(size=60),
            "k": rng.integers(1, 4, 60),
            "a": np.repeat(range(6), 10),
            "b": np.tile(np.repeat([1, 2], 5), 6),
        }
    )


def test_missing_values_are_counted_by_column(frame):
    frame.loc[[3, 4], "x"] = np.nan
    frame.loc[4, "y"] = np.nan
    rows = found(case_of(frame, "y ~ x + (1 | a)"))["rows"]
    assert rows.level == "note"
    assert dict(rows.numbers) == {"rows": 60, "used": 58, "y": 1, "x": 2}


def test_an_aliased_column_is_named_with_its_combination(frame):
    frame["z"] = 2.0 * frame["x"] - 3.0
    rank = found(case_of(frame, "y ~ x + z + (1 | a)"))["rank"]
    assert rank.level == "stop"
    assert rank.columns == ("z",)
    assert "z = -3 Intercept + 2 x" in rank.sentence


def test_a_reference_level_that_depends_on_the_program_is_seen(frame):
    frame["f"] = np.where(frame["x"] > 0.0, "Zebra", "apple")
    check = found(case_of(frame, "y ~ f + (1 | a)"))["levels"]
    assert check.level == "warning"
    assert "'apple'" in check.sentence
    assert "'Zebra'" in check.sentence


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([8, 9, 10], {"factors": ["f"]}),
        (["x8", "x9", "x10"], {"levels": {"f": ("x8", "x9", "x10")}}),
        (["B", "a", "c"], {"levels": {"f": ("B", "a", "c")}}),
        ([True, False, True], {}),
        (["08", "09", "10"], {}),
        (["10", 9, "x"], {}),
        (["a b", "a_b", "ab"], {}),
        (pd.to_datetime(["2021-03-01", "2020-12-01", "2021-01-01"]), {}),
        (pd.to_timedelta([9, 10, 11], unit="D"), {}),
        (pd.Categorical(["a", "b", "c"], ["a", "b", "c"]), {}),
    ],
    ids=[
        "numbers",
        "stated",
        "stated, cases",
        "logical",
        "text of digits",
        "mixed",
        "punctuation",
        "dates",
        "times",
        "own",
    ],
)
def test_nothing_is_said_where_both_programs_take_the_same_level_first(frame, values, options):
    frame["f"] = pd.Series(values).iloc[np.arange(60) // 2 % 3].to_numpy()
    if isinstance(values, pd.Categorical):
        frame["f"] = pd.Categorical(frame["f"], values.categories)
    assert "levels" not in found(case_of(frame, "y ~ f + (1 | a)", **options))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["8", "9", "10"],
            "f holds numbers as text in 3 levels: Python begins with '10' as the reference, R's "
            "read.csv makes numbers of them, a slope, and factor() begins with '8'; coefficients",
        ),
        (["1", "-1", "-2"], "begins with '-1' as the reference, R's read.csv makes numbers"),
        (["8", "08", "9"], "and factor() begins with '08', 1 level fewer;"),
        (
            ["Zebra", "apple", "b"],
            "f holds text in 3 levels: Python begins with 'Zebra' as the reference, R begins with "
            "'apple' in an English locale;",
        ),
        (["Item_1", "Item-2", "item"], "R begins with 'item' in an English locale"),
        (
            pd.Categorical(["a", "b", "c"], ["c", "a", "b"]),
            "its categories begin with 'c' as the reference, R begins with 'a'",
        ),
    ],
    ids=["numbers as text", "negative", "zeros", "cases", "a prefix", "categories"],
)
def test_the_level_that_r_would_take_first_is_named(frame, values, said):
    frame["f"] = pd.Series(values).iloc[np.arange(60) // 2 % 3].to_numpy()
    if isinstance(values, pd.Categorical):
        frame["f"] = pd.Categorical(frame["f"], values.categories)
    assert said in found(case_of(frame, "y ~ f + (1 | a)"))["levels"].sentence


def test_few_whole_numbers_may_be_codes(frame):
    assert found(case_of(frame, "y ~ k + (1 | a)"))["coded-factor"].columns == ("k",)
    assert "coded-factor" not in found(case_of(frame, "y ~ k + (1 | a)", factors=["k"]))
    assert "coded-factor" not in found(case_of(frame, "y ~ x + (1 | a)"))


def test_one_row_per_group_and_too_many_effects_name_the_condition_that_fails(frame):
    frame["id"] = range(60)
    assert found(case_of(frame, "y ~ x + (1 | id)"))["one-row-per-group"].level == "stop"
    frame["pair"] = np.repeat(range(30), 2)
    many = found(case_of(frame, "y ~ x + (x | pair)"))["too-many-effects"]
    assert many.level == "stop"
    assert "60 < 60 does not hold" in many.sentence


def test_the_residual_variance_is_called_unidentified_only_where_it_is(frame):
    """(x | pair) with the same two values of x in each pair has a D with Z D Z' = I; else none."""
    frame["pair"] = np.repeat(range(30), 2)
    told = "the residual variance is not identified"
    frame["x"] = np.tile([0.0, 3.0], 30)
    assert told in found(case_of(frame, "y ~ x + (x | pair)"))["too-many-effects"].sentence
    frame["x"] = np.random.default_rng(1).normal(size=60)
    assert told not in found(case_of(frame, "y ~ x + (x | pair)"))["too-many-effects"].sentence
    # Many singletons beside one large group: no q effects make more than q rows independent.
    frame["large"] = np.maximum(np.arange(60) - 29, 0)
    many = found(case_of(frame, "y ~ x + (x | large)"))["too-many-effects"].sentence
    assert told not in many
    assert "The effects of large do not take the place of the residual variance" in many
    frame["id"] = range(60)
    apart = "cannot be told apart"
    assert apart in found(case_of(frame, "y ~ x + (1 | id)"))["one-row-per-group"].sentence
    assert apart not in found(case_of(frame, "y ~ x + (0 + x | id)"))["one-row-per-group"].sentence


def test_a_slope_that_no_group_has_is_seen(frame):
    frame["size"] = frame["a"] * 1.5
    check = found(case_of(frame, "y ~ size + (size | a)"))["slope-constant-within-groups"]
    assert check.level == "warning"
    assert dict(check.numbers) == {"groups": 6, "varying": 0}


def test_labels_used_again_in_every_group_are_seen(frame):
    nested = found(case_of(frame, "y ~ 1 + (1 | a/b)"))
    assert dict(nested["reused-labels"].numbers) == {"reused": 2, "parents": 6}
    crossed = found(case_of(frame, "y ~ 1 + (1 | a) + (1 | b)"))
    assert dict(crossed["crossing"].numbers)["combinations"] == 12
    frame["ab"] = frame["a"] * 10 + frame["b"]
    own = found(case_of(frame, "y ~ 1 + (1 | a) + (1 | ab)"))
    assert own["nesting"].level == "note"
    assert "(1 | a/ab)" in own["nesting"].sentence


def test_scales_and_distance_from_zero():
    sleep = load_dataset("sleepstudy").frame
    usual = found(case_of(sleep, "Reaction ~ Days + (Days | Subject)"))
    assert {"scale", "far-from-zero"}.isdisjoint(usual)
    far = sleep.assign(Days=sleep["Days"] + 2000)
    assert "far-from-zero" in found(case_of(far, "Reaction ~ Days + (1 | Subject)"))
    small = sleep.assign(Days=sleep["Days"] * 1e5)
    assert "scale" in found(case_of(small, "Reaction ~ Days + (1 | Subject)"))


def test_the_direction_without_variance_is_found_in_the_units_of_the_data():
    z = np.column_stack([np.ones(50), np.linspace(1.0, 9.0, 50)])
    # u0 + 4 u1 = 0 in every group: all lines meet at x = 4.
    psi = np.outer([-4.0, 1.0], [-4.0, 1.0])
    direction = direction_of(psi, z)
    assert direction.kind == "correlation -1"
    weights = direction.weights * direction.widths
    assert weights[1] / weights[0] == pytest.approx(4.0)
    assert direction.proportions == pytest.approx([1.0, 0.0], abs=1e-12)
    assert direction_of(np.diag([2.0, 0.0]), z).kind == "variance 0"


def test_what_is_too_large_is_refused_with_the_estimate():
    rng = np.random.default_rng(0)
    n = 200_000
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "a": rng.integers(0, 20_000, n),
            "b": rng.integers(0, 20_000, n),
        }
    )
    with pytest.raises(BadInput, match=r"too large to diagnose.*GB"):
        refuse_or_size(case_of(frame, "y ~ 1 + (1 | a) + (1 | b)"))


def test_an_outcome_of_two_values_and_an_exact_fit_are_said_with_their_numbers(frame):
    frame["y"] = (frame["y"] > 0.0).astype(float)
    check = found(case_of(frame, "y ~ x + (1 | a)"))["binary-outcome"]
    ones = int(frame["y"].sum())
    assert dict(check.numbers) == {"rows of 0": 60 - ones, "rows of 1": ones}
    assert f"1 ({ones} rows)" in check.sentence
    frame["y"] = 3.0 + 2.0 * frame["x"]
    check = found(case_of(frame, "y ~ x + (1 | a)"))["exact-fit"]
    assert check.level == "stop"
    assert dict(check.numbers)["residual"] < 1e-14 * dict(check.numbers)["largest"]
    frame["y"] += 1e-9 * np.random.default_rng(1).normal(size=60)
    assert "exact-fit" not in found(case_of(frame, "y ~ x + (1 | a)"))


def test_a_large_case_has_its_cost_estimated():
    rng = np.random.default_rng(1)
    n = 24_000
    frame = pd.DataFrame(
        {"y": rng.normal(size=n), "x": rng.normal(size=n), "g": rng.integers(0, 3000, n)}
    )
    size = refuse_or_size(case_of(frame, "y ~ x + (x | g)"))
    (check,) = size.checks
    assert size.large
    # 3,000 groups with 2 x 2 effects, a millisecond each; 14 evaluations of 16 n q (q + 350)
    # operations at 2e10 a second.
    expected = 12.0 + 224 * n * 2 * 352 / 2e10
    assert dict(check.numbers)["statsmodels seconds"] == pytest.approx(expected, rel=1e-3)
    assert "statsmodels' fit at 12.2 s" in check.sentence
    assert refuse_or_size(case_of(frame[:100], "y ~ x + (x | g)")).checks == ()
