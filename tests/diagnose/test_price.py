"""What another model costs, and when it is a smaller one at all."""

import numpy as np
import pytest
from scipy import stats

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.bench import bench_of
from harness.diagnose.price import in_words, price_of
from harness.diagnose.remodel import centred
from harness.diagnose.singular import droppable, reductions
from harness.judge.examination import examine
from harness.referee.covariance_space import covariance_ranks, is_smaller, same_model
from harness.referee.nested_models import null_p
from tests.diagnose.far_predictors import generated

FRAME = generated("days", "y ~ x * w + (x | g)", 3)


def rung_of(formula, criterion="REML", frame=FRAME):
    return own_rung("case", Dataset("data", frame, ""), formula, criterion)


def design(formula):
    return rung_of(formula).case.design


@pytest.mark.parametrize("other", ["(0 + f | g)", "(f || g)", "(1 | g) + (0 + f | g)"])
def test_a_factors_effects_are_one_space_however_they_are_written(other):
    full, same = design("y ~ x + (f | g)"), design(f"y ~ x + {other}")
    # Two variances and a covariance, and the residual variance.
    assert covariance_ranks(full, same) == (4, 4, 4)
    assert not is_smaller(same, full)


@pytest.mark.parametrize(
    ("small", "large", "ranks"),
    [
        ("(1 | g)", "(x | g)", (2, 4, 4)),
        ("(x || g)", "(x | g)", (3, 4, 4)),
        ("(1 | g)", "(f | g)", (2, 4, 4)),
        ("(x + w | g)", "(x * w | g)", (7, 11, 11)),
        ("(1 | g)", "(1 | g) + (1 | b)", (2, 3, 3)),
    ],
)
def test_a_smaller_model_has_a_smaller_space(small, large, ranks):
    one, two = design(f"y ~ x + {small}"), design(f"y ~ x + {large}")
    assert covariance_ranks(one, two) == ranks
    assert is_smaller(one, two)
    assert not is_smaller(two, one)


def test_neither_of_two_that_differ_is_smaller():
    assert not is_smaller(design("y ~ x + (1 | b)"), design("y ~ x + (x | g)"))


@pytest.mark.parametrize("kind", ["year", "day number", "unix time", "wavelength"])
def test_a_centred_slope_is_the_same_model_unless_the_covariance_is_held_at_zero(kind):
    frame = generated(kind, "y ~ x", 2)
    at = float(frame["x"].mean())
    for formula, same in [
        ("y ~ x + (x | g)", True),
        ("y ~ x * f + (x | g)", True),
        ("y ~ x + (x || g)", False),
        ("y ~ 0 + x + (1 | g)", False),
    ]:
        rung = rung_of(formula, frame=frame)
        assert same_model(rung.case.design, centred(rung, {"x": at}).case.design) == same


def test_the_null_distribution_at_the_boundary():
    # Self and Liang, case 5: 2.7055 is the 90 % point of chi-square(1), so the 95 % of the mixture.
    low, high, _ = null_p(2.705543, 1, 1)
    assert low == high == pytest.approx(0.05, abs=1e-6)
    # Stram and Lee, case 3: a slope beside an intercept has 5.1382 as its 95 % point.
    low, high, text = null_p(5.138222, 2, 1)
    assert low == high == pytest.approx(0.05, abs=1e-5)
    assert text == "an equal mixture of chi-square(1) and chi-square(2)"
    assert null_p(3.841459, 1, 0)[1] == pytest.approx(0.05, abs=1e-6)
    assert null_p(0.0, 1, 1)[1] == 1.0


def test_the_p_of_two_variances_lies_between_its_bounds():
    # Self and Liang, case 7, two independent variances: 1/4, 1/2 and 1/4 of chi-squares on 0, 1, 2.
    for ratio in (0.5, 2.0, 5.0, 9.0):
        exact = 0.5 * stats.chi2.sf(ratio, 1) + 0.25 * stats.chi2.sf(ratio, 2)
        low, high, _ = null_p(ratio, 2, 2)
        assert low <= exact <= high


