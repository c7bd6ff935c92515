"""A remedy is judged for the engine it is for, and the least change of the columns comes first."""

import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.answer import advised
from harness.diagnose.given import method_of, mixed_fit, of_statsmodels
from harness.diagnose.other_columns import candidates
from harness.diagnose.pipeline import diagnose
from harness.diagnose.remedy_code import Habits, Writing, python_code, r_code
from harness.diagnose.runs import Recipe
from harness.diagnose.shown_code import python_value, run_python
from tests.diagnose.far_predictors import KINDS, generated


def rung_of(frame, formula, criterion="REML"):
    return own_rung("case", Dataset("data", frame, "generated"), formula, criterion)


def dates():
    """Ten groups, four days each, by day numbers since the year 1."""
    r = np.random.default_rng(3)
    g = np.repeat(range(10), 4)
    t = np.tile([0, 28, 56, 84], 10) + r.integers(-3, 4, 40)
    y = 20 + r.normal(0, 3, 10)[g] + (0.04 + r.normal(0, 0.03, 10))[g] * t + r.normal(0, 1.5, 40)
    return pd.DataFrame({"y": y.round(1), "day": 737800 + t, "g": g})


def frequencies():
    """Six benches by five probes at four frequencies in Hz, three readings each."""
    r = np.random.default_rng(5)
    frame = pd.DataFrame(
        [
            (f, f"bench{b}", f"p{p}", b, p)
            for p in range(5)
            for b in range(6)
            for f in (1199000, 1733000, 2133000, 2533000)
            for _ in range(3)
        ],
        columns=["f", "b", "p", "i", "j"],
    )
    slopes = r.normal(0, 0.27e-6, 5)[frame["j"]]
    means = r.normal(0, 0.3, 6)[frame["i"]] + r.normal(0, 0.35, 5)[frame["j"]]
    y = 2.2 + (1.9e-6 + slopes) * frame["f"] + means + r.normal(0, 0.2, len(frame))
    return frame.assign(y=y)[["f", "b", "p", "y"]]


@pytest.fixture(scope="module")
def of_dates(ready):
    return diagnose(rung_of(dates(), "y ~ day + (day | g)"), ready(), quick=True)


def gaps(found):
    """How far each engine is below the best log-likelihood, as it comes."""
    return {e: 0.5 * found.case.audit(e).gap for e in found.engines if found.case.audit(e)}


@pytest.mark.r
@pytest.mark.slow
def test_a_date_counted_from_far_away_is_centred_and_scaled(of_dates):
    # Both programs are far from the optimum of the model as it is written.
    assert min(gaps(of_dates).values()) > 1.0
    assert of_dates.causes[0].key == "uncentred-predictor"
    assert of_dates.causes[0].main
    assert "sm-score-sign" in {cause.key for cause in of_dates.causes}
    (remedy,) = advised(of_dates.causes)
    assert remedy.title == "centre day at 737842, then divide day by 31.4"
    assert set(remedy.mends) == {"statsmodels", "lme4"}
    assert remedy.same_model
    assert remedy.after.verdict == "AGREE"
    # In days, whatever they are divided by: the best log-likelihood of the model as written.
    assert remedy.after.loglik == pytest.approx(-90.256970, abs=1e-5)
    assert remedy.python_code.splitlines()[1] == "data['day'] = (data['day'] - 737842.0) / 31.4"


@pytest.mark.r
@pytest.mark.slow
def test_nothing_that_mends_is_called_needless(of_dates):
    assert not any("need" in check.advice or "no help" in check.advice for check in of_dates.checks)
    scaled = next(r for c in of_dates.causes for r in c.remedies if r.steps == ("scale",))
    assert not scaled.helped
    assert not scaled.mends


@pytest.mark.r
@pytest.mark.slow
def test_both_programs_reach_the_optimum_of_centred_and_scaled_dates(ready):
    frame = dates().assign(day=lambda d: (d["day"] - 737842) / 28)
    found = diagnose(rung_of(frame, "y ~ day + (day | g)"), ready(), quick=True)
    assert found.agreement == "agree"
    for engine in found.engines:
        # The optimum in days, -90.256970, and log 28 for the units of the predictor.
        assert found.case.fit(engine).loglik == pytest.approx(-86.924766, abs=1e-5)


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("crossed", [False, True])
def test_a_frequency_in_hertz_is_divided_whatever_statsmodels_can_express(crossed, ready):
    formula = "y ~ f + (f | p)" + (" + (1 | b)" if crossed else "")
    found = diagnose(rung_of(frequencies(), formula), ready(), quick=True)
    assert gaps(found)["lme4"] > 0.01
    first = advised(found.causes)[0]
    assert first.same_model
    assert "scale" in first.steps
    assert "lme4" in first.mends
    assert found.causes[0].key == "badly-scaled"
    if crossed:
        less = [
            r for c in found.causes for r in c.remedies if r.title == "keep the intercepts only"
        ]
        assert all(not r.helped and r.price.p_high < 0.05 and r.price.smaller for r in less)


FORMULAS = ("y ~ x + (x | g)", "y ~ x * f + (x | g)", "y ~ f:x + (x | g)")

