"""Profiles, contours, paths and intervals: against lme4, against brute force, at the boundary."""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.bench import bench_of
from harness.diagnose.contour import contour
from harness.diagnose.examples import example_rung
from harness.diagnose.intervals import conditional_errors, effect_intervals
from harness.diagnose.optimizer_path import statsmodels_path
from harness.diagnose.profile import profiles
from harness.engines.lme4 import r_columns
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.case_record import case_record
from harness.judge.judge import judge
from harness.referee.conditional_modes import conditional_modes
from harness.referee.deviance import Likelihood
from harness.referee.optimum import find_optimum
from harness.referee.profiler import Profiler
from harness.referee.variance_parameter import Parameter, parameters
from harness.spelling.lme4_spelling import lme4_formula

pytestmark = pytest.mark.slow

SLEEP = "Reaction ~ Days + (Days | Subject)"


def bench_and_record(data, formula, criterion="REML"):
    frame = load_dataset(data) if isinstance(data, str) else Dataset("data", data, "simulated")
    rung = own_rung("case", frame, formula, criterion)
    judged = judge(rung.case, (StatsmodelsEngine(), RefereeEngine()), ("default",))
    return bench_of(rung, judged.examination), case_record(judged, rung)


@pytest.fixture(scope="module")
def sleep():
    return bench_and_record("sleepstudy", SLEEP)


@pytest.fixture(scope="module")
def sleep_profiles(sleep):
    return profiles(*sleep, ("statsmodels",))[0]


@pytest.fixture(scope="module")
def by_ml():
    """Return a function from data and formula to the bounds of the intervals by ML."""

    @cache
    def of(data, formula):
        bench, record = bench_and_record(data, formula, "ML")
        return bench, [(p.low, p.high) for p in profiles(bench, record, ())[0]]

    return of


def test_every_variance_parameter_has_its_profile(sleep_profiles):
    assert [p.parameter for p in sleep_profiles] == [
        "SD of Intercept by Subject",
        "SD of Days by Subject",
        "correlation of Intercept and Days by Subject",
        "residual SD",
    ]
    for p in sleep_profiles:
        assert list(p.grid) == sorted(p.grid)
        assert min(p.deviance) == pytest.approx(p.minimum, abs=1e-7)
        assert p.best in p.grid
        (engine, value, deviance) = p.engines[0]
        assert engine == "statsmodels"
        assert value == pytest.approx(p.best, rel=1e-3, abs=1e-4)
        assert 0.0 <= deviance - p.minimum < 1e-6


@pytest.mark.r
@pytest.mark.parametrize(
    ("data", "formula"),
    [("sleepstudy", SLEEP), ("Penicillin", "diameter ~ (1|plate) + (1|sample)")],
)
def test_intervals_by_ml_are_those_of_lme4s_profile(r, by_ml, data, formula):
    bench, ours = by_ml(data, formula)
    table = bench.case.table

    reply = r.call(
        "oracle_profile",
        {"columns": r_columns(table), "formula": lme4_formula(bench.case.model, table.alias)},
    )
    theirs = sorted(zip(reply.numbers("low"), reply.numbers("high"), strict=True))
    # lme4 interpolates its profile by splines: four digits.
    np.testing.assert_allclose(sorted(ours), theirs, rtol=2e-4)


def test_the_published_intervals_of_sleepstudy(by_ml):
    # As lme4's confint prints them (Bates, Maechler, Bolker and Walker 2015), to two decimals. The
    # upper bound of the correlation is 0.68502; lme4's spline has it as 0.68499.
    published = [14.38, 37.72, 3.80, 8.75, -0.48, 0.68, 22.90, 28.86]
    _, bounds = by_ml("sleepstudy", SLEEP)
    found = [v for pair in bounds for v in pair]
    np.testing.assert_allclose(found, published, rtol=0, atol=0.0051)


