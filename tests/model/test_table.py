"""The data contract: levels, codes, missing values, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.model.table import FactorColumn, NumericColumn, table_from_frame


def column(values, **options):
    return table_from_frame(pd.DataFrame({"v": values}), ["v"], **options)["v"]


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (["b", "_", "A", "a", "B"], ("A", "B", "_", "a", "b")),
        ([True, False, True], ("False", "True")),
        (pd.Categorical(["b", "a"], categories=["b", "z", "a"]), ("b", "z", "a")),
        (pd.Categorical([2, 10, 1]), ("1", "2", "10")),
        (["10", "2", "1"], ("1", "10", "2")),
    ],
)
def test_text_booleans_and_categoricals_are_factors(values, levels):
    assert column(values).levels == levels


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([2, 10, 1], ("1", "2", "10")),
        ([2.0, 10.0, np.nan, 1.0], ("1", "2", "10")),
        ([0.5, -1.0, 0.25], ("-1", "0.25", "0.5")),
        ([-3, 0, 2], ("-3", "0", "2")),
    ],
)
def test_levels_of_numbers_are_in_numeric_order(values, levels):
    assert column(values, factors=["v"]).levels == levels


def test_explicit_levels_set_the_order_and_may_be_unused():
    made = column(["a", "b", "a"], levels={"v": ("b", "a", "c")})
    assert made.levels == ("b", "a", "c")
    assert made.codes.tolist() == [1, 0, 1]


def test_explicit_levels_make_a_numeric_column_a_factor():
    assert column([2, 10], levels={"v": ("10", "2")}).codes.tolist() == [1, 0]


def test_a_missing_value_is_nan_in_a_number_and_minus_one_in_a_factor():
    assert np.isnan(column([1.0, None]).values[1])
    assert column(["a", None, "b"]).codes.tolist() == [0, -1, 1]
    assert column(pd.array([1, None], dtype="Int64")).missing.tolist() == [False, True]


def test_columns_have_one_type_each_for_the_bridge():
    assert column(np.array([1, 2], dtype=np.int8)).values.dtype == np.float64
    assert column(["a"]).codes.dtype == np.int32


def test_rows_with_any_missing_value_are_left_out_and_levels_stay():
    table = table_from_frame(
        pd.DataFrame({"x": [1.0, np.nan, 3.0], "f": ["a", "b", None]}), ["x", "f"]
    )
    assert table.complete.tolist() == [True, False, False]
    assert table.rows(table.complete)["f"].levels == ("a", "b")


def test_aliases_hide_names_that_mean_something_elsewhere():
    table = table_from_frame(pd.DataFrame({"C": [1.0], "x y": [2.0]}), ["x y", "C"])
    assert table.alias == {"x y": "v1", "C": "v2"}
    assert table.frame(aliased=True).columns.tolist() == ["v1", "v2"]


def test_the_checksum_sees_values_order_levels_and_missing_values():
    frame = pd.DataFrame({"x": [0.0, 1.0], "f": ["a", "b"]})
    base = table_from_frame(frame, ["x", "f"]).checksum()
    different = [
        table_from_frame(frame.iloc[::-1], ["x", "f"]),
        table_from_frame(frame, ["f", "x"]),
        table_from_frame(frame, ["x", "f"], levels={"f": ("b", "a")}),
        table_from_frame(frame, ["x", "f"], levels={"f": ("a", "b", "c")}),
        table_from_frame(frame.assign(x=[0.0, 1.0 + 2**-52]), ["x", "f"]),
        table_from_frame(frame.assign(x=[np.nan, 1.0]), ["x", "f"]),
        table_from_frame(frame, ["x", "f"], factors=["x"]),
    ]
    assert len({base, *(t.checksum() for t in different)}) == 1 + len(different)


def test_minus_zero_has_the_checksum_of_zero():
    assert (
        table_from_frame(pd.DataFrame({"x": [-0.0]}), ["x"]).checksum()
        == table_from_frame(pd.DataFrame({"x": [0.0]}), ["x"]).checksum()
    )


def test_minus_zero_and_zero_are_one_level():
    made = column([-0.0, 0.0, 1.0], factors=["v"])
    assert made.levels == ("0", "1")
    assert made.codes.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"y": [1.0]}), "no column 'x' in the data; it has 'y'"),
        (pd.DataFrame({"x": [None, None]}), "column 'x' has only missing values"),
        (pd.DataFrame({"x": [1.0, np.inf]}), "column 'x' has an infinite value (row 2)"),
        (pd.DataFrame({"x": []}), "the data have no rows"),
        (
            pd.DataFrame([[1, 2]], columns=["x", "x"]),
            "duplicate column names: 'x'; rename them",
        ),
    ],
)
def test_data_that_cannot_be_used_are_refused(frame, message):
    with pytest.raises(BadInput) as caught:
        table_from_frame(frame, ["x"])
    assert str(caught.value) == message


def test_a_value_outside_explicit_levels_is_refused():
    with pytest.raises(BadInput, match=r"column 'v': value 'c' is not among its levels"):
        column(["a", "c"], levels={"v": ("a", "b")})


def bound(text, frame, **options):
    return bind(parse_model(text), pd.DataFrame(frame), **options)


def test_only_columns_of_the_model_are_taken_the_outcome_first():
    table = bound("y ~ x + (1 | g)", {"u": [1], "g": [1], "x": [1.0], "y": [2.0]})
    assert table.names == ("y", "x", "g")
    assert isinstance(table["g"], FactorColumn)


def test_a_column_can_be_a_number_and_a_factor_at_once():
    table = bound("y ~ t + (1 | t)", {"y": [1.0, 2.0], "t": [10, 2]})
    assert isinstance(table["t"], NumericColumn)
    assert table["factor(t)"].levels == ("2", "10")


def test_a_column_that_is_a_factor_anyway_is_there_once():
    assert bound("y ~ t + (1 | t)", {"y": [1.0, 2.0], "t": ["a", "b"]}).names == ("y", "t")


@pytest.mark.parametrize("values", [["1", "x"], ["1", "2"], [True, False]])
def test_an_outcome_that_is_not_numeric_is_refused(values):
    with pytest.raises(BadInput, match="the outcome 'y' is not numeric"):
        bound("y ~ x", {"y": values, "x": [1.0, 2.0]})


def test_the_value_that_makes_the_outcome_text_is_shown():
    with pytest.raises(BadInput) as caught:
        bound("log(y) ~ x", {"y": ["1", "n/a"], "x": [1.0, 2.0]})
    assert str(caught.value) == "the outcome 'y' is not numeric (it holds 'n/a')"


def test_no_complete_row_is_refused():
    with pytest.raises(BadInput, match="no row is complete"):
        bound("y ~ x", {"y": [1.0, np.nan], "x": [np.nan, 2.0]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ log(x)", "log(x) is not finite in row 2 of the complete rows"),
        ("log(x) ~ y", "the outcome is not finite in row 2 of the complete rows"),
        ("y ~ I(y/x)", "I(y/x) is not finite in row 2 of the complete rows"),
        ("y ~ I(f + 1)", "column 'f' is a factor and cannot be used in arithmetic"),
    ],
)
def test_arithmetic_that_has_no_value_is_refused(text, message):
    frame = {"y": [1.0, 2.0, 3.0], "x": [1.0, 0.0, 2.0], "f": ["a", "b", "a"]}
    model = parse_model(text)
    with pytest.raises(BadInput) as caught:
        _ = Case("", model, bind(model, pd.DataFrame(frame))).design
    assert str(caught.value) == message
