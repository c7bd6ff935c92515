"""A listing as the outcome of an engine: its judgement, its fit, beside engines that were run."""

import dataclasses
import math

import pytest

import harness
from harness.base.json import decode, encode
from harness.campaign.listing_file import write_listing
from harness.campaign.record_file import read_records
from harness.data.datasets import load_dataset
from harness.data.rungs import GivenListing
from harness.engines.referee_engine import RefereeEngine
from harness.judge.case_record import case_record
from harness.judge.case_verdict import unexplained
from harness.judge.judge import judge
from harness.judge.listing import read_listing
from harness.judge.listing_record import listed_beside, listing_record
from harness.judge.listing_source import ListingSource
from harness.judge.listing_verdict import judge_listing
from harness.judge.records import CaseRecord
from harness.judge.sentence import finding_sentence

FORMULA = "Reaction ~ Days + (Days | Subject)"

# summary(lmerTest::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)), as it is printed.
PRINTED = """
program = "a program"
criterion = "REML"
rows = 180
log_likelihood = { minus_two = "1743.6" }
[coefficient."(Intercept)"]
estimate = "251.405"
[coefficient.Days]
estimate = "10.467"
se = "1.546"
df = "17.000"
p = "<.0001"
[variance]
"Subject" = "612.10"
"Subject Days" = { sd = "5.922" }
residual = "654.94"
[correlation]
Subject = "0.07"
"""


@pytest.fixture(scope="module")
def source():
    return ListingSource(load_dataset("sleepstudy"), FORMULA)


def recorded(source, text):
    listing = read_listing(text)
    return listing_record(listing, judge_listing(listing, source), source)


def judgement(source, *change):
    (one,) = recorded(source, PRINTED.replace(*change) if change else PRINTED).judgements
    return one


def test_what_is_right_is_a_judgement_like_any(source):
    record = recorded(source, PRINTED)
    (one,) = record.judgements
    assert (record.engines, record.reference, record.verdict) == (
        ("a program",),
        "a program",
        "RIGHT",
    )
    assert one.sentence == "All 10 numbers that a program prints are right."
    assert one.audit.certificate == "interior optimum"
    assert {s.truth for s in one.statements} == {"true"}
    assert one.statement("se", "Days").value == 1.546
    assert one.statement("p", "Days").value == 1e-4  # the bound


def test_its_fit_has_what_is_printed_and_nothing_else(source):
    (fit,) = recorded(source, PRINTED).fits
    days = fit.coefficient("Days")
    assert (days.estimate, days.se, days.df, days.statistic, days.p) == (
        10.467,
        1.546,
        17.0,
        None,
        None,
    )
    assert fit.coefficient("Intercept").se is None
    assert fit.native_names == ("(Intercept)", "Days")
    assert fit.loglik == -871.8
    (term,) = fit.random
    assert term.covariance[1][1] == pytest.approx(5.922**2)
    assert term.covariance[1][0] == pytest.approx(0.07 * 5.922 * math.sqrt(612.10))
    (bare,) = recorded(source, '[coefficient.Days]\nestimate = "10.467"').fits
    assert (bare.random, math.isnan(bare.residual_variance)) == ((), True)


@pytest.mark.parametrize(
    ("change", "verdict", "key", "said"),
    [
        (
            ('"1.546"', '"1.646"'),
            "FALSE_STATEMENT",
            "listing-false-unknown",
            "standard error of Days",
        ),
        (('{ sd = "5.922" }', '"5.922"'), "FALSE_STATEMENT", "listing-false", "known mistake"),
        (
            ("rows = 180", "rows = 170"),
            "DATA_MISMATCH",
            "listing-rows",
            "170 rows; 180 are complete",
        ),
        (('"654.94"', '"664.94"'), "FALSE_STATEMENT", "listing-false-unknown", "residual"),
    ],
)
def test_what_is_wrong_has_the_class_that_it_has_of_an_engine(source, change, verdict, key, said):
    one = judgement(source, *change)
    assert (one.verdict, one.finding.key) == (verdict, key)
    assert said in one.sentence


