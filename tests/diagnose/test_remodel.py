"""The lines that make factors as the case has them, in R and in Python."""

import numpy as np
import pandas as pd
import pytest

from harness.diagnose.remodel import preparation
from tests.judge.planted import rung_of


@pytest.mark.parametrize(
    ("values", "factors", "r"),
    [
        ([8, 9, 10], ["f"], 'data[["f"]] <- factor(data[["f"]])'),
        ([1234567, 2, 3], ["f"], 'data[["f"]] <- factor(data[["f"]])'),
        (["a", "b", "c"], [], ""),
        (
            pd.Categorical(["a", "b", "c"], ["c", "a", "b"]),
            [],
            'data[["f"]] <- factor(data[["f"]], levels = c("c", "a", "b"))',
        ),
        (
            ["8", "9", "10"],
            [],
            'data[["f"]] <- factor(data[["f"]], levels = c("10", "8", "9"))',
        ),
    ],
    ids=["numbers", "large numbers", "text", "categories", "numbers as text"],
)
def test_levels_are_stated_where_r_would_take_another_order(values, factors, r):
    draw = np.random.default_rng(1)
    frame = pd.DataFrame({"y": draw.normal(size=24), "g": np.repeat(range(4), 6)})
    column = pd.Series(values).iloc[np.arange(24) % 3].reset_index(drop=True)
    frame["f"] = column
    assert preparation(rung_of(frame, "y ~ f + (1 | g)", factors=factors))[0] == r
