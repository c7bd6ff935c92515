"""A run in numbers: the counts are those of the records, and what is rare is kept."""

import math
from collections import Counter

import msgspec
import numpy as np
import pytest

from harness.campaign.record_file import read_records
from harness.campaign.record_stream import RecordStream
from harness.judge.case_verdict import definitions, main_verdict
from harness.page import run_summary as summary_module
from harness.page.distribution import Digits, Worst
from harness.page.run_summary import REST, Summary, summarize
from tests.page.html import many, sample, sample_runs

CASES, CHECKS = 800, 300


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return many.write(tmp_path_factory.mktemp("summary") / "run.jsonl", CASES, checks=CHECKS)


@pytest.fixture(scope="module")
def run(path):
    return read_records(path)


@pytest.fixture(scope="module")
def summary(path):
    with RecordStream(path) as stream:
        return summarize(stream)


def test_verdicts_causes_and_shapes_are_counted_as_they_are_in_the_records(run, summary):
    main = [main_verdict(c) for c in run.cases]
    assert summary.cases == CASES
    assert summary.blamed == Counter((v.verdict, v.blamed) for v in main)
    assert summary.verdicts["default"] == Counter(v.verdict for v in main)
    assert summary.verdicts["tight"] == Counter(c.comparisons[1].verdict for c in run.cases)
    assert {k: c.cases for k, c in summary.causes.items() if c.cases} == Counter(
        cause for c in run.cases for cause in {x for v in c.comparisons for x in v.causes}
    )
    assert summary.causes["z-for-t"].definitions == sum(
        any(n.cause == "z-for-t" for n in definitions(c)) for c in run.cases
    )
    assert {k: s.cases for k, s in summary.shapes.items()} == Counter(c.group for c in run.cases)
    for name, shape in summary.shapes.items():
        own = [c for c in run.cases if c.group == name]
        assert shape.verdicts == Counter(main_verdict(c).verdict for c in own)
        assert shape.missing == len(own)
        assert (shape.rows, shape.rows_range) == (Counter({8: len(own)}), (12, 12))
        assert (shape.groups, shape.groups_range) == (Counter({2: len(own)}), (3, 3))


def test_fits_are_counted_by_what_the_referee_finds(run, summary):
    for engine in (sample.ENGINE, sample.REFERENCE):
        found = Counter()
        for case in run.cases:
            audit, fit = case.audit(engine), case.fit(engine)
            found[audit.certificate if audit else fit.reason] += 1
        assert summary.certificates["default", engine] == found
    untrue = sum(
        c.audit(sample.ENGINE) is not None and c.audit(sample.ENGINE).converged_true is False
        for c in run.cases
    )
    assert summary.untrue["default", sample.ENGINE, "converged"] == untrue > 0
    assert summary.singular == sum(many.which(k) == 1 for k in range(CASES))


def test_digits_are_distributed_as_numpy_says(run, summary):
    for (setting, quantity), found in summary.digits.items():
        worst = [
            min(c.digits for c in own)
            for case in run.cases
            if (
                own := [
                    d
                    for c in case.comparisons
                    for d in c.differences
                    if (c.setting, d.quantity) == (setting, quantity)
                ]
            )
        ]
        assert found.cases == len(worst)
        for share in (0.0, 0.01, 0.1, 0.5, 0.99, 1.0):
            exact = np.quantile(np.maximum(worst, 0.0), share, method="inverted_cdf")
            counted = found.quantile(share)
            assert counted == exact or 0 <= exact - counted <= 0.1 + 1e-12


def test_nan_comes_before_every_number_and_equal_after():
    digits = Digits()
    for value in (math.nan, 3.26, -1.0, math.inf):
        digits.add(value, outside=math.isnan(value))
    assert math.isnan(digits.quantile(0.25))
    assert [digits.quantile(q) for q in (0.5, 0.75, 1.0)] == [0.0, 3.2, math.inf]
    assert (digits.cases, digits.outside, digits.between(3, 3.5)) == (4, 1, 1)


def test_the_worst_are_the_largest_and_the_earlier_of_equals():
    worst = Worst(3)
    for place, key in enumerate([1.0, 5.0, 5.0, 2.0, 5.0, 9.0]):
        worst.add((key,), place)
    assert list(worst) == [5, 1, 2]


def test_every_cause_and_verdict_is_among_the_cases_shown_and_so_is_every_unexplained_one(
    path, run, summary
):
    with RecordStream(path) as stream:
        shown = [stream.read(place) for place in summary.shown()]
    assert len({c.id for c in shown}) == len(shown) < 200
    assert {v.verdict for c in shown for v in c.comparisons} == set(summary.verdicts["default"])
    named = {cause for c in shown for v in c.comparisons for cause in v.causes}
    assert named == {k for k, c in summary.causes.items() if c.cases}
    unexplained = {c.id for c in run.cases if c.verdict == "UNEXPLAINED"}
    assert unexplained <= {c.id for c in shown}
    # However few are shown, a case of each kind is among them.
    first = {c.verdict for c in shown[:20]}
    assert first == set(summary.verdicts["default"])


def test_the_order_of_records_changes_no_count(run, summary):
    other = Summary()
    for case in reversed(run.cases):
        other.add(case)
    for name in ("blamed", "verdicts", "causes", "shapes", "certificates", "digits", "singular"):
        assert getattr(other, name) == getattr(summary, name)
    assert [f.seconds for f in other.slowest] == [f.seconds for f in summary.slowest]
    assert other.shown() == ()


def test_headings_beyond_the_limit_are_counted_together(monkeypatch):
    monkeypatch.setattr(summary_module, "SHAPES", 3)
    summary = Summary()
    for k in range(10):
        summary.add(msgspec.structs.replace(sample.case(f"c{k}"), group=f"shape {k}"))
    assert {k: s.cases for k, s in summary.shapes.items()} == {
        "shape 0": 1,
        "shape 1": 1,
        "shape 2": 1,
        REST: 7,
    }


def test_a_disagreement_without_a_cause_is_told_from_one_with():
    summary = Summary()
    for record in (
        sample.case("a", "UNEXPLAINED"),
        sample.case("b", "WRONG_OPTIMUM", causes=("sm-score-sign",)),
        sample_runs.failing("c", "FAILED", "crash", "gone"),
        sample.case("d", "DATA_MISMATCH"),
        sample.case("e", "ENVIRONMENT"),
    ):
        summary.add(record)
    assert (summary.unexplained, summary.environment) == (3, 1)


def test_properties_are_counted_and_the_unexplained_come_first(run, summary):
    statuses = Counter((p.property, p.status) for p in run.properties)
    for name, found in summary.properties.items():
        assert dict(found.statuses) == {s: n for (p, s), n in statuses.items() if p == name}
    # Ten are kept of each property, the unexplained ones before those with a cause.
    failing = [p.status for p in summary.properties["property-3"].failing]
    assert failing == ["unexplained"] * 5 + ["fails"] * 5
    assert summary.properties["property-3"].worst == 1.5 + 288 - 60 + 20
    assert summary.properties["property-4"].worst == -math.inf
