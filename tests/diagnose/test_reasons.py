"""Why a term is singular: every number that is said, by other code than what says it."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from harness.base.text import number
from harness.data.datasets import load_dataset
from harness.diagnose.bench import Bench, bench_of
from harness.diagnose.singular import singular_terms
from harness.engines.referee_engine import RefereeEngine
from harness.judge.case_record import case_record
from harness.judge.judge import judge
from tests.judge.planted import rung_of


def terms_of(frame, formula, criterion="REML"):
    rung = rung_of(frame, formula, criterion)
    judged = judge(rung.case, [RefereeEngine()], ("default",))
    bench: Bench = bench_of(rung, judged.examination)
    return {term.group: term for term in singular_terms(bench, case_record(judged, rung), ())}


def labelled(g):
    return [f"s{i}" for i in g]


@cache
def one_way(seed):
    """Ten groups of four rows, no variance between them."""
    rng = np.random.default_rng(seed)
    g = np.repeat(range(10), 4)
    frame = pd.DataFrame({"y": rng.normal(size=40).round(2), "g": labelled(g)})
    return frame.assign(x=rng.normal(size=40).round(2))


def with_a_group_between():
    """Means so alike that only the group s3, which hides it, keeps the variance at zero."""
    frame = one_way(4).copy()
    between = np.linspace(-1.2, 1.2, 10)[np.repeat(range(10), 4)]
    within = frame.y - frame.groupby("g").y.transform("mean")
    frame["y"] = (between + within).round(2)
    of_s3 = frame.g == "s3"
    frame.loc[of_s3, "y"] = [5.0, -5.4, 5.4, -5.0]
    return frame


def with_an_outlier():
    frame = with_a_group_between()
    frame.loc[frame.g == "s3", "y"] = [-0.3, 0.1, 0.4, -0.2]
    frame.loc[38, "y"] -= 10.0
    return frame


def lines(*, wild):
    """Slopes with a variance, drowned by one group whose rows jump about its line."""
    rng = np.random.default_rng(8)
    g, t = np.repeat(range(9), 5), np.tile(range(5), 9)
    slope = np.linspace(-0.6, 0.6, 9)[rng.permutation(9)]
    y = 10 + rng.normal(0, 2, 9)[g] + slope[g] * t + rng.normal(0, 0.7, 45)
    if wild:
        y[g == 4] += [9, -9, 0, -9, 9]
    return pd.DataFrame({"y": y.round(2), "t": t, "g": labelled(g)})


def reml(frame, x, blocks):
    """Return the REML variances of independent effects by a dense covariance matrix and a search.

    ``blocks`` are the n x k matrices of the effects; the residual variance is the last.
    """
    y = frame.y.to_numpy()

    def deviance(logs):
        v = np.exp(logs[-1]) * np.eye(len(y))
        for log, z in zip(logs, blocks, strict=False):
            v = v + np.exp(log) * z @ z.T
        inner = np.linalg.solve(v, np.column_stack([x, y]))
        xvx = x.T @ inner[:, :-1]
        left = y - x @ np.linalg.solve(xvx, x.T @ inner[:, -1])
        return np.linalg.slogdet(v)[1] + np.linalg.slogdet(xvx)[1] + left @ np.linalg.solve(v, left)

    start = np.zeros(len(blocks) + 1)
    options = {"xatol": 1e-7, "fatol": 1e-11, "maxiter": 4000}
    return np.exp(optimize.minimize(deviance, start, method="Nelder-Mead", options=options).x)


def indicator(frame, values=1.0):
    return (np.array(frame.g)[:, None] == np.array(pd.unique(frame.g))) * np.broadcast_to(
        np.reshape(values, (-1, 1)), (len(frame), 1)
    )


def test_the_mean_squares_are_those_of_the_analysis_of_variance():
    frame = load_dataset("Dyestuff2").frame
    term = terms_of(frame, "Yield ~ 1 + (1 | Batch)")["Batch"]
    batches = frame.groupby("Batch")["Yield"]
    between, within = 5.0 * batches.mean().var(), batches.var().mean()
    assert term.by_chance.between == pytest.approx(between)
    assert term.by_chance.within == pytest.approx(within)
    assert term.reasons[0] == (
        "The groups of Batch differ no more than chance makes them: the mean square between them "
        f"is {between:.2f} on 5 df, not above {within:.1f} on 24 df within them."
    )


@pytest.mark.slow
def test_the_group_that_carries_the_answer_is_named_with_what_it_would_be():
    frame = with_a_group_between()
    term = terms_of(frame, "y ~ 1 + (1 | g)")["g"]
    found = term.without
    assert (found.kind, found.label, found.rows) == ("group", "s3", 4)
    rest = frame[frame.g != "s3"]
    groups = rest.groupby("g").y
    right = groups.mean().var() - groups.var().mean() / 4
    assert right > 0.1
    assert found.value == pytest.approx(right, rel=1e-6)
    # Balanced data: one step is exact.
    assert found.about == pytest.approx(right, rel=1e-6)
    others = [frame[frame.g != label] for label in pd.unique(frame.g) if label != "s3"]
    for other in others:
        groups = other.groupby("g").y
        assert groups.mean().var() < groups.var().mean() / 4
    assert (found.like_it, found.of) == (1, 10)
    assert term.reasons[-1] == (
        f"Without g s3 (4 rows) alone the variance of the intercept by g would be {number(right)} "
        f"instead of 0; one scoring step for each group says about {number(right)} for this one, "
        "and the like for none of the other 9."
    )


@pytest.mark.slow
def test_the_row_that_carries_the_answer_is_named_before_its_group():
    frame = with_an_outlier()
    term = terms_of(frame, "y ~ x + (1 | g)")["g"]
    assert (term.without.kind, term.without.label) == ("row", "39")
    rest = frame.drop(index=38)
    x = np.column_stack([np.ones(39), rest.x])
    right = reml(rest, x, [indicator(rest)])
    # A search without derivatives, to 1e-7 in the logarithms.
    assert term.without.value == pytest.approx(right[0], rel=1e-4)
    assert f"Without row 39 (y {number(frame.y[38])}) alone the variance" in term.reasons[-1]


@pytest.mark.slow
def test_slopes_are_held_against_their_sampling_variance():
    frame = lines(wild=True)
    term = terms_of(frame, "y ~ t + (t || g)")["g"]
    fitted = [np.polyfit(d.t, d.y, 1, full=True)[:2] for _, d in frame.groupby("g")]
    own = np.var([line[0] for line, _ in fitted], ddof=1)
    sampling = sum(float(left[0]) for _, left in fitted) / (9 * 3) / 10.0  # t: 10 about its mean
    assert term.by_chance.effect == "t"
    assert "adjusted for the fixed effects and the groups' intercepts, of" in term.reasons[0]
    assert (
        f"the slopes of the groups have variance {number(own)}, and their sampling variance is "
        f"{number(sampling)}." in term.reasons[0]
    )
    assert (term.without.kind, term.without.label) == ("group", "s4")
    rest = frame[frame.g != "s4"]
    x = np.column_stack([np.ones(len(rest)), rest.t])
    right = reml(rest, x, [indicator(rest), indicator(rest, rest.t.to_numpy(float))])
    assert term.without.value == pytest.approx(right[1], rel=1e-3)
    # One step is half as much again off here: its number is not told.
    assert term.reasons[1] == (
        f"Without g s4 (5 rows) alone the variance of t by g would be {number(right[1])} instead "
        "of 0; one scoring step for each group says the like for none of the other 8."
    )


def test_where_nothing_is_singular_there_is_no_reason():
    assert terms_of(lines(wild=False), "y ~ t + (t || g)") == {}


@pytest.mark.slow
def test_crossed_factors_are_adjusted_for_each_other():
    rng = np.random.default_rng(1)
    g, h = np.repeat(range(6), 5), np.tile(range(5), 6)
    y = rng.normal(0, 2, 5)[h] + rng.normal(size=30)
    y -= pd.Series(y).groupby(g).transform("mean") * 0.8
    frame = pd.DataFrame({"y": y.round(2), "g": labelled(g), "h": [f"h{i}" for i in h]})
    term = terms_of(frame, "y ~ 1 + (1 | g) + (1 | h)")["g"]
    rows, columns = (frame.groupby(name).y.transform("mean") for name in ("g", "h"))
    mean = frame.y.mean()
    between = ((rows - mean) ** 2).sum() / 5
    within = ((frame.y - rows - columns + mean) ** 2).sum() / 20
    assert term.by_chance.between == pytest.approx(between)
    assert term.by_chance.within == pytest.approx(within)
    assert "the mean square between them, adjusted for h, is" in term.reasons[0]


@pytest.mark.parametrize("seed", range(6))
def test_a_group_or_row_that_is_named_makes_the_difference_in_any_data(seed):
    rng = np.random.default_rng(100 + seed)
    g = np.repeat(range(8), rng.integers(2, 7, 8))
    x, y = rng.normal(size=(2, len(g))).round(2)
    y[rng.integers(len(g))] += 4.0
    frame = pd.DataFrame({"y": y + rng.normal(0, 0.4, 8)[g].round(2), "x": x, "g": labelled(g)})
    for term in terms_of(frame, "y ~ x + (1 | g)").values():
        found = term.without
        if found is None:
            continue
        rest = (
            frame.drop(index=int(found.label) - 1)
            if found.kind == "row"
            else frame[frame.g != found.label]
        )
        right = reml(rest, np.column_stack([np.ones(len(rest)), rest.x]), [indicator(rest)])
        assert found.value == pytest.approx(right[0], rel=1e-3)
        assert right[0] > 0.01 * right[1]


def drifting(seed):
    """Lines that differ in height and little in slope, seen at times of their own."""
    rng = np.random.default_rng(seed)
    k, m = int(rng.integers(5, 15)), int(rng.integers(3, 7))
    g = np.repeat(range(k), m)
    t = np.tile(range(m), k) + rng.normal(0, 0.5, k * m).round(2)
    y = rng.normal(0, 2, k)[g] + (0.5 + rng.normal(0, 0.15, k)[g]) * t + rng.normal(size=k * m)
    return pd.DataFrame({"y": y.round(2), "t": t, "g": labelled(g)})


def correlation(frame):
    """Return the REML correlation of intercepts and slopes of t, by a dense search."""
    y, t = frame.y.to_numpy(), frame.t.to_numpy()
    x, z = np.column_stack([np.ones(len(t)), t]), indicator(frame)

    def covariance(p):
        lower = np.array([[np.exp(p[0]), 0.0], [p[1], np.exp(p[2])]])
        return lower @ lower.T

    def deviance(p):
        v = np.exp(p[3]) * np.eye(len(y)) + (z @ z.T) * (x @ covariance(p) @ x.T)
        inner = np.linalg.solve(v, np.column_stack([x, y]))
        xvx = x.T @ inner[:, :-1]
        left = y - x @ np.linalg.solve(xvx, x.T @ inner[:, -1])
        return np.linalg.slogdet(v)[1] + np.linalg.slogdet(xvx)[1] + left @ np.linalg.solve(v, left)

    found = optimize.minimize(deviance, [0.5, -0.1, -2.0, 0.0], method="BFGS")
    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 8000}
    found = optimize.minimize(deviance, found.x, method="Nelder-Mead", options=options)
    psi = covariance(found.x)
    return psi[0, 1] / np.sqrt(psi[0, 0] * psi[1, 1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [8, 24, 49, 57])
def test_a_correlation_of_one_is_told_from_what_it_is_without_a_group_or_row(seed):
    frame = drifting(seed)
    term = terms_of(frame, "y ~ t + (t | g)")["g"]
    assert term.kind.startswith("correlation")
    found = term.without
    assert found is not None
    at = frame.g != found.label if found.kind == "group" else frame.index != int(found.label) - 1
    right = correlation(frame[at])
    # The search without derivatives is good to some 1e-7 here.
    assert found.value == pytest.approx(right, abs=1e-5)
    assert abs(right) < 0.98
    assert f"the correlation would be {number(found.value)} instead of " in term.reasons[-1]
