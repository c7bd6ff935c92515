"""What changed between two runs: regressions found, improvements told, noise left alone."""

import math

import pytest
from msgspec.structs import replace

from harness.base.errors import BadInput
from harness.campaign.record_file import RecordWriter
from harness.campaign.serial import Plan, run
from harness.data.ladder import full_ladder
from harness.data.rungs import select
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.judge.evidence import found as found_cause
from harness.page.record_diff import diff
from tests.page.judgements import HEADER, failing, outcome


@pytest.fixture(scope="module")
def case():
    rungs = select(full_ladder(), ["dyestuff"])[:1]
    (record,) = run(Plan("x", rungs, (StatsmodelsEngine(), RefereeEngine())))
    assert record.verdict in ("AGREE", "TOLERANCE")
    return verdict(record, "AGREE")


@pytest.fixture
def compare(tmp_path):
    def write(name, records, header):
        with RecordWriter(tmp_path / name) as writer:
            writer.write(header)
            for record in records:
                writer.write(record)
            writer.finish("now", 1.0)
        return tmp_path / name

    def call(old, new, **changes):
        newer = replace(HEADER, **changes)
        return diff(write("old.jsonl", old, HEADER), write("new.jsonl", new, newer))

    return call


def verdict(case, kind, *causes):
    evidence = tuple(found_cause(cause) for cause in causes)
    return replace(
        case,
        comparisons=tuple(replace(c, verdict=kind, evidence=evidence) for c in case.comparisons),
    )


def told(found, direction):
    return [(c.kind, c.what, c.old, c.new) for c in found.changes if c.direction == direction]


def test_a_run_compared_with_itself_has_not_changed(compare, case):
    found = compare([case, outcome()], [case, outcome()])
    assert (found.changes, found.versions, found.both) == ((), (), 1)


def test_versions_that_changed_are_told(compare, case):
    versions = HEADER.versions | {"statsmodels": "0.16.0", "lme4": "2.0"}
    found = compare([case], [case], versions=versions)
    assert found.versions == (("statsmodels", "0.15.0", "0.16.0"), ("lme4", "", "2.0"))
    assert not found.worse


def test_a_worse_verdict_and_a_defect_that_appeared_are_regressions(compare, case):
    wrong = verdict(case, "WRONG_OPTIMUM", "sm-score-sign")
    found = compare([case], [wrong])
    assert told(found, "worse") == [
        ("verdict", "default", "AGREE", "WRONG_OPTIMUM"),
        ("cause", "default", "", "sm-score-sign"),
        ("verdict", "tight", "AGREE", "WRONG_OPTIMUM"),
        ("cause", "tight", "", "sm-score-sign"),
    ]
    mended = compare([wrong], [case])
    assert not mended.worse
    assert len(told(mended, "better")) == 4


def test_a_feature_of_the_data_that_appears_is_no_regression(compare, case):
    found = compare([case], [verdict(case, "AGREE", "true-boundary")])
    assert not found.worse
    assert ("cause", "default", "", "true-boundary") in told(found, "other")


def changed_digits(case, digits, *, within):
    return replace(
        case,
        comparisons=tuple(
            replace(
                c,
                differences=tuple(replace(d, digits=digits, within=within) for d in c.differences),
            )
            for c in case.comparisons
        ),
    )


def test_digits_lost_within_tolerance_are_told_and_those_beyond_are_regressions(compare, case):
    good = changed_digits(case, 8.0, within=True)
    lost = compare([good], [changed_digits(case, 6.5, within=True)])
    assert not lost.worse
    assert ("digits", "loglik, default", "8.0", "6.5") in told(lost, "other")
    assert not compare([good], [changed_digits(case, 7.5, within=True)]).changes
    beyond = compare([good], [changed_digits(case, 7.5, within=False)])
    assert ("digits", "loglik, default", "8.0", "7.5") in told(beyond, "worse")
    nan = compare([good], [changed_digits(case, math.nan, within=False)])
    assert ("digits", "loglik, default", "8.0", "nan") in told(nan, "worse")


