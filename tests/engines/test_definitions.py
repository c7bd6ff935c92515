"""What an engine declares of its numbers is how it makes them."""

import math

import numpy as np
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from harness.data.datasets import load_dataset
from harness.diagnose.given import of_statsmodels
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.examination import examine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.joint_hessian import joint_inverse

pytestmark = pytest.mark.filterwarnings("ignore")

QUANTITIES = {
    "loglik",
    "aic",
    "bic",
    "se",
    "df",
    "statistic",
    "p",
    "variance",
    "variance_se",
    "residual_variance",
}
MODELS = {
    "REML": ("Reaction ~ Days + (Days | Subject)", "REML"),
    "ML": ("Reaction ~ Days + (Days | Subject)", "ML"),
    "OLS": ("Reaction ~ Days", "REML"),
}


@pytest.fixture(scope="module")
def frame():
    """Sleepstudy without its first rows: balanced data do not tell the definitions of SE apart."""
    return load_dataset("sleepstudy").frame.iloc[7:]


@pytest.fixture(scope="module", params=MODELS)
def case(request, frame):
    formula, criterion = MODELS[request.param]
    model = parse_model(formula, criterion)
    return Case(request.param, model, bind(model, frame))


@pytest.fixture
def lme4(r):
    return Lme4Engine(r)


def engines():
    return [StatsmodelsEngine(), RefereeEngine()]


def assert_true(case, fit):
    (audit,) = examine(case, [fit]).audits
    declared, mixed = fit.definitions, bool(case.design.random)
    assert set(declared) == QUANTITIES - (set() if mixed else {"variance", "variance_se"})
    n, p = case.design.x.shape
    sigma = math.sqrt(fit.residual_variance)
    assert declared["residual_variance"] == "m"
    assert declared["loglik"] == "full"
    assert abs(audit.loglik_error) < 1e-6
    errors = {"gls": [c.se for c in audit.coefficients]}
    if mixed:
        (one,) = examine(case, [fit]).fits
        errors["joint-hessian"] = joint_inverse(one.standpoint.point, sigma).errors
        joint, gls = np.array(errors["joint-hessian"]), np.array(errors["gls"])
        assert np.abs(joint / gls - 1.0).max() > 1e-3
    np.testing.assert_allclose([c.se for c in fit.coefficients], errors[declared["se"]], rtol=2e-5)
    df = {
        "none": [math.inf] * p,
        "residual": [n - p] * p,
        "satterthwaite": [c.df for c in audit.coefficients],
    }
    np.testing.assert_allclose([c.df for c in fit.coefficients], df[declared["df"]], rtol=1e-3)
    assert declared["statistic"] == "estimate/se"
    for c in fit.coefficients:
        assert c.statistic == pytest.approx(c.estimate / c.se, rel=1e-12)
        law = {"normal": stats.norm, "t": stats.t(c.df)}[declared["p"]]
        assert c.p == pytest.approx(2.0 * law.sf(abs(c.statistic)), rel=1e-9)
    variances = sum(len(t.names) * (len(t.names) + 1) // 2 for t in fit.random)
    counted = {
        "2k-variances-counted": p + variances + 1,
        "scale-not-counted": p + variances,
        "nan-under-reml": math.nan,
    }
    for value, name, price in ((fit.aic, "aic", 2.0), (fit.bic, "bic", math.log(n))):
        right = price * counted[declared[name]] - 2.0 * fit.loglik
        assert value == pytest.approx(right, rel=1e-12, nan_ok=True)
    if mixed:
        assert bool(fit.variance_se) == (declared["variance_se"] != "not stated")


@pytest.mark.parametrize("engine", engines(), ids=lambda engine: engine.name)
def test_declared_definitions_are_true(engine, case):
    assert_true(case, engine.fit(case, "default"))


@pytest.mark.r
def test_declared_definitions_of_lme4_are_true(lme4, case):
    fit = lme4.fit(case, "tight")
    assert fit.definitions["df"] == ("satterthwaite" if case.design.random else "residual")
    assert_true(case, fit)


@pytest.mark.parametrize("reml", [True, False])
def test_a_result_that_is_given_is_read_as_the_engine_reads_its_own(frame, reml):
    model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject", re_formula="~Days")
    given = of_statsmodels(model.fit(reml=reml))
    fit = StatsmodelsEngine().fit(given.rung.case, "default")
    alone = {"settings", "messages", "native_names", "seconds", "singular"}
    for name in set(fit.__struct_fields__) - alone:
        a, b = getattr(given.fit, name), getattr(fit, name)
        assert a == b or (name in ("aic", "bic") and math.isnan(a) and math.isnan(b)), name
    assert fit.random[0].effects is not None
