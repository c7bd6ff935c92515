"""The least that mends is advised, for whom it is said, and its numbers are in the data's units."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import harness
from harness.base.text import moved, moved_p
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.answer import advised
from harness.diagnose.bench import Bench
from harness.diagnose.data_units import in_units_of
from harness.diagnose.other_columns import written
from harness.diagnose.pipeline import diagnose
from harness.engines.referee_engine import RefereeEngine
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum

# Yield of petrol by the end point of its vapour, of ten crude oils (N. L. Prater, 1956).
PETROL = {
    "A": [(205, 12.2), (275, 22.3), (345, 34.7), (407, 45.7)],
    "B": [(218, 8), (273, 13.1), (347, 26.6)],
    "C": [(212, 7.4), (272, 18.2), (340, 30.4)],
    "D": [(235, 6.9), (300, 15.2), (365, 26), (410, 33.6)],
    "E": [(307, 14.4), (367, 26.8), (395, 34.9)],
    "F": [(267, 10), (360, 24.8), (402, 31.7)],
    "G": [(235, 2.8), (275, 6.4), (358, 16.1), (416, 27.8)],
    "H": [(285, 5), (365, 17.6), (444, 32.1)],
    "I": [(351, 14), (424, 23.2)],
    "J": [(365, 8.5), (379, 14.7), (428, 18)],
}


def petrol():
    return pd.DataFrame(
        [(oil, end, y) for oil, pairs in PETROL.items() for end, y in pairs],
        columns=["No", "EP", "Y"],
    )


def rung_of(frame, formula, criterion="REML"):
    return own_rung("case", Dataset("data", frame, "generated"), formula, criterion)


def bench_of(rung):
    likelihood = Likelihood(rung.case.design, reml=rung.case.model.criterion != "ML")
    return Bench(rung, likelihood, find_optimum(likelihood))


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "formula"), [("sleepstudy", "Reaction ~ Days"), ("Oxboys", "height ~ age")]
)
def test_a_method_that_does_not_get_there_is_left_out_before_a_column_is_changed(name, formula):
    frame = load_dataset(name).frame
    slope = formula.partition("~")[2]
    result = smf.mixedlm(formula, frame, groups="Subject", re_formula=slope).fit(method="nm")
    found = harness.diagnose(result, quick=True, pictures=False).diagnosis
    assert 0.5 * found.case.audit("statsmodels").gap > 1.0
    first, *more = advised(found.causes)
    assert (first.title, more) == ("leave out method='nm' in statsmodels", [])
    assert first.steps == ()
    assert first.after.gap < 1e-6
    assert "method" not in first.python_code


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize(
    ("means", "sizes"),
    [({}, {"Days": 2.5}), ({"Days": 4.0}, {}), ({"Days": 4.0}, {"Days": 2.5, "Reaction": 56.0})],
)
@pytest.mark.parametrize("focus", ["Intercept", "Days"])
def test_a_fit_in_other_columns_is_told_in_the_units_of_the_data(criterion, means, sizes, focus):
    rung = rung_of(
        load_dataset("sleepstudy").frame, "Reaction ~ Days + (Days | Subject)", criterion
    )
    rung = replace(rung, focus=focus)
    own, other = bench_of(rung), bench_of(written(rung, means, sizes).rung)
    here, there = (RefereeEngine().fit(b.case, "default") for b in (own, other))
    right = own.snapshot(here)
    raw = other.snapshot(there)
    told = in_units_of(own, other, there, raw)
    # Both are the optimum, each found in its own columns: numbers part by how sharply it is found.
    assert told.loglik == pytest.approx(right.loglik, abs=1e-9)
    for name in ("estimate", "se", "df"):
        assert getattr(told.focus, name) == pytest.approx(getattr(right.focus, name), rel=1e-6)
    assert np.log(told.focus.p) == pytest.approx(np.log(right.focus.p), rel=1e-6)
    if sizes:
        assert abs(raw.loglik - right.loglik) > 0.5 or (criterion == "ML" and len(sizes) == 1)


@pytest.mark.r
@pytest.mark.slow
def test_of_two_wrong_programs_each_is_told_its_cause_and_the_remedy_puts_both_right(ready):
    found = diagnose(rung_of(petrol(), "Y ~ EP + (EP | No)"), ready(), quick=True)
    assert found.answer[0].startswith("No: they disagree, and neither is right.")
    (why,) = [s for s in found.answer if s.startswith("Why: ")]
    assert "statsmodels' gradient" in why
    assert "in lme4 the optimizer stopped" in why
    first = advised(found.causes)[0]
    assert set(first.mends) == {"statsmodels", "lme4"}
    assert first.r_code
    assert first.python_code
    assert 'data[["EP"]] / 68.7' in first.r_code
    assert not any("WRONG_OPTIMUM →" in s and "→ WRONG_OPTIMUM" in s for s in found.answer)
    # Per degree of EP, whatever EP was divided by: what lmer gives of EP / 68.7, by 68.7.
    assert first.after.focus.estimate == pytest.approx(0.1545, abs=5e-4)
    assert first.after.loglik == pytest.approx(-86.3871, abs=1e-3)
    # A smaller model is named, with what is taken out of it.
    (term,) = found.singular
    assert "Without it" not in term.sentence
    assert f"The smaller model {term.reduced_formula} (" in term.sentence


def test_what_does_not_change_is_said_to_stay():
    assert moved("SE", 0.07160, 0.07130) == "SE 0.0716 → 0.0713"
    assert moved("age", 0.6601, 0.6602) == "age stays 0.66"
    assert moved_p(1e-12, 1e-40) == "p stays below 1e-10"
    assert moved_p(0.0001, 1e-12) == "p 0.0001 → below 1e-10"


@pytest.mark.r
@pytest.mark.slow
def test_codes_read_as_a_factor_are_another_model_and_no_numbers_of_it_are_set_beside(ready):
    r = np.random.default_rng(8)
    rat = np.repeat(range(12), 6)
    diet, time = rat % 3 + 1, np.tile(range(6), 12)
    y = 20 + 3 * diet + 0.5 * time + r.normal(0, 1, 12)[rat] + r.normal(0, 1, 72)
    frame = pd.DataFrame({"y": y.round(2), "diet": diet, "time": time, "rat": rat})
    found = diagnose(rung_of(frame, "y ~ time * diet + (1 | rat)"), ready(), quick=True)
    (check,) = [c for c in found.checks if c.key == "coded-factor"]
    assert "another model with other coefficients" in check.advice
    assert " SE " not in check.advice
    assert "without need" not in check.advice
