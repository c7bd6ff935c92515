"""Every verdict has a look of its own, and an icon that is drawn."""

import re
from collections import Counter
from importlib.resources import files
from typing import get_args

import pytest

from harness.diagnose.diagnosis import Agreement, Level
from harness.judge.audit import Certificate
from harness.judge.verdict import GRAVITY, VerdictClass
from harness.page.appearance import (
    AGREEMENTS,
    CERTIFICATES,
    HELPED,
    LEVELS,
    MATTERS,
    STYLES,
    VERDICTS,
)

TABLES = [VERDICTS, CERTIFICATES, AGREEMENTS, LEVELS, MATTERS, HELPED]


def test_nothing_that_can_be_said_is_without_a_look():
    assert set(VERDICTS) == set(GRAVITY) == set(get_args(VerdictClass))
    assert set(CERTIFICATES) == set(get_args(Certificate))
    assert set(AGREEMENTS) == set(get_args(Agreement))
    assert set(LEVELS) == set(get_args(Level))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: next(iter(table.values())).label)
def test_icons_are_drawn_and_families_have_a_colour(table):
    symbols = (files("harness.page.html") / "templates" / "symbols.svg").read_text()
    drawn = set(re.findall(r'id="i-([\w-]+)"', symbols))
    assert {look.icon for look in table.values()} <= drawn
    assert {look.family for look in table.values()} <= set(STYLES)


def test_no_two_looks_of_a_table_have_the_same_word():
    for table in TABLES:
        assert max(Counter(look.label for look in table.values()).values()) == 1


def test_what_is_right_is_the_least_grave_in_every_order():
    for verdict in ("RIGHT", "AGREE"):
        assert GRAVITY[verdict] == VERDICTS[verdict].interest == VERDICTS[verdict].rank == 0
    assert max(VERDICTS.values(), key=lambda look: look.interest).label == "UNEXPLAINED"
    assert max(VERDICTS.values(), key=lambda look: look.rank).label == "UNEXPLAINED"
