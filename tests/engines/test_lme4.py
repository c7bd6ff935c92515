"""lme4 as an engine: known numbers, names and order mapped back, failures of one case only."""

import math
import subprocess
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from harness.base.resources import fixture, r_script
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.lme4_reply import native_name
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.rbridge.worker import RSession

pytestmark = pytest.mark.r


def data(name):
    return pd.read_csv(fixture("data", f"{name}.csv"))


def case(frame, formula, criterion="REML", **contract):
    model = parse_model(formula, criterion)
    return Case(formula, model, bind(model, frame, **contract))


@pytest.fixture(scope="module")
def engine(r):
    return Lme4Engine(r)


@pytest.fixture(scope="module")
def sleepstudy():
    return data("sleepstudy")


@pytest.fixture(scope="module")
def slope(sleepstudy):
    return case(sleepstudy, "Reaction ~ Days + (Days | Subject)")


@pytest.mark.parametrize("setting", ["default", "tight"])
def test_sleepstudy(engine, slope, setting):
    fit = engine.fit(slope, setting)
    assert isinstance(fit, Fit)
    assert (fit.engine, fit.fitter, fit.setting) == ("lme4", "lmerTest::lmer", setting)
    # The numbers of lme4's own vignette (Bates et al. 2015, section 5.2) and of lmerTest.
    assert -2 * fit.loglik == pytest.approx(1743.628, abs=5e-4)
    intercept, days = fit.coefficients
    assert (intercept.name, days.name) == ("Intercept", "Days")
    assert fit.native_names == ("(Intercept)", "Days")
    assert [days.estimate, days.se] == pytest.approx([10.4673, 1.5458], abs=5e-5)
    assert days.df == pytest.approx(17, rel=1e-4)
    assert days.statistic == pytest.approx(6.7715, abs=5e-4)
    assert days.p == pytest.approx(3.264e-6, rel=1e-2)
    assert intercept.estimate == pytest.approx(251.4051, abs=5e-5)
    (term,) = fit.random
    assert (term.group, term.names) == ("Subject", ("Intercept", "Days"))
    (v11, v12), (v21, v22) = term.covariance
    assert v12 == v21
    assert [math.sqrt(v11), math.sqrt(v22)] == pytest.approx([24.7407, 5.9221], rel=1e-4)
    assert v12 / math.sqrt(v11 * v22) == pytest.approx(0.066, abs=5e-4)
    assert math.sqrt(fit.residual_variance) == pytest.approx(25.5918, rel=1e-5)
    assert fit.aic == pytest.approx(1755.628, abs=5e-4)
    assert (fit.n_obs, fit.converged, fit.singular, fit.messages) == (180, True, False, ())
    assert fit.data_checksum == slope.table.checksum()
    assert 0 < fit.seconds < 30
    assert len(term.levels) == len(term.effects) == 18
    assert term.levels[0] == "308"
    assert term.effects[0] == pytest.approx((2.2586, 9.1990), abs=2e-3)


def test_fitted_values_are_the_model_evaluated(engine, slope):
    fit = engine.fit(slope, "tight")
    design = slope.design
    beta = np.array([c.estimate for c in fit.coefficients])
    effects = np.array(fit.random[0].effects)
    random = design.random[0]
    predicted = design.x @ beta + np.einsum("ij,ij->i", random.z, effects[random.codes])
    assert fit.fitted == pytest.approx(predicted, rel=1e-12)
    assert fit.residuals == pytest.approx(design.y - predicted, abs=1e-9)


def test_maximum_likelihood(engine, sleepstudy):
    fit = engine.fit(case(sleepstudy, "Reaction ~ Days + (Days | Subject)", "ML"), "tight")
    # logLik(lmer(..., REML = FALSE)) in lme4's documentation.
    assert fit.loglik == pytest.approx(-875.9697, abs=5e-5)
    assert fit.coefficient("Days").se == pytest.approx(1.5022, abs=1e-4)
    assert fit.coefficient("Days").df == pytest.approx(18, rel=1e-4)


def test_a_singular_fit_says_so(engine):
    fit = engine.fit(case(data("Dyestuff2"), "Yield ~ 1 + (1 | Batch)"), "default")
    assert fit.singular is True
    assert fit.converged is True
    assert fit.random[0].covariance == ((0.0,),)
    assert {e for row in fit.random[0].effects for e in row} == {0.0}
    (message,) = fit.messages
    assert message.kind == "message"
    assert message.text == "boundary (singular) fit: see help('isSingular')"


