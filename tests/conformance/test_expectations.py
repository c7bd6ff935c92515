"""Expectations: which failures they cover, and what is said of those that no longer hold."""

import pytest

from harness.base.errors import BadInput
from harness.conformance.expectations import Expectation, judge, read_expectations
from harness.conformance.suite_result import kind
from harness.judge.evidence import found
from tests.page.judgements import failing, outcome


def expectation(**fields):
    return Expectation(**{"reason": "known", "property": "parity"} | fields)


def standing(outcome, *expectations):
    (judged,) = judge([outcome], expectations).judged
    return judged.standing


def test_without_expectations_every_failure_is_unexpected():
    assert standing(failing()) == "unexpected"
    assert standing(failing(causes=())) == "unexpected"
    assert standing(outcome()) == "holds"
    assert standing(outcome(status="not applicable")) == "not applicable"


def test_an_entry_covers_the_cause_it_names_and_no_other():
    score = expectation(cause="sm-score-sign")
    assert standing(failing(), score) == "expected"
    assert standing(failing(causes=("stopped-short",)), score) == "unexpected"
    assert standing(failing(causes=()), score) == "unexpected"


def test_every_cause_of_a_failure_has_to_be_covered():
    both = failing(causes=("sm-score-sign", "singular-not-flagged"))
    score, flag = expectation(cause="sm-score-sign"), expectation(cause="singular-*")
    assert standing(both, score) == "unexpected"
    assert standing(both, score, flag) == "expected"


def test_a_feature_of_the_data_needs_no_entry_beside_a_fault():
    score = expectation(cause="sm-score-sign")
    assert standing(failing(causes=("sm-score-sign", "true-boundary")), score) == "expected"
    only = failing(causes=("true-boundary",))
    assert standing(only, score) == "unexpected"
    assert standing(only, expectation(cause="true-boundary")) == "expected"


def test_an_entry_without_a_cause_covers_unexplained_failures_too():
    assert standing(failing(causes=()), expectation(case="gen/slope/*")) == "expected"
    assert standing(failing(causes=()), expectation(case="gen/nested/*")) == "unexpected"


def test_a_number_by_another_definition_is_no_unexpected_failure():
    z_test = failing(causes=("z-for-t",), verdict="DEFINITION")
    (judged,) = judge([z_test]).judged
    assert judged.standing == "expected"
    assert judged.reasons[0].startswith("another definition: ")
    assert judge([z_test]).passed
    # An entry of the user's comes first, and a fault beside it is one.
    (known,) = judge([z_test], (expectation(cause="z-for-t"),)).judged
    assert known.reasons == ("known",)
    faulty = failing(causes=("z-for-t", "stopped-short"), verdict="DEFINITION")
    assert standing(faulty) == "unexpected"
    assert standing(failing(causes=("z-for-t",), verdict="FALSE_STATEMENT")) == "unexpected"


def test_what_is_laid_to_another_engine_alone_is_none_of_the_engines_failures():
    lme4 = failing(engine="tiny", causes=("lmertest-units",), engines=("lme4",))
    assert standing(lme4) == "another's"
    assert judge([lme4]).passed
    assert standing(failing(engine="tiny", engines=("lme4", "tiny"))) == "unexpected"
    assert standing(failing(engine="tiny", engines=())) == "unexpected"


def test_what_is_unexplained_is_unexpected_whoever_it_is_laid_to():
    assert standing(failing(engine="tiny", causes=(), engines=("lme4",))) == "unexpected"


def test_an_entry_for_what_another_engine_does_is_used_and_not_stale():
    lme4 = failing(engine="tiny", causes=("lmertest-units",), engines=("lme4",))
    entry = expectation(engine="lme4", cause="lmertest-*")
    judged = judge([lme4], [entry])
    assert judged.stale == ()
    assert judged.judged[0].reasons == ("known",)


def test_where_both_engines_are_at_fault_only_the_engines_own_causes_need_an_entry():
    both = failing(
        causes=("lmertest-units", "sm-score-sign"),
        engines=("statsmodels", "lme4"),
        evidence=(found("lmertest-units", "lme4"), found("sm-score-sign", "statsmodels")),
    )
    assert standing(both, expectation(cause="sm-score-sign")) == "expected"
    assert standing(both, expectation(cause="lmertest-*")) == "unexpected"
    assert kind(both) == "sm-score-sign"


def test_what_only_accompanies_a_failure_makes_it_neither_named_nor_expected():
    beside = outcome(status="unexplained", causes=("true-boundary",))
    assert standing(beside, expectation(cause="true-boundary")) == "unexpected"
    assert standing(beside, expectation()) == "expected"
    assert kind(beside) == "no cause found, parity"


