"""Nested models compared: R's anova, AIC and BIC of programs, mixtures, and simulation."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

import harness
from harness.base.errors import BadInput
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.engines.lme4 import r_columns
from harness.referee.information_criteria import CONVENTIONS, subjects
from harness.spelling.lme4_spelling import lme4_formula
from tests.referee.residual_cases import visits

pytestmark = pytest.mark.slow

SLEEP = "Reaction ~ Days + (Days | Subject)"
BY_KEY = {convention.key: ", ".join(convention.programs) for convention in CONVENTIONS}


@pytest.fixture(scope="module")
def sleep():
    return load_dataset("sleepstudy").frame


PAIRS = [
    ("sleepstudy", "Reaction ~ Days + (1 | Subject)", SLEEP, "Reaction ~ Days", "~ Days | Subject"),
    ("Oxboys", "height ~ age + (1 | Subject)", "height ~ age + (age | Subject)", "height ~ age",
     "~ age | Subject"),
    ("Pastes", "strength ~ 1 + (1 | batch:cask)", "strength ~ 1 + (1 | batch/cask)",
     "strength ~ 1", "~ 1 | batch/cask"),
    ("Machines", "score ~ Machine + (1 | Worker)", "score ~ Machine + (1 | Worker/Machine)",
     "score ~ Machine", "~ 1 | Worker/Machine"),
    ("Oats", "yield ~ nitro + (1 | Block)", "yield ~ nitro + (1 | Block/Variety)", "yield ~ nitro",
     "~ 1 | Block/Variety"),
    ("Orthodont", "distance ~ age + (1 | Subject)", "distance ~ age + (age | Subject)",
     "distance ~ age", "~ age | Subject"),
]  # fmt: skip


@pytest.mark.r
@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize(("name", "small", "large", "fixed", "random"), PAIRS)
def test_anova_and_the_criteria_of_lme4_and_nlme(r, name, small, large, fixed, random, criterion):
    frame = load_dataset(name).frame
    rungs = [own_rung("c", Dataset("c", frame, ""), text, criterion) for text in (small, large)]
    table = rungs[1].case.table

    def aliased(text):
        return re.sub(r"[A-Za-z]\w*", lambda found: table.alias.get(found[0], found[0]), text)

    reply = r.call(
        "oracle_comparison",
        {
            "columns": r_columns(table),
            "small": lme4_formula(rungs[0].case.model, table.alias),
            "large": lme4_formula(rungs[1].case.model, table.alias),
            "criterion": criterion,
            "fixed": aliased(fixed),
            "random": aliased(random),
        },
    )
    found = harness.compare(small, large, frame, ml=criterion == "ML")
    # lme4 and nlme stop within 1e-5 of the best deviance.
    assert found.statistic == pytest.approx(reply.numbers("statistic")[0], abs=1e-4)
    assert found.parameters == reply.numbers("parameters")[0]
    assert math.log(found.p_chi_square) == pytest.approx(math.log(reply.numbers("p")[0]), rel=1e-4)
    for quantity in ("aic", "bic"):
        ours = [
            found.criteria.loc[BY_KEY[key], (quantity.upper(), "large")]
            for key in ("2k-variances-counted", "n-p-under-reml")
        ]
        np.testing.assert_allclose(ours, reply.numbers(quantity), rtol=0, atol=2e-4)


def test_the_criteria_of_mixedlm_are_its_own(sleep):
    model = smf.mixedlm("Reaction ~ Days", sleep, groups="Subject", re_formula="~Days")
    result = model.fit(reml=False)
    found = harness.compare("Reaction ~ Days + (1 | Subject)", SLEEP, sleep, ml=True).criteria
    row = found.loc["MixedLM"]
    assert row["AIC", "large"] == pytest.approx(result.aic, abs=1e-4)
    assert row["BIC", "large"] == pytest.approx(result.bic, abs=1e-4)
    reml = harness.compare("Reaction ~ Days + (1 | Subject)", SLEEP, sleep).criteria
    assert reml.loc["MixedLM"].isna().all()


def test_sas_counts_variances_that_are_not_zero_and_subjects():
    # A listing of PROC MIXED: -2 Res Log Likelihood 957.7 of a model with a zero variance, an
    # autoregression and a residual, 38 subjects; AIC 961.7, BIC 964.9. Here a zero variance too.
    frame = load_dataset("Dyestuff2").frame
    found = harness.compare("Yield ~ 1", "Yield ~ 1 + (1 | Batch)", frame)
    row = found.criteria.loc["PROC MIXED"]
    deviance = found.table.deviance["Yield ~ 1 + (1 | Batch)"]
    assert row["AIC", "large"] == pytest.approx(deviance + 2.0, abs=1e-9)
    assert row["BIC", "large"] == pytest.approx(deviance + math.log(6.0), abs=1e-9)
    # SPSS counts it all the same, and n less the fixed effects.
    row = found.criteria.loc[BY_KEY["variances-under-reml"]]
    assert row["AIC", "large"] == pytest.approx(deviance + 4.0, abs=1e-9)
    assert row["BIC", "large"] == pytest.approx(deviance + 2.0 * math.log(29.0), abs=1e-9)
    # Without random effects there is no subject.
    assert found.criteria.loc["PROC MIXED"]["BIC", "small"] == pytest.approx(
        found.table.deviance["Yield ~ 1"] + math.log(29.0), abs=1e-9
    )


@pytest.mark.parametrize(
    ("name", "formula", "many"),
    [
        ("Pastes", "strength ~ 1 + (1 | batch/cask)", 10),
        ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", 24),
        ("sleepstudy", "Reaction ~ Days + (Days || Subject)", 18),
    ],
)
def test_subjects_are_those_of_the_outermost_group(name, formula, many):
    frame = load_dataset(name).frame
    assert subjects(own_rung("c", Dataset("c", frame, ""), formula, "REML").case.design) == many


@pytest.mark.parametrize(
    ("small", "large", "null"),
    [
        ("Reaction ~ Days + (1 | Subject)", SLEEP, (1, 2)),
        ("Reaction ~ Days + (Days || Subject)", SLEEP, (1,)),
        ("Reaction ~ Days", "Reaction ~ Days + (1 | Subject)", (0, 1)),
        ("Reaction ~ Days + (0 + Days | Subject)", "Reaction ~ Days + (Days || Subject)", (0, 1)),
    ],
)
def test_p_is_of_the_mixture_that_the_tested_variances_make(sleep, small, large, null):
    found = harness.compare(small, large, sleep)
    exact = np.mean([stats.chi2.sf(found.statistic, d) if d else 0.0 for d in null])
    assert found.p == pytest.approx(exact, rel=1e-9)
    assert found.simulated is None
    assert found.parameters == max(null)


def flat(seed, groups=30, rows=6):
    """Data without any effect of groups."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rows)
    frame = pd.DataFrame(
        {"g": [f"g{i:02d}" for i in g], "x": np.tile(np.arange(rows) - 2.5, groups)}
    )
    frame["y"] = 1.0 + rng.normal(size=len(g))
    return frame


