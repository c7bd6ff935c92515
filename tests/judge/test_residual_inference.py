"""Tests of fixed effects with a residual covariance, from Python."""

import math

import pytest

import harness
from harness.base.errors import BadInput
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


def test_rules_that_count_groups_are_refused():
    with pytest.raises(harness.DfUndefined, match="not counted with a residual covariance"):
        table("between-within")


def test_without_random_term_and_residual_covariance_there_is_nothing_to_do():
    with pytest.raises(BadInput, match="no random term"):
        table("satterthwaite", "")
