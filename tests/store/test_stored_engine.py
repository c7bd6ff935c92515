"""Stored fits: found again for the same data and model only, and whole."""

import math

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.base.json import encode
from harness.base.resources import fixture
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.rbridge.worker import RSession
from harness.store.pack import PackedStore
from harness.store.shelf import Store
from harness.store.stored_engine import StoredEngine, engine_namespace, fit_key, worth_storing
from tests.store.counting import CountingEngine, cached, case, replayed


def test_the_second_run_does_not_fit(store, frame):
    first = cached(store)
    live = first.fit(case(frame), "default")
    assert CountingEngine.fits == ["a"]
    second = cached(Store(store.root))
    assert second.fit(case(frame), "default") == live
    assert CountingEngine.fits == ["a"]
    assert (first.tally.missing, first.tally.fitted, first.tally.stored) == (1, 1, 1)
    assert (second.tally.found, second.tally.fitted, second.tally.missing) == (1, 0, 0)


def test_two_cases_with_the_same_data_and_model_share_a_fit(store, frame):
    engine = cached(store)
    left = engine.fit(case(frame, id_="a"), "default")
    right = engine.fit(case(frame, id_="b"), "default")
    assert CountingEngine.fits == ["a"]
    assert left == right


def _changed_value(frame):
    out = frame.copy()
    out.loc[0, "Reaction"] = np.nextafter(out.loc[0, "Reaction"], np.inf)
    return case(out)


CHANGES = {
    "the last bit of a number": _changed_value,
    "a missing value": lambda f: case(f.assign(Reaction=f.Reaction.where(f.index != 3))),
    "the order of the rows": lambda f: case(f[::-1]),
    "the name of a column": lambda f: case(
        f.rename(columns={"Days": "Day"}), "Reaction ~ Day + (1 | Subject)"
    ),
    "the name of a level": lambda f: case(f.assign(Subject=f.Subject.replace(308, 1308))),
    "the order of the levels": lambda f: case(
        f, levels={"Subject": tuple(map(str, sorted(set(f.Subject), reverse=True)))}
    ),
    "the criterion": lambda f: case(f, criterion="ML"),
    "the fixed effects": lambda f: case(f, "Reaction ~ 0 + Days + (1 | Subject)"),
    "the random effects": lambda f: case(f, "Reaction ~ Days + (Days | Subject)"),
    "correlation": lambda f: case(f, "Reaction ~ Days + (Days || Subject)"),
    "a factor": lambda f: case(f, "Reaction ~ factor(Days) + (1 | Subject)"),
    "a number written otherwise": lambda f: case(f, "Reaction ~ I(Days * 2) + (1 | Subject)"),
    "no random effects": lambda f: case(f, "Reaction ~ Days"),
}


def test_every_change_is_another_key(frame):
    cases = {"nothing": case(frame)} | {what: make(frame) for what, make in CHANGES.items()}
    keys = {what: fit_key("lme4", c, "default") for what, c in cases.items()}
    keys["the setting"] = fit_key("lme4", cases["nothing"], "tight")
    keys["the engine"] = fit_key("statsmodels", cases["nothing"], "default")
    assert len(set(keys.values())) == len(keys) == len(CHANGES) + 3


def test_a_case_written_otherwise_has_the_same_key(frame):
    keys = {
        fit_key("lme4", case(frame, formula, id_=formula), "default")
        for formula in (
            "Reaction ~ Days + (1 | Subject)",
            "Reaction~Days+(1|Subject)",
            "Reaction ~ Days + (1 | factor(Subject))",
        )
    }
    assert len(keys) == 1


def test_another_version_is_another_fit(store, frame):
    class Newer(CountingEngine):
        def versions(self):
            return {"counting": "2"}

    cached(store).fit(case(frame), "default")
    newer = cached(store, Newer())
    newer.fit(case(frame), "default")
    assert CountingEngine.fits == ["a", "a"]
    assert newer.versions() == {"counting": "2"}
    assert len(store.namespaces("counting")) == 2


