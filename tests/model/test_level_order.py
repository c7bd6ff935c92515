"""The order that R gives the levels of a factor, held against R itself."""

import os
import random
import string
import subprocess

import numpy as np
import pandas as pd
import pytest

from harness.model.level_order import PUNCTUATION, as_numbers, locale_key
from harness.model.table import table_from_frame

COLUMNS = {
    "whole numbers": ["9", "10", "8", "9", "10", "8"],
    "numbers": ["-1.5", "2", "10", "-3", "1e1", "2.0"],
    "leading zeros": ["010", "9", "08", "9", "08", "010"],
    "text with digits": ["d10", "d9", "d8", "d9", "d10", "d8"],
    "a letter among digits": ["9", "10", "8", "x", "10", "8"],
    "case": ["Zebra", "apple", "B", "b", "a", "A"],
    "logical": ["TRUE", "FALSE", "TRUE", "TRUE", "FALSE", "FALSE"],
    "punctuation": ["a_b", "a1", "a b", "-a", "_a", "A.b"],
    "accents": ["éa", "eb", "zo", "Ed", "ö", "oz"],
}


def written_by_r(path, code):
    """Lines that R writes of a file, with the collation of an English locale."""
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", f"invisible(icuSetCollate(locale = 'en_US')); {code}", path],
        check=True,
        capture_output=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    return done.stdout.decode().rstrip("\n").split("\n")


@pytest.fixture(scope="module")
def levels_of_r(tmp_path_factory):
    path = tmp_path_factory.mktemp("levels") / "data.csv"
    pd.DataFrame(COLUMNS).to_csv(path, index=False)
    code = "d <- read.csv(commandArgs(TRUE)); for (f in d) cat(levels(factor(f)), '', sep = '\\n')"
    said = "\n".join(written_by_r(path, code)).split("\n\n")
    return path, dict(zip(COLUMNS, (s.strip("\n").split("\n") for s in said), strict=True))


@pytest.mark.r
@pytest.mark.parametrize("kind", COLUMNS)
def test_the_levels_of_a_column_of_a_file_are_r_s(kind, levels_of_r):
    path, told = levels_of_r
    column = table_from_frame(pd.read_csv(path), [kind], factors=[kind])[kind]
    ours = list(column.levels)
    if column.order == "text":
        ours.sort(key=locale_key)
    if kind == "logical":
        ours = [level.upper() for level in ours]
    assert ours == told[kind]


@pytest.mark.r
def test_texts_of_ascii_are_sorted_as_r_sorts_them(tmp_path):
    draw = random.Random(4)
    letters = string.ascii_letters + string.digits + PUNCTUATION.strip()
    texts = {"".join(draw.choices(letters, k=draw.randint(1, 3))) for _ in range(400)}
    path = tmp_path / "texts"
    path.write_text("\n".join(sorted(texts)) + "\n", encoding="utf-8")
    code = "writeLines(sort(readLines(commandArgs(TRUE), encoding = 'UTF-8')))"
    assert sorted(texts, key=locale_key) == written_by_r(path, code)


@pytest.mark.parametrize(
    ("values", "why", "levels"),
    [
        ([8, 9, 10], "numbers", ("8", "9", "10")),
        (np.array([8, 9, 10], dtype=object), "numbers", ("8", "9", "10")),
        ([10.0, 9.5, 8.0], "numbers", ("8", "9.5", "10")),
        (["8", "9", "10"], "text", ("10", "8", "9")),
        ([True, False, True], "other", ("False", "True")),
        ([10, "a", 2.0, 9], "text", ("10", "2", "9", "a")),
        (pd.Categorical(["b", "a", "c"], ["c", "a", "b"]), "categories", ("c", "a", "b")),
    ],
)
def test_the_type_of_a_column_decides_its_order(values, why, levels):
    frame = pd.DataFrame({"f": values})
    column = table_from_frame(frame, ["f"], factors=["f"])["f"]
    assert (column.order, column.levels) == (why, levels)


def test_rows_of_a_table_keep_why_their_levels_come_as_they_do():
    table = table_from_frame(pd.DataFrame({"f": [8, 9, 10]}), ["f"], factors=["f"])
    assert table.rows(np.array([True, True, False]))["f"].order == "numbers"


def test_a_stated_order_is_given():
    frame = pd.DataFrame({"f": ["a", "b"]})
    assert table_from_frame(frame, ["f"], levels={"f": ("b", "a")})["f"].order == "given"


@pytest.mark.parametrize(
    ("levels", "values"),
    [
        (["08", "-1", "1e2", " 9"], [8.0, -1.0, 100.0, 9.0]),
        (["0x1A", "-0x2", ".5", "+5"], [26.0, -2.0, 0.5, 5.0]),
        (["1", "x"], None),
        (["1_000"], None),
        (["1,000"], None),
        (["1D5"], None),
        (["\uff11"], None),
    ],
)
def test_what_read_csv_makes_a_number(levels, values):
    assert as_numbers(levels) == values


@pytest.mark.r
def test_read_csv_takes_the_same_texts_for_numbers(tmp_path):
    texts = [
        "08",
        "-1",
        "1e2",
        "0x1A",
        "-0x2",
        ".5",
        "+5",
        "5.",
        "x",
        "1_000",
        "1D5",
        "1L",
        "--1",
        "e1",
        "0x",
        "2020-01-01",
        "1p",
    ]
    path = tmp_path / "texts"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    code = (
        "for (t in readLines(commandArgs(TRUE)))"
        "cat(is.numeric(type.convert(t, as.is = TRUE)), '\\n', sep = '')"
    )
    assert written_by_r(path, code) == [str(as_numbers([t]) is not None).upper() for t in texts]
