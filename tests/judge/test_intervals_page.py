"""The table of docs/intervals.md is what the intervals are."""

import re
from pathlib import Path

import pytest

import harness
from harness.data.datasets import load_dataset

PAGE = (Path(__file__).parents[2] / "docs" / "intervals.md").read_text(encoding="utf-8")
NUMBERS = r"([-\d.]+) to ([-\d.]+)"
ROWS = re.findall(rf"^\| ([^|]+) \| {NUMBERS} \| {NUMBERS} \| {NUMBERS} \|", PAGE, re.MULTILINE)


@pytest.mark.slow
def test_each_interval_of_the_page_is_what_is_found():
    frame = load_dataset("sleepstudy").frame
    formula = re.search(r'intervals\("([^"]+)"', PAGE)[1]
    tables = [
        harness.intervals(formula, frame, **given).table
        for given in ({}, {"ml": True}, {"kind": "wald"})
    ]
    assert [name for name, *_ in ROWS] == [n for n in tables[0].index if "variance" not in n]
    for name, *printed in ROWS:
        found = [f"{t.loc[name, end]:.4g}" for t in tables for end in ("low", "high")]
        assert found == printed
