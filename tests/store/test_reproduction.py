"""Live fits held against what is stored of them."""

import math

import msgspec
import pytest

from harness.base.json import encode
from harness.engines.engine import Failure, Fit
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.store.pack import PackedStore, pack
from harness.store.reproduction import not_reproduced
from harness.store.stored_engine import StoredEngine, fit_key
from tests.store.counting import CountingEngine, cached, case


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


def test_verification_takes_a_packed_store(store, frame, tmp_path):
    planted(store, CountingEngine(), frame, lambda fit: shifted(fit, "loglik", 1e-9))
    pack(store, tmp_path / "fits.gz")
    tally = verified(PackedStore(tmp_path / "fits.gz"), CountingEngine(), frame)[1]
    assert [d.quantity for d in tally.differences] == ["loglik"]
