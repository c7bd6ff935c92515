"""Bundles of models with weights, residual covariances and structured terms."""

import numpy as np
import pytest

from harness.engines import environments
from tests.referee.residual_cases import visits
from tests.referee.structured_cases import repeats

pytestmark = [pytest.mark.r, pytest.mark.slow]

SAME = "prints the record's numbers to 15 digits"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    frame = visits(3, subjects=25, times=4)
    frame["even"] = 2 * frame["visit"]
    frame["w"] = np.exp(np.random.default_rng(0).normal(size=len(frame))).round(3)
    frame.to_csv(folder / "visits.csv", index=False)
    repeats(0, subjects=15).to_csv(folder / "repeats.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("data", "formula", "options", "engine", "said"),
    [
        ("visits", "y ~ x + (1 | s)", ("--weights", "w"), "nlme", [SAME, SAME]),
        ("visits", "y ~ x + (1 | s)", ("--weights", "w"), "glmmtmb", [SAME, SAME]),
        ("visits", "y ~ x + (1 | s)", ("--residual", "ar1(visit | s)"), "nlme", [SAME]),
        ("visits", "y ~ x", ("--residual", "cs(1 | s)", "--ml"), "nlme", [SAME]),
        ("visits", "y ~ x", ("--residual", "us(visit | s)"), "nlme", [SAME]),
        ("visits", "y ~ x", ("--residual", "corr(even | s)"), "nlme", [SAME]),
        ("visits", "y ~ x", ("--residual", "ar1(factor(even) | s)"), "nlme", [SAME]),
        ("visits", "y ~ x + (1 | s)", ("--residual", "het(sex)"), "nlme", [SAME]),
        ("repeats", "y ~ x + homcs(0 + f | s)", (), "nlme", [SAME]),
        ("repeats", "y ~ x + cs(0 + f | s)", (), "glmmtmb", [SAME]),
    ],
)
def test_scripts_have_the_records_numbers(
    lmm_parity, tables, tmp_path, data, formula, options, engine, said
):
    if not environments.installed(engine):
        pytest.skip(f"{engine} is not installed here")
    reference = "lme4" if "--weights" in options else "referee"
    code, out, err = lmm_parity(
        *("bundle", "make", tables / f"{data}.csv", formula, *options, "--engine", engine),
        *("--reference", reference, "--out", tmp_path / "b"),
    )
    assert code == 0, err
    assert out.count(SAME) == len(said), out
    code, out, _ = lmm_parity("bundle", "run", tmp_path / "b")
    assert code == 0, out


def test_what_lme4_has_not_its_script_says(lmm_parity, tables, tmp_path):
    if not environments.installed("nlme"):
        pytest.skip("nlme is not installed here")
    folder = tmp_path / "b"
    lmm_parity(
        *("bundle", "make", tables / "visits.csv", "y ~ x", "--residual", "cs(1 | s)"),
        *("--engine", "nlme", "--reference", "referee", "--out", folder),
    )
    said = (folder / "output-r.txt").read_text()
    assert said == "lme4 cannot be given this model: it has no residual covariance\n"
