"""A diagnosis of correlated residuals: profiles of rho, and what competes with random effects."""

import numpy as np
import pandas as pd
import pytest

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose import remodel
from harness.diagnose.bench import bench_of
from harness.diagnose.pipeline import diagnose
from harness.diagnose.price import price_of
from harness.diagnose.rivalry import KEY, in_words, smaller_models
from harness.diagnose.user_engines import Opened
from harness.engines.mixedlm_evaluations import Evaluations
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge
from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.page.html.diagnosis_pictures import pictures
from harness.page.interval_tables import variance_intervals
from harness.referee.best_point import find_optimum
from harness.referee.competition import Competition
from harness.referee.profiler import Profiler
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.variance_parameter import Parameter
from tests.referee.residual_cases import visits
from tests.referee.test_residual_profile import series

SLEEP = "Reaction ~ Days + (Days | Subject)"
REFEREE = Opened(("referee",), (RefereeEngine(),), None, evaluations=Evaluations())


def rung_of(frame, formula, residual, criterion="REML"):
    return own_rung(
        "case", Dataset("data", frame, "simulated"), formula, criterion, residual=residual
    )


def deviance(frame, formula, residual="", *, reml=True):
    """The lowest deviance, from the words alone."""
    model = parse_model(formula, "REML", residual)
    return find_optimum(likelihood_of(build_design(model, bind(model, frame)), reml=reml)).deviance


@pytest.fixture(scope="module")
def frame():
    """Four visits of thirty subjects: rho is 0.9, and no intercept varies beside it."""
    return series(0, 30, 4, 0.9, 1.0, 0.0)


@pytest.fixture(scope="module")
def found(frame):
    return diagnose(rung_of(frame, "y ~ visit + (1 | s)", "ar1(visit | s)"), REFEREE, quick=True)


def test_the_two_that_compete_are_named_with_what_each_costs(frame, found):
    (cause,) = [c for c in found.causes if c.key == KEY]
    assert cause.evidence.startswith(
        "The residual rho and the SD of Intercept by s compete: their estimates are correlated "
        "-0.99"
    )
    full = deviance(frame, "y ~ visit + (1 | s)", "ar1(visit | s)")
    alone = deviance(frame, "y ~ visit", "ar1(visit | s)")
    plain = deviance(frame, "y ~ visit + (1 | s)")
    prices = {r.after.formula: r.price for r in cause.remedies}
    costs = {
        "y ~ visit + (1 | s)": plain - full,
        "y ~ visit, residual ar1(visit | s)": alone - full,
    }
    assert set(prices) == set(costs)
    for formula, cost in costs.items():
        assert -2.0 * prices[formula].loglik == pytest.approx(cost, abs=1e-7)
        assert prices[formula].parameters == -1
    assert cause.evidence.endswith("by AIC, write y ~ visit, residual ar1(visit | s)")
    helped = [r.after.formula for r in cause.remedies if r.helped]
    assert helped == ["y ~ visit, residual ar1(visit | s)"]


def test_where_both_smaller_models_cost_much_aic_is_said_to_keep_both():
    bench = bench_at(series(9, 60, 12, 0.6, 1.5, 0.0), "y ~ visit + (1 | s)", "ar1(visit | s)")
    # They do not compete here; the words are of two that would.
    tried = list(smaller_models(bench, Competition(0, 0, 0, -0.95)))
    assert [one.aic > 5.0 for one in tried] == [True, True]
    assert in_words(bench, Competition(0, 0, 0, -0.95), tried).endswith(
        "AIC keeps both, neither of which is well known by itself"
    )


def bench_at(frame, formula, residual):
    rung = rung_of(frame, formula, residual)
    return bench_of(rung, judge(rung.case, (RefereeEngine(),), ("default",)).examination)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_said_to_compete_where_the_data_tell_them_apart(seed):
    rung = rung_of(series(seed, 30, 12, 0.3, 1.0, 0.0), "y ~ visit + (1 | s)", "ar1(visit | s)")
    found = diagnose(rung, REFEREE, quick=True)
    assert KEY not in {cause.key for cause in found.causes}
    (rho,) = found.profiles
    assert rho.low < 0.3 < rho.high


