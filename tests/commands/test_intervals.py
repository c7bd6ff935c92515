"""``lmm-parity intervals``: what ``harness.intervals`` gives, on a terminal, a page and as JSON."""

import json

import pytest

import harness
from harness.base.resources import fixture
from harness.data.datasets import load_dataset

DATA = str(fixture("data", "sleepstudy.csv"))
FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ((), {}),
        (("--ml", "--level", "0.9"), {"ml": True, "level": 0.9}),
        (("--kind", "wald", "--df", "kenward-roger"), {"kind": "wald", "df": "kenward-roger"}),
    ],
)
def test_json_is_what_the_function_gives(lmm_parity, arguments, given):
    code, out, _ = lmm_parity("intervals", DATA, FORMULA, *arguments, "--json")
    assert code == 0
    found = json.loads(out)
    made = harness.intervals(FORMULA, load_dataset("sleepstudy").frame, **given)
    assert {r["parameter"]: (r["low"], r["high"]) for r in found["intervals"]} == {
        name: (row.low, row.high) for name, row in made.table.iterrows()
    }
    assert (found["kind"], found["df"], found["level"]) == (made.kind, made.df, made.level)


def test_the_terminal_and_the_page_say_the_same(lmm_parity, tmp_path):
    page = tmp_path / "intervals.html"
    code, out, _ = lmm_parity("intervals", DATA, FORMULA, "--ml", "--out", str(page))
    assert code == 0
    assert "95 % intervals by the profile of the ML likelihood, as confint of lme4 has them." in out
    row = next(line for line in out.splitlines() if line.strip().startswith("Days "))
    assert row.split() == ["Days", "10.467", "7.3587", "13.576"]  # confint(m): 7.358653 13.575919
    text = page.read_text(encoding="utf-8")
    assert "7.3587" in text
    assert f"written: {page}" in out


def test_what_ends_on_the_boundary_is_said(lmm_parity):
    # The best variance between the batches of Dyestuff2 is 0.
    table = str(fixture("data", "Dyestuff2.csv"))
    code, out, _ = lmm_parity("intervals", table, "Yield ~ 1 + (1 | Batch)")
    assert code == 0
    assert "The interval of the SD of Intercept by Batch starts on the boundary, 0." in out
    code, out, _ = lmm_parity("intervals", table, "Yield ~ 1 + (1 | Batch)", "--kind", "wald")
    assert "No Wald interval of the SD of Intercept by Batch: it is on the boundary." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((DATA, FORMULA, "--df", "residual"), "--df is for --kind wald"),
        ((DATA, FORMULA, "--level", "95"), "--level"),
        ((DATA, "Reaction ~ Days"), "the formula has no random term"),
        ((DATA, "Reaction ~ Dayz + (1 | Subject)"), "no column 'Dayz'"),
        ((DATA, FORMULA, "--kind", "wald", "--df", "kenward-roger", "--ml"), "kenward-roger"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(lmm_parity, arguments, said):
    code, out, err = lmm_parity("intervals", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
