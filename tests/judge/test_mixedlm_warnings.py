"""Results of statsmodels whose tests need a warning, or are refused."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

import harness
from tests.judge.mixedlm_fits import data, mixed, sleep


@pytest.mark.slow
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