def test_a_bound_of_the_interval_is_where_the_deviance_has_risen_by_the_quantile(
    sleep, sleep_profiles
):
    bench, _ = sleep
    design = bench.case.design
    wanted = 3.841458820694124
    for parameter, p in zip(parameters(design), sleep_profiles, strict=True):
        sigma = bench.best.point.sigma * bench.likelihood.products.basis.y_scale
        profiler = Profiler(design, bench.relative, sigma, (parameter,), reml=True)
        for bound in (p.low, p.high):
            rise = profiler.at([bound]).deviance - bench.best.deviance
            assert rise == pytest.approx(wanted, abs=1e-4)


def test_a_profiled_deviance_is_the_lowest_by_brute_force(sleep):
    bench, _ = sleep
    likelihood = bench.likelihood
    held = Parameter("sd", 0, (1,)), Parameter("correlation", 0, (1, 0))
    profiler = Profiler(bench.case.design, bench.relative, 25.6, held, reml=True)

    def lowest(slope, rho):
        def over_sigma(log_sigma, sd):
            s = math.exp(log_sigma)
            psi = np.array([[sd**2, rho * sd * slope], [rho * sd * slope, slope**2]]) / s**2
            return likelihood.at(likelihood.theta([psi])).deviance(s)

        def over_sd(sd):
            return minimize_scalar(
                over_sigma,
                bounds=(2.8, 4.2),
                args=(sd,),
                method="bounded",
                options={"xatol": 1e-7},
            ).fun

        grid = np.linspace(0.0, 60.0, 31)
        values = [over_sd(sd) for sd in grid]
        at = int(np.argmin(values))
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, 30)]
        return min(
            values[at],
            minimize_scalar(
                over_sd, bounds=(low, high), method="bounded", options={"xatol": 1e-6}
            ).fun,
        )

    # The last one is at the other boundary: without a random intercept, whatever the correlation.
    for slope, rho in [(4.0, 0.5), (9.0, -0.7), (5.96, -0.857)]:
        assert profiler.at([slope, rho]).deviance == pytest.approx(lowest(slope, rho), abs=1e-5)


def test_at_a_variance_of_zero_the_interval_starts_at_the_boundary():
    bench, record = bench_and_record("Dyestuff2", "Yield ~ 1 + (1 | Batch)")
    sd, sigma = profiles(bench, record, ())[0]
    assert (sd.best, sd.low) == (0.0, None)
    assert 0.0 < sd.high < 5.0
    assert sigma.low is not None
    bench, record = bench_and_record("Pastes", "strength ~ 1 + (1 | batch/cask)")
    batch = profiles(bench, record, ())[0][0]
    assert batch.best > 0.0
    assert batch.low is None, "batches need not differ"
    assert batch.grid[0] == 0.0
    without = own_rung("w", load_dataset("Pastes"), "strength ~ 1 + (1 | batch:cask)", "REML")
    reduced = find_optimum(Likelihood(without.case.design, reml=True)).deviance
    assert batch.deviance[0] == pytest.approx(reduced, abs=1e-7)


@pytest.fixture(scope="module")
def singular():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(8), 6)
    x = np.tile(np.arange(6.0), 8)
    w = rng.normal(size=48)
    y = x + 0.5 * w + rng.normal(size=48) + rng.normal(size=8)[g] * (1 + 0.3 * x)
    frame = pd.DataFrame({"y": y, "x": x, "w": w, "g": g.astype(str)})
    return bench_and_record(frame, "y ~ x + w + (x | g)")


def test_a_correlation_of_one_is_at_the_boundary_of_its_profile(singular):
    bench, record = singular
    found = {p.scale: p for p in profiles(bench, record, ("statsmodels",))[0]}
    correlation = found["correlation"]
    assert correlation.best == pytest.approx(1.0, abs=1e-9)
    assert correlation.high is None
    assert max(correlation.grid) == pytest.approx(1.0, abs=1e-9)


def test_a_correlation_with_a_variance_of_zero_has_no_profile_and_a_note_says_so():
    # Within every group exactly the same line: lines differ less than chance would have them.
    x = np.tile(np.arange(6.0), 10)
    noise = np.random.default_rng(8).normal(size=(10, 6))
    line = np.column_stack([np.ones(6), np.arange(6.0)])
    noise -= noise @ line @ np.linalg.inv(line.T @ line) @ line.T
    frame = pd.DataFrame({"y": x + noise.ravel(), "x": x, "g": np.repeat(list("abcdefghij"), 6)})
    bench, record = bench_and_record(frame, "y ~ x + (x | g)")
    found, note = profiles(bench, record, ())
    assert "correlation" not in {p.scale for p in found}
    assert note.startswith("No profile of the correlation of Intercept and x by g")