def test_a_smaller_model_keeps_the_residual_covariance(frame):
    rung = rung_of(frame, "y ~ visit + (visit | s)", "ar1(visit | s)")
    for other in (remodel.uncorrelated(rung, 0), remodel.without_effect(rung, 0, {"visit"})):
        assert other.case.model.residual == rung.case.model.residual
    assert remodel.uncorrelated_residuals(rung).case.model.residual is None


def test_variances_by_strata_stay_without_the_correlation(frame):
    whole = frame.assign(half=np.where(frame["visit"] < 2, "a", "b"))
    rung = rung_of(whole, "y ~ visit + (1 | s)", "cs(1 | s) + het(half)")
    assert remodel.uncorrelated_residuals(rung).case.model.residual.text() == "het(half)"
    rung = rung_of(whole, "y ~ visit", "us(visit | s)")
    assert remodel.uncorrelated_residuals(rung).case.model.residual.text() == "het(visit)"


def test_a_structure_of_a_random_term_stays_in_a_smaller_model():
    frame = pd.DataFrame({"s": np.repeat(range(12), 6), "f": np.tile(list("abc"), 24)})
    draw = np.random.default_rng(1)
    frame["x"], frame["y"] = draw.normal(size=72), draw.normal(size=72)
    rung = rung_of(frame, "y ~ x + homcs(0 + f | s) + (0 + x | s)", "")
    other = remodel.without_effect(rung, 1, {"x"})
    assert [t.structure for t in other.case.design.random] == ["homcs"]
    assert [t.structure for t in remodel.uncorrelated(rung, 0).case.design.random] == [
        "homdiag",
        "",
    ]
    price = price_of(bench_at(frame, "y ~ x + homcs(0 + f | s)", ""), remodel.uncorrelated(rung, 0))
    assert price is not None


@pytest.mark.slow
def test_a_diagnosis_of_correlated_residuals_has_every_profile_and_picture():
    rung = rung_of(series(3, 12, 6, 0.5, 1.0, 0.0), "y ~ visit + (1 | s)", "ar1(visit | s)")
    found = diagnose(rung, REFEREE, quick=True, pictures=True)
    named = ["SD of Intercept by s", "residual SD", "residual rho"]
    assert [p.parameter for p in found.profiles] == named
    rho = found.profiles[-1]
    assert (rho.scale, rho.engines[0][0]) == ("correlation", "referee")
    assert rho.engines[0][1] == pytest.approx(rho.best, abs=1e-9)
    assert rho.ml_low < rho.ml_best < rho.ml_high
    assert len(found.fixed_intervals) == 2
    assert not found.notes
    drawn = pictures(found, ("referee",))
    assert "Deviance profile: residual rho" in [figure.title for figure in drawn]


@pytest.mark.slow
def test_far_from_the_best_point_a_held_pair_has_a_lowest_deviance_too():
    """There a step leads beyond the covariances that there are, which is refused and no fault."""
    bench = bench_at(load_dataset("sleepstudy").frame, SLEEP, "ar1(Days | Subject)")
    best = bench.best
    pair = Parameter("sd", 0, (1,)), Parameter("correlation", 0, (1, 0))
    profiler = Profiler(
        bench.case.design, bench.relative, best.sigma, pair, reml=True, phi=best.phi
    )
    for values in ([0.0, -1.0], [8.0, -1.0], [8.0, -0.86], [8.0, 1.0], [0.4, 0.0]):
        assert profiler.at(values).deviance > best.deviance


def test_the_end_of_the_parameter_space_is_shown_where_the_interval_has_none():
    found = diagnose(rung_of(visits(0), "y ~ x", "car1(time | s)"), REFEREE, quick=True)
    (rho,) = found.profiles
    assert rho.low is None
    assert rho.least == 0.0
    (table,) = variance_intervals(found, ("referee",))
    (row,) = (row for group in table.groups for row in group.rows)
    assert (row.head, row.cells[1].text) == ("residual rho", "0")
