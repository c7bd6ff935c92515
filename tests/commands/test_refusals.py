"""Bad input: one clear line that says what is wrong, and no engine is reached."""

import pytest

from harness.engines import registry
from tests.commands.small_table import FORMULA, GOOD, put


@pytest.fixture
def refused(run, tmp_path, monkeypatch):
    """Return a function that expects arguments to be refused, and returns the line that says so."""

    def no_engine(timeout, **_):
        raise AssertionError("bad input reached the engines")

    monkeypatch.setattr(registry, "open_lme4", no_engine)

    def call(*arguments, carets=False):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        lines = err.splitlines()
        assert len(lines) == (3 if carets else 1)
        assert lines[0].startswith("lmm-parity: ")
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("lmm-parity: ").rstrip("\n")

    return call


BAD_FILES = {
    "binary": (bytes(range(128)) * 4, "not a text file (it holds zero bytes)"),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(50), "not UTF-8 (byte 0x89 at offset 0)"),
    "html": ("<!doctype html>\n<html></html>\n", "not a CSV table: its first line has no comma"),
    "one column": ("y\n1\n2\n", "not a CSV table: its first line has no comma"),
    "empty": ("", "the file is empty"),
    "blank": ("\n \n\n", "the file is empty"),
    "header only": ("y,x,g\n", "there is a header but no rows"),
    "blank rows": ("y,x,g\n\n\n", "there is a header but no rows"),
    "latin-1": ("y,größe,g\n1,2,a\n".encode("latin-1"), "not UTF-8 (byte 0xf6 at offset 4)"),
    "utf-16": (GOOD.encode("utf-16"), "not UTF-8 (byte 0xff at offset 0)"),
    "duplicate names": ("y,x,x,g\n1,2,3,a\n", "duplicate column names: 'x'; rename them"),
    "no name": ("y,x,,g\n1,2,3,a\n", "column 3 has no name"),
    "long row": ("y,x,g\n1,2,a\n2,3,b,9\n", "line 3 has 4 fields, the header 3"),
    "short row": ("y,x,g\n1,2,a\n2,3\n3,1,b\n", "line 3 has 2 fields, the header 3"),
    "delimiters at the end": ("y,x,g\n1,1,a,\n2,3,b,\n", "line 2 has 4 fields"),
    "comments": (
        "# made in May\ny,x,g\n1,2,a\n",
        "its first line is '# made in May'; is it a comment? --comment '#' leaves such lines out",
    ),
    "open quote": ('y,x,g\n"1,2,a\n3,4,b\n', "line 3 has 1 field, the header 3"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_is_no_table_is_refused(refused, tmp_path, what):
    content, message = BAD_FILES[what]
    assert refused("fit", put(tmp_path, content), FORMULA).startswith(f"data.csv: {message}")


def test_an_outcome_with_a_few_texts_says_how_to_read_them(refused, tmp_path):
    data = put(tmp_path, rows("1,2,a", "ND,3,b", "3,1,a", "4,7,b", "5,6,b"))
    text = refused("fit", data, FORMULA)
    assert text == (
        "the outcome 'y' is not numeric (it holds 'ND'); column 'y' is read as text for 'ND' in 1 "
        "of its 5 values; --na ND reads it as missing"
    )


def test_a_missing_file_and_a_folder_are_refused(refused, tmp_path):
    assert refused("fit", "no.csv", FORMULA) == "no.csv: no such file"
    (tmp_path / "folder").mkdir()
    assert refused("fit", "folder", FORMULA) == "folder: is a folder, not a CSV file"


def rows(*lines):
    return "y,x,g\n" + "\n".join(lines) + "\n"


BAD_COLUMNS = {
    "text in the outcome": (
        rows("1,2,a", "n/v,3,b", "2,2,a"),
        "the outcome 'y' is not numeric (it holds 'n/v')",
    ),
    "infinite": (rows("1,2,a", "2,inf,b", "3,1,a"), "column 'x' has an infinite value (row 2)"),
    "all missing": (rows("1,,a", "2,,b", "3,NA,a"), "column 'x' has only missing values"),
    "outcome all missing": (rows(",1,a", ",2,b"), "column 'y' has only missing values"),
    "group all missing": (rows("1,1,", "2,2,"), "column 'g' has only missing values"),
    "no complete row": (rows("1,,a", ",2,b"), "no row is complete: "),
    "one group": (
        rows("1,2,a", "2,3,a", "4,1,a"),
        "grouping factor 'g' has one level in the rows used; a random effect needs at least two",
    ),
    "one group with complete rows": (
        rows("1,2,a", "2,3,a", "4,1,a", ",1,b"),
        "grouping factor 'g' has one level in the rows used",
    ),
    "constant outcome": (rows("3,1,a", "3,2,b", "3,4,a"), "the outcome 'y' is 3 in every row used"),
    "too few rows": (
        rows("1,2,a", "2,1,b"),
        "2 complete rows for 2 fixed effects: nothing is left for a residual variance",
    ),
}


@pytest.mark.parametrize("what", BAD_COLUMNS)
def test_columns_that_cannot_be_fitted_are_refused(refused, tmp_path, what):
    content, message = BAD_COLUMNS[what]
    assert refused("fit", put(tmp_path, content), FORMULA).startswith(message)


def test_a_fixed_factor_with_one_level_is_refused(refused, tmp_path):
    data = put(tmp_path, "y,f,g\n" + "".join(f"{i * i % 7},q,{'ab'[i % 2]}\n" for i in range(9)))
    text = "factor 'f' has one level ('q') in the rows used"
    assert refused("fit", data, "y ~ f + (1 | g)") == text


def test_an_unknown_column_is_refused_with_those_there_are(refused, tmp_path):
    text = refused("fit", put(tmp_path, GOOD), "y ~ z + (1 | g)")
    assert text == "no column 'z' in the data; it has 'y', 'x', 'g', 'k'"


@pytest.mark.parametrize(
    ("formula", "message", "under"),
    [
        ("y ~ x + (1 | g", "this '(' is never closed", "("),
        ("y x", "expected '~' after the outcome", "x"),
        ("y ~ foo(x)", "foo() is not supported", "foo"),
        ("y ~ x + * k", "expected a term, not '*'", "*"),
        ("y ~ x + (1 | g) )", "", ")"),
    ],
)
def test_a_formula_that_does_not_parse_has_a_caret_under_the_place(
    refused, tmp_path, formula, message, under
):
    text = refused("fit", put(tmp_path, GOOD), formula, carets=True)
    first, shown, caret = text.split("\n")
    assert first.startswith(f"formula: {message}")
    assert shown.strip() == formula
    assert caret.strip() == "^"
    assert shown[caret.index("^") :].startswith(under)


def test_a_formula_that_ends_too_early_has_the_caret_at_its_end(refused, tmp_path):
    _, shown, caret = refused("fit", put(tmp_path, GOOD), "y ~", carets=True).split("\n")
    assert caret.index("^") >= len(shown.rstrip())


@pytest.mark.parametrize("formula", ["", "   ", "y ~ 0 + (1 | g)", "y ~ x + (1 | g) + (1 | g)"])
def test_a_formula_that_means_no_model_is_refused_in_a_line(refused, tmp_path, formula):
    assert refused("fit", put(tmp_path, GOOD), formula).startswith("formula: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--levels", "g"], "--levels 'g': write COLUMN=first,second,..."),
        (["--levels", "g="], "--levels 'g=': write COLUMN=first,second,..."),
        (["--levels", "g=a"], "--levels 'g=a': write COLUMN=first,second,..."),
        (["--levels", "=a,b"], "--levels '=a,b': write COLUMN=first,second,..."),
        (["--levels", "g=a,,b"], "--levels 'g=a,,b': write COLUMN=first,second,..."),
        (["--levels", "g=a,b,a"], "--levels 'g=a,b,a': a level is there twice"),
        (["--levels", "g=a,b"], "column 'g': value 'c' is not among its levels"),
        (["--levels", "k=1,2,3"], "column 'k' is not in the formula"),
        (["--factor", "k"], "column 'k' is not in the formula"),
        (["--factor", "y"], "column 'y' is a factor and cannot be used in arithmetic"),
        (["--timeout", "0"], "Invalid value for '--timeout'"),
        (["--nope"], "No such option"),
        (["more"], "Got unexpected extra argument"),
    ],
)
def test_options_that_cannot_be_used_are_refused(refused, tmp_path, arguments, message):
    assert refused("fit", put(tmp_path, GOOD), FORMULA, *arguments).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["fit", "data.csv"], "Missing argument 'FORMULA'"),
        (["ladder", "--outcome", "y"], "--outcome needs --data"),
        (["ladder", "--data", "data.csv", "--group", "g"], "--data needs --outcome, --predictor"),
        (["report", "--rung", "sleep"], "no rung 'sleep'; `lmm-parity ladder` lists them"),
        (["report", "--from", "no.jsonl"], "no.jsonl: cannot be read: No such file"),
        (["report", "--from", "."], ".: cannot be read: Is a directory"),
        (["report", "--case", "jtools"], "--case chooses from a record file or a publication"),
        (["report", "--published", "--case", "nosuch"], "no published case 'nosuch'; `lmm-parity"),
        (["report", "--published", "--rung", "dyestuff"], "--published takes no --rung"),
        (["report", "--published", "--jobs", "1"], "--published takes no --jobs"),
    ],
)
def test_usage_errors_are_a_line(refused, arguments, message):
    assert refused(*arguments).startswith(message)


