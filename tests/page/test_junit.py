"""JUnit XML: what readers of it require, whatever characters a sentence has."""

from xml.etree import ElementTree

import pytest

from harness.conformance.suite_result import OutcomeStanding, SuiteResult
from harness.page.junit import junit_xml
from tests.page.judgements import HEADER, NASTY, failing, judgement, outcome

# What the schema of Jenkins' xUnit plugin (junit-10.xsd) allows: children, attributes, required.
ALLOWED = {
    "testsuites": ({"testsuite"}, {"name", "tests", "failures", "errors", "time"}, set()),
    "testsuite": (
        {"properties", "testcase"},
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        {"name", "tests", "failures", "errors"},
    ),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, {"name", "value"}),
    "testcase": ({"failure", "skipped"}, {"name", "classname", "time"}, {"name"}),
    "failure": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
}


def parsed(judged):
    root = ElementTree.fromstring(junit_xml(judged, HEADER))
    for element in root.iter():
        children, attributes, required = ALLOWED[element.tag]
        assert {child.tag for child in element} <= children
        assert required <= set(element.attrib) <= attributes
    return root


def test_counts_are_those_of_the_test_cases():
    root = parsed(judgement(unexpected=2, expected=3, holds=4))
    (suite,) = root
    cases = suite.findall("testcase")
    assert (root.get("tests"), suite.get("tests")) == ("9", "9") == (str(len(cases)), "9")
    assert suite.get("failures") == root.get("failures") == "2"
    assert suite.get("skipped") == "3"
    assert sum(case.find("failure") is not None for case in cases) == 2
    assert sum(case.find("skipped") is not None for case in cases) == 3


def test_a_property_is_a_suite_and_a_case_a_test_case():
    held = [outcome("b", "x"), outcome("a", "x"), outcome("b", "y")]
    root = parsed(SuiteResult(tuple(OutcomeStanding(o, "holds") for o in held)))
    assert [suite.get("name") for suite in root] == ["b", "a"]
    assert [case.get("name") for case in root[0].findall("testcase")] == ["x", "y"]


def test_odd_characters_are_escaped_and_survive():
    odd = failing(f"p {NASTY}", f"c {NASTY}", sentence=NASTY, notes=(NASTY, "line\nbreak"))
    root = parsed(SuiteResult((OutcomeStanding(odd, "unexpected", saved=NASTY),)))
    failure = root.find(".//failure")
    wanted = 'a<b> & "c" ]]> | `d` \\x00\\x1b \\ud800 \\ufffe Größe 温度'
    assert failure.get("message") == wanted
    assert wanted in failure.text
    assert "line\nbreak" in failure.text


def test_an_expected_failure_says_why_and_fails_nothing():
    root = parsed(judgement(unexpected=0))
    assert root.get("failures") == "0"
    skipped = root.find(".//skipped")
    assert skipped.get("message") == "expected to fail: it is known"
    assert "gap 0.2" in skipped.text


def test_a_fault_of_another_engine_is_skipped_and_says_whose_it_is():
    root = parsed(judgement(unexpected=0, expected=0, of_another=1))
    skipped = root.find(".//skipped")
    assert skipped.get("message") == "laid to lme4: lme4 is right."
    assert root.get("failures") == "0"


@pytest.mark.parametrize(("strict", "failures"), [(False, "0"), (True, "1")])
def test_a_stale_expectation_fails_where_they_are_strict(strict, failures):
    root = parsed(judgement(unexpected=0, stale=("entry 1: unmatched",), strict=strict))
    assert root.get("failures") == failures
    assert root[-1].find("testcase").get("name") == "entry 1: unmatched"


def test_a_run_in_which_nothing_was_checked_is_a_failure():
    nothing = SuiteResult((OutcomeStanding(outcome(status="not applicable"), "not applicable"),))
    for empty in (nothing, SuiteResult(())):
        assert parsed(empty).get("failures") == "1"
