"""Intervals by the profile of ML: those of lme4's confint, of fixed effects too."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.bench import bench_of
from harness.diagnose.ml_intervals import ml_intervals
from harness.diagnose.profile import profiles
from harness.engines.lme4 import r_columns
from harness.engines.referee_engine import RefereeEngine
from harness.judge.case_record import case_record
from harness.judge.judge import judge
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.spelling.lme4_spelling import lme4_formula

pytestmark = pytest.mark.slow

SLEEP = "Reaction ~ Days + (Days | Subject)"


def measured(data, formula, criterion="REML"):
    frame = load_dataset(data) if isinstance(data, str) else Dataset("data", data, "simulated")
    rung = own_rung("case", frame, formula, criterion)
    judged = judge(rung.case, (RefereeEngine(),), ("default",))
    bench = bench_of(rung, judged.examination)
    curves, _ = profiles(bench, case_record(judged, rung), (), budget=math.inf)
    return bench, ml_intervals(bench, curves, budget=math.inf)


@pytest.fixture(scope="module")
def sleep():
    return measured("sleepstudy", SLEEP)


def unbalanced(seed):
    """A factor, a predictor and 12 groups of 3 to 9 rows, without an intercept in the model."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), rng.integers(3, 10, 12))
    frame = pd.DataFrame(
        {"g": [f"g{i:02d}" for i in g], "x": rng.normal(2.0, 1.0, len(g)).round(2)}
    )
    frame["f"] = rng.choice(["a", "b", "c"], len(g))
    frame["y"] = (
        1.0
        + 0.5 * frame["x"]
        + (frame["f"] == "b")
        + rng.normal(0, 1.0, 12)[g]
        + rng.normal(size=len(g))
    ).round(3)
    return frame


def test_the_published_intervals_of_the_fixed_effects_of_sleepstudy(sleep):
    # As lme4's confint prints them of the REML fit (Bates, Maechler, Bolker and Walker 2015), to
    # two decimals.
    _, (curves, fixed, notes) = sleep
    found = [end for each in fixed for end in (each.ml_low, each.ml_high)]
    np.testing.assert_allclose(found, [237.68, 265.13, 7.36, 13.58], rtol=0, atol=0.0051)
    variances = [end for p in curves for end in (p.ml_low, p.ml_high)]
    published = [14.38, 37.72, 3.80, 8.75, -0.48, 0.68, 22.90, 28.86]
    np.testing.assert_allclose(variances, published, rtol=0, atol=0.0051)
    assert notes == ()


@pytest.mark.r
@pytest.mark.parametrize(
    ("data", "formula"),
    [
        (unbalanced(1), "y ~ x + f + (1 | g)"),
        (unbalanced(2), "y ~ 0 + f + x + (1 | g)"),
    ],
)
def test_the_intervals_of_a_reml_fit_are_those_of_confint(r, data, formula):
    bench, (curves, fixed, _) = measured(data, formula)
    table = bench.case.table
    reply = r.call(
        "oracle_confint",
        {"columns": r_columns(table), "formula": lme4_formula(bench.case.model, table.alias)},
    )
    theirs = list(zip(reply.numbers("low"), reply.numbers("high"), strict=True))
    many = len(theirs) - int(reply.numbers("fixed")[0])
    of_fixed = [(each.ml_low, each.ml_high) for each in fixed]
    widths = np.ptp(theirs[many:], axis=1)
    # lme4 interpolates its profile by splines: four digits of an interval's width.
    assert (np.abs(np.subtract(of_fixed, theirs[many:])).max(axis=1) <= 2e-4 * widths).all()
    ours = sorted((p.ml_low or 0.0, p.ml_high) for p in curves)
    np.testing.assert_allclose(ours, sorted(theirs[:many]), rtol=5e-4, atol=1e-6)


def test_an_end_is_where_the_best_ml_deviance_has_risen_by_the_quantile(sleep):
    bench, (_, fixed, _) = sleep
    design = bench.case.design
    best = find_optimum(Likelihood(design, reml=False)).deviance
    for j, each in enumerate(fixed):
        for end in (each.ml_low, each.ml_high):
            others = [i for i in range(design.x.shape[1]) if i != j]
            held = replace(
                design,
                y=design.y - end * design.x[:, j],
                x=np.ascontiguousarray(design.x[:, others]),
                x_names=tuple(design.x_names[i] for i in others),
            )
            rise = find_optimum(Likelihood(held, reml=False)).deviance - best
            assert rise == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-4)