def test_least_squares(engine, sleepstudy):
    ols = case(sleepstudy, "Reaction ~ Days")
    fit = engine.fit(ols, "default")
    beta, rss, _, _ = np.linalg.lstsq(ols.design.x, ols.design.y, rcond=None)
    assert fit.fitter == "lm"
    assert [c.estimate for c in fit.coefficients] == pytest.approx(beta, rel=1e-12)
    assert fit.residual_variance == pytest.approx(rss[0] / 178, rel=1e-12)
    assert {c.df for c in fit.coefficients} == {178.0}
    assert fit.df_residual == 178
    loglik = -90 * (math.log(2 * math.pi * rss[0] / 180) + 1)
    assert fit.loglik == pytest.approx(loglik, rel=1e-12)
    assert fit.aic == pytest.approx(6 - 2 * loglik, rel=1e-12)
    assert (fit.random, fit.singular, fit.converged) == ((), None, None)


def test_random_terms_come_back_in_the_order_of_the_formula(engine):
    # lme4 sorts by number of levels: 24 plates, 6 samples.
    fit = engine.fit(
        case(data("Penicillin"), "diameter ~ 1 + (1 | sample) + (1 | plate)"), "default"
    )
    assert [(t.group, len(t.levels)) for t in fit.random] == [("sample", 6), ("plate", 24)]
    assert [math.sqrt(t.covariance[0][0]) for t in fit.random] == pytest.approx(
        [1.9316, 0.8467], abs=1e-3
    )


def test_nested_terms(engine):
    fit = engine.fit(case(data("Pastes"), "strength ~ 1 + (1 | batch/cask)"), "default")
    assert [(t.group, len(t.levels)) for t in fit.random] == [("batch", 10), ("batch:cask", 30)]
    assert [math.sqrt(t.covariance[0][0]) for t in fit.random] == pytest.approx(
        [1.2874, 2.9041], abs=1e-3
    )
    assert fit.random[1].levels[:2] == ("A:a", "A:b")


def test_uncorrelated_terms_of_one_factor(engine, sleepstudy):
    fit = engine.fit(case(sleepstudy, "Reaction ~ Days + (Days || Subject)"), "default")
    assert [t.names for t in fit.random] == [("Intercept",), ("Days",)]
    assert [t.covariance[0][0] for t in fit.random] == pytest.approx([627.57, 35.86], rel=1e-3)
    assert len(fit.random[1].effects) == 18


def test_each_effect_belongs_to_its_level(engine, sleepstudy):
    # The levels go to R in an order that is neither numeric nor that of the rows.
    order = tuple(str(s) for s in sorted(sleepstudy.Subject.unique(), key=lambda s: (s % 7, -s)))
    shuffled = sleepstudy.sample(frac=1, random_state=1)
    there = engine.fit(
        case(shuffled, "Reaction ~ Days + (Days | Subject)", levels={"Subject": order}), "tight"
    )
    here = engine.fit(case(sleepstudy, "Reaction ~ Days + (Days | Subject)"), "tight")
    assert there.random[0].levels == order
    expected = dict(zip(here.random[0].levels, here.random[0].effects, strict=True))
    for level, effects in zip(order, there.random[0].effects, strict=True):
        assert effects == pytest.approx(expected[level], rel=1e-4, abs=1e-3)


def test_reference_level_is_the_first_of_the_contract(engine, sleepstudy):
    frame = sleepstudy.assign(size=np.where(sleepstudy.Days % 3 == 0, "b", "_a"))
    levels = {"size": ("b", "_a")}
    fit = engine.fit(case(frame, "Reaction ~ size + (1 | Subject)", levels=levels), "default")
    assert [c.name for c in fit.coefficients] == ["Intercept", "size[T._a]"]
    assert fit.native_names == ("(Intercept)", "size_a")


def test_awkward_column_names(engine, sleepstudy):
    plain = engine.fit(case(sleepstudy, "Reaction ~ Days + (1 | Subject)"), "default")
    frame = sleepstudy.rename(columns={"Reaction": "C", "Days": "days späť", "Subject": "if"})
    fit = engine.fit(case(frame, "C ~ `days späť` + (1 | `if`)"), "default")
    assert [c.estimate for c in fit.coefficients] == [c.estimate for c in plain.coefficients]
    assert fit.native_names == ("(Intercept)", "days späť")
    assert fit.random[0].group == "if"


