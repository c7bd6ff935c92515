"""Where a listing is of fewer rows than the model, the rule that left them out is found."""

import numpy as np
import pandas as pd
import pytest

from harness.data.datasets import Dataset, load_dataset
from harness.judge.listing_source import ListingSource
from harness.page.audit_layout import audit_answer
from tests.judge.printed_listings import judged, listing, numbers

pytestmark = pytest.mark.slow

SLEEP = "Reaction ~ Days + (Days | Subject)"
FORMULA = "weight ~ sex + Treatment + Lsize + (1 | Litter)"


def rats():
    """The rats with a litter of one, two copied rows, a column with gaps and a negative outcome."""
    frame = load_dataset("RatPupWeight").frame
    first = frame.index[frame.Litter == frame.Litter.iloc[-1]]
    frame = frame.drop(first[1:]).reset_index(drop=True)
    frame = frame.assign(note=np.where(np.arange(len(frame)) % 50 == 7, None, "seen"))
    frame.loc[3, "weight"] = -0.5
    return frame.loc[[*frame.index, 10, 20]].reset_index(drop=True)


def kept_by(rule, frame):
    sizes = frame.groupby("Litter").weight.transform("size")
    return {
        "rows without a missing value in any column": frame.note.notna(),
        "groups of Litter with more than one row": sizes > 1,
        "rows of which no other is a copy before them": ~frame.duplicated(),
        "rows with an outcome above 0": frame.weight > 0,
        "rows without Low of Treatment": frame.Treatment != "Low",
        "all rows but the last": frame.index < len(frame) - 1,
    }[rule]


RULES = [
    "rows without a missing value in any column",
    "groups of Litter with more than one row",
    "rows of which no other is a copy before them",
    "rows with an outcome above 0",
    "rows without Low of Treatment",
    "all rows but the last",
]


@pytest.mark.parametrize(
    ("rule", "stated"), [*((rule, True) for rule in RULES), (RULES[0], False), (RULES[4], False)]
)
def test_the_rule_is_named_and_the_numbers_are_right_by_it(rule, stated):
    frame = rats()
    kept = kept_by(rule, frame)
    levels = {"Treatment": ("Control", "High", "Low")}
    part = ListingSource(Dataset("part", frame[kept].reset_index(drop=True), ""), FORMULA)
    text = listing(numbers(part), 5)
    if stated:
        text = f"rows = {int(kept.sum())}\n{text}"
    verdict = judged(text, ListingSource(Dataset("rats", frame, ""), FORMULA, (), levels))
    wrong = [f for f in verdict.findings if f.truth in ("false", "mistake")]
    assert (verdict.subset, verdict.rows) == (rule, int(kept.sum()))
    assert wrong == []
    assert "rows" in verdict.mistakes
    assert not verdict.right


@pytest.mark.parametrize("which", [0, 11, 26])
def test_of_many_groups_of_one_size_the_one_that_was_left_out_is_found(which):
    frame = load_dataset("ergoStool").frame
    frame = frame.assign(Subject=frame.Subject.astype(str))
    more = [frame.assign(Subject=frame.Subject + f"-{i}", effort=frame.effort + i % 2)
            for i in range(3)]  # fmt: skip
    whole = np.random.default_rng(0).normal(0, 0.7, 108)
    frame = pd.concat(more, ignore_index=True).assign(extra=whole)
    frame["effort"] += frame.extra
    gone = sorted(frame.Subject.unique())[which]
    formula = "effort ~ Type + (1 | Subject)"
    part = ListingSource(Dataset("part", frame[frame.Subject != gone], ""), formula)
    text = f"rows = 104\n{listing(numbers(part), 5)}"
    verdict = judged(text, ListingSource(Dataset("stools", frame, ""), formula))
    assert verdict.subset == f"rows without {gone} of Subject"
    assert not any(f.truth in ("false", "mistake") for f in verdict.findings)


def test_an_n_that_no_rule_gives_is_said_and_the_numbers_are_judged_by_all_rows():
    frame = load_dataset("RatPupWeight").frame
    source = ListingSource(Dataset("rats", frame, ""), FORMULA)
    verdict = judged("rows = 17\n" + listing(numbers(source), 4), source)
    assert (verdict.subset, verdict.rows, verdict.mistakes) == ("", len(frame), ("rows",))
    assert not any(f.truth in ("false", "mistake") for f in verdict.findings)


def test_wrong_numbers_are_not_explained_by_rows_that_do_not_make_them_right():
    frame = load_dataset("RatPupWeight").frame
    source = ListingSource(Dataset("rats", frame, ""), FORMULA)
    other = frame.assign(weight=frame.weight * np.linspace(1.0, 2.0, len(frame)))
    text = listing(numbers(ListingSource(Dataset("rats", other, ""), FORMULA)), 4)
    verdict = judged(text, source)
    assert verdict.subset == ""
    assert not verdict.right


@pytest.mark.parametrize("rule", [RULES[0], RULES[1], RULES[4]])
@pytest.mark.parametrize("stated", ["all", "misprinted"])
def test_where_n_itself_is_wrong_the_rows_that_fit_all_else_are_named(rule, stated):
    frame = rats()
    kept = kept_by(rule, frame)
    levels = {"Treatment": ("Control", "High", "Low")}
    part = ListingSource(Dataset("part", frame[kept].reset_index(drop=True), ""), FORMULA)
    n = len(frame) if stated == "all" else int(kept.sum()) + 10
    source = ListingSource(Dataset("rats", frame, ""), FORMULA, (), levels)
    verdict = judged(f"rows = {n}\n{listing(numbers(part), 5)}", source)
    assert (verdict.subset, verdict.rows, verdict.stated_rows) == (rule, int(kept.sum()), n)
    assert not any(f.truth in ("false", "mistake") for f in verdict.findings)
    said = " ".join(audit_answer(verdict))
    assert f"By them all but its n is right, which is printed as {n}." in said


def test_one_number_of_two_digits_chooses_no_rows():
    """Of so many subsets one is always near: that 11 is wrong for all rows is all that is known."""
    source = ListingSource(Dataset("sleep", load_dataset("sleepstudy").frame, ""), SLEEP)
    verdict = judged('[coefficient."Days"]\nestimate = "11"', source)
    assert verdict.subset == ""
    assert [f.truth for f in verdict.findings] == ["false"]


@pytest.mark.parametrize("rule", ["rows with 2 of ward", "rows without north of wing"])
@pytest.mark.parametrize("stated", [True, False])
def test_rows_may_be_chosen_by_a_column_that_the_model_has_not(rule, stated):
    frame = load_dataset("RatPupWeight").frame
    draw = np.random.default_rng(2)
    frame = frame.assign(
        ward=draw.integers(1, 3, len(frame)),
        wing=draw.choice(["north", "south", "west"], len(frame)),
    )
    kept = frame.ward == 2 if "ward" in rule else frame.wing != "north"
    part = ListingSource(Dataset("part", frame[kept].reset_index(drop=True), ""), FORMULA)
    text = listing(numbers(part), 5)
    if stated:
        text = f"rows = {int(kept.sum())}\n{text}"
    verdict = judged(text, ListingSource(Dataset("rats", frame, ""), FORMULA))
    assert (verdict.subset, verdict.rows) == (rule, int(kept.sum()))
    assert not any(f.truth in ("false", "mistake") for f in verdict.findings)