@pytest.mark.parametrize(
    ("fields", "covers"),
    [
        ({"property": "par*"}, True),
        ({"property": "referee.*"}, False),
        ({"case": "gen/*/REML"}, True),
        ({"engine": "lme4"}, False),
        ({"engine": "statsmodels"}, True),
        ({"verdict": "WRONG_OPTIMUM"}, True),
        ({"verdict": "FAILED"}, False),
        ({"setting": "tight"}, False),
    ],
)
def test_an_entry_is_narrowed_by_each_of_its_fields(fields, covers):
    found = failing(verdict="WRONG_OPTIMUM", engines=("statsmodels",))
    assert standing(found, expectation(**fields)) == ("expected" if covers else "unexpected")


def test_the_reason_and_the_issue_are_told():
    entry = expectation(reason="the sign is lost", issue="statsmodels#1")
    (judged,) = judge([failing()], [entry]).judged
    assert judged.reasons == ("the sign is lost (statsmodels#1)",)


def stale(outcomes, *expectations, **options):
    return judge(outcomes, expectations, **options).stale


def test_an_entry_that_speaks_of_nothing_checked_is_unmatched():
    (line,) = stale([outcome()], expectation(property="no-such", cause="sm-score-sign"))
    assert line == (
        "entry 1 (property no-such, cause sm-score-sign): unmatched: nothing that was checked has "
        "this name"
    )
    assert stale([outcome(status="not applicable")], expectation())


def test_an_entry_whose_cases_hold_is_unexpectedly_passing():
    (line,) = stale([outcome()], expectation(case="gen/slope/1/*"))
    assert line.startswith("entry 1 (property parity, case gen/slope/1/*): unexpectedly passing")


def test_an_entry_that_covers_a_failure_is_not_stale_though_others_hold():
    assert not stale([outcome(case="a"), failing(case="b")], expectation())


def test_a_rare_entry_a_shard_and_a_property_not_asked_for_are_not_stale():
    entry = expectation(property="other")
    assert stale([outcome()], entry)
    assert not stale([outcome()], expectation(property="other", rare=True))
    assert not stale([outcome()], entry, whole=False)
    assert not stale([outcome()], entry, selected=["parity"])


def test_stale_entries_fail_where_strict_and_only_there():
    assert judge([outcome()], [expectation()]).passed
    assert not judge([outcome()], [expectation()], strict=True).passed


def test_a_suite_that_checked_nothing_has_not_passed():
    assert not judge([]).passed
    assert not judge([outcome(status="not applicable")]).passed


GOOD = '[[expected]]\nproperty = "parity"\nreason = "known"\n'
MALFORMED = {
    "no toml": ("[[expected\n", "not TOML: "),
    "another table": ("[other]\n", "'other' is not known here; each entry begins with"),
    "no list": ("expected = 3\n", "'expected' is not known here"),
    "no reason": ('[[expected]]\nproperty = "parity"\n', "entry 1: it has no reason"),
    "empty reason": (GOOD.replace("known", " "), "entry 1: the reason is empty"),
    "unknown key": (GOOD + 'why = "x"\n', "entry 1: unknown key `why`"),
    "neither": ('[[expected]]\nreason = "x"\n', "entry 1: it needs a property or a case"),
    "no such cause": (GOOD + 'cause = "sm-scor-sign"\n', "entry 1: there is no cause"),
    "no such verdict": (GOOD + 'verdict = "BAD"\n', "entry 1: Invalid enum value 'BAD'"),
    "second entry": (GOOD + GOOD + "rare = 3\n", "entry 2: Expected `bool`, got `int`"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, what):
    content, message = MALFORMED[what]
    path = tmp_path / "expected.toml"
    path.write_text(content)
    with pytest.raises(BadInput) as caught:
        read_expectations(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_that_is_not_utf8_are_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_expectations(tmp_path / "no.toml")
    (tmp_path / "x.toml").write_bytes(GOOD.replace("known", "Größe").encode("latin-1"))
    with pytest.raises(BadInput, match="not UTF-8"):
        read_expectations(tmp_path / "x.toml")


def test_a_good_file_is_read(tmp_path):
    path = tmp_path / "expected.toml"
    path.write_text(GOOD + 'cause = "lmertest-*"\nissue = "x#1"\nrare = true\n')
    (entry,) = read_expectations(path)
    assert entry == expectation(cause="lmertest-*", issue="x#1", rare=True)
    path.write_text("")
    assert read_expectations(path) == ()
