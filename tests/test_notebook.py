"""``from harness import diagnose``: what can be given to it, and what comes back."""

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.diagnose.given import of_statsmodels
from harness.engines.registry import engine_names

pytestmark = pytest.mark.filterwarnings("ignore")

ALONE = {"engines": "statsmodels", "quick": True, "pictures": False}


@pytest.fixture(scope="module")
def sleep():
    return load_dataset("sleepstudy").frame


@pytest.fixture(scope="module")
def slopes(sleep):
    return harness.diagnose("Reaction ~ Days + (Days | Subject)", sleep, **ALONE)


def test_a_formula_and_a_frame(slopes):
    found = slopes
    assert found.agreement == "one engine"
    assert found.answer[0].startswith("Yes: statsmodels")
    assert repr(found).splitlines()[0] == "Reaction ~ Days + (Days | Subject)"
    assert "Side by side" in str(found)
    assert not any(line != line.rstrip() for line in str(found).splitlines())


def test_in_a_notebook_the_page_is_in_a_frame_of_its_own(slopes):
    html = slopes._repr_html_()
    assert html.startswith('<iframe title="Diagnosis of Reaction ~ Days')
    assert html.endswith("</iframe>")
    assert 'sandbox="allow-popups"' in html
    inside = html[html.index("srcdoc=") + 8 : -len('"></iframe>')]
    assert '"' not in inside
    assert "<" not in inside
    assert "&lt;!DOCTYPE html&gt;" in inside


@pytest.mark.slow
def test_the_result_itself_is_diagnosed_not_a_refit(sleep):
    model = smf.mixedlm("Reaction ~ Days", sleep, groups="Subject", re_formula="~Days")
    short = model.fit(method="bfgs", maxiter=1)
    found = harness.diagnose(short, **ALONE)
    fit = found.diagnosis.case.fit("statsmodels")
    assert fit.residual_variance == short.scale
    assert fit.coefficient("Days").estimate == short.fe_params["Days"]
    assert found.answer[0].startswith("No")
    assert found.diagnosis.case.audit("statsmodels").gap > 0.1
    assert "stopped-short" in found.causes


def test_a_result_by_formula_comes_back_as_the_users_formula_and_columns(sleep):
    result = smf.mixedlm("Reaction ~ Days", sleep, groups=sleep["Subject"], re_formula="~Days").fit(
        reml=False
    )
    given = of_statsmodels(result)
    assert given.rung.case.model.formula.text == "Reaction ~ Days + (Days | Subject)"
    assert given.rung.case.model.criterion == "ML"
    assert given.rung.case.table.names == ("Reaction", "Days", "Subject")


def test_a_result_whose_formula_has_python_in_it_comes_back_as_its_design_matrices(sleep):
    result = smf.mixedlm("Reaction ~ np.floor(Days / 2)", sleep, groups="Subject").fit()
    given = of_statsmodels(result)
    assert given.rung.case.design.x_names == ("Intercept", "np.floor(Days / 2)")
    assert given.rung.case.model.formula.text.startswith("Reaction ~ 1 + `np.floor(Days / 2)`")
    np.testing.assert_array_equal(given.rung.case.design.x, result.model.exog)


@pytest.mark.slow
def test_a_result_built_from_arrays_and_one_with_variance_components(sleep):
    x = sm.add_constant(sleep[["Days"]].to_numpy(dtype=float))
    y = sleep["Reaction"].to_numpy()
    result = sm.MixedLM(y, x, sleep["Subject"].to_numpy(), exog_re=x).fit()
    given = of_statsmodels(result)
    (term,) = given.rung.case.design.random
    np.testing.assert_array_equal(term.z, x)
    assert given.fit.random[0].covariance == tuple(map(tuple, result.cov_re.tolist()))
    pastes = load_dataset("Pastes").frame
    result = smf.mixedlm(
        "strength ~ 1", pastes, groups="batch", re_formula="1", vc_formula={"cask": "0+C(cask)"}
    ).fit()
    given = of_statsmodels(result)
    assert [len(t.levels) for t in given.rung.case.design.random] == [10, 30]
    variances = [t.covariance[0][0] for t in given.fit.random]
    assert variances == [result.cov_re.iloc[0, 0], result.vcomp[0]]


def test_rows_in_another_order_and_odd_names_are_no_obstacle(sleep):
    frame = sleep.sample(frac=1.0, random_state=1).rename(columns={"Days": "days awake"})
    result = smf.mixedlm("Reaction ~ Q('days awake')", frame, groups="Subject").fit()
    given = of_statsmodels(result)
    assert given.rung.case.model.formula.text == "Reaction ~ `days awake` + (1 | Subject)"
    np.testing.assert_array_equal(given.rung.case.design.y, frame["Reaction"])