def one_variance(seed):
    """Data whose variance of groups is small and above zero at the best point."""
    for more in range(50):
        frame = flat(seed + 100 * more)
        found = harness.compare("y ~ x", "y ~ x + (1 | g)", frame)
        if 0.2 < found.statistic < 3.0:
            return frame, found
    raise AssertionError


def test_simulation_gives_the_mixture_where_that_is_known():
    frame, found = one_variance(1)
    drawn = harness.compare("y ~ x", "y ~ x + (1 | g)", frame, simulations=800, seed=3)
    assert drawn.simulated.error == pytest.approx(
        math.sqrt(drawn.simulated.p * (1 - drawn.simulated.p) / 800)
    )
    # Five Monte Carlo errors; with 30 groups the mixture is near, not exact.
    assert abs(drawn.simulated.p - found.p) < 5 * drawn.simulated.error + 0.03
    assert drawn.p == found.p  # the known distribution is what is reported


def test_draws_repeat_by_their_seed():
    frame, _ = one_variance(2)
    both = [
        harness.compare("y ~ x", "y ~ x + (1 | g)", frame, simulations=40, seed=seed).simulated
        for seed in (5, 5, 6)
    ]
    assert both[0] == both[1]
    assert both[2].seed == 6


def test_two_effects_at_once_are_simulated_and_lie_between_their_bounds():
    frame, _ = one_variance(3)
    found = harness.compare("y ~ x", "y ~ x + (x | g)", frame, seed=1)
    low, high = found.p_bounds
    assert low < high
    assert found.p == found.simulated.p
    assert low - 5 * found.simulated.error <= found.p <= high + 5 * found.simulated.error
    assert "by simulation, Monte Carlo error" in repr(found)
    assert math.isnan(harness.compare("y ~ x", "y ~ x + (x | g)", frame, simulations=0).p)


def test_where_bounds_say_more_than_draws_could_nothing_is_drawn(sleep):
    found = harness.compare("Reaction ~ Days", SLEEP, sleep)
    assert found.simulated is None
    assert found.p == found.p_bounds[1] < 1e-20


