"""A decimal point, a sign, two digits that slipped are recognised; digits met by chance are not."""

import numpy as np
import pytest

from harness.judge.listing import printed
from harness.judge.number_verdict import judged
from harness.judge.slips import slip

RIGHT = 10.467286

SLIPS = {
    "1.047": "decimal-point",
    "104.7": "decimal-point",
    "0.1047": "decimal-point",
    "10467": "decimal-point",
    "1.047e2": "decimal-point",
    "01.467": "transposed",
    "14.07": "transposed",
    "10.74": "transposed",
    "1.0467e-1": "decimal-point",
    "-10.467": "sign",
    "−10.5": "sign",
}


@pytest.mark.parametrize(("text", "named"), SLIPS.items())
def test_a_slip_is_named_and_what_is_right_is_said(text, named):
    found = judged("estimate", "x", printed(text, "x"), [("gls", RIGHT)], [], 1e-3, sign=True)
    assert (found.truth, found.mistake) == ("mistake", named)
    assert found.right == RIGHT


@pytest.mark.parametrize("text", ["10.47", "10.4673", "10", "1e1"])
def test_what_is_right_is_no_slip(text):
    found = judged("estimate", "x", printed(text, "x"), [("gls", RIGHT)], [], 1e-3, sign=True)
    assert found.truth == "true"


@pytest.mark.parametrize("text", ["1", "100", "0.1", "<.0001", "12.467", "11.4", "99"])
def test_one_digit_and_another_number_are_no_slips(text):
    assert slip(printed(text, "x"), [("gls", RIGHT)], sign=True) is None


def test_a_sign_is_no_slip_of_what_has_none():
    assert slip(printed("-10.47", "x"), [("gls", RIGHT)]) is None


def test_the_definition_of_which_it_is_a_slip_is_the_right_one():
    found = judged("se", "x", printed("2.05", "x"), [("gls", 1.0), ("robust", 0.205)], [], 1e-3)
    assert (found.mistake, found.right) == ("decimal-point", 0.205)


def test_numbers_by_chance_are_seldom_taken_for_slips():
    """Three digits are met by chance by one number in a hundred, of six places and two swaps."""
    rng = np.random.default_rng(2)
    numbers = 10.0 ** rng.uniform(-2, 3, 2000)
    named = sum(
        slip(printed(f"{number:.3g}", "x"), [("gls", RIGHT)], sign=True) is not None
        for number in numbers
        if "e" not in f"{number:.3g}"
    )
    assert named < 40
