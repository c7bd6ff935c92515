"""A table written as CSV is read back bit for bit, by Python and by R."""

import csv
import io
import math
import random
import struct

import numpy as np
import pytest

from harness.base.errors import BadInput
from harness.data.exact_csv import csv_text, missing_mark, number_text, read_exact_csv
from harness.model.table import FactorColumn, NumericColumn, Table
from harness.rbridge.rscript import run_rscript


def numbers_for_csv():
    chance = random.Random(1)
    # The shortest decimals of the first three are read by R as the double beside them.
    values = [-36040.932879477194, 0.00015964491973604009, 122.522012857, 0.1, -0.0, 5e-324, 1e300]
    for i in range(6000):
        values.append(chance.gauss(0, 1) * 10 ** chance.randint(-5, 8))
        values.append(round(chance.gauss(0, 100), i % 16))
        values.append(struct.unpack("d", struct.pack("Q", chance.getrandbits(64)))[0])
    return [v for v in values if math.isfinite(v)]


@pytest.mark.r
def test_numbers_are_read_back_bit_for_bit_in_both_languages(tmp_path):
    values = numbers_for_csv()
    texts = [number_text(v) for v in values]
    same = [
        struct.pack("d", float(t)) == struct.pack("d", v)
        for t, v in zip(texts, values, strict=True)
    ]
    assert all(same)
    (tmp_path / "v.csv").write_text(
        "text,hex\n" + "".join(f"{t},{v.hex()}\n" for t, v in zip(texts, values, strict=True))
    )
    script = tmp_path / "v.R"
    script.write_text(
        'd <- read.csv("v.csv", colClasses = "character")\n'
        "a <- as.numeric(d$text); b <- as.numeric(d$hex)\n"
        "cat(nrow(d), sum(a != b | 1 / a != 1 / b))\n"
    )
    done = run_rscript(script, timeout=60)
    assert done.stdout == f"{len(values)} 0", done.stderr
    # Short ones stay short.
    assert texts[3:5] == ["0.1", "-0"]
    assert number_text(249.56) == "249.56"


def test_missing_values_are_told_from_labels():
    column = FactorColumn("g", np.array([0, 1, -1], dtype=np.int32), ("", "NA"))
    table = Table((NumericColumn("y", np.array([1.0, np.nan, 3.0])), column))
    assert missing_mark(table) == "missing"
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows == [["y", "g"], ["1", ""], ["missing", "NA"], ["3", "missing"]]


def test_line_breaks_in_labels_are_refused():
    column = FactorColumn("g", np.array([0, 1], dtype=np.int32), ("a\nb", "c"))
    table = Table((NumericColumn("y", np.array([1.0, 2.0])), column))
    with pytest.raises(BadInput, match=r"a label of 'g' holds a line break.*'a\\nb'"):
        csv_text(table)


def test_a_table_comes_back_from_its_csv(tmp_path):
    numbers = np.array([*numbers_for_csv()[:50], np.nan])
    codes = np.array([k % 3 - 1 for k in range(51)], dtype=np.int32)
    table = Table((NumericColumn("y, cm", numbers), FactorColumn("g", codes, ("", "é 'x'"))))
    path = tmp_path / "data.csv"
    path.write_text(csv_text(table), encoding="utf-8")
    again = read_exact_csv(path, {"g": ("", "é 'x'")}, missing_mark(table))
    assert again.checksum() == table.checksum()
