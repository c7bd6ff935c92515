"""The code of a remedy, run as a user runs it, gives the numbers that the diagnosis promises."""

import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.base.resources import fixture
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.bench import bench_of
from harness.diagnose.examples import load_examples
from harness.diagnose.remedy_code import Writing, r_code
from harness.diagnose.runs import Recipe
from harness.judge.examination import examine

pytestmark = pytest.mark.r

EXAMPLES = [
    "lme4-column-trap",
    pytest.param("sm-score-sign", marks=pytest.mark.study),
    pytest.param("stopped-short", marks=pytest.mark.study),
    pytest.param("sm-zero-fe", marks=pytest.mark.study),
    pytest.param("beyond-precision", marks=pytest.mark.study),
    pytest.param("singular-df", marks=pytest.mark.study),
    pytest.param("coded-factor", marks=pytest.mark.study),
    pytest.param("reused-labels", marks=pytest.mark.study),
    pytest.param("uncentred-predictor", marks=pytest.mark.study),
]


def remedies(found, language):
    """Remedies that are recommended, with code in a language: each promises the same number."""
    for cause in found.causes:
        for remedy in cause.remedies:
            code = remedy.r_code if language == "r" else remedy.python_code
            if remedy.helped and code and remedy.kind != "inference":
                yield remedy, code


@pytest.mark.parametrize("name", EXAMPLES)
def test_r_code(diagnosed, name):
    path = fixture("diagnoses", load_examples()[name].data)
    tried = list(remedies(diagnosed(name), "r"))
    assert tried
    for remedy, code in tried:
        program = (
            f'data <- read.csv("{path}", check.names = FALSE)\nlibrary(lme4)\n'
            f"fit <- {{\n{code}\n}}\ncat(format(logLik(fit)[1], digits = 12))"
        )
        answer = subprocess.run(
            [shutil.which("Rscript"), "--vanilla", "-e", program],
            capture_output=True,
            text=True,
            check=True,
        )
        # The tolerance of a log-likelihood at default settings.
        assert float(answer.stdout) == pytest.approx(remedy.after.loglik, abs=1e-4)


@pytest.mark.parametrize("name", EXAMPLES)
def test_python_code(diagnosed, name):
    path = fixture("diagnoses", load_examples()[name].data)
    for remedy, code in remedies(diagnosed(name), "python"):
        names = {"np": np, "smf": smf, "MixedLMParams": MixedLMParams, "data": pd.read_csv(path)}
        head, _, last = code.rpartition("\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(head, names)
            result = eval(last, names)
        assert result.llf == pytest.approx(remedy.after.loglik, abs=1e-4)


@pytest.mark.parametrize(
    ("formula", "data"),
    [
        ("diameter ~ 1 + (1 | sample) + (1 | plate)", "Penicillin"),
        pytest.param("strength ~ 1 + (1 | batch/cask)", "Pastes", marks=pytest.mark.study),
        pytest.param(
            "Reaction ~ Days + (Days || Subject) + (1 | Subject:Half)",
            "sleepstudy",
            marks=pytest.mark.study,
        ),
    ],
)
def test_a_start_for_several_terms_is_in_lme4s_order(formula, data):
    frame = load_dataset(data).frame
    if "Half" in formula:
        frame = frame.assign(Half=np.where(frame["Days"] > 4, "b", "a"))
    rung = own_rung("several", Dataset(data, frame, ""), formula, "REML")
    bench = bench_of(rung, examine(rung.case, ()))
    relative = tuple(psi + 1e-9 for psi in bench.relative)
    code = r_code(Writing(rung), Recipe("lme4", "bobyqa", start="referee's", relative=relative))
    first = code.index("start = c(") + len("start = ")
    start = code[first : code.index(")", first) + 1]
    program = (
        f"data <- read.csv(text = '{frame.to_csv(index=False)}', check.names = FALSE)\n"
        f"fit <- {{\n{code}\n}}\nstart <- {start}\n"
        "cat(format(max(abs(lme4::getME(fit, 'theta') - start)), digits = 6))"
    )
    answer = subprocess.run(
        [shutil.which("Rscript"), "--vanilla", "-e", "library(lme4)", "-e", program],
        capture_output=True,
        text=True,
        check=True,
    )
    # From the optimum the optimizer stays where it is, theta by theta.
    assert float(answer.stdout) < 0.01
