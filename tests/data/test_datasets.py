"""Fixtures by name, and anyone's CSV."""

import tomllib

import numpy as np
import pytest

from harness.base.errors import BadInput
from harness.base.resources import fixture
from harness.data.datasets import load_dataset, read_csv
from harness.model.table import table_from_frame


@pytest.fixture
def csv(tmp_path):
    """Return a function that reads text as a CSV file."""

    def read(text):
        path = tmp_path / "data.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_csv(path)

    return read


@pytest.mark.parametrize("name", tomllib.loads(fixture("datasets.toml").read_text()))
def test_every_fixture_has_rows_an_origin_and_levels_that_occur(name):
    data = load_dataset(name)
    assert len(data.frame) > 10
    assert ";" in data.origin
    for column, levels in data.levels.items():
        assert set(data.frame[column].astype(str)) <= set(levels)


def test_an_unknown_fixture_is_refused_with_those_there_are():
    with pytest.raises(BadInput, match=r"no data set 'iris'; there are .*sleepstudy"):
        load_dataset("iris")


def test_seventeen_digits_come_back_to_the_last_bit(csv):
    values = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    text = "y,x\n" + "".join(f"{v!r},1\n" for v in values.tolist())
    assert csv(text)["y"].tolist() == values.tolist()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_line_ends_and_a_byte_order_mark(csv, mark, delimiter, end):
    text = end.join(["y,a b,größe", "1,2.5,x", "2,3.5,y", ""]).replace(",", delimiter)
    frame = csv(mark + text.encode())
    assert frame.columns.tolist() == ["y", "a b", "größe"]
    assert frame["a b"].tolist() == [2.5, 3.5]
    assert frame["größe"].tolist() == ["x", "y"]


def test_quoted_fields_may_hold_the_delimiter_and_line_ends(csv):
    frame = csv('y,"a,b"\n1,"x,1"\n2,"p\nq"\n')
    assert frame.columns.tolist() == ["y", "a,b"]
    assert frame["a,b"].tolist() == ["x,1", "p\nq"]


def test_empty_fields_are_missing_and_blank_lines_nothing(csv):
    frame = csv("y,x\n1,\n\n,2\n")
    assert frame.isna().to_numpy().tolist() == [[False, True], [True, False]]


def test_row_names_as_r_writes_them_are_a_column_without_a_name(csv):
    assert csv('"","y","x"\n"1",2,3\n"2",3,4\n')["y"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,x\n1,2\n1\n", "line 3 has 1 field, the header 2"),
        ("y,x\n1,2,3\n", "line 2 has 3 fields, the header 2"),
        ("y,x\n1,2,\n3,4,\n", "line 2 has 3 fields, the header 2"),
        ('y,x\n"a\nb",1\n1\n', "line 4 has 1 field, the header 2"),
    ],
)
def test_rows_of_another_length_than_the_header_are_refused_by_line(csv, text, message):
    """Filled with missing values or cut, they would be other data than the file's."""
    with pytest.raises(BadInput) as caught:
        csv(text)
    assert str(caught.value).endswith(message)


def test_long_ids_beside_a_missing_value_stay_apart(csv):
    """As doubles, two of each three of these would be one: they lie beyond 2^53."""
    ids = [str(2**53 + i) for i in range(6)]
    frame = csv("y,g\n" + "".join(f"{i},{g}\n" for i, g in enumerate(ids)) + "9,\n")
    column = table_from_frame(frame, ["y", "g"], factors=["g"])["g"]
    assert list(column.levels) == ids
    assert list(column.codes) == [0, 1, 2, 3, 4, 5, -1]
    longer = [f"1234567890123456789012{i}" for i in range(3)]
    frame = csv("y,g\n1,\n" + "".join(f"2,{g}\n" for g in longer))
    assert list(table_from_frame(frame, ["g"])["g"].levels) == longer
    # Large numbers that are no ids are numbers as before.
    assert csv("y,x\n1e300,1\n,2\n")["y"].tolist()[0] == 1e300
