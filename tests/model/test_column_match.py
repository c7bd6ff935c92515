"""Columns are matched by their values, one to one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.column_match import RELATIVE, match_columns

X = np.column_stack([np.ones(4), [0.0, 1, 2, 3], [1e6, 2e6, 0, 1]])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.permutations(range(3)))
def test_any_order_is_found(order):
    match = match_columns(X, X[:, order])
    assert match.complete
    assert np.array_equal(X[:, order][:, match.engine], X)


def test_a_missing_and_an_extra_column_are_told():
    match = match_columns(X, np.column_stack([X[:, 0], X[:, 1] + 1]))
    assert match.engine == (0, -1, -1)
    assert match.extra == (1,)
    assert not match.complete


def test_equal_columns_are_matched_in_order_and_used_once():
    twice = np.column_stack([X[:, 1], X[:, 1]])
    assert match_columns(twice, twice).engine == (0, 1)
    assert match_columns(twice, twice[:, :1]).engine == (0, -1)


@pytest.mark.parametrize(("size", "same"), [(0.5 * RELATIVE, True), (10 * RELATIVE, False)])
def test_the_last_bits_may_differ_and_nothing_more(size, same):
    assert match_columns(X[:, 2:], X[:, 2:] * (1 + size)).complete is same


def test_small_columns_are_compared_in_their_own_units():
    tiny = 1e-200 * X[:, 1:2]
    assert match_columns(tiny, tiny).complete
    assert not match_columns(tiny, 2 * tiny).complete


def test_zero_and_nan_columns():
    zero = np.zeros((3, 1))
    assert match_columns(zero, zero).complete
    assert not match_columns(zero, np.full((3, 1), np.nan)).complete
    assert not match_columns(zero, np.full((3, 1), 1e-300)).complete


def test_no_columns_match_no_columns():
    assert match_columns(np.empty((3, 0)), np.empty((3, 0))).complete


def test_another_number_of_rows_is_an_error():
    with pytest.raises(ValueError, match="4 rows against 3"):
        match_columns(X, X[:3])
