"""Three hundred random data sets: lme4, statsmodels, lmerTest and the referee on each.

What must hold for all of them, except where a named predicate shows why not. Exceptions are counted
and the counts are bounded, so that a predicate cannot grow to excuse everything.
"""

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from harness.engines.engine import Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.case_record import case_record
from harness.judge.judge import judge_outcomes
from harness.referee.deviance import Likelihood
from harness.referee.lmertest_recipe import CUT_OFF, recipe_df, rounding_of_lme4
from harness.referee.satterthwaite import contrast_tests
from tests.referee.designs import lme4_order
from tests.referee.random_cases import random_rung

pytestmark = pytest.mark.r

SETTINGS = ("default", "tight")
OPTIMA = ("interior optimum", "boundary optimum")


class _Recorded:
    """An R session that keeps theta and sigma of every fit: a Fit holds Psi, rounded."""

    def __init__(self, session):
        self._session = session
        self.last = None

    def submit(self, function, payload):
        pending = self._session.submit(function, payload)

        def result():
            self.last = pending.result()
            return self.last

        return SimpleNamespace(result=result)


@dataclass(frozen=True)
class Native:
    """One lme4 fit with the theta it stopped at, in the order of the design, and its audit."""

    design: object
    likelihood: Likelihood
    fit: Fit
    theta: np.ndarray
    sigma: float

    @property
    def factors(self):
        return self.likelihood.factors(self.theta)

    def column(self, name):
        return np.array([getattr(c, name) for c in self.fit.coefficients])

    def tests(self):
        rows = contrast_tests(
            self.likelihood.at(self.theta), np.eye(self.design.x.shape[1]), sigma=self.sigma
        )
        return {n: np.array([getattr(r, n) for r in rows]) for n in ("estimate", "se", "df")}


@dataclass(frozen=True)
class Studied:
    record: object
    natives: tuple[Native, ...]

    def audit(self, engine, setting):
        return self.record.audit(engine, setting)

    def fit(self, engine, setting):
        return next(f for f in self.record.fits if (f.engine, f.setting) == (engine, setting))

    def verdict(self, setting):
        return self.record.comparison("statsmodels", setting)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(range(20), id="20"),
        pytest.param(range(20, 300), id="280 more", marks=pytest.mark.study),
    ],
)
def study(request, r):
    session = _Recorded(r)
    lme4, statsmodels = Lme4Engine(session), StatsmodelsEngine()
    return [_studied(random_rung(seed), session, lme4, statsmodels) for seed in request.param]


def _studied(rung, session, lme4, statsmodels):
    outcomes, natives = [], []
    design = rung.case.design
    likelihood = Likelihood(design, reml=rung.case.model.criterion == "REML")
    for setting in SETTINGS:
        outcomes.append(statsmodels.fit(rung.case, setting))
        outcomes.append(lme4.fit(rung.case, setting))
        if isinstance(outcomes[-1], Fit):
            theta = np.empty(len(likelihood.layout))
            theta[lme4_order(design)] = session.last.numbers("theta")
            sigma = float(session.last.numbers("sigma")[0])
            natives.append(Native(design, likelihood, outcomes[-1], theta, sigma))
    judged = judge_outcomes(
        rung.case,
        outcomes,
        engines=("statsmodels", "lme4"),
        reference="lme4",
        settings=SETTINGS,
    )
    record = case_record(judged, rung)
    return Studied(record, tuple(natives))


def test_the_sample_has_singular_optima_in_a_good_third_and_both_criteria(study):
    singular = [
        s.audit("lme4", "tight").certificate == "boundary optimum" for s in study if s.natives
    ]
    assert 0.25 < np.mean(singular) < 0.55
    assert {s.record.criterion for s in study} == {"REML", "ML"}
    assert len(singular) >= 0.98 * len(study)


