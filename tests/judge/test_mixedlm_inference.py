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
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams, VCSpec

import harness
from harness.base.resources import fixture
from harness.engines.lme4 import r_columns
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.spelling.calls import lme4_formula


def data(name, every=None):
    frame = pd.read_csv(fixture("data", f"{name}.csv"))
    return frame if every is None else frame[np.arange(len(frame)) % 7 != 3].reset_index(drop=True)


def mixed(formula, frame, *, reml=True, free=False, method=None, **options):
    """Fit without the warnings, which are not the subject here, and to ten digits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(formula, frame, **options)
        arguments = {"reml": reml, "method": method}
        if free:
            arguments["free"] = MixedLMParams.from_components(
                fe_params=np.ones(model.k_fe), cov_re=np.eye(model.k_re), vcomp=np.ones(model.k_vc)
            )
        return model.fit(gtol=1e-10, **arguments)


def sleep(**given):
    return mixed("Reaction ~ Days", data("sleepstudy"), groups="Subject", **given)


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


def test_a_result_that_stopped_short_gets_a_warning_with_the_gap():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = smf.mixedlm(
            "Reaction ~ Days", data("sleepstudy"), groups="Subject", re_formula="~Days"
        ).fit(method="bfgs", maxiter=1)
    with pytest.warns(harness.NotAtOptimumWarning, match=r"log-likelihood is .* below") as caught:
        inference = harness.satterthwaite(result)
    assert caught[0].filename == __file__
    best = sleep(re_formula="~Days").llf
    assert inference.gap == pytest.approx(best - result.llf, rel=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(harness.satterthwaite(result, check_optimum=False).gap)


@pytest.mark.slow
@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("method", ["powell", "nm", "bfgs", "lbfgs", "cg"])
def test_a_result_whose_free_was_ignored_is_said_to_be_of_another_model(method, arrays):
    frame = data("sleepstudy")
    mask = MixedLMParams.from_components(fe_params=np.ones(2), cov_re=np.eye(2))
    x = sm.add_constant(frame["Days"].to_numpy(dtype=float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if arrays:
            model = sm.MixedLM(frame["Reaction"].to_numpy(), x, frame["Subject"], exog_re=x)
        else:
            model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject", re_formula="~Days")
        result = model.fit(free=mask, method=method)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tests = [
            f(result, check_optimum=False) for f in (harness.satterthwaite, harness.kenward_roger)
        ]
    said = [w for w in caught if w.category is harness.OtherModelWarning]
    held = abs(float(np.asarray(result.cov_re)[0, 1]))
    # Heeded, the covariance is 0; ignored, it is 9.6 at the optimum (nm stops short of that).
    assert len(said) == (2 if held > 0.1 else 0) == (2 if method in ("powell", "nm") else 0)
    for inference in tests:
        assert ("The fit ignored free=" in str(inference)) == bool(said)
    for warning in said:
        one, other = ("x_re1", "x_re2") if arrays else ("Subject", "Days")
        assert warning.filename == __file__
        assert str(warning.message).startswith(
            f"this is not the model asked for: free= holds the covariance of {one} and {other} at "
            f"0, and it came out as {held:.3g}, since methods powell and nm ignore free=."
        )


def test_fixed_effects_that_statsmodels_set_to_zero_get_a_warning():
    """statsmodels#10239: with a covariance matrix near zero, effects between groups become 0."""
    result = sleep()
    result._results.fe_params = result.fe_params * [0.0, 1.0]
    with pytest.warns(harness.NotAtOptimumWarning, match="standard errors off"):
        harness.satterthwaite(result)


def test_a_singular_result_is_said_to_be_singular():
    frame = data("Dyestuff2")
    result = mixed("Yield ~ 1", frame, groups="Batch")
    inference = harness.satterthwaite(result)
    assert inference.table.loc["Intercept", "df"] > 20
    result._results.cov_re = result.cov_re * 0.0
    inference = harness.satterthwaite(result, check_optimum=False)
    assert inference.singular
    assert "singular" in str(inference)
    assert inference.table.loc["Intercept", "df"] == pytest.approx(len(frame) - 1, rel=1e-9)


def test_ml_results_have_satterthwaites_df_and_no_kenward_roger():
    result = sleep(reml=False)
    assert harness.satterthwaite(result).table.loc["Days", "df"] == pytest.approx(162, rel=1e-4)
    with pytest.raises(harness.KenwardRogerUndefined, match="REML"):
        harness.kenward_roger(result)


def test_a_later_fit_of_the_same_model_does_not_change_the_tests():
    frame = data("sleepstudy")
    model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject")
    result = model.fit()
    before = harness.kenward_roger(result).table
    model.fit(reml=False)
    assert harness.kenward_roger(result).table.equals(before)


@pytest.mark.slow
def test_a_method_that_ignored_free_is_tested_as_what_it_fitted():
    full = harness.satterthwaite(sleep(re_formula="~Days"))
    ignored = sleep(re_formula="~Days", free=True, method="powell")
    assert ignored.cov_re.iloc[0, 1] != 0.0
    with pytest.warns(harness.OtherModelWarning):
        found = harness.satterthwaite(ignored, check_optimum=False)
    assert len(found._fit.design.random) == 1
    assert found.table["df"].to_numpy() == pytest.approx(full.table["df"].to_numpy(), rel=1e-2)
    kept = harness.satterthwaite(sleep(re_formula="~Days", free=True))
    assert len(kept._fit.design.random) == 2


def test_parameters_held_by_free_are_refused():
    frame = data("sleepstudy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject", re_formula="~Days")
        pattern = MixedLMParams.from_components(fe_params=np.ones(2), cov_re=np.diag([1.0, 0.0]))
        result = model.fit(free=pattern)
    with pytest.raises(ValueError, match="free="):
        harness.satterthwaite(result)


def test_penalised_fits_are_refused():
    frame = data("sleepstudy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Arrays: with pandas 3 fit_regularized raises KeyError on a formula's model.
        x = sm.add_constant(frame["Days"].to_numpy())
        model = MixedLM(frame["Reaction"].to_numpy(), x, frame["Subject"].to_numpy())
        result = model.fit_regularized(alpha=0.1)
    with pytest.raises(ValueError, match="fit_regularized"):
        harness.satterthwaite(result)


def test_other_models_are_refused_with_advice():
    frame = data("sleepstudy")
    ols = smf.ols("Reaction ~ Days", frame).fit()
    gee = smf.gee("Reaction ~ Days", "Subject", frame).fit()
    for function in (harness.satterthwaite, harness.kenward_roger):
        with pytest.raises(TypeError, match=r"OLS; .*exact"):
            function(ols)
        with pytest.raises(TypeError, match=r"GEE; .*robust"):
            function(gee)
        with pytest.raises(TypeError, match=r"MixedLM\.fit\(\) first"):
            function(smf.mixedlm("Reaction ~ Days", frame, groups="Subject"))
        with pytest.raises(TypeError, match="got int"):
            function(3)
    with pytest.raises(ValueError, match="alpha"):
        harness.satterthwaite(sleep(), alpha=5)


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
