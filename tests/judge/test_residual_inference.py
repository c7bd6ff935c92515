"""Tests of fixed effects with a residual covariance, from Python."""

import math

import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from tests.referee.residual_cases import visits


def table(df, residual="ar1(visit | s)", formula="y ~ x", **options):
    return harness.inference(formula, visits(1, subjects=15), df=df, residual=residual, **options)


def test_each_rule_has_its_degrees_of_freedom():
    found = {
        rule: table(rule).table.loc["x"]
        for rule in ("none", "residual", "satterthwaite", "kenward-roger", "kenward-roger-linear")
    }
    rows = len(visits(1, subjects=15))
    assert math.isinf(found["none"]["df"])
    assert found["residual"]["df"] == rows - 2
    assert 5 < found["satterthwaite"]["df"] < rows
    # The second derivatives of an autoregression change the standard error, and no df.
    assert found["kenward-roger"]["df"] == found["kenward-roger-linear"]["df"]
    assert found["kenward-roger"].iloc[1] != found["kenward-roger-linear"].iloc[1]


def test_compound_symmetry_is_tested_as_a_random_intercept():
    one = table("kenward-roger", "cs(1 | s)").table
    other = table("kenward-roger", "", "y ~ x + (1 | s)").table
    assert one["df"].tolist() == pytest.approx(other["df"].tolist(), rel=1e-6)


GROWTH = "distance ~ Sex * age"


@pytest.mark.parametrize(
    ("rule", "residual", "df"),
    [
        # SAS/STAT User's Guide, The MIXED Procedure, Repeated Measures: TYPE=CS, and TYPE=UN.
        ("between-within", "cs(1 | Subject)", [25, 25, 79, 79]),
        ("between-within", "ar1(1 | Subject) + het(Sex)", [25, 25, 79, 79]),
        ("between-within", "us(age | Subject)", [25, 25, 25, 25]),
        ("between-within-classic", "us(age | Subject)", [79, 25, 79, 79]),
        ("containment", "cs(1 | Subject)", [104, 104, 104, 104]),
        ("residual", "cs(1 | Subject)", [104, 104, 104, 104]),
    ],
)
def test_df_are_counted_in_a_marginal_model(rule, residual, df):
    frame = load_dataset("Orthodont").frame
    found = harness.inference(GROWTH, frame, df=rule, residual=residual)
    assert found.table["df"].tolist() == df


def test_subjects_are_those_of_residuals_and_random_effects_together():
    frame = load_dataset("Orthodont").frame
    for formula, residual in (
        ("distance ~ age + (1 | Subject)", "ar1(1 | Subject)"),
        ("distance ~ age + (1 | Sex)", "ar1(1 | Subject)"),
    ):
        found = harness.inference(formula, frame, df="between-within", residual=residual)
        between = 26 if "Subject)" in formula else 1
        assert found.table["df"].tolist() == [between, 106 - between]


def test_a_rule_that_has_nothing_to_count_says_why():
    with pytest.raises(harness.DfUndefined, match="gls has the residual df; choose another"):
        table("containment-levels")
    with pytest.raises(harness.DfUndefined, match="there are no subjects; choose another"):
        table("between-within-classic", "het(sex)")


def test_without_random_term_and_residual_covariance_there_is_nothing_to_do():
    with pytest.raises(BadInput, match="no random term"):
        table("satterthwaite", "")