def test_what_would_take_too_long_is_left_out_with_the_estimate(sleep, sleep_profiles):
    found, note = profiles(*sleep, (), budget=1e-9)
    assert found == ()
    assert note.startswith("No profiles of the deviance: those of 4 variance parameters")
    plane, note = contour(*sleep, (), sleep_profiles, (), (), [], budget=1e-9)
    assert plane is None
    assert note.startswith("No contour of the deviance: 1 of 15 rows of its grid took")


def test_the_path_of_statsmodels_goes_from_its_start_to_its_answer(singular):
    bench, record = singular
    path = statsmodels_path(bench.case)
    np.testing.assert_allclose(path[0][0], np.eye(2))
    fit = record.fit("statsmodels")
    end = np.array(fit.random[0].covariance) / fit.residual_variance
    np.testing.assert_allclose(path[-1][0], end, rtol=1e-8)


def test_a_method_that_keeps_no_iterates_has_a_path_too():
    case = example_rung("sm-score-sign").case  # bfgs cannot leave its start, lbfgs goes on
    path = statsmodels_path(case)
    assert len(path) > 3
    fit = StatsmodelsEngine().fit(case, "default")
    end = np.array(fit.random[0].covariance) / fit.residual_variance
    np.testing.assert_allclose(path[-1][0], end, rtol=1e-8)


def test_a_contour_marks_the_answers_and_the_way_of_a_run_that_stopped_short(singular):
    bench, record = singular
    curves, _ = profiles(bench, record, ("statsmodels",))
    path = statsmodels_path(bench.case)
    plane, note = contour(bench, record, ("statsmodels",), curves, (), (), path, budget=60.0)
    assert note == ""
    assert (plane.x_name, plane.y_name) == (
        "SD of x by g",
        "correlation of Intercept and x by g",
    )
    assert (plane.y[0], plane.y[-1]) == (-1.0, 1.0)
    rise = np.array(plane.deviance) - plane.minimum
    assert rise.shape == (len(plane.y), len(plane.x))
    assert rise.min() > -1e-7
    (track,) = plane.paths
    assert list(track.deviance) == sorted(track.deviance, reverse=True)
    _, x, y, deviance = plane.engines[0]
    assert (track.x[-1], track.y[-1]) == pytest.approx((x, y), rel=1e-6)
    assert deviance - plane.minimum > 0.1, "statsmodels stops short here"
    # Where nothing depends on the correlation, with the slope's SD at 0, a column is constant.
    if plane.x[0] == 0.0:
        assert np.ptp(rise[:, 0]) < 1e-7


@pytest.mark.r
def test_conditional_standard_deviations_are_lme4s(r):
    bench, _ = bench_and_record("sleepstudy", SLEEP)
    table = bench.case.table

    reply = r.call(
        "oracle_conditional",
        {"columns": r_columns(table), "formula": lme4_formula(bench.case.model, table.alias)},
    )
    point = bench.likelihood.at(reply.numbers("theta"))
    ours = conditional_errors(point, float(reply.numbers("sigma")[0]))[0]
    np.testing.assert_allclose(ours.T.ravel(), reply.numbers("errors"), rtol=1e-8)
    modes = conditional_modes(point)[0]
    np.testing.assert_allclose(modes.T.ravel(), reply.numbers("modes"), rtol=1e-6, atol=1e-8)


def test_random_effects_have_an_interval_for_every_group(sleep):
    found = effect_intervals(*sleep, ("statsmodels", "referee"))
    assert [(e.group, e.name) for e in found] == [("Subject", "Intercept"), ("Subject", "Days")]
    for effects in found:
        assert [e.engine for e in effects.engines] == ["statsmodels", "referee"]
        for engine in effects.engines:
            assert engine.own
            assert len(engine.effects) == len(engine.errors) == 18
            assert min(engine.errors) > 0.0
