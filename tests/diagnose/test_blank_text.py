"""Blanks in a column of text, which pandas reads as missing and R's read.csv as a level."""

import numpy as np
import pytest

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.diagnose.bench import bench_of
from harness.diagnose.data_checks import rows
from harness.diagnose.remedy_code import Writing, r_code
from harness.diagnose.shown_code import begin_r
from harness.judge.examination import examine
from tests.diagnose.far_predictors import generated

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def frame():
    made = generated("days", "y ~ x * f + (x | g)", 2)
    made.loc[[3, 9, 20], "f"] = None
    return made


@pytest.fixture(scope="module")
def rung(frame):
    return own_rung("case", Dataset("data", frame, ""), "y ~ x + f + (1 | g)", "REML")


def test_the_code_for_r_leaves_out_the_rows_that_the_case_leaves_out(frame, rung, r):
    as_read = frame.assign(f=frame["f"].fillna(""))
    fit = begin_r(r, r_code(Writing(rung)), as_read, rung)()
    best = bench_of(rung, examine(rung.case, ())).loglik
    assert fit.n_obs == len(frame) - 3
    # The tolerance of a log-likelihood at default settings.
    assert fit.loglik == pytest.approx(best, abs=1e-4)


def test_what_read_csv_makes_of_them_is_said_of_text_only(frame, rung):
    assert "read.csv takes a blank in f for a level" in rows(rung.case).sentence
    numbers = frame.assign(f=np.arange(len(frame)) % 2, x=frame["x"].where(frame.index != 4))
    other = own_rung("case", Dataset("data", numbers, ""), "y ~ x + f + (1 | g)", "REML")
    assert "read.csv" not in rows(other.case).sentence