@pytest.mark.parametrize("content", [b"", b"hello\n", GOOD.encode(), bytes(range(256))])
def test_a_report_from_what_is_no_record_file_is_refused(refused, tmp_path, content):
    put(tmp_path, content, "given.jsonl")
    text = refused("report", "--from", "given.jsonl", "--out", "out")
    assert text.startswith("given.jsonl: ")


def ladder_of(outcome="y", predictor="x", group="g"):
    return ["--outcome", outcome, "--predictor", predictor, "--group", group, "--out", "out"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ladder_of(group="no"), "no column 'no' in the data"),
        (ladder_of(group="y"), "outcome, predictor and group must be three different columns"),
        (ladder_of(outcome="g", group="k"), "the outcome 'g' is not numeric (it holds 'a')"),
        (ladder_of(predictor="g", group="k"), "the predictor 'g' is not numeric"),
    ],
)
def test_the_ladder_needs_columns_that_fit_their_roles(refused, tmp_path, columns, message):
    assert refused("ladder", "--data", put(tmp_path, GOOD), *columns).startswith(message)


def test_the_ladder_needs_rows_within_groups(refused, tmp_path):
    data = put(tmp_path, rows("1,2,a", "2,3,b", "3,1,c", "4,7,d"))
    assert refused("ladder", "--data", data, *ladder_of()) == (
        "every group of 'g' has one row; the ladder needs rows within groups"
    )


@pytest.mark.r
def test_an_output_folder_that_cannot_be_written_is_refused(refused, tmp_path):
    put(tmp_path, "x", "taken")
    assert "'taken' is a file" in refused("report", "--rung", "dyestuff", "--out", "taken")
    text = refused("report", "--rung", "dyestuff", "--out", "taken/deeper")
    assert text == "taken/deeper: cannot be written: Not a directory"
    assert refused("report", "--rung", "dyestuff", "--out", "/proc/out").startswith(
        "/proc/out: cannot be written: "
    )
