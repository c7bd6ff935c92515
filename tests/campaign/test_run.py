"""Runs: bit for bit the same twice, each case in its own, nothing lost to a fault."""

import msgspec
import pytest

from harness.base.json import encode
from harness.campaign.serial import Plan, run
from harness.data.ladder import full_ladder
from harness.data.rungs import select
from harness.engines.engine import Failure
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.page.record_equality import timeless
from harness.rbridge.worker import RSession

pytestmark = pytest.mark.r

RUNGS = ("dyestuff2/REML", "tutorial/lmm-full/REML", "sleepstudy/slope/ML", "tutorial/lm-global")


def records(rungs, *engines):
    return list(run(Plan("", rungs, engines)))


@pytest.fixture(scope="module")
def first(r):
    """The records of a run, without their times."""
    found = records(select(full_ladder(), RUNGS), StatsmodelsEngine(), Lme4Engine(r))
    return [timeless(x) for x in found]


def test_two_runs_are_the_same_but_for_their_times(first, r):
    second = records(select(full_ladder(), RUNGS), StatsmodelsEngine(), Lme4Engine(r))
    assert [timeless(x) for x in second] == first


def test_a_new_r_process_gives_the_same_bits(first):
    with RSession(timeout=60) as fresh:
        second = records(select(full_ladder(), RUNGS[:2]), StatsmodelsEngine(), Lme4Engine(fresh))
    assert [timeless(x) for x in second] == first[:2]


class Stub:
    """An engine that fails, in the way it was made to."""

    name = "lme4"

    def __init__(self, reason="crash", text="R died"):
        self.reason, self.text, self.begun = reason, text, []

    def versions(self):
        return {}

    def unsupported(self, case):
        return None

    def fit(self, case, setting):
        return self.begin(case, setting)()

    def begin(self, case, setting):
        self.begun.append(case.id)
        failure = Failure(
            engine=self.name, setting=setting, reason=self.reason, text=self.text, seconds=0.0
        )
        return lambda: failure


@pytest.mark.parametrize(
    ("reason", "verdict", "words"),
    [
        ("crash", "FAILED", "lme4 crashed"),
        ("timeout", "FAILED", "lme4 ran out of time"),
        ("memory", "FAILED", "lme4 ran out of memory"),
        ("error", "FAILED", "lme4 raised an error"),
        ("refused", "FAILED", "lme4 refused the data"),
        ("environment", "ENVIRONMENT", "lme4 could not run"),
        ("data", "DATA_MISMATCH", "lme4 did not get the same data"),
    ],
)
def test_each_reason_of_failure_has_its_class_and_words(reason, verdict, words):
    (record,) = records(
        select(full_ladder(), ("dyestuff/REML",)), StatsmodelsEngine(), Stub(reason, "it did.")
    )
    assert record.comparisons[0].verdict == verdict
    assert record.comparisons[0].blamed == ("lme4",)
    assert record.comparisons[0].sentence.startswith(words)
    # The other engine's fit is there, audited, and found at the optimum.
    assert record.audit("statsmodels").certificate == "interior optimum"


def test_every_case_has_its_record_in_the_order_of_the_plan():
    rungs = select(full_ladder(), ("tutorial", "dyestuff"))
    found = records(rungs, Stub(), Stub())
    assert [record.id for record in found] == [rung.case.id for rung in rungs]


def test_a_case_is_begun_when_its_turn_has_come():
    rungs = select(full_ladder(), ("tutorial", "dyestuff"))
    stub = Stub()
    next(run(Plan("", rungs, (stub, stub))))
    assert set(stub.begun) == {rungs[0].case.id}


def test_without_fits_a_record_still_says_what_was_tried():
    (record,) = records(select(full_ladder(), ("pastes/ML",)), Stub(), Stub())
    assert (record.comparison("stub"), record.printed) == (None, ())
    assert record.spelling["lme4"].startswith("lmerTest::lmer(strength ~ 1 + (1 | batch/cask)")
    assert msgspec.json.decode(encode(record))["id"] == "pastes/ML"
