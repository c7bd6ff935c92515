"""Mean squares between groups and within, by hand and by least squares of another program."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from harness.data.datasets import load_dataset
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.mean_squares import mean_squares

NONE = np.zeros((1, 0))


def design_of(frame, formula):
    model = parse_model(formula)
    return Case("squares", model, bind(model, frame)).design


def test_those_of_balanced_groups_are_the_table_of_the_analysis_of_variance():
    frame = load_dataset("Dyestuff2").frame
    found = mean_squares(design_of(frame, "Yield ~ 1 + (1 | Batch)"), 0, np.ones(1), NONE)
    batches = frame.groupby("Batch")["Yield"]
    assert found.between == pytest.approx(5.0 * batches.mean().var())
    assert found.within == pytest.approx(batches.var().mean())
    assert (found.between_df, found.within_df) == (5, 24)
    assert found.per_variance == pytest.approx(5.0)
    assert found.balanced
    assert found.is_chance


def test_slopes_of_groups_that_were_seen_alike_have_the_plain_variance():
    frame = load_dataset("sleepstudy").frame
    design = design_of(frame, "Reaction ~ Days + (Days | Subject)")
    found = mean_squares(design, 0, np.array([0.0, 1.0]), np.array([[1.0], [0.0]]))
    lines = [np.polyfit(d.Days, d.Reaction, 1, full=True)[:2] for _, d in frame.groupby("Subject")]
    assert found.balanced
    assert found.between / found.per_variance == pytest.approx(
        np.var([line[0] for line, _ in lines], ddof=1)
    )
    within = sum(float(left[0]) for _, left in lines) / (180 - 36)
    assert found.within == pytest.approx(within)
    # Days 0 to 9 have a sum of squares of 82.5.
    assert found.per_variance == pytest.approx(82.5)
    assert not found.is_chance


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@pytest.mark.parametrize(
    ("formula", "t", "weights", "full", "less"),
    [
        ("y ~ x + (1 | g)", 0, ([1.0], NONE), "y ~ x + C(g)", "y ~ x"),
        ("y ~ x * f + (1 | g)", 0, ([1.0], NONE), "y ~ x * f + C(g)", "y ~ x * f"),
        (
            "y ~ x + (x || g)",
            1,
            ([1.0], NONE),
            "y ~ x + C(g) + x:C(g)",
            "y ~ x + C(g)",
        ),
        (
            "y ~ x + (x | g)",
            0,
            ([1.0, 0.0], np.array([[0.0], [1.0]])),
            "y ~ x + x:C(g) + C(g)",
            "y ~ x + x:C(g)",
        ),
        ("y ~ 1 + (1 | g) + (1 | h)", 1, ([1.0], NONE), "y ~ C(g) + C(h)", "y ~ C(g)"),
    ],
    ids=["intercept", "a factor between groups", "slope", "intercept beside slopes", "crossed"],
)
def test_those_of_any_groups_are_the_difference_of_two_least_squares_fits(
    formula, t, weights, full, less
):
    rng = np.random.default_rng(2)
    g = np.repeat(range(7), rng.integers(3, 8, 7))
    frame = pd.DataFrame({"g": [f"g{i}" for i in g], "x": rng.normal(size=len(g))})
    frame["f"] = np.where(g % 2, "a", "b")
    frame["h"] = rng.choice(["u", "v", "w"], len(g))
    frame["y"] = rng.normal(size=len(g)) + frame.x
    direction, others = weights
    found = mean_squares(design_of(frame, formula), t, np.array(direction), others)
    large, small = smf.ols(full, frame).fit(), smf.ols(less, frame).fit()
    assert found.between_df == small.df_resid - large.df_resid
    assert found.within_df == large.df_resid
    assert found.between == pytest.approx((small.ssr - large.ssr) / found.between_df)
    assert found.within == pytest.approx(large.ssr / large.df_resid)


def test_a_group_that_another_term_splits_leaves_nothing_to_compare():
    frame = load_dataset("Pastes").frame
    design = design_of(frame, "strength ~ 1 + (1 | batch/cask)")
    (outer,) = [i for i, term in enumerate(design.random) if term.group == "batch"]
    assert mean_squares(design, outer, np.ones(1), NONE) is None
