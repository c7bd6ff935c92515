import math

import pytest

from harness.page import numbers as fmt
from harness.page.html.html_table import html_rows
from harness.page.page_table import Column, Row, Table, one_group


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (10.467286, 7, "10.46729"),
        (0.1311932, 7, "0.1311932"),
        (3.26e-06, 3, "3.26e-06"),
        (0.000553, 3, "0.000553"),
        (0.05, 3, "0.0500"),
        (0.0, 7, "0"),
        (None, 7, "–"),
        (math.nan, 7, "NaN"),
        (math.inf, 7, "∞"),
        (-math.inf, 7, "-∞"),
        (1.5e9, 3, "1.50e+09"),
    ],
)
def test_a_number_has_the_digits_asked_for(value, digits, text):
    assert fmt.number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.99998, "-0.99998"),
        (0.9999999234, "0.99999992"),
        (-0.6093, "-0.6093"),
        (-1.0, "-1.000"),
        (0.99949, "0.9995"),
        (None, "–"),
    ],
)
def test_a_correlation_looks_like_the_boundary_only_there(value, text):
    assert fmt.correlation(value, 4) == text


def test_differences_have_two_significant_digits():
    assert [fmt.short(v) for v in (1e-7, 0.0123, 4.25, 0.0)] == ["1.0e-07", "0.012", "4.2", "0"]


@pytest.mark.parametrize(
    ("lre", "text"),
    [(8.04, "8.0"), (math.inf, "="), (math.nan, "NaN"), (-0.3, "0.0"), (None, "–")],
)
def test_digits_of_agreement(lre, text):
    assert fmt.digits_of_agreement(lre) == text


def test_a_pair_has_the_same_decimals_and_marks_where_digits_part():
    left, right = fmt.pair([10.46728, 10.46731])
    assert (left.text, right.text) == ("10.46728", "10.46731")
    assert left.html() == "10.467<u>28</u>"
    assert right.html() == "10.467<u>31</u>"


def test_equal_numbers_are_not_marked():
    assert [n.html() for n in fmt.pair([1.5, 1.5])] == ["1.500000", "1.500000"]


def test_a_value_that_an_engine_does_not_report_is_not_marked_as_a_difference():
    here, absent = fmt.pair([2.5, None])
    assert here.html() == "2.500000"
    assert absent.html() == "–"


def test_a_p_value_that_underflows_is_not_zero():
    assert [n.text for n in fmt.pair_of_p([0.0, 3.26e-6])] == ["<1e-307", "3.26e-06"]


def test_numbers_of_very_different_size_keep_their_own_digits():
    assert [n.text for n in fmt.pair([1.0, 1e-9], 3)] == ["1.00", "1.00e-09"]


def test_a_small_p_value_beside_a_larger_one_is_not_shown_as_zero():
    assert [n.text for n in fmt.pair_of_p([0.0312, 3.9e-6])] == ["0.0312", "3.90e-06"]
    assert [n.text for n in fmt.pair_of_p([0.0312, 0.0041])] == ["0.0312", "0.0041"]


def test_a_number_too_small_to_be_written_is_escaped():
    assert fmt.plain("<1e-307").html(2) == "&lt;1e-307"


def test_a_column_lines_up_on_the_decimal_point():
    rows = [Row("", (fmt.plain(text),)) for text in ("1.25", "10.5", "7", "1e-09")]
    (shown,) = html_rows(Table("", (Column(""), Column("x")), one_group(rows)))
    *texts, small = [str(row).removeprefix('<td class="n">').removesuffix("</td>") for row in shown]
    # Right-aligned, the point is at the same place when as many digit widths follow it.
    assert [len(text) - text.find(".") for text in texts[:2]] == [3, 3]
    assert small == "1e-09"
    assert texts[2] == "7\u2008\u2007\u2007"
