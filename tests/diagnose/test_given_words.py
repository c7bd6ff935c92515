"""What is said of a given result: which model a row is of, which p is right, nothing needless."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import harness
from harness.data.datasets import load_dataset

pytestmark = [pytest.mark.r, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def of_another_model():
    frame = load_dataset("sleepstudy").frame
    result = smf.mixedlm("Reaction ~ Days", frame, groups="Subject", re_formula="~Days").fit()
    formula = "Reaction ~ Days + (1 | Subject)"
    return harness.diagnose(result, formula=formula, quick=True, pictures=False)


def test_each_row_is_of_its_own_model(of_another_model):
    found = of_another_model.diagnosis
    (fitted,) = found.fitted
    assert fitted.formula == "Reaction ~ Days + (Days | Subject)"
    # What lme4 prints of the two models.
    assert fitted.best_loglik == pytest.approx(-871.8141, abs=1e-4)
    assert found.case.best_loglik == pytest.approx(-893.2325, abs=1e-4)
    shown = " ".join(str(of_another_model).split())
    assert "The row of statsmodels is of the model fitted, Reaction ~ Days + (Days | " in shown
    assert "interior optimum of its own model" in shown
    assert "NaN" not in shown.partition("Not the same by definition")[0]


def test_a_result_of_another_model_has_its_reason_and_what_to_do(of_another_model):
    found = of_another_model.diagnosis
    assert found.causes[0].key == "other-model"
    (remedy,) = found.causes[0].remedies
    assert remedy.helped
    assert remedy.before.formula != remedy.after.formula
    assert math.isfinite(remedy.before.loglik)
    assert remedy.before.loglik == pytest.approx(-871.8141, abs=1e-4)
    assert any(s.startswith("Why: ") for s in found.answer)
    assert any(
        s.startswith("What to do: fit the model that the formula says") for s in found.answer
    )


def test_with_one_row_for_each_group_a_p_value_that_changes_side_is_said():
    # Seed 54: z of MixedLM has p 0.018, t of least squares p 0.0595.
    r = np.random.default_rng(54)
    x = r.normal(size=14).round(2)
    frame = pd.DataFrame({"y": (0.6 * x + r.normal(size=14)).round(2), "x": x})
    frame["id"] = [f"i{k}" for k in range(14)]
    result = smf.mixedlm("y ~ x", frame, groups="id").fit()
    right = smf.ols("y ~ x", frame).fit().pvalues["x"]
    assert result.pvalues["x"] < 0.05 < right
    found = harness.diagnose(result, quick=True, pictures=False).diagnosis
    conclusion = next(c for c in found.conclusions if c.name == "x")
    assert conclusion.changed
    assert conclusion.right == pytest.approx(right, rel=1e-6)
    assert any("This changes a conclusion. x: " in s and "0.05" in s for s in found.answer)


def test_nobody_is_told_to_drop_rows_that_a_result_has_left_out():
    frame = load_dataset("sleepstudy").frame.copy()
    frame.loc[[3, 77], "Reaction"] = np.nan
    result = smf.mixedlm("Reaction ~ Days", frame, groups="Subject", missing="drop").fit()
    found = harness.diagnose(result, frame, quick=True, pictures=False).diagnosis
    assert found.case.data.rows_used == 178
    assert not [r for c in found.causes for r in c.remedies if r.kind == "rows"]
    assert not any("drop the incomplete rows" in s for s in (*found.answer, *found.advice))
