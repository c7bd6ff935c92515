"""Weights and offsets: the referee's likelihood is lme4's, a dense one's, and mpmath's."""

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine, fit_at
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.deviance import Likelihood
from harness.referee.optimum import OptimumSearch
from harness.store.stored_engine import fit_key
from tests.referee.designs import dense
from tests.referee.exact_likelihood import exact_deviance

SIX_ORDERS = (1e-3, 1e3)


def frame(seed=0, n=60, orders=SIX_ORDERS):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "x": rng.normal(5.0, 1.0, n),
            "g": np.repeat(np.arange(n // 6), 6),
            "h": np.tile(list("abc"), n // 3),
            "k": np.tile(list("pqrst"), n // 5),
            "o": rng.normal(0.0, 3.0, n),
        }
    )
    data["w"] = np.exp(rng.uniform(*np.log(orders), n))
    effects = rng.normal(size=(n // 6, 2)) * [2.0, 0.5]
    data["y"] = 3.0 + data.x + data.o + effects[data.g, 0] + effects[data.g, 1] * data.x
    data["y"] += rng.normal(size=n) / np.sqrt(data.w)
    return data


def case_of(text, data, criterion="REML"):
    model = parse_model(text, criterion)
    return Case(text, model, bind(model, data))


MODELS = [
    "y ~ x + (1 | g) + weights(w)",
    "y ~ x + (x | g) + weights(w)",
    "y ~ x + offset(o) + (x | g) + weights(w)",
    "y ~ x*h + (1 | g) + (1 | k) + weights(w)",
    "y ~ x + offset(o) + (x || g)",
    "y ~ 0 + x + (0 + x | g) + weights(w)",
    "y ~ x + offset(I(2*o) - 1) + (1 | g) + offset(log(w))",
]


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("text", MODELS)
def test_the_deviance_is_that_of_v_itself(text, criterion):
    case = case_of(text, frame(), criterion)
    likelihood = Likelihood(case.design, reml=criterion == "REML")
    rng = np.random.default_rng(3)
    for _ in range(3):
        theta, sigma = rng.normal(size=len(likelihood.layout)), float(rng.uniform(0.3, 2.0))
        wanted, _, _ = dense(case.design, theta, reml=likelihood.reml, sigma=sigma)
        # Doubles in V: its condition is a million, of which the deviance keeps ten digits.
        assert likelihood.at(theta).deviance(sigma) == pytest.approx(wanted, rel=1e-10)


def test_over_six_orders_the_deviance_keeps_its_digits():
    case = case_of(MODELS[1], frame(n=30))
    theta, sigma = np.array([0.7, -0.2, 0.4]), 1.3
    wanted = float(exact_deviance(case.design, theta, sigma, reml=True))
    found = Likelihood(case.design, reml=True).at(theta).deviance(sigma)
    assert found == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("text", MODELS[:3])
def test_derivatives_are_those_of_the_deviance(text):
    likelihood = Likelihood(case_of(text, frame()).design, reml=True)
    theta = np.random.default_rng(5).normal(size=len(likelihood.layout))
    sigma, h = 1.1, 1e-5
    gradient = likelihood.at(theta).gradient(sigma)
    hessian = likelihood.at(theta).hessian(sigma)
    both = np.append(theta, sigma)
    for i in range(len(both)):
        up, down = both.copy(), both.copy()
        up[i] += h
        down[i] -= h
        a, b = (likelihood.at(v[:-1]) for v in (up, down))
        # Central differences: h^2 of the third derivative, and rounding over h.
        slope = (a.deviance(up[-1]) - b.deviance(down[-1])) / (2 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-5)
        row = (a.gradient(up[-1]) - b.gradient(down[-1])) / (2 * h)
        assert np.allclose(hessian[i], row, rtol=1e-5, atol=1e-4 * np.abs(hessian).max())


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("text", [*MODELS, "y ~ x + offset(o) + weights(w)"])
def test_the_optimum_is_lme4s(r, text, criterion):
    case = case_of(text, frame(seed=1), criterion)
    ours, theirs = (engine.fit(case, "tight") for engine in (RefereeEngine(), Lme4Engine(r)))
    assert isinstance(theirs, Fit)
    assert theirs.loglik == pytest.approx(ours.loglik, abs=1e-9 * abs(ours.loglik))
    assert theirs.residual_variance == pytest.approx(ours.residual_variance, rel=1e-5)
    for a, b in zip(ours.coefficients, theirs.coefficients, strict=True):
        assert b.estimate == pytest.approx(a.estimate, abs=1e-6 * a.se)
        assert b.se == pytest.approx(a.se, rel=1e-5)
        # lmerTest's derivatives are numerical.
        assert b.df == pytest.approx(a.df, rel=2e-3)
    width = np.sqrt(ours.residual_variance)
    assert np.abs(np.array(ours.fitted) - theirs.fitted).max() < 1e-5 * width
    assert np.abs(np.array(ours.residuals) - theirs.residuals).max() < 1e-5 * width


def search_of(case):
    return OptimumSearch(Likelihood(case.design, reml=case.model.criterion != "ML"))


def best(text, data, criterion="REML"):
    case = case_of(text, data, criterion)
    return fit_at(case, "default", search_of(case).best(), 0.0)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_equal_weights_change_nothing_but_the_residual_variance(criterion):
    data = frame(2).assign(w=7.5)
    plain, weighted = (
        best(f"y ~ x + (x | g){more}", data, criterion) for more in ("", " + weights(w)")
    )
    assert weighted.loglik == pytest.approx(plain.loglik, abs=1e-9)
    assert weighted.residual_variance == pytest.approx(7.5 * plain.residual_variance, rel=1e-7)
    assert np.allclose(weighted.random[0].covariance, plain.random[0].covariance, rtol=1e-6)
    for a, b in zip(plain.coefficients, weighted.coefficients, strict=True):
        assert b.se == pytest.approx(a.se, rel=1e-7)
        assert b.df == pytest.approx(a.df, rel=1e-6)


def test_a_weight_of_two_is_not_two_rows():
    data = frame(3).assign(w=2.0)
    twice = pd.concat([data, data], ignore_index=True)
    weighted, doubled = best("y ~ x + (1 | g) + weights(w)", data), best("y ~ x + (1 | g)", twice)
    assert weighted.n_obs * 2 == doubled.n_obs
    assert abs(weighted.loglik - doubled.loglik) > 1.0
    assert weighted.coefficients[1].se > 1.1 * doubled.coefficients[1].se


def test_an_offset_is_the_outcome_without_it():
    data = frame(4)
    data["less"] = data.y - data.o
    offset, moved = best("y ~ x + (x | g) + offset(o)", data), best("less ~ x + (x | g)", data)
    assert offset.loglik == moved.loglik
    assert offset.coefficients == moved.coefficients
    assert offset.random == moved.random


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({3: 0.0}, "weights 'w': 0 in row 4"),
        ({5: -2.0}, "weights 'w': -2 in row 6"),
        ({0: np.nan}, "weights 'w': missing in row 1"),
    ],
)
def test_weights_that_are_none_are_refused(change, message):
    data = frame()
    for row, value in change.items():
        data.loc[row, "w"] = value
    with pytest.raises(BadInput) as caught:
        case_of(MODELS[0], data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_text_are_refused():
    with pytest.raises(BadInput, match="weights 'h' are no numbers"):
        case_of("y ~ x + (1 | g) + weights(h)", frame())


def test_rows_without_an_offset_are_left_out():
    data = frame()
    data.loc[[4, 9], "o"] = np.nan
    assert len(case_of("y ~ x + (1 | g) + offset(o)", data).design.y) == 58


def test_mixedlm_has_no_weights_and_says_so():
    outcome = StatsmodelsEngine().fit(case_of(MODELS[0], frame()), "default")
    assert isinstance(outcome, Failure)
    assert outcome.reason == "unsupported"
    assert outcome.text == "MixedLM has no weights; every residual has the same variance there"


@pytest.mark.filterwarnings("ignore")
def test_mixedlm_is_given_the_outcome_less_its_offset():
    data = frame(6, orders=(1.0, 2.0))
    case = case_of("y ~ x + (1 | g) + offset(o)", data)
    outcome = StatsmodelsEngine().fit(case, "tight")
    wanted = best("y ~ x + (1 | g) + offset(o)", data)
    assert outcome.loglik == pytest.approx(wanted.loglik, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_least_squares_has_weights_in_statsmodels():
    case = case_of("y ~ x + offset(o) + weights(w)", frame())
    found = StatsmodelsEngine().fit(case, "default")
    wanted = fit_at(case, "default", search_of(case).best(), 0.0)
    assert found.loglik == pytest.approx(wanted.loglik, abs=1e-9)
    assert found.coefficients[1].se == pytest.approx(wanted.coefficients[1].se, rel=1e-10)


def test_a_stored_fit_is_of_its_weights_offset_and_coding():
    data = frame()
    texts = [
        "y ~ x + h + o + w + (1 | g)",
        "y ~ x + h + o + (1 | g) + weights(w)",
        "y ~ x + h + w + (1 | g) + offset(o)",
        "y ~ x + h + (1 | g) + offset(o) + weights(w)",
        "y ~ x + C(h, Sum) + o + w + (1 | g)",
        "y ~ x + h + o + (1 | g) + weights(x)",
    ]
    keys = {fit_key("lme4", case_of(text, data), "default") for text in texts}
    assert len(keys) == len(texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ x - offset(o)", "an offset or weights cannot be subtracted"),
        ("y ~ x*offset(o)", "offset() is not supported: it stands by itself in the sum"),
        ("y ~ (offset(o) | g)", "offset() is not supported: it stands by itself in the sum"),
        ("y ~ x + weights(w) + weights(x)", "weights() takes one column, and stands once"),
        ("y ~ x + weights(w^2)", "weights() takes one column, and stands once"),
        ("y ~ x + offset(o", "offset( is never closed"),
    ],
)
def test_offset_and_weights_stand_by_themselves(text, message):
    with pytest.raises(BadInput) as caught:
        parse_model(text)
    assert message in str(caught.value)
