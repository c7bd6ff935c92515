"""Fixtures by name, and anyone's CSV."""

import tomllib

import numpy as np
import pytest

from harness.base.errors import BadInput
from harness.base.resources import fixture
from harness.data.datasets import Reading, load_dataset, missing_hints, read_csv, read_table
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


INDEXED = [
    '"y" "x" "g"\n"1" 1.5 2 "a b"\n"2" 2.5 3 "c"\n',
    '"y","x","g"\n"1",1.5,2,"a b"\n"2",2.5,3,"c"\n',
    '"y"\t"x"\t"g"\n"1"\t1.5\t2\t"a b"\n"2"\t2.5\t3\t"c"\n',
    '"y";"x";"g"\n"1";1,5;2;"a b"\n"2";2,5;3;"c"\n',
]


@pytest.mark.parametrize("text", INDEXED)
def test_an_index_without_a_name_is_left_out_and_said(tmp_path, text):
    """As R's write.table and write.csv2 without col.names=NA write row names."""
    path = tmp_path / "data.csv"
    path.write_text(text)
    frame, note = read_table(path)
    assert frame.to_dict("list") == {"y": [1.5, 2.5], "x": [2, 3], "g": ["a b", "c"]}
    assert "index without a name" in note
    assert "'1'" in note


def test_a_table_without_index_has_no_note(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("y,x\n1,2\n")
    assert read_table(path)[1] == ""


def test_what_stands_for_a_missing_value_can_be_said(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("# lab 3\ny,x,g\n1,ND,a\n# checked\n.,2,NULL\n3,NaN,c # d\n-9,4,ND\n")
    frame = read_csv(path, Reading(("ND", ".", "-9"), "#"))
    assert frame.y.tolist()[::2] == [1, 3]
    assert frame.isna().sum().to_dict() == {"y": 2, "x": 2, "g": 2}
    assert frame.g.tolist()[2] == "c # d"


def test_what_stands_for_a_missing_value_may_have_blanks_around_it(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("y,x,g\n1, ND,a\n2,ND ,ND\n 3 ,4, b\n")
    frame = read_csv(path, Reading(("ND",)))
    assert frame.x.isna().tolist() == [True, True, False]
    assert frame.x.dropna().tolist() == [4]
    # Labels keep their blanks, as in R.
    assert frame.g.dropna().tolist() == ["a", " b"]


COMMENTED = {
    "in a quoted field": ('y,g\n1,"a\n# b"\n# c\n2,d\n', ["a\n# b", "d"]),
    "in a field of three lines": ('y,g\n1,"a\n# b\n# c"\n2,d\n', ["a\n# b\n# c", "d"]),
    "behind doubled quotes": ('y,g\n1,"a ""b"", c"\n# d\n2,e\n', ['a "b", c', "e"]),
    "beside a quote that opens nothing": ("y,g\n1,5'10\"\n# c\n2,d\n", ["5'10\"", "d"]),
    "with quotes of its own": ('y,g\n1,a\n# "b\n2,c\n', ["a", "c"]),
    "with other line ends": ('# x\r\ny,g\r\n# x\r\n1,a\r\n2,"b\r\n# c"\r\n', ["a", "b\r\n# c"]),
    "at the end": ("y,g\n1,a\n2,b\n# c", ["a", "b"]),
    "indented": ("y,g\n1,a\n   # c\n2,b\n", ["a", "b"]),
    "in the middle of a line": ("y,g\n1,a # b\n2,c#\n", ["a # b", "c#"]),
}


@pytest.mark.parametrize("where", COMMENTED)
def test_a_comment_is_a_line_of_its_own_outside_of_quotes(tmp_path, where):
    path = tmp_path / "data.csv"
    text, labels = COMMENTED[where]
    path.write_text(text, newline="")
    frame = read_csv(path, Reading(comment="#"))
    assert frame.to_dict("list") == {"y": [1, 2], "g": labels}


@pytest.mark.parametrize("name", ["two\nlines", "a\u2028b", "a\x85b", "a\x0bb"])
def test_a_header_may_hold_any_character(csv, name):
    assert list(csv(f'"{name}",x\n1,2\n').columns) == [name, "x"]


def test_a_decimal_comma_has_its_hint(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("y;g\n1,5;a\nND;b\n2,5;c\n4,5;c\n")
    assert "--na ND reads it as missing" in missing_hints(read_csv(path))["y"]
    again = read_csv(path, Reading(("ND",)))
    assert again.y.dropna().tolist() == [1.5, 2.5, 4.5]
    assert missing_hints(again) == {}


def test_lines_keep_their_numbers_beside_comments(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("// a\ny,x\n// b\n1,2\n1\n")
    with pytest.raises(BadInput, match="line 5 has 1 field, the header 2"):
        read_csv(path, Reading(comment="//"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1", "2", "ND", "4"], "'ND' in 1 of its 4 values; --na ND reads it as missing"),
        (["1", "2", ".", "4", "5", "-", "6"], "'.', '-' in 2 of its 7 values; --na . --na -"),
        (["1", "2", "< 3", "4"], "write numbers as numbers; --na '< 3' reads it"),
        (["1", "2", '"1,234"', "4"], "write numbers as numbers; --na 1,234 reads it"),
        (["1", "2", " ND", "4"], "--na ' ND' reads it as missing"),
        (["1", "a", "b", "4"], None),
        (["a1", "a2", "a3", "a4"], None),
        (["1", "2", "3", ""], None),
    ],
)
def test_a_column_of_numbers_that_is_read_as_text_has_a_hint(csv, values, said):
    hints = missing_hints(csv("y,x\n" + "".join(f"1,{v}\n" for v in values)))
    assert set(hints) == ({"x"} if said else set())
    assert said is None or said in hints["x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,x\n1,2\n1\n", "line 3 has 1 field, the header 2"),
        ("y,x\n1,2,3\n1,2\n", "line 2 has 3 fields, the header 2"),
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


def test_a_word_that_may_be_a_level_and_is_taken_for_missing_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y,x,f\n1,2,None\n2,NA,Low\n3,N/A,None\n4,1,\n5,1,NA\n")
    frame, note = read_table(path)
    assert frame.f.isna().sum() == 4
    assert note.endswith(
        "t.csv: 'None' in f is taken for a missing value, 2 of 5 rows; "
        "if it is a level, give it another name"
    )
    assert read_table(path, Reading(missing=("None",)))[1] == ""