def test_the_t_intervals_are_those_of_satterthwaites_df(sleep):
    bench, (_, fixed, _) = sleep
    for each, test in zip(fixed, bench.best.tests, strict=True):
        low, high = stats.t.interval(0.95, test.df, loc=test.estimate, scale=test.se)
        assert (each.low, each.high) == pytest.approx((low, high), rel=1e-12)


def test_from_the_boundary_the_profile_goes_where_the_deviance_is_lowest():
    # The variance of batches is 0 at the best point, and above 0 where the mean is held far off;
    # the likelihood of a balanced one-way design is written out here.
    bench, (curves, (mean,), _) = measured("Dyestuff2", "Yield ~ 1 + (1 | Batch)")
    assert (curves[0].ml_best, curves[0].ml_low) == (0.0, None)
    design = bench.case.design
    y = design.y.reshape(6, 5)  # five rows a batch, in order
    assert (design.random[0].codes.reshape(6, 5) == np.arange(6)[:, None]).all()

    def lowest(mu):
        within, between = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(), y.mean(axis=1) - mu

        def deviance(ratio):
            rss = within + 5.0 * (between**2).sum() / (1.0 + 5.0 * ratio)
            return 6.0 * math.log1p(5.0 * ratio) + 30.0 * (1.0 + math.log(2 * math.pi * rss / 30))

        inside = minimize_scalar(deviance, bounds=(0.0, 2.0), method="bounded")
        return min(deviance(0.0), inside.fun)

    for end in (mean.ml_low, mean.ml_high):
        rise = lowest(end) - lowest(y.mean())
        assert rise == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-5)


def test_an_ml_fit_has_one_kind_of_intervals(sleep):
    _, (curves, fixed, _) = measured("sleepstudy", SLEEP, "ML")
    assert all(p.ml_best is p.ml_low is p.ml_high is None for p in curves)
    _, (_, by_reml, _) = sleep
    for one, other in zip(fixed, by_reml, strict=True):
        assert (one.ml_low, one.ml_high) == pytest.approx((other.ml_low, other.ml_high), rel=1e-6)


def test_what_would_take_too_long_is_left_out_and_said():
    rung = own_rung("case", load_dataset("sleepstudy"), SLEEP, "REML")
    judged = judge(rung.case, (RefereeEngine(),), ("default",))
    bench = bench_of(rung, judged.examination)
    curves, fixed, notes = ml_intervals(bench, (), budget=1e-9)
    assert curves == ()
    assert [each.name for each in fixed] == ["Intercept"]
    (note,) = notes
    assert note.startswith("ML intervals of 1 of 2 fixed effects only: all would take about")


def test_a_t_interval_that_the_data_do_not_determine_is_left_open():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"site": np.repeat(["a", "b"], 10), "x": rng.normal(size=20)})
    frame["y"] = frame["x"] + rng.normal(size=20)
    _, (_, fixed, _) = measured(frame, "y ~ site + x + (1 | site)")
    # Each site has an effect of its own and a random one: their variance moves the SE of those.
    assert {each.name: each.low is None for each in fixed} == {
        "Intercept": True,
        "site[T.b]": True,
        "x": False,
    }
    assert all(each.ml_low < each.estimate < each.ml_high for each in fixed)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_where_every_row_is_a_group_both_standard_deviations_may_be_zero(criterion):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": [f"g{i}" for i in range(20)], "x": rng.normal(size=20)})
    frame["y"] = frame["x"] + rng.normal(size=20)
    _, (curves, _, _) = measured(frame, "y ~ x + (1 | g)", criterion)
    assert [(p.low, p.ml_low) for p in curves] == [(None, None)] * 2
    # One total variance: the interval of either ends where that of the other does.
    assert curves[0].high == pytest.approx(curves[1].high, rel=1e-4)
