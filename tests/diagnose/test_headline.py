"""Headlines: under 40 words, what differs most named in its own unit, whatever is wrong."""

import math
import re
from itertools import product

import numpy as np
import pytest
from msgspec.structs import replace

from harness.data.ladder import full_ladder
from harness.diagnose.bench import bench_of
from harness.diagnose.headline import headline
from harness.engines.engine import Failure
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.case_record import case_record
from harness.judge.case_verdict import case_verdict
from harness.judge.judge import judge_outcomes
from tests.judge.planted import SETTINGS, coefficients, covariance, term

# A variance a trillion times too large overflows derivatives of the referee: its df are then NaN.
FAR_OUT = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
pytestmark = [pytest.mark.r, pytest.mark.slow, FAR_OUT]

NAMES = {
    "estimate": r"estimate of (Intercept|Days)",
    "se": r"(SE|standard error) of (Intercept|Days)",
    "df": r"df of (Intercept|Days)",
    "statistic": r"\bt of (Intercept|Days)",
    "p": r"p value of (Intercept|Days)",
    "loglik": "log-likelihood",
    "variance": r"variance of (Intercept|Days) by Subject",
    "residual_variance": "residual variance",
}


@pytest.fixture(scope="module")
def rung():
    return next(r for r in full_ladder() if r.case.id == "sleepstudy/slope/REML")


@pytest.fixture(scope="module")
def fits(rung, r):
    engines = (StatsmodelsEngine(), RefereeEngine(), Lme4Engine(r))
    return [engine.fit(rung.case, setting) for setting in SETTINGS for engine in engines]


@pytest.fixture(scope="module")
def told(rung, fits):
    """Return a function from changes of engines' fits to the verdict and the headline."""

    def of(changes, names=("statsmodels", "lme4"), *, only=SETTINGS):
        outcomes = [
            changes[o.engine](o) if o.engine in changes and o.setting in only else o
            for o in fits
            if o.engine in names
        ]
        judged = judge_outcomes(
            rung.case, outcomes, engines=names, reference=names[-1], settings=SETTINGS
        )
        record = case_record(judged, rung)
        text = headline(record, bench_of(rung, judged.examination), names)
        return case_verdict(record).verdict, text

    return of


def assert_readable(text):
    assert len(text.split()) < 40, text
    assert not re.search(r"\b(nan|inf|none|None)\b(?! is right)", text, re.IGNORECASE), text
    # Powers of ten stand in a p value only, and in no other unit.
    assert not re.search(r"\de[-+]?\d", text.replace("below 1e-10", "").replace("< 1e-10", "")) or (
        "p value" in text
    ), text
    assert not re.search(r"0\.0000000|\d{8,}", text), text
    assert text[-1] == ".", text
    assert "  " not in text, text


def _one(field, change):
    """Change a number of the last coefficient."""

    def changed(fit):
        *rest, last = fit.coefficients
        return replace(
            fit, coefficients=(*rest, replace(last, **{field: change(getattr(last, field))}))
        )

    return changed


def _scalar(field, change):
    return lambda fit: replace(fit, **{field: change(getattr(fit, field))})


def _variance(change):
    def scaled(psi):
        psi[1, 1] = change(psi[1, 1])
        return psi

    return covariance(scaled)


FACTORS = {
    "a thousandth": lambda v: (v or 1.0) * 1.001,
    "six percent": lambda v: (v or 1.0) * 1.06,
    "three times": lambda v: (v or 1.0) * 3,
    "a trillion": lambda v: (v or 1.0) * 1e12,
    "a trillionth": lambda v: (v or 1.0) * 1e-12,
    "the other sign": lambda v: -(v or 1.0),
    "zero": lambda _: 0.0,
    "NaN": lambda _: math.nan,
    "infinite": lambda _: math.inf,
}

PLANTS = {
    "estimate": lambda f: _one("estimate", f),
    "se": lambda f: _one("se", f),
    "df": lambda f: _one("df", f),
    "statistic": lambda f: _one("statistic", f),
    "p": lambda f: _one("p", f),
    "loglik": lambda f: _scalar("loglik", f),
    "variance": _variance,
    "residual_variance": lambda f: _scalar("residual_variance", f),
}


