"""What is asked next about a statsmodels result is answered where it is true of that result."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import harness
from harness.base.text import number
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.data_checks import labels
from harness.diagnose.given import mixed_fit
from harness.diagnose.intended_model import as_asked, as_meant
from harness.diagnose.next_questions import next_questions

pytestmark = pytest.mark.filterwarnings("ignore")

SLEEP = load_dataset("sleepstudy").frame
PASTES = load_dataset("Pastes").frame
PENICILLIN = load_dataset("Penicillin").frame


def casks(**arguments):
    return smf.mixedlm(
        "strength ~ 1",
        PASTES,
        groups="batch",
        vc_formula={"cask": "0 + C(cask)"},
        **arguments,
    ).fit()


def slopes():
    return smf.mixedlm("Reaction ~ Days", SLEEP, groups="Subject", re_formula="~Days").fit()


def asked(result):
    return {q.key: q.answer for q in next_questions(result, mixed_fit(result))}


@pytest.mark.parametrize("re_formula", ["1", None])
def test_bse_re_raises_for_variance_components_by_formula(re_formula):
    result = casks(re_formula=re_formula)
    with pytest.raises(ValueError, match="Length of values") as raised:
        result.bse_re  # noqa: B018
    answer = asked(result)["bse-re"]
    assert answer.startswith(f"ValueError: {raised.value}. ")
    assert len(result._results.bse_re) == result.k_re2 + result.model.k_vc


def test_bse_re_does_not_raise_for_others():
    for result in (slopes(), casks(re_formula="1")._results):
        assert np.isfinite(np.asarray(result.bse_re)).all()
        assert "bse-re" not in asked(result)


@pytest.mark.parametrize("make", [slopes, lambda: casks(re_formula="1")])
def test_predict_is_the_fixed_part_and_fittedvalues_adds_the_random_effects(make):
    result = make()
    fixed = result.model.exog @ result.fe_params.to_numpy()
    np.testing.assert_allclose(result.predict(), fixed, rtol=1e-12)
    most = np.abs(result.fittedvalues.to_numpy() - fixed).max()
    assert f"adds the random effects, up to {number(most)} here." in asked(result)["predict"]


def test_a_new_row_of_a_known_group_gets_its_random_effects_by_hand():
    result = slopes()
    row = SLEEP.iloc[[7]]
    z = np.array([1.0, row["Days"].iloc[0]])
    by_hand = result.predict(row).iloc[0] + z @ result.random_effects[row["Subject"].iloc[0]]
    assert by_hand == pytest.approx(result.fittedvalues.iloc[7], rel=1e-12)


def test_where_the_random_effects_are_refused_the_error_is_quoted():
    result = smf.mixedlm("Reaction ~ Days", SLEEP, groups="Subject").fit()
    result._results.cov_re = np.zeros((1, 1))
    with pytest.raises(ValueError, match="singular covariance") as raised:
        result.fittedvalues  # noqa: B018
    assert asked(result)["predict"].endswith(f"raises here: ValueError: {raised.value}.")


def test_an_interval_below_zero_is_a_wald_interval_of_a_ratio():
    result = casks(re_formula="1")
    answer = asked(result)["wald-intervals"]
    low, high = result.conf_int().loc["batch Var"]
    assert low < 0.0
    assert f"batch Var from {number(low)} to {number(high)}:" in answer
    ratio = result.cov_re.iloc[0, 0] / result.scale
    # 1.96 is the 0.975 quantile of the normal distribution.
    half = 1.959963984540054 * result.bse["batch Var"]
    np.testing.assert_allclose([low, high], [ratio - half, ratio + half], rtol=1e-9)
    assert (smf.mixedlm("Reaction ~ Days", SLEEP, groups="Subject").fit().conf_int() > 0).all(
        axis=None
    )
    only_above = smf.mixedlm("Reaction ~ Days", SLEEP, groups="Subject").fit()
    assert "wald-intervals" not in asked(only_above)


@pytest.mark.slow
def test_the_answers_are_in_the_diagnosis_of_a_result_only():
    alone = {"engines": "statsmodels", "quick": True, "pictures": False}
    found = harness.diagnose(casks(re_formula="1"), **alone)
    assert [q.key for q in found.diagnosis.questions] == ["bse-re", "predict", "wald-intervals"]
    assert "Asked next" in str(found)
    assert "Why does bse_re raise?" in found._repr_html_()
    by_formula = harness.diagnose("strength ~ 1 + (1 | batch/cask)", PASTES, **alone)
    assert by_formula.diagnosis.questions == ()
    assert "Asked next" not in str(by_formula)


def test_every_way_to_read_a_result_answers():
    result = slopes()
    for given in (as_asked(result), as_meant(result, "Reaction ~ Days + (Days | Subject)")):
        assert [q.key for q in given.questions] == ["predict"]


REPEATED = {
    "one label": lambda n: [0] * n,
    "two rows": lambda n: [0, 0, *range(2, n)],
    "stacked halves": lambda n: [*range(n // 2)] * 2,
}


@pytest.mark.parametrize("kind", REPEATED)
@pytest.mark.parametrize(
    ("frame", "formula", "call"),
    [
        (
            PASTES,
            "strength ~ 1 + (1 | batch/cask)",
            {
                "formula": "strength ~ 1",
                "groups": "batch",
                "re_formula": "1",
                "vc_formula": {"c": "0 + C(cask)"},
            },
        ),
        (
            PENICILLIN,
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            {
                "formula": "diameter ~ 1",
                "groups": np.ones(len(PENICILLIN)),
                "vc_formula": {"p": "0 + C(plate)", "s": "0 + C(sample)"},
            },
        ),
    ],
)
def test_repeated_labels_stop_variance_components(kind, frame, formula, call):
    repeated = frame.set_axis(REPEATED[kind](len(frame)))
    with pytest.raises(ValueError, match=r"dimension|shapes"):
        smf.mixedlm(data=repeated, **call).fit()
    (check,) = labels(own_rung("data", Dataset("data", repeated, ""), formula, "REML").case)
    assert check.key == "repeated-labels"
    assert check.advice.startswith("Give it data.reset_index(drop=True)")
    assert not list(labels(own_rung("data", Dataset("data", frame, ""), formula, "REML").case))


def test_repeated_labels_are_no_matter_without_variance_components():
    repeated = SLEEP.set_axis([0] * len(SLEEP))
    again = smf.mixedlm("Reaction ~ Days", repeated, groups="Subject", re_formula="~Days").fit()
    assert again.llf == slopes().llf
    np.testing.assert_array_equal(again.fittedvalues, slopes().fittedvalues)
    case = own_rung(
        "data", Dataset("data", repeated, ""), "Reaction ~ Days + (Days | Subject)", "REML"
    ).case
    assert case.table.labels_repeat
    assert not list(labels(case))


def test_an_array_result_may_be_asked_too():
    x = sm.add_constant(SLEEP["Days"].to_numpy(dtype=float))
    result = sm.MixedLM(SLEEP["Reaction"].to_numpy(), x, pd.factorize(SLEEP["Subject"])[0]).fit()
    assert list(asked(result)) == ["predict"]
