"""``lmm-parity compare``: what ``harness.compare`` gives, on a terminal, a page and as JSON."""

import json

import pytest

import harness
from harness.base.resources import fixture
from harness.data.datasets import load_dataset

DATA = str(fixture("data", "sleepstudy.csv"))
SMALL, LARGE = "Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"


def test_json_is_what_the_function_gives(lmm_parity):
    code, out, _ = lmm_parity("compare", DATA, SMALL, LARGE, "--json")
    assert code == 0
    found = json.loads(out)
    made = harness.compare(SMALL, LARGE, load_dataset("sleepstudy").frame)
    assert (found["statistic"], found["p"], found["null"]) == (made.statistic, made.p, made.null)
    assert [m["model"] for m in found["models"]] == [SMALL, LARGE]
    assert found["criteria"][0]["AIC"] == list(made.criteria["AIC"].iloc[0])


def test_the_terminal_and_the_page_say_the_same(lmm_parity, tmp_path):
    page = tmp_path / "comparison.html"
    code, out, _ = lmm_parity("compare", DATA, SMALL, LARGE, "--out", str(page))
    assert code == 0
    # anova(m0, m1, refit = FALSE): Chisq 42.837, Df 2, Pr(>Chisq) 4.99e-10
    said = (
        "The larger model fits better at 0.05: p = 2.79e-10, likelihood ratio 42.8368 for 2 more "
        "parameters.",
        "The null distribution is an equal mixture of chi-square(1) and chi-square(2).",
        "By chi-square(2), as anova of R with refit = FALSE has it, p = 4.99e-10.",
    )
    text = page.read_text(encoding="utf-8")
    for sentence in said:
        assert sentence in out
        assert sentence in text


def test_what_is_not_known_is_simulated_from_the_seed(lmm_parity):
    table = str(fixture("data", "Penicillin.csv"))
    both = ("diameter ~ 1", "diameter ~ 1 + (1 | plate) + (1 | sample)")
    code, out, _ = lmm_parity("compare", table, *both, "--simulations", "20", "--seed", "3")
    assert code == 0
    assert "(20 draws, seed 3)" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((LARGE, SMALL), "give the smaller one first"),
        ((SMALL, SMALL), "the two are one model"),
        (("Reaction ~ 1 + (1 | Subject)", SMALL), "compare them by ML"),
        (("Reaction ~ Dayz + (1 | Subject)", LARGE), "no column 'Dayz'"),
        ((SMALL, LARGE, "--simulations", "-1"), "--simulations"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(lmm_parity, arguments, said):
    code, out, err = lmm_parity("compare", DATA, *arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    assert len(err.strip().splitlines()) == 1
