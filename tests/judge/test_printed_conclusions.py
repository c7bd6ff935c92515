"""A wrong estimate, error, t or df that changes a test is said to, at the listing's level."""

import pytest

import harness
from harness.data.datasets import load_dataset
from harness.page.audit_layout import audit_answer

FORMULA = "Reaction ~ Days + (Days | Subject)"
RIGHT = {"estimate": "10.467", "se": "1.546", "df": "17.0", "statistic": "6.771"}


def audited(numbers):
    frame = load_dataset("sleepstudy").frame
    return harness.audit(frame, FORMULA, {"coefficient": {"Days": numbers}}).verdict


@pytest.mark.parametrize(
    ("left_out", "wrong"),
    [
        (("statistic",), {"estimate": "1.646"}),
        (("statistic",), {"se": "9.546"}),
        ((), {"statistic": "1.171"}),
        (("df", "statistic"), {"se": "9.546"}),
    ],
)
def test_a_wrong_number_that_changes_the_conclusion_is_said_to(left_out, wrong):
    verdict = audited({k: v for k, v in {**RIGHT, **wrong}.items() if k not in left_out})
    (change,) = verdict.conclusions
    assert (change.item, change.alpha) == ("Days", 0.05)
    assert change.right == pytest.approx(3.26e-6, rel=2e-2)
    assert change.implied > 0.05
    said = " ".join(audit_answer(verdict))
    assert "at 0.05 that is another conclusion" in said


@pytest.mark.parametrize("wrong", [{}, {"estimate": "20.1"}, {"se": "1.8"}, {"df": "9.3"}])
def test_a_wrong_number_that_changes_none_is_not(wrong):
    assert audited({**RIGHT, **wrong}).conclusions == ()


def test_the_level_is_that_of_the_intervals():
    interval = {"level": 0.999999, "lower": "0.001", "upper": "20.9"}
    numbers = {"estimate": "12.467", "se": "1.546", "interval": interval}
    (change,) = audited(numbers).conclusions
    assert change.alpha == pytest.approx(1e-6)
    assert change.implied < change.alpha < change.right
