"""Stored fits that stand in for an engine that is not there."""

import json
import os
import subprocess
import sys

import pytest

from harness.base.json import decode
from harness.base.resources import fixture
from harness.engines.engine import Failure, Fit
from harness.engines.lme4 import Lme4Engine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.store.pack import pack
from harness.store.stored_engine import StoredEngine
from tests.store.counting import CountingEngine, cached, case, replayed

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


def test_missing_cases_are_named_up_to_a_thousand(store, frame, monkeypatch):
    monkeypatch.setattr("harness.store.stored_engine._SHOWN", 3)
    engine = replayed(store)
    for i in range(5):
        engine.fit(case(frame, id_=str(i)), "default")
    assert engine.tally.missing == 5
    assert engine.tally.missing_cases == (("0", "default"), ("1", "default"), ("2", "default"))
