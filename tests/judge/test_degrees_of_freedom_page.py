"""The table of docs/degrees-of-freedom.md is what the rules give."""

import math
import re
from pathlib import Path

import pytest

from harness.data.datasets import load_dataset
from harness.judge.df_rule import DF_RULES
from harness.judge.fixed_effect_tests import inference

PAGE = (Path(__file__).parents[2] / "docs" / "degrees-of-freedom.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z-]+)` \| ([\d.inf]+) \| ([\d.inf]+) \|", PAGE, re.MULTILINE)
(FORMULA,) = set(re.findall(r"`(Weight ~ [^`]+)`", PAGE))


def test_the_page_has_every_rule_once():
    assert sorted(rule for rule, _, _ in ROWS) == sorted(DF_RULES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_is_what_its_rule_gives(row):
    rule, *printed = row
    found = inference(FORMULA, load_dataset("dietox").frame, df=rule).table["df"]
    for value, text in zip(found, printed, strict=True):
        if math.isinf(value):
            assert text == "inf"
        else:
            # To the digits of the page.
            assert f"{value:.3f}".rstrip("0").rstrip(".") == text


def test_no_two_rules_agree_but_the_two_that_are_one_for_random_effects():
    answers = {rule: (one, two) for rule, one, two in ROWS if rule != "kenward-roger-linear"}
    assert len(set(answers.values())) == len(answers)