def test_beside_a_singular_smaller_model_the_mixture_is_not_taken_for_granted():
    frame = load_dataset("Dyestuff2").frame
    rng = np.random.default_rng(2)
    frame = frame.assign(x=rng.normal(size=len(frame)))
    found = harness.compare(
        "Yield ~ x + (1 | Batch)", "Yield ~ x + (x | Batch)", frame, simulations=0
    )
    assert "singular" in found.null
    assert found.p_bounds[0] <= found.p_bounds[1]


def test_fixed_effects_are_tested_by_ml_and_refused_by_reml(sleep):
    small = "Reaction ~ 1 + (Days | Subject)"
    found = harness.compare(small, SLEEP, sleep, ml=True)
    assert found.p == found.p_chi_square
    with pytest.raises(BadInput, match="REML likelihoods of models with other fixed effects"):
        harness.compare(small, SLEEP, sleep)
    # Another coding of the same columns is the same fixed part.
    recoded = sleep.assign(Hours=24.0 * sleep.Days)
    found = harness.compare("Reaction ~ Hours + (1 | Subject)", SLEEP, recoded)
    plain = harness.compare("Reaction ~ Days + (1 | Subject)", SLEEP, sleep)
    assert found.statistic == pytest.approx(plain.statistic, rel=1e-9)


def test_results_are_compared_as_their_formulas_are(sleep):
    def fit(spelling="Reaction ~ Days", reml=True, **given):
        return smf.mixedlm(spelling, sleep, groups="Subject", **given).fit(reml=reml)

    one, two = fit(), fit(re_formula="~Days")
    found = harness.compare(one, two)
    named = harness.compare("Reaction ~ Days + (1 | Subject)", SLEEP, sleep)
    assert found.p == pytest.approx(named.p, rel=1e-5)
    with pytest.raises(BadInput, match="one result is by REML, the other by ML"):
        harness.compare(one, fit(reml=False, re_formula="~Days"))
    with pytest.raises(BadInput, match="two formulas, or two results"):
        harness.compare(one, SLEEP, sleep)


@pytest.mark.parametrize(
    ("small", "large", "said"),
    [
        (SLEEP, "Reaction ~ Days + (1 | Subject)", "the first model holds the second"),
        (SLEEP, "Reaction ~ Days + (1 + Days | Subject)", "one model, written otherwise"),
        ("Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (0 + Days | Subject)", "neither"),
        ("Days ~ 1 + (1 | Subject)", "Reaction ~ 1 + (Days | Subject)", "of other outcomes"),
        ("Reaction ~ gap + (1 | Subject)", SLEEP, "of 170 and 180 rows"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(sleep, small, large, said):
    frame = sleep.assign(gap=sleep.Days.where(np.arange(180) >= 10))
    with pytest.raises(BadInput, match=said) as error:
        harness.compare(small, large, frame)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("structure", "null", "parameters"),
    [
        ("car1(age | Subject)", "an equal mixture of chi-square(0) and chi-square(1)", 1),
        # Visits two years apart: rho^2 and its powers have no sign.
        ("ar1(age | Subject)", "an equal mixture of chi-square(0) and chi-square(1)", 1),
        ("ar1(1 | Subject)", "chi-square(1)", 1),
        ("cs(1 | Subject)", "chi-square(1)", 1),
        ("us(age | Subject)", "chi-square(9)", 9),
    ],
)
def test_a_residual_structure_is_tested_against_independence(structure, null, parameters):
    frame = load_dataset("Orthodont").frame
    found = harness.compare("distance ~ age", "distance ~ age", frame, residual=structure)
    assert (found.null, found.parameters) == (null, parameters)
    if parameters == 1 and not structure.startswith("cs"):
        # nlme 3.1-162: anova(gls(distance ~ age), gls(..., corCAR1(form = ~age | Subject)))
        assert found.statistic == pytest.approx(52.04267, abs=1e-4)


@pytest.mark.parametrize(
    ("turned", "small", "large", "said"),
    [
        (0.0, "car1(visit | s)", "ar1(visit | s)", "the same best likelihood; one may allow"),
        (0.9, "car1(visit | s)", "ar1(visit | s)", "the second allows values that the other does"),
        (0.9, "ar1(visit | s)", "car1(visit | s)", "the first allows values that the other does"),
    ],
)
def test_the_same_parameters_with_other_bounds_are_not_called_one_model(turned, small, large, said):
    frame = visits(4, subjects=20)
    odd = frame["visit"] % 2 * 2 - 1
    frame["y"] = frame["y"] + turned * 3.0 * odd * frame["s"].map(
        dict(zip(frame["s"].unique(), np.random.default_rng(0).normal(size=20), strict=True))
    )
    with pytest.raises(BadInput, match=said):
        harness.compare("y ~ x", "y ~ x", frame, residual=(small, large))
