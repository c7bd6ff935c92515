"""Digits of agreement."""

import math

import pytest

from harness.judge.lre import lre


@pytest.mark.parametrize(
    ("value", "reference", "digits"),
    [
        (1.001, 1.0, 3.0),
        (-1.001, -1.0, 3.0),
        (101.0, 100.0, 2.0),
        (2.0, 1.0, 0.0),
        (11.0, 1.0, -1.0),
        (-1.0, 1.0, -math.log10(2.0)),
        (1e-4, 0.0, 4.0),
        (1.001e-300, 1e-300, 3.0),
    ],
)
def test_digits_are_the_logarithm_of_the_relative_error(value, reference, digits):
    # The subtraction of two numbers equal to three digits leaves 13 of 16.
    assert lre(value, reference) == pytest.approx(digits, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.5, -2e300, math.inf, -math.inf])
def test_equal_numbers_have_all_digits(value):
    assert lre(value, value) == math.inf


def test_an_infinity_on_one_side_has_no_digit():
    assert lre(math.inf, 1.0) == -math.inf
    assert lre(1.0, math.inf) == -math.inf
    assert lre(math.inf, -math.inf) == -math.inf


def test_nan_has_no_digits_not_even_with_itself():
    assert math.isnan(lre(math.nan, 1.0))
    assert math.isnan(lre(1.0, math.nan))
    assert math.isnan(lre(math.nan, math.nan))
