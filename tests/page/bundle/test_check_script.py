"""The script that computes a likelihood by its definition, in a process of its own."""

import subprocess
import sys

import pytest

from harness.data.ladder import full_ladder
from harness.engines.referee_engine import RefereeEngine
from harness.page.bundle.check_script import check_files

pytestmark = pytest.mark.slow

CASES = ["sleepstudy/slope/REML", "sleepstudy/slope/ML", "penicillin/REML", "cake/ML"]


@pytest.mark.parametrize("name", CASES)
def test_it_has_the_referees_log_likelihood_standard_errors_and_df(name, tmp_path):
    case = next(r.case for r in full_ladder() if r.case.id == name)
    fit = RefereeEngine().fit(case, "default")
    for file, text in check_files(case, {"here": fit}, "A model", tests=True).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-I", tmp_path / "check.py"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert float(said[0].split()[-1]) == pytest.approx(fit.loglik, rel=1e-9)
    for line, row in zip(said[1:], fit.coefficients, strict=True):
        left, _, df = line.rpartition(", df ")
        # By different formulas, printed with six digits.
        assert float(df) == pytest.approx(row.df, rel=1e-5)
        assert float(left.split()[-1]) == pytest.approx(row.se, rel=1e-5)
