"""A number beside what is right and what it may be instead: what digits cannot tell is not said."""

import math

import numpy as np
import pandas as pd
import pytest

from harness.data.datasets import Dataset
from harness.judge.listing import printed
from harness.judge.listing_source import ListingSource
from harness.judge.number_verdict import judged
from harness.page.audit_layout import audit_answer
from tests.judge import printed_listings


@pytest.mark.parametrize(
    ("text", "rival", "truth"),
    [
        # lme4 stopped a ten-thousandth of a standard error short: ML's is a unit further.
        ("-0.012675", -0.01267451, "stopping"),
        ("-0.012675", -0.0126749, "stopping"),
        ("-0.0126900", -0.01269003, "mistake"),
        ("-0.0131", -0.0131, "mistake"),
    ],
)
def test_the_other_criterion_is_said_where_digits_tell_it_from_this_one(text, rival, truth):
    right, slack = -0.0126744955, 1e-4
    found = judged(
        "estimate",
        "x",
        printed(text, "estimate"),
        [("gls", right)],
        [("other-criterion", rival)],
        slack,
    )
    assert found.truth == truth


def test_a_mistake_is_named_with_what_optimizers_leave_of_it():
    number = printed("-1.4081", "lower")
    found = judged("lower", "x", number, [("z", -1.5276)], [("level 0.9", -1.40816)], 2e-4)
    assert (found.truth, found.mistake) == ("mistake", "level 0.9")


@pytest.mark.parametrize(("right", "named"), [(0.37541, "transposed"), (0.3766, "")])
def test_digits_are_interchanged_of_what_optimizers_leave(right, named):
    # Of 0.3755, of which four digits are printed, optimizers leave a ten-thousandth.
    found = judged("se", "x", printed("0.3575", "se"), [("gls", right)], [], 1e-4)
    assert found.mistake == named


def without_variances():
    """A table of which both random variances are zero at the optimum, by construction."""
    groups, visits = 8, 5
    rng = np.random.default_rng(4)
    x = np.tile(np.arange(visits) - 2.0, groups)
    group = np.repeat(np.arange(groups), visits)
    y = rng.normal(size=groups * visits)
    for g in range(groups):
        at = group == g
        design = np.column_stack((np.ones(visits), x[at]))
        y[at] -= design @ np.linalg.lstsq(design, y[at], rcond=None)[0]
    frame = pd.DataFrame({"y": y + 0.3 * x, "x": x, "g": [f"g{k}" for k in group]})
    return ListingSource(Dataset("flat", frame, "made"), "y ~ x + (x | g)")


@pytest.mark.parametrize("text", ["0", "-0.44", "1.00"])
def test_a_correlation_of_a_zero_variance_has_no_value_and_is_not_judged(text):
    source = without_variances()
    numbers = f'"g Intercept" = "0.00"\n"g x" = "0.00"\n[correlation]\ng = "{text}"'
    found = printed_listings.judged(f"[variance]\n{numbers}", source)
    (one,) = (f for f in found.findings if f.quantity == "correlation")
    assert one.truth == "not judged"
    assert math.isnan(one.right)
    assert found.right
    answer = " ".join(audit_answer(found))
    assert "Yes: all 2 printed numbers that can be judged are right." in answer
    assert "The correlation of g is not judged" in answer
    alone = printed_listings.judged(f'[correlation]\ng = "{text}"', source)
    assert next(audit_answer(alone)) == "Nothing that is printed can be judged."
