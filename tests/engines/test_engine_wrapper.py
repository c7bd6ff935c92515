"""Engines around engines: everything is handed on but what they do otherwise."""

import pytest

from harness.conformance.fit_memory import Remembered
from harness.conformance.planted_engines import z_for_t
from harness.data.ladder import full_ladder
from harness.data.rungs import select
from harness.engines.engine_wrapper import EngineWrapper, bare
from harness.engines.referee_engine import RefereeEngine


@pytest.fixture(scope="module")
def case():
    (rung,) = select(full_ladder(), ["dyestuff2/REML"])
    return rung.case


def test_a_wrapper_hands_everything_on(case):
    engine = RefereeEngine()
    around = EngineWrapper(engine)
    assert around.name == "referee"
    assert around.versions() == engine.versions()
    assert around.unsupported(case) is None
    assert around.fit(case, "default").loglik == engine.fit(case, "default").loglik


def test_what_a_wrapper_says_otherwise_in_begin_holds_for_fit(case):
    class Silent(EngineWrapper):
        def begin(self, case, setting):
            return lambda: "silence"

    assert Silent(RefereeEngine()).fit(case, "default") == "silence"


def test_the_engine_itself_is_that_within_unless_the_answers_are_others():
    engine, planted = RefereeEngine(), z_for_t()
    assert bare(Remembered(Remembered(engine))) is engine
    assert bare(Remembered(planted)) is planted
    assert bare(engine) is engine
