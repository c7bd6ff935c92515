"""Fits and judging within a time limit: left out by an estimate, or stopped; the record says so."""

import re

import numpy as np
import pandas as pd
import pytest

from harness.base.deadline import Deadline
from harness.campaign.serial import settings_of
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.engines.engine_wrapper import EngineWrapper
from harness.engines.mixedlm_cost import mixedlm_cost
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge import examination, time_limit
from harness.judge.judge import judge
from harness.referee.cost import Cost
from tests.commands.forever import Forever


def own(frame, formula="y ~ x + (1 | g)"):
    return own_rung("data", Dataset("data", frame, ""), formula, "REML", factors=[], levels={})


@pytest.fixture(scope="module")
def small():
    r = np.random.default_rng(1)
    g = np.repeat([f"g{i}" for i in range(8)], 6)
    x = r.normal(size=48)
    y = x + np.repeat(r.normal(size=8), 6) + r.normal(size=48)
    return own(pd.DataFrame({"y": y, "x": x, "g": g})).case


@pytest.fixture(scope="module")
def crossed():
    """As many rows and crossed groups as the InstEval data of lme4 have."""
    r = np.random.default_rng(17)
    n, students, lecturers = 73_421, 2_972, 1_128
    s, d = r.integers(0, students, n), r.integers(0, lecturers, n)
    s[:students], d[-lecturers:] = np.arange(students), np.arange(lecturers)
    frame = pd.DataFrame({"y": r.normal(size=n), "s": s, "d": d})
    rung = own_rung(
        "data", Dataset("data", frame, ""), "y ~ 1 + (1 | s) + (1 | d)", "REML", factors=["s", "d"]
    )
    return rung.case


class Costly(EngineWrapper):
    """An engine that would take a day."""

    def cost(self, case):
        return Cost(86_400.0, 1e6)

    def begin(self, case, setting):
        pytest.fail("it was begun")


@pytest.mark.slow
def test_mixedlm_of_crossed_groups_is_left_out_by_its_estimate(crossed):
    estimate = mixedlm_cost(crossed)
    # 14 evaluations of 16 n q (q + 350) operations at 2e10 a second; n q numbers of 8 bytes five
    # times.
    assert estimate.seconds == pytest.approx(224 * 73_421 * 4_100 * 4_450 / 2e10, rel=1e-3)
    assert estimate.bytes == pytest.approx(40 * 73_421 * 4_100, rel=1e-3)
    assert settings_of(crossed) == ("default",)


def test_mixedlm_of_small_groups_is_not(small):
    estimate = mixedlm_cost(small)
    assert estimate.seconds < 0.1
    assert estimate.bytes < 1e6


def test_what_would_take_too_long_is_left_out_which_is_no_fault_of_the_engine(small):
    engines = (Costly(StatsmodelsEngine()), RefereeEngine())
    judged = judge(small, engines, ("default",), deadline=Deadline(60.0))
    left_out = judged.judgement("statsmodels")
    assert (left_out.verdict, left_out.causes) == ("UNSUPPORTED", ("left-out",))
    assert "would take 24 hours and 1 MB at least (limit 60 s and 4.0 GB)" in left_out.sentence
    assert judged.judgement("referee").verdict == "RIGHT"
    comparison = judged.comparison("statsmodels")
    assert comparison.verdict == "UNSUPPORTED"
    assert not comparison.unexplained


def test_without_a_limit_nothing_is_left_out(small):
    class Begun(Costly):
        def begin(self, case, setting):
            return self.wrapped.begin(case, setting)

    judged = judge(small, (Begun(RefereeEngine()), StatsmodelsEngine()), ("default",))
    assert judged.judgement("referee").verdict == "RIGHT"


@pytest.mark.slow
def test_an_engine_that_never_ends_is_stopped_and_the_others_are_judged(small):
    engines = (Forever(), RefereeEngine())
    judged = judge(small, engines, ("default", "tight"), deadline=Deadline(5.0))
    for setting in ("default", "tight"):
        outcome = judged.outcome("forever", setting)
        assert outcome.reason == "timeout"
        assert re.fullmatch(r"stopped after \d s \(limit 5 s\)", outcome.text)
        assert judged.judgement("forever", setting).verdict == "FAILED"
        assert judged.judgement("referee", setting).verdict == "RIGHT"


@pytest.mark.slow
def test_a_referee_that_never_ends_is_stopped_and_no_fit_is_called_wrong(small, monkeypatch):
    def endless(*_):
        while True:
            pass

    monkeypatch.setattr(examination, "_points", endless)
    engines = (StatsmodelsEngine(), RefereeEngine())
    judged = judge(small, engines, ("default",), deadline=Deadline(5.0))
    assert judged.examination.left_out
    for judgement in judged.judgements:
        assert (judgement.verdict, judgement.causes) == ("UNSUPPORTED", ("not-judged",))
        assert "the referee was stopped, since the limit of 5 s was reached" in judgement.sentence
    assert not judged.comparison("statsmodels").unexplained


def test_a_search_that_would_take_too_long_is_not_begun(small, monkeypatch):
    monkeypatch.setattr(time_limit, "search_cost", lambda _: Cost(7200.0, 1e9))
    judged = judge(
        small, (RefereeEngine(), StatsmodelsEngine()), ("default",), deadline=Deadline(60)
    )
    assert judged.examination.reason == (
        "the referee's search for the optimum would take about 2 hours and 1.0 GB (limit 60 s)"
    )
    assert judged.judgement("statsmodels").causes == ("not-judged",)
