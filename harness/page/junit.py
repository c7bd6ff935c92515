"""JUnit XML: a test suite per property, a test case per case.

The form is the one that Jenkins, GitLab and GitHub's reporters read: ``testsuites`` with
``testsuite`` elements, each with ``properties`` and ``testcase``.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.conformance.suite_result import (
    OutcomeStanding,
    SuiteResult,
    by_property,
    laid_to,
    named,
)
from harness.judge.records import Header
from harness.judge.sentence import sentences

# What XML 1.0 cannot hold even as a character reference (section 2.2 of the recommendation).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(judgement: SuiteResult, header: Header) -> bytes:
    """Return the XML of a suite.

    A failure that is expected or laid to another engine, and a property that does not apply, are
    ``skipped`` with their reason, so that a reader sees them and does not count them. A stale
    expectation is a test case of its own, which fails where expectations are strict.
    """
    root = ElementTree.Element("testsuites", name=clean(header.title))
    suites = [
        _suite(root, name, group, header) for name, group in by_property(judgement.judged).items()
    ]
    if judgement.stale:
        suites.append(_stale(root, judgement, header))
    if not judgement.checked:
        suites.append(_nothing(root, judgement, header))
    # The schema of Jenkins' xUnit plugin knows no count of skipped ones here.
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.set("time", f"{sum(j.outcome.seconds for j in judgement.judged):.3f}")
    return written(root)


def written(root: ElementTree.Element) -> bytes:
    """Return a document as a file has it."""
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(
    root: ElementTree.Element, name: str, group: list[OutcomeStanding], header: Header
) -> ElementTree.Element:
    suite = ElementTree.SubElement(root, "testsuite", name=clean(name))
    suite.set("timestamp", header.created.partition("+")[0])
    suite.set("time", f"{sum(j.outcome.seconds for j in group):.3f}")
    properties = ElementTree.SubElement(suite, "properties")
    about = {"engine": group[0].outcome.engine, "reference": group[0].outcome.reference}
    for key, value in {**about, "seed": str(header.seed), **header.versions}.items():
        ElementTree.SubElement(properties, "property", name=clean(key), value=clean(value))
    for one in group:
        _case(suite, one)
    suite.set("tests", str(len(group)))
    suite.set("failures", str(sum(j.standing == "unexpected" for j in group)))
    suite.set("errors", "0")
    suite.set("skipped", str(sum(j.standing not in ("holds", "unexpected") for j in group)))
    return suite


def _case(suite: ElementTree.Element, one: OutcomeStanding) -> None:
    outcome = one.outcome
    case = testcase(suite, outcome.case, f"lmm-parity.{outcome.property}", outcome.seconds)
    lines = [
        outcome.sentence,
        *sentences(outcome.evidence),
        *outcome.notes,
        f"causes: {named(outcome)}",
    ]
    if one.standing == "unexpected":
        failure = ElementTree.SubElement(case, "failure", type=clean(named(outcome)))
        failure.set("message", clean(outcome.sentence))
        lines += [f"saved: {one.saved}"] if one.saved else []
        failure.text = clean("\n".join(lines))
    elif one.standing in ("expected", "another's"):
        skipped = ElementTree.SubElement(case, "skipped")
        reason = f"laid to {laid_to([one])}: {outcome.sentence}"
        if one.standing == "expected":
            reason = f"expected to fail: {'; '.join(one.reasons)}"
        skipped.set("message", clean(reason))
        skipped.text = clean("\n".join(lines))
    elif one.standing == "not applicable":
        message = f"not applicable: {outcome.sentence}" if outcome.sentence else "not applicable"
        ElementTree.SubElement(case, "skipped", message=clean(message))


def _stale(
    root: ElementTree.Element, judgement: SuiteResult, header: Header
) -> ElementTree.Element:
    suite = _own_suite(root, "expectations", header, len(judgement.stale))
    for line in judgement.stale:
        case = testcase(suite, line, "lmm-parity.expectations", 0.0)
        if judgement.strict:
            ElementTree.SubElement(case, "failure", type="stale", message=clean(line))
        else:
            ElementTree.SubElement(case, "skipped", message=clean(line))
    suite.set("failures", str(len(judgement.stale) if judgement.strict else 0))
    suite.set("skipped", str(0 if judgement.strict else len(judgement.stale)))
    return suite


def _nothing(
    root: ElementTree.Element, judgement: SuiteResult, header: Header
) -> ElementTree.Element:
    """Without it a file in which nothing ran would be green."""
    suite = _own_suite(root, "suite", header, 1)
    case = testcase(suite, "something was checked", "lmm-parity", 0.0)
    ElementTree.SubElement(case, "failure", type="empty", message=clean(judgement.headline))
    suite.set("failures", "1")
    return suite


def _own_suite(
    root: ElementTree.Element, name: str, header: Header, tests: int
) -> ElementTree.Element:
    suite = ElementTree.SubElement(root, "testsuite", name=name, time="0", tests=str(tests))
    suite.set("timestamp", header.created.partition("+")[0])
    for key in ("failures", "errors", "skipped"):
        suite.set(key, "0")
    return suite


def testcase(
    suite: ElementTree.Element, name: str, classname: str, seconds: float
) -> ElementTree.Element:
    """Add a test case to a suite."""
    return ElementTree.SubElement(
        suite,
        "testcase",
        name=clean(name),
        classname=clean(classname),
        time=f"{seconds:.3f}",
    )


def clean(text: str) -> str:
    """Write what XML cannot hold as Python would."""
    return _FORBIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)