def test_another_argument_of_the_engine_is_another_fit(store, frame):
    plain, powell = (cached(store, StatsmodelsEngine(method)) for method in (None, "powell"))
    plain.fit(case(frame), "default")
    assert powell.fit(case(frame), "default").settings[0] == "method powell"
    assert powell.tally.found == 0


def test_an_engine_that_holds_what_cannot_be_written_down_is_not_stored(store, frame):
    class Planted(CountingEngine):
        def __init__(self, fault):
            self._fault = fault

    engine = cached(store, Planted(lambda fit: fit))
    for _ in range(2):
        assert isinstance(engine.fit(case(frame), "default"), Fit)
    assert CountingEngine.fits == ["a", "a"]
    assert engine.tally.note == "fits of counting are not stored: what they depend on is not known"
    assert store.info().entries == 0


def test_begin_of_a_stored_case_asks_the_engine_nothing(store, frame):
    cached(store).fit(case(frame), "default")
    engine = cached(store)
    engine._engine = None
    assert isinstance(engine.begin(case(frame), "default")(), Fit)
    assert engine.versions() == {"counting": "1"}


@pytest.mark.parametrize(
    ("reason", "text", "kept"),
    [
        ("refused", "number of levels of each grouping factor must be < number of rows", True),
        ("unsupported", "MixedLM has no correlated effects of crossed factors", True),
        ("error", "LinAlgError: Singular matrix", True),
        ("error", "MemoryError: Unable to allocate 3 GiB", False),
        ("error", "OSError: [Errno 24] Too many open files", False),
        ("timeout", "took longer than 60 s", False),
        ("crash", "the R process died", False),
        ("memory", "cannot allocate vector", False),
        ("environment", "R was not found", False),
        ("data", "R used other rows", False),
    ],
)
def test_what_would_be_the_same_the_next_time_is_kept(store, frame, reason, text, kept):
    class Failing(CountingEngine):
        def fit(self, case, setting):
            self.fits.append(case.id)
            return Failure(engine=self.name, setting=setting, reason=reason, text=text)

    first = cached(store, Failing()).fit(case(frame), "default")
    second = cached(store, Failing()).fit(case(frame), "default")
    assert first == second
    assert worth_storing(first) is kept
    assert len(CountingEngine.fits) == (1 if kept else 2)


def test_a_damaged_entry_is_fitted_again(store, frame):
    live = cached(store).fit(case(frame), "default")
    (path,) = (p for p in store.root.rglob("*") if len(p.name) == 64)
    path.write_bytes(path.read_bytes()[:-1])
    assert cached(store).fit(case(frame), "default").fitted == live.fitted
    assert CountingEngine.fits == ["a", "a"]
    assert store.corrupt == 1
    assert cached(store).fit(case(frame), "default").fitted == live.fitted
    assert CountingEngine.fits == ["a", "a"]


def test_an_entry_that_this_version_cannot_read_is_fitted_again(store, frame):
    engine = cached(store)
    engine.fit(case(frame), "default")
    store.put(engine._namespace, fit_key("counting", case(frame), "default"), b'{"type":"fit"}')
    assert isinstance(cached(store).fit(case(frame), "default"), Fit)
    assert CountingEngine.fits == ["a", "a"]


def test_a_fit_that_cannot_be_written_as_json_is_only_not_stored(store, frame):
    class Numpy(CountingEngine):
        def fit(self, case, setting):
            outcome = super().fit(case, setting)
            return msgspec.structs.replace(outcome, loglik=np.float64(outcome.loglik))

    engine = cached(store, Numpy())
    assert isinstance(engine.fit(case(frame), "default"), Fit)
    assert "are not stored: Encoding objects of type numpy.float64" in engine.tally.note


def test_a_store_that_cannot_be_written_still_gives_fits(tmp_path, frame, capsys):
    (tmp_path / "file").write_text("")
    engine = cached(Store(tmp_path / "file" / "cache"))
    assert [type(engine.fit(case(frame), s)) for s in ("default", "tight")] == [Fit, Fit]
    assert (engine.tally.fitted, engine.tally.stored) == (2, 0)
    assert capsys.readouterr().err.count("\n") == 1


