"""Stored fits: found again for the same data and model only, whole, and without the engine."""

import gzip
import json
import math
import os
import subprocess
import sys
from typing import ClassVar

import msgspec
import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.base.json import decode, encode
from harness.base.resources import fixture
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.rbridge.worker import RSession
from harness.store.pack import PackedStore, pack
from harness.store.reproduction import not_reproduced
from harness.store.shelf import Store
from harness.store.stored_engine import StoredEngine, engine_namespace, fit_key, worth_storing


class CountingEngine(RefereeEngine):
    """The referee, which is quick, and counts what it fits."""

    name = "counting"
    fits: ClassVar[list[str]] = []

    def versions(self):
        return {"counting": "1"}

    def fit(self, case, setting):
        self.fits.append(case.id)
        outcome = super().fit(case, setting)
        return msgspec.structs.replace(outcome, engine=self.name)


@pytest.fixture(autouse=True)
def _nothing_counted():
    CountingEngine.fits.clear()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


@pytest.fixture(scope="module")
def frame():
    return pd.read_csv(fixture("data", "sleepstudy.csv"))


def case(frame, formula="Reaction ~ Days + (1 | Subject)", criterion="REML", id_="a", **contract):
    model = parse_model(formula, criterion)
    return Case(id_, model, bind(model, frame, **contract))


def cached(store, engine=None):
    return StoredEngine(engine or CountingEngine(), store, "cache")


def replayed(store, name="counting", **options):
    return StoredEngine(None, store, "replay", name=name, **options)


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


REPLAY = """
import json, sys

class NoR:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rpy2":
            raise ImportError("rpy2 is blocked")

sys.meta_path.insert(0, NoR())
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.data.datasets import read_csv
from harness.store.pack import PackedStore
from harness.store.stored_engine import StoredEngine
from harness.base.json import encode
from pathlib import Path

engine = StoredEngine(None, PackedStore(Path(sys.argv[1])), "replay", name="lme4")
frame = read_csv(Path(sys.argv[2]))
for formula in sys.argv[3:]:
    model = parse_model(formula)
    outcome = engine.fit(Case(formula, model, bind(model, frame)), "default")
    print(encode(outcome).decode())
print(json.dumps(engine.versions()))
print(encode(engine.tally).decode())
print(any(name.startswith("rpy2") for name in sys.modules))
"""