@pytest.mark.slow
def test_rows_that_a_result_leaves_out_are_named(sleep):
    frame = sleep.set_index(pd.Index([f"row {i}" for i in range(len(sleep))]))
    result = smf.mixedlm("Reaction ~ Days", frame.drop(["row 7", "row 30"]), groups="Subject").fit()
    formula = "Reaction ~ Days + (1 | Subject)"
    found = harness.diagnose(result, frame, formula=formula, **ALONE)
    assert found.diagnosis.notes[0] == (
        "The result does not use 2 rows of the data, by label: row 30, row 7."
    )
    assert "rows-left-out" in found.causes
    remedy = found.diagnosis.causes[0].remedies[0]
    assert remedy.helped
    few = harness.diagnose(result, frame.drop(["row 7"]).iloc[:-3], formula=formula, **ALONE)
    assert "does not use 1 row of the data, by label: row 30." in few.diagnosis.notes[0]
    assert "alone uses 3 rows of the data, by label: row 177, row 178" in few.diagnosis.notes[1]


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((3,), {}, "expected the result of statsmodels' MixedLM.fit(), got int"),
        (("y ~ x + (1 | g)",), {}, "a formula needs its data: diagnose(formula, data)"),
        (("y ~ x + (1 | g)", [1, 2]), {}, "the data are a pandas DataFrame, not list"),
        (
            ("y ~ x + (1 | g)", pd.DataFrame({"y": [1.0]})),
            {},
            "no column 'x' in the data; it has 'y'",
        ),
        (
            (3,),
            {"ml": True},
            "a fitted model has its criterion and factors: give no ml, factors, levels, "
            "contrasts, weights, offset, residual",
        ),
        (
            (3,),
            {"engines": ["spss"]},
            f"no engine 'spss'; there are {', '.join(engine_names())}, "
            "or write NAME=COMMAND or module:attribute",
        ),
        ((3,), {"alpha": 1.5}, "alpha must lie between 0 and 1, not 1.5"),
        ((3, [1, 2]), {}, "the data are a pandas DataFrame, not list"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments, named, message):
    with pytest.raises(BadInput) as raised:
        harness.diagnose(*arguments, **named)
    assert str(raised.value) == message


@pytest.mark.slow
def test_the_package_can_be_called_in_whatever_order_it_is_imported():
    script = textwrap.dedent(
        """
        from harness import diagnose
        assert callable(diagnose)
        assert "pandas" not in __import__("sys").modules
        import harness.diagnose.diagnosis
        from harness import diagnose as again
        assert again is diagnose is harness.diagnose
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.r
def test_an_r_model_is_diagnosed_where_it_lives_and_the_program_starts_no_r_of_its_own_there():
    pytest.importorskip("rpy2.robjects")
    script = textwrap.dedent(
        """
        import rpy2.robjects as ro
        ro.r('''
          suppressMessages(library(lme4))
          sleepstudy$Reaction[3] <- NA
          short <- suppressWarnings(lmer(Reaction ~ Days + (Days | Subject), sleepstudy,
            control = lmerControl(optCtrl = list(maxeval = 8))))
          poly <- lmer(log(Reaction) ~ poly(Days, 2) + (1 | Subject), sleepstudy, REML = FALSE)
          weighted <- lmer(Reaction ~ 1 + (1 | Subject), sleepstudy, weights = Days + 1)
          general <- glm(cyl ~ mpg, data = mtcars)
        ''')
        from harness import diagnose
        from harness.diagnose.given import of_r
        from harness.base.errors import BadInput
        from harness.rbridge.foreign import take_apart

        given = of_r(take_apart(ro.r["poly"]))
        assert given.rung.case.model.criterion == "ML"
        assert given.rung.case.design.x_names == ("Intercept", "poly(Days, 2)1", "poly(Days, 2)2")
        assert given.fit.fitter == "lme4::lmer"
        assert {given.fit.definitions[name] for name in ("df", "p")} == {"not stated"}
        assert all(c.df is c.p is None and c.se > 0.0 for c in given.fit.coefficients)
        effects = [row[0] for row in given.fit.random[0].effects]
        assert effects == list(ro.r("ranef(poly)$Subject[[1]]"))
        assert given.fit.aic == ro.r("AIC(poly)")[0]
        for name, said in [
            ("weighted", "the model has prior weights; they are not supported"),
            ("general", "expected a model of lme4::lmer or lmerTest::lmer, got glm"),
        ]:
            try:
                diagnose(ro.r[name])
            except BadInput as error:
                assert str(error) == said, error
            else:
                raise AssertionError(name)
        found = diagnose(ro.r["short"], engines="lme4", quick=True, pictures=False)
        fit = found.diagnosis.case.fit("lme4")
        assert fit.residual_variance == ro.r("sigma(short)")[0] ** 2
        assert found.diagnosis.case.formula == "Reaction ~ Days + (Days | Subject)"
        assert found.diagnosis.case.data.rows == 180, "the data, not the model frame"
        assert found.diagnosis.case.audit("lme4").gap > 0.01
        assert found.answer[0].startswith("No"), found.answer
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
