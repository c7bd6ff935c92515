"""A diagnosis of a model that neither statsmodels nor lme4 has says who has it, and no more."""

import pytest

from harness.data.datasets import load_dataset

MODELS = [
    ("Reaction ~ Days + (1 | Subject)", ("--residual", "ar1(Days | Subject)"), "nlme"),
    ("Reaction ~ Days + cs(1 + Days | Subject)", (), "glmmtmb"),
]


@pytest.fixture
def table(tmp_path):
    load_dataset("sleepstudy").frame.to_csv(tmp_path / "sleep.csv", index=False)
    return tmp_path / "sleep.csv"


@pytest.mark.r
@pytest.mark.parametrize(("formula", "options", "able"), MODELS)
def test_who_can_express_it_is_named_and_nothing_is_said_of_fits_that_are_not(
    lmm_parity, table, formula, options, able
):
    _, out, _ = lmm_parity("diagnose", table, formula, *options, "--quick")
    words = " ".join(out.split())
    assert f"{able} can express it: name it by --engine {able}." in words
    for untrue in ("used by both programs", "no conclusion changes", "in both languages"):
        assert untrue not in words


@pytest.mark.r
def test_a_smaller_model_without_random_effects_is_judged_beside_its_residual_covariance(
    lmm_parity, tmp_path
):
    """Subjects have one mean here: beside ar1 their intercepts have no variance."""
    rows = load_dataset("sleepstudy").frame
    rows = rows.assign(Reaction=rows.groupby("Subject").Reaction.transform(lambda y: y - y.mean()))
    rows.to_csv(tmp_path / "flat.csv", index=False)
    _, out, _ = lmm_parity(
        "diagnose", tmp_path / "flat.csv", "Reaction ~ Days + (1 | Subject)",
        "--residual", "ar1(Days | Subject)", "--engine", "nlme", "--quick",
    )  # fmt: skip
    words = " ".join(out.split())
    assert "take (1 | Subject) out of the model" in words
    places = (line for line in out.splitlines() if line.split()[:4] == ["the", "fit", "is", "at"])
    after = next(line for line in places if "boundary" in line)
    assert after.split()[-2:] == ["interior", "optimum"]