def test_equal_and_sixteen_digits_are_the_same(compare, case):
    equal = changed_digits(case, math.inf, within=True)
    assert not compare([equal], [changed_digits(case, 15.95, within=True)]).changes


def test_a_missing_case_is_a_regression_and_a_new_one_is_none(compare, case):
    other = replace(case, id="another")
    gone = compare([case, other], [case])
    assert told(gone, "worse") == [("case", "case", "there", "")]
    new = compare([case], [case, other])
    assert not new.worse
    assert told(new, "other") == [("case", "case", "", "there")]


def test_a_case_with_other_data_is_not_compared(compare, case):
    data = replace(case.data, checksum="0")
    found = compare([case], [replace(verdict(case, "UNEXPLAINED"), data=data)])
    assert [c.kind for c in found.changes] == ["data"]
    assert not found.worse


def test_a_property_that_no_longer_holds_is_a_regression(compare, case):
    found = compare([case, outcome()], [case, failing()])
    assert told(found, "worse") == [("property", "parity", "holds", "fails")]
    assert told(compare([case, failing()], [case, outcome()]), "better")


def test_a_property_that_fails_for_another_reason_is_told(compare, case):
    found = compare([case, failing()], [case, failing(causes=("stopped-short",))])
    assert told(found, "worse") == [("cause", "parity", "", "stopped-short")]
    assert told(found, "better") == [("cause", "parity", "sm-score-sign", "")]


def of_another_engine(record, kind, name="glmm"):
    """Return a record whose engine under test is called otherwise and judged so."""

    def renamed(part, **changes):
        return replace(part, engine=name, **changes) if part.engine == "statsmodels" else part

    return replace(
        record,
        fits=tuple(map(renamed, record.fits)),
        judgements=tuple(renamed(j, verdict=kind, evidence=()) for j in record.judgements),
        comparisons=tuple(map(renamed, record.comparisons)),
    )


def test_two_engines_differ_and_neither_is_worse(compare, case):
    found = compare(
        [case, outcome()],
        [of_another_engine(case, "WRONG_OPTIMUM"), failing(engine="glmm")],
        engines=("glmm", "lme4"),
        versions={"glmm": "0.6.2"},
    )
    assert found.engines == ("statsmodels 0.15.0", "glmm 0.6.2")
    assert {c.direction for c in found.changes} == {"differs"}
    assert told(found, "differs") == [
        ("verdict", "default", "RIGHT", "WRONG_OPTIMUM"),
        ("verdict", "tight", "RIGHT", "WRONG_OPTIMUM"),
        ("property", "parity", "holds", "fails"),
    ]
    assert {c.engine for c in found.changes} == {"glmm"}


def test_two_engines_of_one_file_are_set_beside_each_other(compare, case, tmp_path):
    other = of_another_engine(case, "FALSE_STATEMENT")
    both = replace(
        case,
        fits=case.fits + other.fits,
        judgements=case.judgements + other.judgements,
        comparisons=case.comparisons + other.comparisons,
    )
    compare([case], [both], engines=("statsmodels", "glmm", "lme4"))
    path = tmp_path / "new.jsonl"
    found = diff(path, path, ("statsmodels", "glmm"))
    assert [c[2:] for c in told(found, "differs")] == [("RIGHT", "FALSE_STATEMENT")] * 2
    assert not diff(path, path, ("glmm", "glmm")).changes
    with pytest.raises(BadInput, match="no engine 'nobody'; there are statsmodels, glmm, lme4"):
        diff(path, path, ("statsmodels", "nobody"))


def test_a_file_that_is_no_record_file_is_refused(tmp_path, compare, case):
    compare([case], [case])
    (tmp_path / "x.jsonl").write_text("{}\n")
    with pytest.raises(BadInput, match="line 1"):
        diff(tmp_path / "old.jsonl", tmp_path / "x.jsonl")