@pytest.mark.slow
def test_the_equal_mixture_is_what_simulation_gives():
    """One variance of a balanced layout: half of the ratios are zero, the rest chi-square(1)."""
    rng = np.random.default_rng(1)
    groups, rows, draws = 40, 5, 4000
    y = rng.normal(size=(draws, groups, rows))
    # The ML fit of a balanced one-way layout is closed.
    within = ((y - y.mean(2, keepdims=True)) ** 2).sum((1, 2))
    between = rows * ((y.mean(2) - y.mean((1, 2))[:, None]) ** 2).sum(1)
    n = groups * rows
    total = n * np.log((within + between) / n)
    split = (n - groups) * np.log(within / (n - groups)) + groups * np.log(between / groups)
    ratio = np.where(between / groups > within / (n - groups), total - split, 0.0)
    share = np.mean([null_p(v, 1, 1)[1] < 0.05 for v in ratio])
    # Four standard errors of a share of 4,000, and what ML loses with 40 groups.
    assert share == pytest.approx(0.05, abs=0.02)


def test_dropping_starts_with_the_highest_interaction():
    assert droppable(["Intercept", "x", "w", "x:w"]) == [["x:w"]]
    assert droppable(["Intercept", "x", "f[b]", "f[c]"]) == [["x"], ["f[b]", "f[c]"]]
    assert droppable(["Intercept", "f[b]", "x", "f[b]:x"]) == [["f[b]:x"]]


@pytest.mark.slow
def test_the_price_of_a_slope_is_that_of_two_fits():
    data = load_dataset("sleepstudy").frame
    rung = rung_of("Reaction ~ Days + (Days | Subject)", frame=data)
    bench = bench_of(rung, examine(rung.case, ()))
    price = price_of(bench, rung_of("Reaction ~ Days + (1 | Subject)", frame=data))
    # REML log-likelihoods of lme4: -871.8141 and -893.2325.
    assert price.loglik == pytest.approx(-893.2325 + 871.8141, abs=2e-4)
    assert (price.parameters, price.smaller, price.criterion) == (-2, True, "REML")
    ratio = 2 * 21.4184
    assert price.p_high == pytest.approx(
        0.5 * stats.chi2.sf(ratio, 1) + 0.5 * stats.chi2.sf(ratio, 2), rel=1e-3
    )
    days = next(shift for shift in price.shifts if shift.name == "Days")
    assert days.estimate == pytest.approx(days.estimate_reduced)
    assert (days.se, days.se_reduced) == (
        pytest.approx(1.5458, abs=1e-4),
        pytest.approx(0.8042, abs=1e-4),
    )
    assert "21.4 lower with 2 fewer parameters" in in_words(price)


@pytest.mark.slow
def test_other_fixed_effects_are_priced_by_maximum_likelihood():
    data = load_dataset("sleepstudy").frame
    rung = rung_of("Reaction ~ Days + (1 | Subject)", frame=data)
    bench = bench_of(rung, examine(rung.case, ()))
    price = price_of(bench, rung_of("Reaction ~ 1 + (1 | Subject)", frame=data))
    assert (price.criterion, price.parameters) == ("ML", -1)
    # anova() of lme4: chi-square 116.46 on 1 df.
    assert -2 * price.loglik == pytest.approx(116.46, abs=0.01)
    # The same columns in other units are the same model at the same price, nothing.
    other = price_of(bench, rung_of("Reaction ~ Days + (1 | Subject)", frame=data))
    assert other.loglik == pytest.approx(0.0, abs=1e-9)


@pytest.mark.slow
def test_a_factors_other_spellings_are_not_reductions():
    frame = FRAME.assign(y=np.random.default_rng(0).normal(size=len(FRAME)).round(2))
    rung = rung_of("y ~ x + (f | g)", frame=frame)
    bench = bench_of(rung, examine(rung.case, ()))
    assert bench.best.optimality.ranks[0] < bench.case.design.random[0].z.shape[1]
    found = reductions(bench, 0)
    assert found
    for reduction in found:
        assert reduction.price.smaller
        assert reduction.price.parameters < 0
        assert "||" not in reduction.rung.case.model.formula.text


def test_a_term_whose_groups_are_those_of_another_costs_nothing_and_is_no_other_model():
    frame = FRAME.assign(
        y=np.random.default_rng(5).normal(size=len(FRAME)), same=FRAME["g"].astype(str) + "x"
    )
    rung = rung_of("y ~ x + (1 | g) + (1 | same)", frame=frame)
    price = price_of(
        bench_of(rung, examine(rung.case, ())), rung_of("y ~ x + (1 | g)", frame=frame)
    )
    assert (price.same, price.parameters, price.loglik) == (True, 0, 0.0)
    assert in_words(price).endswith("it is the same model, written otherwise")