def test_interaction_with_a_factor(engine):
    made = case(data("cake"), "angle ~ recipe * factor(temperature) + (1 | recipe:replicate)")
    fit = engine.fit(made, "default")
    assert tuple(c.name for c in fit.coefficients) == made.design.x_names
    assert fit.native_names[1] == "recipeB"
    assert fit.native_names[-1].startswith("recipeC:")
    assert fit.native_names[-1].endswith("225")
    assert fit.random[0].group == "recipe:replicate"
    assert len(fit.random[0].levels) == 45


def test_native_names_put_column_names_for_aliases(sleepstudy):
    frame = sleepstudy.assign(v1=sleepstudy.Days % 2, f=(sleepstudy.Days > 4).map(str))
    table = case(frame, "Reaction ~ f + v1 + Days + (1 | Subject)").table
    assert table.alias == {"Reaction": "v1", "f": "v2", "v1": "v3", "Days": "v4", "Subject": "v5"}
    assert native_name("v2True:v3", table) == "fTrue:v1"
    assert native_name("I(v4^2)", table) == "I(Days^2)"
    assert native_name("v40", table) == "v40"


def test_incomplete_rows_are_dropped_alike(engine, sleepstudy):
    frame = sleepstudy.copy()
    frame.loc[[3, 77], "Reaction"] = np.nan
    frame.loc[100, "Days"] = np.nan
    made = case(frame, "Reaction ~ Days + (1 | Subject)")
    fit = engine.fit(made, "default")
    assert fit.n_obs == len(made.design.y) == 177
    kept = engine.fit(case(frame.dropna(), "Reaction ~ Days + (1 | Subject)"), "default")
    assert fit.coefficients == kept.coefficients
    assert len(fit.fitted) == 177


def test_aliased_columns_are_named(engine, sleepstudy):
    frame = sleepstudy.assign(weeks=sleepstudy.Days / 7)
    for formula in ("Reaction ~ Days + weeks + (1 | Subject)", "Reaction ~ Days + weeks"):
        fit = engine.fit(case(frame, formula), "default")
        assert [c.name for c in fit.coefficients] == ["Intercept", "Days"]
        notes = [m.text for m in fit.messages if m.kind == "note"]
        assert notes == ["R left out aliased columns: weeks"]


class Sabotaged:
    """A session in which every call goes to a function that goes wrong."""

    def __init__(self, session: RSession, function: str, arguments: Mapping[str, object]) -> None:
        self._session = session
        self._call = (function, arguments)

    def submit(self, function, payload):
        return self._session.submit(*self._call, timeout=1.0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("fault_error", "error"),
        ("fault_segfault", "crash"),
        ("fault_loop", "timeout"),
        ("fault_missing_package", "environment"),
        ("fault_recursion", "error"),
    ],
)
def test_a_fault_fails_its_case_and_no_other(r, engine, slope, fault, reason):
    failure = Lme4Engine(Sabotaged(r, fault, {})).fit(slope, "default")
    assert isinstance(failure, Failure)
    assert (failure.engine, failure.setting, failure.reason) == ("lme4", "default", reason)
    assert failure.text
    assert isinstance(engine.fit(slope, "default"), Fit)


def test_a_missing_package_comes_with_its_cure(r, slope):
    failure = Lme4Engine(Sabotaged(r, "fault_missing_package", {})).fit(slope, "default")
    assert "apt-get install r-cran-notarealpackage" in failure.text


def test_warnings_do_not_fail_a_fit(engine, sleepstudy):
    frame = sleepstudy.assign(huge=1e8 * np.sin(np.arange(180)))
    fit = engine.fit(case(frame, "Reaction ~ Days + huge + (1 | Subject)"), "default")
    assert isinstance(fit, Fit)
    assert any(m.kind == "warning" and "very different scales" in m.text for m in fit.messages), (
        fit.messages
    )


def test_a_refusal_is_told_in_the_users_names(engine, sleepstudy):
    frame = sleepstudy.assign(row=np.arange(180))
    failure = engine.fit(case(frame, "Reaction ~ Days + (1 | row)"), "default")
    assert failure.reason == "refused"
    assert failure.text == (
        "number of levels of each grouping factor must be < number of observations (problems: row)"
    )
    assert failure.messages[-1].kind == "error"


