"""Weights, residual covariances and structured terms with every command that takes a formula."""

import json

import pandas as pd
import pytest

import harness
from tests.referee.residual_cases import visits
from tests.referee.structured_cases import repeats

RESIDUAL = ("--residual", "ar1(visit | s)")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    visits(3, subjects=20, times=4).to_csv(folder / "visits.csv", index=False)
    repeats(0, subjects=12).to_csv(folder / "repeats.csv", index=False)
    return folder


def test_translate_has_every_program(lmm_parity):
    said = json.loads(lmm_parity("translate", "y ~ x", *RESIDUAL, "--json")[1])
    assert said["lme4"] == "y ~ x, residual ar1(visit | s)"
    assert said["r"].startswith("nlme::gls(y ~ x, data, correlation = nlme::corAR1(")
    assert said["obstacle"] == "MixedLM has no residual covariance"
    assert said["programs"]["mmrm"] == "mmrm::mmrm(y ~ x + ar1(visit | s), data, reml = TRUE)"
    assert "type=ar(1)" in said["programs"]["PROC MIXED"]
    shown = lmm_parity("translate", "y ~ x + homcs(0 + f | s)")[1]
    assert "cs(0 + f | s, hom = TRUE)" in shown
    assert "mmrm          not expressible: it has no random effects" in shown
    assert "(lme4-2.0)" in shown
    call = "gls(y ~ x, d, correlation = corAR1(form = ~ visit | s))"
    assert json.loads(lmm_parity("translate", call, "--json")[1])["lme4"] == said["lme4"]


def test_a_call_says_its_residual_covariance_itself(lmm_parity):
    code, _, said = lmm_parity("translate", "lmer(y ~ x + (1 | g), d)", *RESIDUAL)
    assert code == 2
    assert "a call says it itself" in said


def test_translate_tells_the_two_meanings_of_the_double_bar_apart(lmm_parity):
    shown = lmm_parity("translate", "y ~ x + (f || g)", "--factor", "f")[1]
    assert "diag(0 + f | g)" in " ".join(shown.split())


def test_structured_terms_are_not_certified(lmm_parity, frames):
    table = str(frames / "repeats.csv")
    model = ("--data", table, "--formula", "y ~ x + cs(0 + f | s)")
    code, _, said = lmm_parity("certify", *model)
    assert code == 2
    assert "structured random terms are not certified" in said


@pytest.mark.slow
def test_an_audit_judges_at_the_optimum(lmm_parity, frames, tmp_path):
    table = str(frames / "visits.csv")
    best = harness.inference("y ~ x", visits(3, subjects=20, times=4), residual=RESIDUAL[1])
    row = best.table.loc["x"]
    for se, wanted in ((row.se, 0), (1.2 * row.se, 1)):
        listing = tmp_path / "listing.toml"
        lines = ["[coefficient.x]", f'estimate = "{row.estimate:.4f}"', f'se = "{se:.4f}"']
        listing.write_text("\n".join(lines))
        code, shown, _ = lmm_parity("audit", table, "y ~ x", str(listing), *RESIDUAL)
        assert code == wanted, shown
    found = harness.audit(
        visits(3, subjects=20, times=4),
        "y ~ x",
        {"coefficient": {"x": {"se": f"{row.se:.4f}"}}},
        residual=RESIDUAL[1],
    )
    assert found.right


@pytest.mark.slow
@pytest.mark.parametrize(
    ("formula", "residual"),
    [
        ("y ~ x", "ar1(visit | s)"),
        ("y ~ x + (1 | s)", "us(visit | s)"),
        ("y ~ x + homcs(0 + f | s)", ""),
        ("y ~ x + ar1(0 + f | s) + (1 | g)", ""),
        ("y ~ x + cs(1 + x | s)", ""),
    ],
)
def test_a_diagnosis_of_the_referee_alone_has_its_page(formula, residual):
    frame = visits(3, subjects=20, times=4) if residual else repeats(1, subjects=6)
    found = harness.diagnose(formula, frame, residual=residual, engines=["referee"])
    assert found.answer
    assert "referee" in str(found)
    assert found._repr_html_().startswith("<iframe")
    undetermined = "us" in residual
    assert ("undetermined-variance" in found.causes) == undetermined


def test_diag_of_numbers_is_written_as_every_program_can():
    frame = repeats(1, subjects=6)
    found = harness.diagnose("y ~ x + diag(1 + x | s)", frame, engines=["referee"], quick=True)
    assert found.diagnosis.case.formula == "y ~ x + (1 + x || s)"
    of_factor = harness.diagnose("y ~ x + diag(0 + f | s)", frame, engines=["referee"], quick=True)
    assert of_factor.diagnosis.case.formula == "y ~ x + diag(0 + f | s)"


def test_the_coding_of_an_ordered_factor_is_said():
    frame = repeats(1, subjects=6)
    frame["f"] = pd.Categorical(frame["f"], ordered=True)
    found = harness.diagnose("y ~ f + (1 | s)", frame, engines=["referee"], quick=True)
    assert "f is an ordered factor, and has treatment coding in every" in str(found)
    coded = harness.diagnose(
        "y ~ f + (1 | s)", frame, contrasts={"f": "poly"}, engines=["referee"], quick=True
    )
    assert "ordered factor" not in str(coded)
