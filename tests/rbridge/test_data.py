"""The data that reach R are the data that were sent."""

import numpy as np
import pandas as pd
import pytest

from harness.engines.lme4 import r_columns
from harness.model.table import FactorColumn, NumericColumn, Table, table_from_frame
from harness.rbridge.failures import RError

pytestmark = pytest.mark.r


def factor(*codes, levels):
    return FactorColumn("f", np.array(codes, dtype=np.int32), levels)


TABLES = {
    "numbers": NumericColumn("x", np.array([1.5, -2.0, 1e300, 5e-324])),
    "missing": NumericColumn("x", np.array([1.0, np.nan, 3.0])),
    "negative zero": NumericColumn("x", np.array([-0.0, 0.0])),
    "one row": NumericColumn("x", np.array([7.0])),
    "unicode levels": factor(0, 1, 2, -1, levels=("größe", "日本", "e\u0301")),
    "empty string": factor(1, 0, -1, levels=("", " ")),
    "the string NA": factor(0, 1, -1, levels=("NA", "NaN")),
    "unused level": factor(2, 0, levels=("z", "y", "a")),
    "order against every locale": factor(0, 1, 2, 3, levels=("b", "_", "A", "a")),
    "numbers as levels": factor(0, 1, 2, levels=("2", "10", "1")),
}


@pytest.mark.parametrize("name", TABLES)
def test_checksum_is_the_same_in_both_languages(r, name):
    table = Table((TABLES[name],))
    reply = r.call("checksum_columns", {"columns": r_columns(table)})
    assert reply.texts("data_checksum") == (table.checksum(),)


def test_checksum_of_a_frame_with_everything(r):
    random = np.random.default_rng(5)
    n = 5000
    frame = pd.DataFrame(
        {
            "y": np.where(random.random(n) < 0.1, np.nan, random.normal(size=n)),
            "int": random.integers(-5, 5, n),
            "text": random.choice(["ä", "b", "C"], n),
            "flag": random.random(n) < 0.5,
            "strided": np.arange(2 * n, dtype=float)[::2],
        }
    )
    frame.loc[3, "text"] = None
    table = table_from_frame(frame, frame.columns)
    reply = r.call("checksum_columns", {"columns": r_columns(table)})
    assert reply.texts("data_checksum") == (table.checksum(),)


def test_checksum_sees_levels_order_and_missing_values(r):
    def checksum(column):
        reply = r.call("checksum_columns", {"columns": r_columns(Table((column,)))})
        return reply.texts("data_checksum")[0]

    different = [
        factor(0, 1, levels=("a", "b")),
        factor(0, 1, levels=("b", "a")),
        factor(0, 1, levels=("a", "b", "c")),
        factor(0, -1, levels=("a", "b")),
        NumericColumn("f", np.array([1.0, 2.0])),
        NumericColumn("f", np.array([0.0, np.nan])),
        NumericColumn("f", np.array([np.nan, 0.0])),
    ]
    assert len({checksum(column) for column in different}) == len(different)


def test_arrays_arrive_whole_whatever_their_layout(r):
    big_endian = np.arange(5, dtype=">f8")
    with pytest.raises(RError, match="cannot send an array of"):
        r.call("fault_echo", {"a": np.arange(5)})
    with pytest.raises(RError, match="2 dimensions"):
        r.call("fault_echo", {"a": np.zeros((2, 2))})
    reply = r.call(
        "fault_echo",
        {
            "strided": np.arange(10.0)[::-3],
            "swapped": big_endian,
            "empty": np.empty(0),
            "whole": np.array([1, -2], dtype=np.int32),
            "texts": ("é", "", "NA"),
        },
    )
    assert reply.numbers("strided").tolist() == [9.0, 6.0, 3.0, 0.0]
    assert reply.numbers("swapped").tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert reply.numbers("empty").tolist() == []
    assert reply.numbers("whole").tolist() == [1, -2]
    assert reply.texts("texts") == ("é", "", "NA")
    assert reply.texts("type_whole") == ("integer",)


def test_other_data_than_sent_are_refused(r):
    columns = r_columns(Table((NumericColumn("y", np.arange(5.0)),)))
    with pytest.raises(RError, match="other data than were sent") as caught:
        r.call("fit_lm", {"columns": columns, "formula": "v1 ~ 1", "checksum": "0" * 32})
    assert caught.value.category == "data_mismatch"


def test_columns_of_different_length_are_refused(r):
    columns = {"v1": np.arange(5.0), "v2": np.arange(4.0)}
    with pytest.raises(RError, match="columns differ in length: 5, 4"):
        r.call("checksum_columns", {"columns": columns})
