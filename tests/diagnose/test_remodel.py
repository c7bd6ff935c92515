"""The lines that make factors as the case has them, run in R on a file and in Python."""

import os
import subprocess

import numpy as np
import pandas as pd
import patsy
import pytest

from harness.diagnose.remodel import preparation
from tests.judge.planted import rung_of

DAYS = pd.to_datetime(["2021-03-01", "2020-12-01", "2021-01-01"])
COLUMNS = {
    "numbers": ([8, 9, 10], {"factors": ["f"]}),
    "large numbers": ([100000, 2, 3], {"factors": ["f"]}),
    "decimals": ([-1.5, 10.0, 2.25], {"factors": ["f"]}),
    "numbers, stated": ([8, 100000, 9], {"levels": {"f": ("9", "100000", "8")}}),
    "text": (["a", "b", "c"], {}),
    "upper and lower case": (["Zebra", "apple", "b"], {}),
    "text, stated": (["a", "b", "c"], {"levels": {"f": ("b", "a", "c")}}),
    "categories": (pd.Categorical(["a", "b", "c"], ["c", "a", "b"]), {}),
    "categories of numbers": (pd.Categorical([8, 9, 10], [9, 8, 10]), {}),
    "numbers as text": (["8", "9", "10"], {}),
    "leading zeros": (["08", "10", "09"], {}),
    "leading zeros, stated": (["08", "10", "09"], {"levels": {"f": ("10", "08", "09")}}),
    "negative": (["1", "-1", "-2"], {}),
    "hexadecimal": (["0x1A", "0x9", "0xb"], {}),
    "a number among text": (["10", 9, "x"], {}),
    "logical": ([True, False, True], {}),
    "logical, stated": ([True, False, True], {"levels": {"f": ("True", "False")}}),
    "dates": (DAYS, {}),
    "with a blank": (["a", None, "b"], {}),
}
R = """
options(stringsAsFactors = FALSE)
invisible(icuSetCollate(locale = "en_US"))
for (path in commandArgs(TRUE)) {
  data <- read.csv(paste0(path, ".csv"))
  source(paste0(path, ".R"), local = TRUE)
  stopifnot(!is.numeric(data[["f"]]))
  cat(as.integer(factor(data[["f"]])), "\\n")
}
"""


def rung_with(kind):
    values, options = COLUMNS[kind]
    draw = np.random.default_rng(1)
    frame = pd.DataFrame({"y": draw.normal(size=24), "g": np.repeat(range(4), 6)})
    frame["f"] = pd.Series(values).iloc[np.arange(24) % 3].reset_index(drop=True)
    return rung_of(frame, "y ~ f + (1 | g)", **options)


@pytest.fixture(scope="module")
def codes_in_r(tmp_path_factory):
    folder = tmp_path_factory.mktemp("factors")
    for i, kind in enumerate(COLUMNS):
        rung = rung_with(kind)
        rung.data.frame.to_csv(folder / f"{i}.csv", index=False)
        (folder / f"{i}.R").write_text(preparation(rung)[0], encoding="utf-8")
    (folder / "run.R").write_text(R, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "--vanilla", "run.R", *map(str, range(len(COLUMNS)))],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    return dict(zip(COLUMNS, done.stdout.splitlines(), strict=True))


@pytest.mark.r
@pytest.mark.parametrize("kind", COLUMNS)
def test_r_has_the_levels_of_the_case(kind, codes_in_r):
    codes = rung_with(kind).case.table["f"].codes + 1
    found = [0 if word == "NA" else int(word) for word in codes_in_r[kind].split()]
    assert found == codes.tolist()


@pytest.mark.parametrize("kind", COLUMNS)
def test_python_has_the_levels_of_the_case(kind):
    rung = rung_with(kind)
    data = rung.data.frame.copy()
    exec(preparation(rung)[1], {"data": data, "pd": pd})
    data = data.dropna()
    complete = rung.case.table.complete
    if kind == "a number among text":
        data["f"] = data["f"].astype(str)  # as a file has it
    columns = np.asarray(patsy.dmatrix("f", data))
    codes = rung.case.table["f"].codes[complete]
    assert columns.tolist() == [
        [1.0, *(float(code == k) for k in range(1, codes.max() + 1))] for code in codes
    ]


def test_nothing_is_written_where_both_have_the_order_by_themselves():
    assert preparation(rung_with("text")) == ("", "")
    assert preparation(rung_with("dates")) == ("", "")