@pytest.mark.parametrize("quantity", PLANTS)
def test_a_planted_fault_in_any_quantity_by_any_amount_makes_a_readable_headline(told, quantity):
    for name, change in FACTORS.items():
        for engine in ("lme4", "statsmodels"):
            verdict, text = told({engine: PLANTS[quantity](change)})
            assert_readable(text)
            # An SE a thousandth off is within its tolerance; that t does not follow from it is not.
            own = name != "a thousandth" and "no valid covariance" not in text
            if own and verdict in ("FALSE_STATEMENT", "WRONG_OPTIMUM", "UNEXPLAINED"):
                assert re.search(NAMES[quantity], text), (name, engine, text)


@pytest.mark.parametrize(
    ("quantity", "said"),
    {
        "se": "SE of Days 6 % off",
        "df": "df of Days 6 % off",
        "statistic": "t of Days 6 % off",
    }.items(),
)
def test_a_number_off_by_six_percent_is_said_to_be_six_percent_off(told, quantity, said):
    verdict, text = told({"lme4": PLANTS[quantity](FACTORS["six percent"])})
    assert verdict == "FALSE_STATEMENT"
    assert said in text


def test_where_an_engine_stopped_short_the_headline_names_what_is_farthest_off(told):
    verdict, text = told({"statsmodels": _variance(lambda v: 3.0 * v)})
    assert verdict == "WRONG_OPTIMUM"
    assert "lme4 is right" in text
    assert "variance of Days by Subject 3 times too large" in text


def test_three_engines_have_a_clause_each(told):
    names = ("statsmodels", "referee", "lme4")
    for first, second in product(("estimate", "se", "variance"), ("estimate", "se", "df")):
        changes = {
            "statsmodels": PLANTS[first](FACTORS["three times"]),
            "lme4": PLANTS[second](FACTORS["three times"]),
        }
        _, text = told(changes, names)
        assert_readable(text)
        assert "referee is right" in text
        assert text.count("statsmodels") == text.count("lme4") == 1
    every = {name: PLANTS["variance"](FACTORS["three times"]) for name in names}
    _, text = told(every, names)
    assert_readable(text)
    assert "none is right" in text
    assert all(f"{name} stopped" in text for name in names)


def test_nothing_planted_is_agreement_and_a_fault_when_tight_does_not_change_the_headline(told):
    names = ("statsmodels", "referee", "lme4")
    for engines in (names[::2], names):
        verdict, text = told({}, engines)
        assert verdict in ("AGREE", "TOLERANCE")
        assert text.startswith("Yes: ")
        assert_readable(text)
        assert told({"lme4": PLANTS["se"](FACTORS["NaN"])}, engines, only=("tight",))[1] == text


def test_other_rows_other_effects_and_no_fit_are_said_in_a_clause(told):
    others = {
        "DATA_MISMATCH": (_scalar("n_obs", lambda n: n - 9), "used 171 of 180 rows"),
        "DIFFERENT_MODEL": (
            lambda fit: replace(fit, coefficients=fit.coefficients[:1]),
            "fitted other fixed effects",
        ),
    }
    for wanted, (change, said) in others.items():
        verdict, text = told({"statsmodels": change})
        assert (verdict, said in text) == (wanted, True), text
        assert_readable(text)
    long = "a message of very many words " * 40
    for reason in ("unsupported", "refused", "error", "crash", "timeout", "memory", "environment"):
        failed = {
            name: lambda fit, reason=reason: Failure(
                engine=fit.engine, setting=fit.setting, reason=reason, text=long
            )
            for name in ("statsmodels", "lme4")
        }
        for changes in (failed, {"lme4": failed["lme4"]}):
            assert_readable(told(changes)[1])


def test_random_effects_and_fitted_values_are_named_in_residual_standard_deviations(told):
    shift = term(effects=lambda own: tuple(tuple(v + 5.0 for v in row) for row in own.effects))
    _, text = told({"statsmodels": shift})
    assert_readable(text)
    assert re.search(r"random effects of Subject differ by .* residual SD", text)
    _, text = told({"statsmodels": _scalar("fitted", lambda f: tuple(np.add(f, 5.0).tolist()))})
    assert_readable(text)
    assert re.search(r"fitted values differ by .* residual SD", text)


def test_every_number_wrong_at_once_is_one_clause(told):
    wild = coefficients(
        estimate=lambda r: math.nan, se=lambda r: math.inf, p=lambda r: math.nan, df=lambda r: 0.0
    )
    for names in (("statsmodels", "lme4"), ("statsmodels", "referee", "lme4")):
        _, text = told({"statsmodels": wild, "lme4": wild}, names)
        assert_readable(text)