def test_other_data_are_a_data_failure(engine, slope, monkeypatch):
    monkeypatch.setattr(type(slope.table), "checksum", lambda self: "0" * 32)
    failure = engine.fit(slope, "default")
    assert failure.reason == "data"


def test_no_r_is_an_environment_failure(slope, monkeypatch):
    monkeypatch.setenv("R_HOME", "/nowhere")
    with RSession() as session:
        engine = Lme4Engine(session)
        assert engine.versions() == {}
        assert engine.fit(slope, "default").reason == "environment"


def test_two_sessions_give_the_same_bits(engine, slope):
    with RSession() as session:
        other = Lme4Engine(session)
        for setting in ("default", "tight"):
            here, there = engine.fit(slope, setting), other.fit(slope, setting)
            assert numbers_of(here) == numbers_of(there)


def numbers_of(fit):
    """Everything in a fit but the time it took."""
    return {name: getattr(fit, name) for name in Fit.__struct_fields__ if name != "seconds"}


def test_earlier_fits_leave_no_trace(engine, slope, sleepstudy):
    before = numbers_of(engine.fit(slope, "tight"))
    engine.fit(case(data("Dyestuff2"), "Yield ~ 1 + (1 | Batch)"), "tight")
    engine.fit(case(sleepstudy, "Reaction ~ Days"), "default")
    assert numbers_of(engine.fit(slope, "tight")) == before


def trapped_frame():
    """Random-slope data for which lme4's default stops at a false boundary."""
    random = np.random.default_rng(TRAPPED_SEED)
    groups, rows = 8, 4
    group = np.repeat(np.arange(groups), rows)
    x = random.uniform(0, 5, groups * rows)
    slope = random.normal(scale=0.3, size=groups)
    y = 1 + 0.5 * x + slope[group] * (x - 2.5) + random.normal(size=groups * rows)
    return pd.DataFrame({"y": y, "x": x, "g": group})


TRAPPED_SEED = 53


def test_tight_leaves_the_column_trap(engine):
    made = case(trapped_frame(), "y ~ x + (x | g)")
    default, tight = engine.fit(made, "default"), engine.fit(made, "tight")
    assert tight.loglik - default.loglik > 1e-3
    starts = next(s for s in tight.settings if s.startswith("starts"))
    assert int(starts.split()[1]) > 3


def test_tight_asks_for_relative_tolerance_too(engine, slope):
    default, tight = engine.fit(slope, "default"), engine.fit(slope, "tight")
    # nloptr's xtol_rel of 1e-4 stops the default far from twelve digits.
    assert 0 <= tight.loglik - default.loglik < 1e-8
    assert tight.coefficient("Days").df == pytest.approx(17, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-5, 1e5])
def test_tight_does_not_depend_on_units(engine, sleepstudy, unit):
    formula = "Reaction ~ Days + (Days | Subject)"
    frame = sleepstudy.assign(Days=sleepstudy.Days * unit)
    plain = engine.fit(case(sleepstudy, formula, "ML"), "tight")
    scaled = engine.fit(case(frame, formula, "ML"), "tight")
    assert scaled.loglik == pytest.approx(plain.loglik, abs=1e-9)
    assert scaled.coefficient("Days").estimate * unit == pytest.approx(
        plain.coefficient("Days").estimate, rel=1e-9
    )


def test_versions(engine):
    versions = engine.versions()
    assert versions["R"].count(".") == 2
    assert versions["lme4"].startswith(("1.", "2."))
    assert {"lmerTest", "pbkrtest", "Matrix", "BLAS", "LAPACK", "platform"} <= set(versions)
    assert versions["locale"] == "C.UTF-8"
    assert versions["rpy2-rinterface"].endswith(("(API mode)", "(ABI mode)"))


def test_the_scripts_run_under_plain_rscript(engine, slope):
    done = subprocess.run(
        [
            "Rscript",
            r_script("fit.R"),
            fixture("data", "sleepstudy.csv"),
            "Reaction ~ Days + (Days | Subject)",
            "REML",
            "tight",
            "Subject",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "$ loglik              : num -871.814136" in done.stdout
    assert slope.table.checksum() != ""
    assert engine.fit(slope, "tight").loglik == pytest.approx(-871.814136, abs=1e-6)
