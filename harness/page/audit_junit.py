"""JUnit XML of an audit: a test suite for the listing, a test case for each printed number."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from harness.judge.listing_verdict import ListingVerdict
from harness.judge.sentence import PRINTED
from harness.page.audit_layout import listing_sentences, number_sentence
from harness.page.contradiction_sentences import contradiction_sentences
from harness.page.impossible_sentences import impossible_sentences
from harness.page.junit import clean, testcase, written

_CLASS = "lmm-parity.audit"


def audit_junit(found: ListingVerdict, case: str, made: str = "") -> bytes:
    """Return the XML of an audit.

    A wrong number fails with the right one; a number that cannot be judged is skipped. What is
    wrong of the whole (criterion, rows, a contradiction, what cannot be) is a test case of its own.
    """
    name = clean(f"{found.program}: {case}")
    root = ElementTree.Element("testsuites", name=name)
    suite = ElementTree.SubElement(root, "testsuite", name=name, time="0")
    suite.set("timestamp", made.partition("+")[0])
    properties = ElementTree.SubElement(suite, "properties")
    about = {"program": found.program, "formula": found.formula, "criterion": found.criterion}
    for key, value in {**about, "rows": str(found.rows)}.items():
        ElementTree.SubElement(properties, "property", name=key, value=clean(value))
    failures = skipped = 0
    for one in found.findings:
        title = f"{PRINTED[one.quantity]} of {one.item}" if one.item else PRINTED[one.quantity]
        test = testcase(suite, title, _CLASS, 0.0)
        if one.truth in ("false", "mistake"):
            _fail(test, one.mistake or "false", number_sentence(one, found))
            failures += 1
        elif one.truth == "not judged":
            ElementTree.SubElement(test, "skipped", message="not judged: it has no value here")
            skipped += 1
    whole = list(_whole(found))
    for title, kind, sentence in whole:
        _fail(testcase(suite, title, _CLASS, 0.0), kind, sentence)
    counts = {"tests": len(found.findings) + len(whole), "failures": failures + len(whole)}
    for key, count in {**counts, "errors": 0}.items():
        suite.set(key, str(count))
        root.set(key, str(count))
    suite.set("skipped", str(skipped))
    return written(root)


def _whole(found: ListingVerdict) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and sentence of what is wrong of more than a number."""
    for kind, sentence in listing_sentences(found):
        yield kind, kind, sentence
    for k, sentence in enumerate(contradiction_sentences(found), 1):
        yield f"contradiction {k}", "contradiction", sentence
    if impossible := " ".join(impossible_sentences(found)):
        yield "covariance matrix", "impossible", impossible


def _fail(test: ElementTree.Element, kind: str, sentence: str) -> None:
    failure = ElementTree.SubElement(test, "failure", type=clean(kind), message=clean(sentence))
    failure.text = clean(sentence)