@pytest.mark.r
def test_a_packed_store_replays_where_there_is_no_r(store, frame, r, tmp_path):
    formulas = ["Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (1 | Subject)"]
    live = cached(store, Lme4Engine(r)).fit(case(frame, formulas[0]), "default")
    packed = tmp_path / "fits.jsonl.gz"
    assert pack(store, packed) == 1
    environment = {k: v for k, v in os.environ.items() if k != "R_HOME"} | {"PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, packed, fixture("data", "sleepstudy.csv"), *formulas],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    found, missing, versions, tally, rpy2 = done.stdout.splitlines()
    assert decode(found, Fit) == live
    missing = decode(missing, Failure)
    assert missing.reason == "environment"
    assert missing.text == (
        "no stored result of lme4 for Reaction ~ Days + (1 | Subject) (REML, default setting) "
        "on these data; run it once without --replay where lme4 works"
    )
    assert json.loads(versions) == Lme4Engine(r).versions()
    assert json.loads(tally)["found"] == 1
    assert json.loads(tally)["missing_cases"] == [[formulas[1], "default"]]
    assert rpy2 == "False"
    assert done.stderr == ""


def test_replay_never_fits_even_with_an_engine(store, frame):
    engine = StoredEngine(CountingEngine(), store, "replay")
    outcome = engine.fit(case(frame), "default")
    assert (outcome.reason, CountingEngine.fits) == ("environment", [])
    assert engine.tally.note == "there are no stored results of counting"
    assert replayed(store).versions() == {}


def test_replay_knows_what_the_engine_could_not_express(store, frame):
    crossed = case(
        frame.assign(g=frame.index % 7), "Reaction ~ Days + (Days | Subject) + (Days | g)"
    )
    live = StatsmodelsEngine()
    why = live.unsupported(crossed)
    assert why
    cached(store, live).fit(crossed, "default")
    again = replayed(store, "statsmodels")
    assert again.unsupported(crossed) == why
    assert again.unsupported(case(frame)) is None


def test_replay_does_not_mix_versions(store, frame):
    class Newer(CountingEngine):
        def versions(self):
            return {"counting": "2"}

    old, new = cached(store), cached(store, Newer())
    old.fit(case(frame), "default")
    old.fit(case(frame), "tight")
    new.fit(case(frame), "default")
    for engine, when in ((old, 1e9), (new, 2e9)):
        os.utime(store.root / engine._namespace / "description.json", (when, when))
    latest = replayed(store)
    assert latest.versions() == {"counting": "2"}
    assert isinstance(latest.fit(case(frame), "tight"), Failure)
    older = replayed(store, fingerprint=old._namespace.partition("/")[2])
    assert older.versions() == {"counting": "1"}
    assert isinstance(older.fit(case(frame), "tight"), Fit)


def test_replay_says_that_the_adapter_has_changed_since(store, frame):
    engine = cached(store)
    engine.fit(case(frame), "default")
    assert replayed(store).tally.note == ""
    about = store.description(engine._namespace)
    store.describe(engine._namespace, about | {"sources": "0" * 32})
    again = replayed(store)
    assert isinstance(again.fit(case(frame), "default"), Fit)
    assert again.tally.note == ("results of counting were stored by another version of its adapter")


def planted(store, engine, frame, change):
    """Store a fit, change what is stored, and return what verification finds."""
    kept = cached(store, engine)
    live = kept.fit(case(frame), "default")
    key = fit_key(engine.name, case(frame), "default")
    store.put(kept._namespace, key, encode(change(live)))
    return live


def verified(store, engine, frame, **options):
    verify = StoredEngine(engine, store, "verify", **options)
    outcome = verify.fit(case(frame), "default")
    return outcome, verify.tally


def shifted(fit, field, relative):
    values = getattr(fit, field)
    changed = (
        tuple(v * (1 + relative) for v in values)
        if isinstance(values, tuple)
        else values * (1 + relative)
    )
    return msgspec.structs.replace(fit, **{field: changed})


@pytest.mark.parametrize("engine", [CountingEngine(), StatsmodelsEngine()])
def test_a_live_fit_reproduces_what_is_stored(store, frame, engine):
    cached(store, engine).fit(case(frame), "default")
    outcome, tally = verified(store, engine, frame)
    assert isinstance(outcome, Fit)
    assert (tally.found, tally.fitted, tally.missing, tally.differences) == (1, 1, 0, ())


@pytest.mark.slow
@pytest.mark.parametrize("field", ["loglik", "residual_variance", "fitted"])
def test_a_stored_number_off_by_a_billionth_is_reported(store, frame, field):
    live = planted(store, CountingEngine(), frame, lambda fit: shifted(fit, field, 1e-9))
    outcome, tally = verified(store, CountingEngine(), frame)
    assert outcome.loglik == live.loglik
    (found,) = tally.differences
    assert (found.engine, found.case, found.setting) == ("counting", "a", "default")
    assert found.quantity == field
    assert found.relative == pytest.approx(1e-9, rel=1e-5)
    assert float(found.stored) == pytest.approx(float(found.live) * (1 + 1e-9), rel=1e-15)
    assert verified(store, CountingEngine(), frame, tolerance=1e-8)[1].differences == ()
    assert len(verified(store, CountingEngine(), frame, tolerance=1e-10)[1].differences) == 1


def test_verification_reports_what_is_not_a_number(store, frame):
    def change(fit):
        return Failure(engine="counting", setting="default", reason="error", text="no")

    planted(store, CountingEngine(), frame, change)
    quantities = {d.quantity for d in verified(store, CountingEngine(), frame)[1].differences}
    assert {"type", "reason", "text", "loglik", "coefficients[Days].estimate"} <= quantities


def test_verification_fits_what_is_not_stored_and_says_so(store, frame):
    outcome, tally = verified(store, CountingEngine(), frame)
    assert isinstance(outcome, Fit)
    assert (tally.found, tally.fitted, tally.missing, tally.stored) == (0, 1, 1, 0)
    assert store.info().entries == 0


@pytest.fixture(scope="module")
def fit(frame):
    return RefereeEngine().fit(case(frame), "default")


@pytest.mark.parametrize(
    ("field", "stored", "live", "quantity"),
    [
        ("loglik", math.nan, 1.0, "loglik"),
        ("loglik", math.inf, 1e308, "loglik"),
        ("loglik", None, 1.0, "loglik"),
        ("converged", True, None, "converged"),
        ("converged", True, False, "converged"),
        ("fitted", (1.0, 2.0), (1.0,), "fitted"),
        ("probes", {"score": "a"}, {}, "probes.score"),
        ("variance_se", (("a", 1.0),), (("a", 2.0),), "variance_se[0][1]"),
        ("settings", ("evaluations 3",), ("evaluations 4",), "settings[0]"),
    ],
)
def test_every_kind_of_difference_has_its_name(fit, field, stored, live, quantity):
    left, right = (msgspec.structs.replace(fit, **{field: value}) for value in (stored, live))
    (found,) = not_reproduced("a", left, right)
    assert found.quantity == quantity
    loose = list(not_reproduced("a", left, right, tolerance=1e-3))
    assert len(loose) == (0 if field == "settings" else 1)


def test_seconds_and_nan_are_no_difference(fit):
    left = msgspec.structs.replace(fit, loglik=math.nan, seconds=1.0)
    right = msgspec.structs.replace(fit, loglik=math.nan, seconds=2.0)
    assert list(not_reproduced("a", left, right)) == []


def test_packing_gives_the_same_bytes(store, frame, tmp_path):
    engine = cached(store)
    for formula in ("Reaction ~ Days + (1 | Subject)", "Reaction ~ 1 + (1 | Subject)"):
        engine.fit(case(frame, formula), "default")
    copy = Store(tmp_path / "copy")
    namespace = engine._namespace
    for key in reversed(store.keys(namespace)):
        copy.put(namespace, key, store.get(namespace, key))
    copy.describe(namespace, store.description(namespace))
    paths = [tmp_path / "one.gz", tmp_path / "folder" / "two.gz"]
    assert [pack(store, paths[0]), pack(copy, paths[1])] == [2, 2]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    lines = gzip.decompress(paths[0].read_bytes()).splitlines()
    assert json.loads(lines[0])["descriptions"][namespace]["versions"] == {"counting": "1"}
    assert [json.loads(line)["key"] for line in lines[1:]] == list(store.keys(namespace))
    packed = PackedStore(paths[1])
    assert len(packed) == 2
    assert packed.namespaces("counting") == packed.namespaces() == (namespace,)
    assert packed.namespaces("count") == ()
    assert all(packed.get(namespace, k) == store.get(namespace, k) for k in store.keys(namespace))


def test_only_the_wanted_fits_are_packed(store, frame, tmp_path):
    engine = cached(store)
    engine.fit(case(frame), "default")
    engine.fit(case(frame), "tight")
    store.put("records", "0f" * 32, b"no fit")
    key = fit_key("counting", case(frame), "tight")
    assert pack(store, tmp_path / "fits.gz", keys={key}) == 1
    again = replayed(PackedStore(tmp_path / "fits.gz"))
    assert isinstance(again.fit(case(frame), "tight"), Fit)
    assert isinstance(again.fit(case(frame), "default"), Failure)


def test_verification_takes_a_packed_store(store, frame, tmp_path):
    planted(store, CountingEngine(), frame, lambda fit: shifted(fit, "loglik", 1e-9))
    pack(store, tmp_path / "fits.gz")
    tally = verified(PackedStore(tmp_path / "fits.gz"), CountingEngine(), frame)[1]
    assert [d.quantity for d in tally.differences] == ["loglik"]


def test_an_empty_store_is_not_packed(store, tmp_path):
    with pytest.raises(BadInput, match="no stored results to pack"):
        pack(store, tmp_path / "fits.gz")
    assert not (tmp_path / "fits.gz").exists()


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"y,x\n1,2\n",
        gzip.compress(b"", mtime=0),
        gzip.compress(b'{"format":"other","descriptions":{}}\n', mtime=0),
        gzip.compress(b'{"format":"lmm-parity stored fits 1","descriptions":{}}\n{"key"', mtime=0)[
            :-9
        ],
        gzip.compress(b'{"format":"lmm-parity stored fits 1","descriptions":{}}\n{"key"', mtime=0),
    ],
)
def test_a_damaged_or_missing_pack_is_one_clear_line(tmp_path, content):
    path = tmp_path / "fits.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        replayed(PackedStore(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


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


def test_missing_cases_are_named_up_to_a_thousand(store, frame, monkeypatch):
    monkeypatch.setattr("harness.store.stored_engine._SHOWN", 3)
    engine = replayed(store)
    for i in range(5):
        engine.fit(case(frame, id_=str(i)), "default")
    assert engine.tally.missing == 5
    assert engine.tally.missing_cases == (("0", "default"), ("1", "default"), ("2", "default"))