def _every_number(fit, number):
    """Return the fit with one kind of number in every place that may hold any."""
    row = msgspec.structs.replace(
        fit.coefficients[0], estimate=number, se=number, df=number, statistic=number, p=number
    )
    (term,) = fit.random
    term = msgspec.structs.replace(term, covariance=((number,),), effects=None, factor=((number,),))
    return msgspec.structs.replace(
        fit, coefficients=(row,), random=(term,), loglik=number, aic=number, fitted=(number,)
    )


@pytest.mark.parametrize(
    "number", [math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, math.nan]
)
def test_every_number_comes_back_in_all_its_bits(store, frame, number):
    class Odd(CountingEngine):
        def fit(self, case, setting):
            return _every_number(super().fit(case, setting), number)

    live = cached(store, Odd()).fit(case(frame), "default")
    stored = cached(store, Odd()).fit(case(frame), "default")
    assert CountingEngine.fits == ["a"]
    assert encode(stored) == encode(live)
    assert np.float64(stored.fitted[0]).tobytes() == np.float64(number).tobytes()


def test_engines_of_any_name_have_a_place_of_their_own():
    names = ["lme4", "my engine", "my/engine", "my_engine", "..", "a:b", "é", "%41", "A"]
    places = [engine_namespace(name) for name in names]
    assert len(set(places)) == len(names)
    for place in places:
        Store().description(place)


@pytest.mark.r
def test_fits_of_r_come_back_field_by_field(store, frame, r):
    pastes = pd.read_csv(fixture("data", "Pastes.csv"))
    dyestuff2 = pd.read_csv(fixture("data", "Dyestuff2.csv"))
    cases = [
        case(frame, "Reaction ~ Days + (Days | Subject)"),
        case(frame, "Reaction ~ Days"),
        case(frame.assign(Days=frame.Days + 1e5), "Reaction ~ Days + (Days | Subject)"),
        case(frame.rename(columns={"Days": "d ays"}), "Reaction ~ `d ays` + (1 | Subject)", "ML"),
        case(pastes, "strength ~ 1 + (1 | batch/cask)"),
        case(dyestuff2, "Yield ~ 1 + (1 | Batch)"),
        case(frame.drop_duplicates("Subject"), "Reaction ~ Days + (1 | Subject)", id_="refused"),
    ]
    live = cached(store, Lme4Engine(r))
    fits = [live.fit(c, s) for c in cases for s in ("default", "tight")]
    assert {type(fit) for fit in fits} == {Fit, Failure}
    assert live.tally.stored == len(fits)
    again = replayed(Store(store.root), "lme4")
    for fit, found in zip(
        fits, (again.fit(c, s) for c in cases for s in ("default", "tight")), strict=True
    ):
        for field in fit.__struct_fields__:
            assert getattr(found, field) == getattr(fit, field), field
    assert again.versions() == Lme4Engine(r).versions()


@pytest.mark.r
def test_a_warm_cache_does_not_start_r(store, frame, r):
    cached(store, Lme4Engine(r)).fit(case(frame), "default")
    with RSession() as never:
        engine = cached(store, Lme4Engine(never))
        assert isinstance(engine.fit(case(frame), "default"), Fit)
        assert engine.versions() == Lme4Engine(r).versions()
        assert engine.unsupported(case(frame)) is None
        assert never._template is None


@pytest.mark.parametrize(
    "make",
    [
        lambda store: StoredEngine(None, store, "cache", name="lme4"),
        lambda store: StoredEngine(None, store, "verify", name="lme4"),
        lambda store: StoredEngine(None, store, "replay"),
        lambda store: StoredEngine(CountingEngine(), PackedStore(store.root), "cache"),
    ],
)
def test_a_mode_that_lacks_something_is_refused(store, make):
    with pytest.raises(ValueError, match=r"engine|written"):
        make(store)
