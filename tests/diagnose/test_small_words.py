"""Small sentences: what a formula without a bar is, how far a mean is, digits of nothing."""

import numpy as np
import pandas as pd
import pytest

from harness.base.text import p_value
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.data_checks import data_checks
from harness.judge.comparison import Difference
from harness.page.case_layout import _digits


def rung_of(frame, formula):
    return own_rung("case", Dataset("data", frame, "generated"), formula, "REML")


@pytest.mark.parametrize("formula", ["Reaction ~ Days + (Days : Subject)", "Reaction ~ Days"])
def test_a_formula_without_a_bar_is_told_how_a_random_term_is_written(formula):
    rung = rung_of(load_dataset("sleepstudy").frame, formula)
    (note,) = rung.notes
    (check,) = [c for c in data_checks(rung.case) if c.key == "no-random-term"]
    assert check.sentence == note
    assert "no random term" in note
    wanted = "(Days | Subject)" if ":" in formula else "(1 | group)"
    assert wanted in note


def test_a_formula_with_a_bar_has_no_such_note():
    rung = rung_of(load_dataset("sleepstudy").frame, "Reaction ~ Days + (Days | Subject)")
    assert rung.notes == ()
    assert not [c for c in data_checks(rung.case) if c.key == "no-random-term"]


def test_the_mean_of_years_is_written_to_a_tenth_of_their_spread():
    frame = pd.DataFrame(
        {"year": np.tile(np.arange(2005.0, 2015.0), 6), "g": np.repeat(range(6), 10)}
    )
    frame["y"] = np.arange(60.0) % 7
    rung = rung_of(frame, "y ~ year + (1 | g)")
    (check,) = [c for c in data_checks(rung.case) if c.key == "far-from-zero"]
    assert "mean 2009.5," in check.sentence


def test_a_p_value_next_to_one_is_not_one():
    assert p_value(0.99999) == "p > 0.9999"
    assert p_value(0.9994) == "p = 0.9994"


def effect(value, reference, difference, digits):
    return Difference(
        quantity="random_effect",
        item="g",
        value=value,
        reference=reference,
        difference=difference,
        unit="relative",
        tolerance=0.01,
        digits=digits,
        within=True,
    )


def test_random_effects_that_are_rounding_have_no_digits_to_count():
    assert _digits(effect(1e-14, 3e-14, 2e-14, 0.2)) == "both ~0"
    assert _digits(effect(1.0, 1.001, 1e-3, 3.0)) == "3.0"
    assert _digits(effect(1.0, 2.0, 1.0, 0.3)) == "0.3"


def test_a_group_of_commands_alone_prints_its_help_on_lines(lmm_parity):
    code, out, err = lmm_parity("cache")
    assert (code, out) == (2, "")
    lines = [line.strip() for line in err.splitlines()]
    assert lines[0].startswith("Usage: ")
    assert "Commands:" in lines
