"""Judgements made up for the tests of what CI systems are given."""

from harness.conformance.suite_result import OutcomeStanding, SuiteResult
from harness.judge.property_outcome import PropertyOutcome
from harness.judge.records import FORMAT, Header

NASTY = 'a<b> & "c" ]]> | `d` \x00\x1b \ud800 \ufffe Größe 温度'

HEADER = Header(
    format=FORMAT,
    program="lmm-parity 0",
    created="2026-11-22T18:00:00+00:00",
    title="Conformance of statsmodels, profile pr",
    engines=("statsmodels", "lme4"),
    reference="lme4",
    settings=("default", "tight"),
    planned=3,
    versions={"lmm-parity": "0", "statsmodels": "0.15.0"},
    platform={},
    blas={},
    environment={},
    seed=7,
    options={},
    command="lmm-parity conformance",
)


def outcome(name="parity", case="gen/slope/1/REML", status="holds", **fields):
    fields = {"group": "", "engine": "statsmodels", "reference": "lme4"} | fields
    return PropertyOutcome(property=name, case=case, status=status, setting="default", **fields)


def failing(name="parity", case="gen/slope/1/REML", causes=("sm-score-sign",), **fields):
    status = "fails" if causes else "unexplained"
    fields = {"sentence": "lme4 is right.", "notes": ("gap 0.2",), "discrepancy": 9.0} | fields
    return outcome(name, case, status, causes=causes, **fields)


def judgement(unexpected=1, expected=1, holds=1, of_another=0, stale=(), strict=False, **fields):
    judged = [OutcomeStanding(outcome(case=f"holds/{i}"), "holds") for i in range(holds)]
    judged += [
        OutcomeStanding(failing(case=f"expected/{i}"), "expected", ("it is known",))
        for i in range(expected)
    ]
    judged += [
        OutcomeStanding(failing(case=f"unexpected/{i}", **fields), "unexpected")
        for i in range(unexpected)
    ]
    judged += [
        OutcomeStanding(
            failing(case=f"another/{i}", causes=("lmertest-units",), engines=("lme4",)), "another's"
        )
        for i in range(of_another)
    ]
    return SuiteResult(tuple(judged), stale=stale, strict=strict)
