"""An engine is anyone's code: what it raises or returns costs its case, and no more."""

import numpy as np
import pytest

from harness.base.errors import BadInput, Stop
from harness.data.ladder import full_ladder
from harness.engines.engine import Failure
from harness.engines.guard import GuardedEngine, guarded
from harness.engines.referee_engine import RefereeEngine
from tests.engines.panicky import PANICKY, Panic, Panicky


@pytest.fixture(scope="module")
def sleepstudy():
    return next(r.case for r in full_ladder() if r.case.id == "sleepstudy/intercept/REML")


def test_an_exception_that_is_no_exception_is_a_crash(sleepstudy):
    for place in ("unsupported", "begin", "fit"):
        outcome = guarded(Panicky(place), sleepstudy, "tight")()
        assert isinstance(outcome, Failure)
        assert (outcome.reason, outcome.engine, outcome.setting) == ("crash", "panicky", "tight")
        assert outcome.text == f"Panic: {PANICKY}"


def test_an_exception_is_an_error(sleepstudy):
    outcome = guarded(Panicky("fit", ZeroDivisionError), sleepstudy, "default")()
    assert (outcome.reason, outcome.text) == ("error", f"ZeroDivisionError: {PANICKY}")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Stop, GeneratorExit])
@pytest.mark.parametrize("place", ["unsupported", "begin", "fit"])
def test_what_ends_the_program_ends_it(sleepstudy, kind, place):
    with pytest.raises(kind):
        guarded(Panicky(place, kind), sleepstudy, "default")()


def test_an_engine_that_does_not_say_its_versions_is_named(sleepstudy):
    with pytest.raises(BadInput, match="'panicky' does not say its versions: Panic: index out"):
        GuardedEngine(Panicky("versions", Panic)).versions()


def test_what_is_no_fit_is_an_error(sleepstudy):
    class Wrong(Panicky):
        def fit(self, case, setting):
            return {"estimate": 1.0}

    outcome = guarded(Wrong(""), sleepstudy, "default")()
    assert (outcome.reason, outcome.text) == ("error", "returned dict, not a Fit or Failure")


def test_numbers_of_numpy_are_taken_as_pythons(sleepstudy):
    right = RefereeEngine().fit(sleepstudy, "default")

    class Numpy(Panicky):
        def fit(self, case, setting):
            from msgspec.structs import replace

            return replace(right, loglik=np.float64(right.loglik), fitted=np.array(right.fitted))

    found = guarded(Numpy(""), sleepstudy, "default")()
    assert type(found.loglik) is float
    assert type(found.fitted) is tuple
    assert set(map(type, found.fitted)) == {float}
    assert found == right
