"""A wrong estimate, error, t or df that changes a test is said to, at the listing's level."""

import pytest

import harness
from harness.data.datasets import load_dataset
from harness.page.audit_layout import audit_answer

FORMULA = "Reaction ~ Days + (Days | Subject)"
RIGHT = {"estimate": "10.467", "se": "1.546", "df": "17.0", "statistic": "6.771"}


def audited(numbers, **named):
    frame = load_dataset("sleepstudy").frame
    alpha = named.pop("asked", None)
    listing = {"coefficient": {"Days": numbers}, **named}
    return harness.audit(frame, FORMULA, listing, alpha=alpha).verdict


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
    verdict = audited({**RIGHT, **wrong})
    assert not any(one.changes for one in verdict.conclusions)
    assert "another conclusion" not in " ".join(audit_answer(verdict))


def test_wrong_df_are_said_with_p_by_them_and_by_the_right_ones():
    (said,) = [s for s in audit_answer(audited({**RIGHT, "df": "9.3"})) if s.startswith("With")]
    assert said == (
        "With 9.3 df p = 7e-05 for Days, with the right 17 p = 3.3e-06: at 0.05 that is the same "
        "conclusion."
    )


def test_a_p_that_follows_from_wrong_df_is_held_against_the_right_ones():
    # t 6.771 with 17 df has p 3.26e-6, with 2 df 0.0211.
    numbers = {**RIGHT, "df": "2.0", "p": "0.0211"}
    (change,) = audited(numbers, asked=0.01).conclusions
    assert (change.printed, change.wrong, change.changes) == ("0.0211", ("df",), True)
    (said,) = [s for s in audit_answer(audited(numbers, asked=0.01)) if "conclusion" in s]
    assert said == (
        "The p of Days is printed as 0.0211, by the right numbers p = 3.3e-06: at 0.01 that is "
        "another conclusion."
    )
    (change,) = audited(numbers, asked=0.05).conclusions
    assert not change.changes


def test_a_right_p_beside_a_wrong_estimate_is_what_is_concluded_from():
    numbers = {"estimate": "1.467", "se": "1.546", "df": "17.0", "p": "3.26e-06"}
    verdict = audited(numbers)
    (change,) = verdict.conclusions
    assert (change.changes, change.implies_change) == (False, True)
    (said,) = [s for s in audit_answer(verdict) if "conclusion" in s]
    assert said == (
        "By the numbers beside it p = 0.3560 for Days; printed is 3.26e-06, by the right numbers "
        "p = 3.3e-06: at 0.05 that is the same conclusion."
    )


@pytest.mark.parametrize(
    ("asked", "stated", "level", "alpha"),
    [
        (0.2, "0.1", 0.99, (0.2, "asked")),
        (None, "0.1", 0.99, (0.1, "listing")),
        (None, "10 %", None, (0.1, "listing")),
        (None, None, 0.99, (0.01, "intervals")),
        (None, None, None, (0.05, "usual")),
    ],
)
def test_alpha_is_asked_for_or_the_listings_or_that_of_its_intervals(asked, stated, level, alpha):
    numbers = {**RIGHT}
    if level:
        numbers["interval"] = {"level": level, "lower": "6.0", "upper": "14.9"}
    named = {"alpha": stated} if stated else {}
    found = audited(numbers, asked=asked, **named).alpha
    assert (found.value, found.of) == alpha


def test_a_wrong_p_is_judged_at_alpha():
    numbers = {"estimate": "10.467", "se": "1.546", "df": "17.0", "p": "0.03"}
    at = {a: " ".join(audit_answer(audited(numbers, asked=a))) for a in (0.05, 0.01)}
    assert "conclusion" not in at[0.05]
    assert "The p of Days is printed as 0.03; right is" in at[0.01]
    assert "At 0.01 that is another conclusion." in at[0.01]
    said = " ".join(audit_answer(audited(numbers, alpha="1%")))
    assert "At 0.01, the listing's level, that is another conclusion." in said


def test_the_level_is_that_of_the_intervals():
    interval = {"level": 0.999999, "lower": "0.001", "upper": "20.9"}
    numbers = {"estimate": "12.467", "se": "1.546", "interval": interval}
    (change,) = audited(numbers).conclusions
    assert change.alpha == pytest.approx(1e-6)
    assert change.implied < change.alpha < change.right
