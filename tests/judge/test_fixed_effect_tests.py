"""The public tests of statsmodels results: numbers of lmerTest and pbkrtest, plain refusals."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.formula import options
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

import harness
from harness.engines.lme4 import r_columns
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.spelling.lme4_spelling import lme4_formula
from tests.judge.mixedlm_fits import data, mixed, sleep

FITS = [
    ("sleepstudy", "Reaction ~ Days + (1 | Subject)", "Reaction ~ Days", {"groups": "Subject"}),
    (
        "sleepstudy",
        "Reaction ~ Days + (Days | Subject)",
        "Reaction ~ Days",
        {"groups": "Subject", "re_formula": "~Days"},
    ),
    (
        "sleepstudy",
        "Reaction ~ Days + (Days || Subject)",
        "Reaction ~ Days",
        {"groups": "Subject", "re_formula": "~Days", "free": True},
    ),
    (
        "sleepstudy",
        "Reaction ~ Days + (Days || Subject)",
        "Reaction ~ Days",
        {"groups": "Subject", "re_formula": "1", "vc_formula": {"Days": "0 + Days"}},
    ),
    (
        "Pastes",
        "strength ~ 1 + (1 | batch/cask)",
        "strength ~ 1",
        {"groups": "batch", "re_formula": "1", "vc_formula": {"cask": "0 + C(cask)"}},
    ),
    (
        "Penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        "diameter ~ 1",
        {
            "groups": "everything",
            "vc_formula": {"plate": "0 + C(plate)", "sample": "0 + C(sample)"},
        },
    ),
    (
        "RatPupWeight",
        "weight ~ Treatment*sex + Lsize + (1 | Litter)",
        "weight ~ Treatment*sex + Lsize",
        {"groups": "Litter"},
    ),
]


@pytest.mark.r
@pytest.mark.parametrize("every", [None, True])
@pytest.mark.parametrize(("name", "formula", "spelling", "given"), FITS)
def test_results_have_the_df_and_standard_errors_of_r(r, name, formula, spelling, given, every):
    """1e-4: statsmodels stops where the gradient is 1e-10 at best, often before; df follow theta.

    At the same theta the digits are those of tests/referee.
    """
    frame = data(name, every).assign(everything=1)
    model = parse_model(formula, "REML")
    case = Case(name, model, bind(model, frame))
    request = {
        "columns": r_columns(case.table),
        "formula": lme4_formula(model, case.table.alias),
        "criterion": "REML",
    }
    result = mixed(spelling, frame, **given)
    theirs = r.call("oracle_kenward_roger", request)
    p = len(theirs.numbers("beta"))
    # Columns by their estimates: every program has an order of its own.
    mine = harness.kenward_roger(result)
    at = [int(np.abs(theirs.numbers("beta") - b).argmin()) for b in mine.table["estimate"]]
    assert sorted(at) == list(range(p))
    adjusted = np.sqrt(np.diag(theirs.numbers("adjusted").reshape(p, p)))[at]
    phi = np.sqrt(np.diag(theirs.numbers("phi").reshape(p, p)))[at]
    assert mine.table["df"].to_numpy() == pytest.approx(theirs.numbers("df")[at], rel=1e-4)
    assert mine.table["se"].to_numpy() == pytest.approx(adjusted, rel=1e-4)
    satterthwaite = harness.satterthwaite(result)
    assert satterthwaite.table["se"].to_numpy() == pytest.approx(phi, rel=1e-4)
    tests = r.call("oracle_f_tests", request)
    if len(tests.texts("terms")):
        # By F: patsy puts terms with factors only before the others.
        found = satterthwaite.type3().sort_values("F")
        order = np.argsort(tests.numbers("f"))
        assert found["df_num"].tolist() == tests.numbers("df_num")[order].tolist()
        assert found["df_den"].to_numpy() == pytest.approx(tests.numbers("df_den")[order], rel=1e-4)
        assert found["F"].to_numpy() == pytest.approx(tests.numbers("f")[order], rel=1e-4)
        assert np.log10(found["p"].to_numpy()) == pytest.approx(
            np.log10(tests.numbers("p")[order]), rel=1e-4, abs=1e-4
        )


CAKE = "angle ~ recipe*C(temperature)"


def cake(formula=CAKE, **given):
    frame = data("cake", every=True)
    return mixed(
        formula,
        frame.assign(group=frame.recipe + frame.replicate.astype(str)),
        groups="group",
        **given,
    )


@pytest.mark.r
@pytest.mark.parametrize("method", ["Satterthwaite", "Kenward-Roger"])
def test_type_three_tests_of_cake_are_those_of_r(r, method):
    frame = data("cake", every=True)
    model = parse_model("angle ~ recipe*temperature + (1 | recipe:replicate)")
    case = Case("cake", model, bind(model, frame, factors=("temperature", "replicate")))
    reply = r.call(
        "oracle_f_tests",
        {
            "columns": r_columns(case.table),
            "formula": lme4_formula(model, case.table.alias),
            "criterion": "REML",
            "ddf": method,
        },
    )
    function = harness.satterthwaite if method == "Satterthwaite" else harness.kenward_roger
    for formula in (CAKE, "angle ~ C(recipe, Sum)*C(temperature, Sum)"):
        found = function(cake(formula)).type3()
        assert list(found["df_num"]) == [2, 5, 10]
        assert found["df_den"].to_numpy() == pytest.approx(reply.numbers("df_den"), rel=1e-4)
        assert found["F"].to_numpy() == pytest.approx(reply.numbers("f"), rel=1e-4)


@pytest.mark.slow
def test_formulaic_models_know_their_terms_too():
    patsy = harness.satterthwaite(cake()).type3()
    before = options.formula_engine
    options.formula_engine = "formulaic"
    try:
        found = harness.satterthwaite(cake()).type3()
    finally:
        options.formula_engine = before
    assert found.to_numpy() == pytest.approx(patsy.to_numpy(), rel=1e-4)


def test_the_table_holds_what_its_columns_say():
    inference = harness.satterthwaite(sleep(re_formula="~Days"), alpha=0.1)
    table = inference.table
    assert list(table.columns) == ["estimate", "se", "df", "t", "p", "ci_low", "ci_high"]
    row = table.loc["Days"]
    assert row.df == pytest.approx(17, rel=1e-4)
    assert row.t == pytest.approx(row.estimate / row.se)
    assert row.p == pytest.approx(2 * stats.t.sf(row.t, row.df))
    half = stats.t.ppf(0.95, row.df) * row.se
    assert (row.ci_low, row.ci_high) == pytest.approx((row.estimate - half, row.estimate + half))
    assert inference.method == "Satterthwaite"
    assert not inference.singular
    assert 0.0 <= inference.gap < 1e-6


def test_the_summary_is_a_text_and_html_table():
    inference = harness.kenward_roger(sleep())
    text = str(inference.summary())
    for words in ("Kenward-Roger", "Days", "161.00", "P>|t|", "[0.025", "Reaction", "REML"):
        assert words in text
    assert repr(inference) == str(inference) == text
    assert "<table" in inference._repr_html_()
    assert "Days" in inference._repr_html_()


def test_contrasts_may_be_given_in_every_way_statsmodels_users_know():
    result = sleep()
    row = [-1.0, 2.0]
    wanted = harness.satterthwaite(result, [row]).table
    assert list(wanted.index) == ["c0"]
    for given, label in (
        (row, "c0"),
        ("2*Days - Intercept", "2*Days - Intercept"),
        (["2*Days = Intercept"], "2*Days = Intercept"),
        ({"mine": row}, "mine"),
        (pd.DataFrame([row], index=["mine"], columns=["Intercept", "Days"]), "mine"),
        (pd.DataFrame([row[::-1]], index=["mine"], columns=["Days", "Intercept"]), "mine"),
    ):
        found = harness.satterthwaite(result, given).table
        assert list(found.index) == [label]
        assert found.to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-12)
    part = harness.satterthwaite(result, pd.DataFrame({"Days": [1.0]}, index=["slope"])).table
    assert part.loc["slope", "estimate"] == result.fe_params["Days"]
    with pytest.raises(ValueError, match="constant"):
        harness.satterthwaite(result, "Days = 3")
    with pytest.raises(ValueError, match="columns"):
        harness.satterthwaite(result, [[1.0, 2.0, 3.0]])


def test_f_test_takes_any_contrasts():
    for function in (harness.satterthwaite, harness.kenward_roger):
        inference = function(sleep())
        joint = inference.f_test(np.eye(2))
        assert joint.df_num == 2
        assert inference.f_test("Intercept = 0, Days = 0").statistic == pytest.approx(
            joint.statistic, rel=1e-10
        )
        assert inference.f_test("Days").statistic == pytest.approx(
            inference.table.loc["Days", "t"] ** 2, rel=1e-10
        )


def test_a_later_fit_of_the_same_model_does_not_change_the_tests():
    frame = data("sleepstudy")
    model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject")
    result = model.fit()
    before = harness.kenward_roger(result).table
    model.fit(reml=False)
    assert harness.kenward_roger(result).table.equals(before)


def test_models_built_from_arrays_have_everything_but_terms():
    frame = data("sleepstudy")
    x = sm.add_constant(frame[["Days"]].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = MixedLM(frame["Reaction"].to_numpy(), x, frame["Subject"].to_numpy(), x).fit()
    inference = harness.satterthwaite(result)
    assert list(inference.table.index) == ["const", "x1"]
    assert inference.table["df"].to_numpy() == pytest.approx([17, 17], rel=1e-3)
    with pytest.raises(ValueError, match="arrays"):
        inference.type3()


@pytest.mark.slow
def test_missing_rows_and_unsorted_groups_are_taken_as_statsmodels_takes_them():
    frame = data("sleepstudy").sample(frac=1, random_state=1)
    frame.loc[frame.index[::9], "Reaction"] = np.nan
    given = {"groups": "Subject", "re_formula": "1", "vc_formula": {"Days": "0 + Days"}}
    given["missing"] = "drop"
    # Without the check: MixedLM stops 0.01 below the optimum here, which other tests are about.
    dropped, whole = (
        harness.satterthwaite(mixed("Reaction ~ Days", rows, **given), check_optimum=False)
        for rows in (frame, frame.dropna().sort_index().reset_index(drop=True))
    )
    assert dropped.table.to_numpy() == pytest.approx(whole.table.to_numpy(), rel=1e-6)
    assert dropped.type3().to_numpy() == pytest.approx(whole.type3().to_numpy(), rel=1e-6)


@pytest.mark.slow
def test_the_point_is_the_results_own():
    """The referee's log-likelihood there is the result's, for every spelling of random effects."""
    for name, _, spelling, given in FITS:
        frame = data(name).assign(everything=1)
        result = mixed(spelling, frame, **given)
        fit = harness.satterthwaite(result)._fit
        assert -0.5 * fit.point.deviance(fit.sigma) == pytest.approx(result.llf, rel=1e-10)


@pytest.mark.slow
def test_components_of_several_effects_in_a_row_are_refused():
    frame = data("sleepstudy")
    result = mixed(
        "Reaction ~ Days", frame, groups="Subject", vc_formula={"both": "0 + Days + I(Days**2)"}
    )
    with pytest.raises(ValueError, match="several effects"):
        harness.satterthwaite(result)


@pytest.mark.slow
def test_sparse_components_are_read():
    frame = data("Pastes")
    given = {"groups": "batch", "re_formula": "1", "vc_formula": {"cask": "0 + C(cask)"}}
    dense, thin = (
        harness.kenward_roger(mixed("strength ~ 1", frame, use_sparse=flag, **given))
        for flag in (False, True)
    )
    assert thin.table.to_numpy() == pytest.approx(dense.table.to_numpy(), rel=1e-4)


@pytest.mark.slow
def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, harness; assert 'numpy' not in sys.modules; dir(harness); "
        "assert 'satterthwaite' in dir(harness) and 'numpy' not in sys.modules; "
        "from harness import satterthwaite, kenward_roger, NotAtOptimumWarning; "
        "assert 'rpy2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = harness.nonsense


@pytest.mark.slow
def test_a_component_without_columns_of_its_own_is_an_effect_of_the_group():
    """Arrays: a variance component per group column, written by hand."""
    frame = data("sleepstudy")
    x = sm.add_constant(frame[["Days"]].to_numpy())
    labels = sorted(set(frame["Subject"]))
    mats = [x[frame["Subject"] == s][:, 1:] for s in labels]
    spec = VCSpec(["Days"], [[["Days"]] * len(labels)], [mats])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = MixedLM(
            frame["Reaction"], x, frame["Subject"], exog_re=np.ones((len(frame), 1)), exog_vc=spec
        ).fit(gtol=1e-10)
    wanted = harness.satterthwaite(sleep(re_formula="~Days", free=True)).table
    found = harness.satterthwaite(result).table
    assert found.to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-4)


def test_what_the_data_do_not_determine_is_not_tested():
    """Two sites as fixed and as random effects: any variance between them is as good."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"site": np.repeat(["A", "B"], 15), "x": rng.normal(size=30)})
    frame["y"] = frame.x + rng.normal(size=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a Hessian that is not positive definite
        result = smf.mixedlm("y ~ x + site", frame, groups="site").fit()
    with pytest.warns(harness.UndeterminedWarning, match="do not determine a variance"):
        found = harness.satterthwaite(result)
    assert found.table.loc["site[T.B]", ["se", "df", "t", "p", "ci_low", "ci_high"]].isna().all()
    assert found.table.loc["site[T.B]", "estimate"] == pytest.approx(result.params["site[T.B]"])
    ols = smf.ols("y ~ x + site", frame).fit()
    assert found.table.loc["x", "p"] == pytest.approx(ols.pvalues["x"], rel=1e-6)
    assert found.table.loc["x", "df"] == pytest.approx(27.0, rel=1e-6)
    assert np.isnan(found.type3().loc["site", "p"])
    with pytest.raises(harness.KenwardRogerUndefined):
        harness.kenward_roger(result)