def test_numbers_of_the_other_criterion_are_not_at_the_optimum_asked_for(source):
    made = harness.intervals(FORMULA, source.dataset.frame, ml=True, kind="wald").table.estimate
    labels = {
        "Subject Intercept": "SD of Intercept by Subject",
        "Subject Days": "SD of Days by Subject",
        "residual": "residual SD",
    }
    rows = "".join(f'"{k}" = {{ sd = "{made[name]:.4f}" }}\n' for k, name in labels.items())
    rows = f"[variance]\n{rows}"
    one = judgement(source, PRINTED, f'program = "a program"\ncriterion = "REML"\n{rows}')
    assert (one.verdict, one.finding.key) == ("WRONG_OPTIMUM", "listing-criterion")
    assert one.sentence == "a program prints the numbers of ML, not of REML as it says."


def test_a_number_that_is_wrong_for_no_known_reason_is_unexplained_and_a_mistake_is_not(source):
    wrong = recorded(source, PRINTED.replace('"1.546"', '"1.646"'))
    mistaken = recorded(source, PRINTED.replace('{ sd = "5.922" }', '"5.922"'))
    assert [unexplained(r) for r in (wrong, mistaken)] == [True, False]


def test_a_file_of_it_is_read_as_that_of_a_run(source, tmp_path):
    record = recorded(source, PRINTED)
    write_listing(record, tmp_path / "audit.jsonl", "lmm-parity audit")
    run = read_records(tmp_path / "audit.jsonl")
    assert (run.header.engines, run.footer.verdicts) == (("a program",), {"RIGHT": 1})
    assert encode(run.cases[0]) == encode(record)


@pytest.fixture(scope="module")
def run_beside(source):
    rung = source.rung()
    record = case_record(judge(rung.case, [RefereeEngine()], ("default",)), rung)

    def beside(text, program="") -> CaseRecord:
        given = GivenListing(text, program, FORMULA)
        found = listed_beside(record, dataclasses.replace(rung, listing=given), given)
        return decode(encode(found), CaseRecord)

    return beside


def test_beside_an_engine_it_is_compared_with_the_reference(run_beside):
    good, bad = run_beside(PRINTED), run_beside(PRINTED.replace('"1.546"', '"1.646"'))
    assert good.engines == ("a program", "referee")
    assert good.comparison("a program").verdict == "AGREE"
    assert (bad.verdict, bad.comparison("a program").blamed) == ("FALSE_STATEMENT", ("a program",))
    assert bad.judgement("referee").verdict == "RIGHT"
    assert (unexplained(good), unexplained(bad)) == (False, True)


def test_a_program_that_is_called_as_an_engine_has_a_name_of_its_own(run_beside):
    assert run_beside(PRINTED, "referee").engines == ("referee, printed", "referee")


def test_numbers_that_cannot_be_judged_are_a_failure_with_the_reason(run_beside):
    record = run_beside(PRINTED.replace("coefficient.Days", "coefficient.Dayz"))
    assert record.comparison("a program").verdict == "FAILED"
    assert "no coefficient is called 'Dayz'" in record.judgement("a program").sentence
    assert unexplained(record)


def test_numbers_that_contradict_each_other_are_a_false_statement(source):
    # t is within what optimizers leave, and not the quotient of the two numbers beside it.
    listing = read_listing(PRINTED.replace('p = "<.0001"', 'statistic = "6.774"\nf = "45.89"'))
    verdict = judge_listing(listing, source)
    record = listing_record(listing, verdict, source)
    (judgement,) = record.judgements
    assert (judgement.verdict, judgement.finding.key) == (
        "FALSE_STATEMENT",
        "listing-contradiction",
    )
    assert finding_sentence(judgement.finding) == (
        "a program prints numbers that contradict each other: the t of Days as 6.774, which by the "
        "numbers beside it is 6.768 to 6.773."
    )
    assert decode(encode(record), CaseRecord).listing.contradictions == verdict.contradictions