def test_at_lme4s_theta_log_likelihood_coefficients_and_se_are_lme4s(study):
    """1e-10 relative, and beyond it what lme4's own normal equations round.

    A fit of y = 500 + noise of 1e-3 has coefficients that lme4 knows to ten digits of y, not of
    the coefficient.
    """
    beyond = 0
    for native in (n for s in study for n in s.natives):
        mine = native.tests()
        point = native.likelihood.at(native.theta)
        loglik = -0.5 * point.deviance(native.sigma)
        assert loglik == pytest.approx(native.fit.loglik, rel=1e-10)
        _, relative, outcome = rounding_of_lme4(native.design, native.factors, native.sigma)
        assert native.column("se") == pytest.approx(mine["se"], rel=1e-10 + relative)
        off = np.abs(native.column("estimate") - mine["estimate"])
        close = off <= 1e-10 * np.abs(mine["estimate"])
        assert (close | (off <= relative * outcome * mine["se"])).all()
        beyond += not close.all()
    assert beyond <= 0.2 * len([n for s in study for n in s.natives])


def why_df_differ(native, mine):
    """Name what makes lmerTest's df other than the analytic ones at its own theta, or None."""
    theirs = native.column("df")
    off = _apart(theirs, mine)
    if off <= 1e-6:
        return "equal"
    point = native.likelihood.at(native.theta)
    if np.linalg.eigvalsh(point.hessian(native.sigma))[0] < CUT_OFF:
        return "cut-off"  # flat or, short of the optimum, negative: lmerTest leaves it out
    recipe = recipe_df(native.likelihood, native.theta, native.sigma)
    left = _apart(theirs, recipe)
    if left <= max(1e-6, 0.01 * off):
        return "steps"  # the same numbers come from the referee's deviance, differentiated so
    deviance, variance, _ = rounding_of_lme4(native.design, native.factors, native.sigma)
    noisy = [
        recipe_df(native.likelihood, native.theta, native.sigma, noise=(deviance, variance), seed=i)
        for i in range(5)
    ]
    spread = max(_apart(df, recipe) for df in noisy)
    return "rounding" if left <= 5.0 * spread else None


def _apart(a, b):
    return float(np.abs(a / b - 1.0).max())


def test_df_are_lmertests_or_numerical_differentiation_is_at_work(study, record_property):
    """Three ways in which lmerTest's derivatives fail, each shown on the fit and not assumed."""
    why = Counter()
    unnamed = []
    for s in study:
        for native in s.natives:
            cause = why_df_differ(native, native.tests()["df"])
            why[cause] += 1
            if cause is None:
                unnamed.append(f"{s.record.id} {native.fit.setting}")
    record_property("why", dict(why))
    assert not unnamed
    assert why["equal"] >= 0.75 * why.total()


def test_no_engine_is_below_the_referees_best_deviance(study):
    gaps = [
        a.gap
        for s in study
        for j in s.record.judgements
        if (a := j.audit) is not None and not np.isnan(a.gap)
    ]
    assert min(gaps) >= -1e-8


def test_tight_fits_are_at_the_optimum_or_the_verdict_names_who_is_not(study, record_property):
    short = Counter()
    for s in study:
        verdict = s.verdict("tight")
        if verdict.verdict in ("FAILED", "UNSUPPORTED"):
            continue
        astray = {
            e
            for e in ("statsmodels", "lme4")
            if (a := s.audit(e, "tight")) is not None and a.certificate not in OPTIMA
        }
        assert (verdict.verdict == "WRONG_OPTIMUM") == bool(astray)
        if astray:
            assert astray <= set(verdict.blamed)
            assert verdict.causes
        short.update(astray)
    record_property("short", dict(short))
    assert short["lme4"] <= 0.01 * len(study)
    assert short["statsmodels"] <= 0.1 * len(study)


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_verdict_is_unexplained(study, setting):
    found = [
        f"{s.record.id}: {v.sentence}"
        for s in study
        if (v := s.verdict(setting)).verdict == "UNEXPLAINED"
    ]
    assert not found


def test_default_settings_stop_short_as_often_as_measured(study, record_property):
    """Shares of fits, over 300: see the report's account of how the engines fail."""
    counted = Counter()
    for s in study:
        for engine in ("statsmodels", "lme4"):
            audit = s.audit(engine, "default")
            if audit is None:
                continue
            counted[engine, "fits"] += 1
            counted[engine, audit.certificate] += 1
            if audit.certificate not in OPTIMA and s.fit(engine, "default").converged:
                counted[engine, "says it converged"] += 1
    record_property("counted", {" ".join(k): v for k, v in counted.items()})
    assert 0.1 < counted["statsmodels", "says it converged"] / counted["statsmodels", "fits"] < 0.35
    assert counted["lme4", "false boundary"] / counted["lme4", "fits"] < 0.1