ADVISED = [
    # Each formula once, with another predictor; all of them together are a study.
    pytest.param(kind, formula, marks=() if number == place < 3 else pytest.mark.study)
    for number, kind in enumerate(KINDS)
    for place, formula in enumerate(FORMULAS)
]


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "formula"), ADVISED)
def test_what_is_advised_ends_at_the_optimum(kind, formula, ready):
    frame = generated(kind, formula, 11)
    found = diagnose(rung_of(frame, formula), ready(), quick=True)
    wrong = {e for e, gap in gaps(found).items() if gap > 1e-3}
    chosen = advised(found.causes)
    for remedy in chosen:
        assert remedy.after.certificate in ("interior optimum", "boundary optimum")
        assert remedy.after.gap < 1e-4
    # A start is advised only where nothing else helped that engine.
    for remedy in chosen:
        if remedy.kind == "start":
            others = [r for c in found.causes for r in c.remedies if r.kind != "start"]
            assert not any(r.helped and set(remedy.mends) <= set(r.mends) for r in others)
    # Of f:x alone a centred x makes another model, and nothing is promised for it.
    if "f:x" in formula:
        return
    left = wrong - {e for remedy in chosen for e in remedy.mends}
    # Whoever is not mended is said to be so, with how far it is from the optimum then.
    assert all(any(f"{e} is then" in remedy.sentence for remedy in chosen) for e in left)


def test_centring_is_not_offered_where_it_makes_another_model():
    frame = generated("year", "y ~ x + (x | g)", 1)
    steps = {w.steps for w in candidates(rung_of(frame, "y ~ x + (x | g)"))}
    assert ("centre",) in steps
    for formula in ("y ~ x + (x || g)", "y ~ 0 + x + (x | g)", "y ~ x + x:w + (1 | g)"):
        steps = {w.steps for w in candidates(rung_of(frame, formula))}
        assert not any("centre" in step for step in steps)


# ---- the code ----------------------------------------------------------------------------------


def test_a_start_is_written_with_all_its_digits():
    rung = rung_of(load_dataset("sleepstudy").frame, "Reaction ~ Days + (Days | Subject)")
    psi = np.array([[1 / 3, 0.1], [0.1, 2 / 7]])
    recipe = Recipe("statsmodels", "bfgs", start="referee's", relative=(psi,))
    code = python_code(Writing(rung), recipe)
    start = python_value(code.rpartition("\n")[0] + "\nstart.cov_re", rung.data.frame)
    assert np.array_equal(start, psi)
    theta = np.linalg.cholesky(psi)[[0, 1, 1], [0, 0, 1]]
    text = r_code(Writing(rung), Recipe("lme4", "bobyqa", start="referee's", relative=(psi,)))
    shown = re.search(r"start = c\((.*?)\)", text)[1]
    assert [float(v) for v in shown.split(", ")] == theta.tolist()


def test_a_start_is_in_the_order_of_statsmodels_own_columns():
    frame = generated("days", "y ~ x", 4)
    # patsy puts the factor before the number, and sorts variance components by name.
    rung = rung_of(frame, "y ~ x + (x + f | g)")
    names = rung.case.design.random[0].names
    psi = np.diag([1.0 + i for i in range(len(names))])
    recipe = Recipe("statsmodels", "bfgs", start="referee's", relative=(psi,))
    code = python_code(Writing(rung), recipe).rpartition("\n")[0]
    own = python_value(f"{code}\n(start.cov_re, model.data.exog_re_names)", rung.data.frame)
    by_name = dict(zip(own[1], np.diag(own[0]), strict=True))
    assert by_name["x"] == 1.0 + names.index("x")
    assert by_name["f[T.b]"] == 1.0 + names.index("f[b]" if "f[b]" in names else "f[T.b]")


@pytest.mark.slow
def test_the_users_method_is_kept_in_every_call():
    frame = load_dataset("sleepstudy").frame
    model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject")
    result = model.fit(method="powell")
    assert method_of(mixed_fit(result)) == "powell"
    assert method_of(mixed_fit(model.fit())) == ""
    given = of_statsmodels(result)
    code = python_code(Writing(given.rung), habits=given.habits)
    assert code.endswith("model.fit(reml=True, method='powell')")
    # Other tolerances are tried of the user's method where the recipe names none.
    code = python_code(
        Writing(given.rung), Recipe("statsmodels", tolerances={"xtol": 1e-9}), given.habits
    )
    assert code.endswith("method='powell', xtol=1e-09)")


def test_the_control_of_an_lmer_fit_is_kept():
    rung = rung_of(load_dataset("sleepstudy").frame, "Reaction ~ Days + (Days | Subject)")
    control = 'lme4::lmerControl(optimizer = "bobyqa")'
    assert f"control = {control}" in r_code(Writing(rung), habits=Habits(control=control))


def test_levels_that_the_user_gave_are_in_the_code():
    frame = generated("days", "y ~ x", 4)
    rung = own_rung(
        "case", Dataset("d", frame, ""), "y ~ f + (1 | g)", "REML", levels={"f": ("b", "a")}
    )
    code = python_code(Writing(rung))
    result = python_value(code, frame)
    assert list(result.fe_params.index) == ["Intercept", "f[T.a]"]
    assert 'factor(data[["f"]], levels = c("b", "a"))' in r_code(Writing(rung))
    outcome = run_python(code, frame, rung)
    assert outcome.coefficients[1].estimate == pytest.approx(result.fe_params["f[T.a]"])


def test_code_sees_the_users_table_and_nothing_of_ours():
    with pytest.raises(NameError):
        python_value("harness", pd.DataFrame({"x": [1.0]}))
    frame = pd.DataFrame({"x": [1.0]})
    python_value("data['x'] = 2.0\ndata", frame)
    assert frame["x"].tolist() == [1.0]
