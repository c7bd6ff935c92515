"""An audit as JUnit XML: every number a test case, what is right in the failure."""

from xml.etree import ElementTree

import harness
from harness.base.resources import fixture
from harness.data.datasets import load_dataset
from harness.page.audit_junit import audit_junit

FORMULA = "Reaction ~ Days + (Days | Subject)"
DAYS = {"estimate": "10.467", "se": "1.646", "statistic": "6.771", "p": "1.63e-06"}


def suite(numbers):
    found = harness.audit(load_dataset("sleepstudy").frame, FORMULA, numbers).verdict
    root = ElementTree.fromstring(audit_junit(found, "sleep", "2026-01-02T03:04:05+00:00"))
    (one,) = root
    assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {
        key: one.get(key) for key in ("tests", "failures", "errors")
    }
    assert int(one.get("tests")) == len(one.findall("testcase"))
    assert int(one.get("failures")) == len(one.findall("testcase/failure"))
    return one


def test_a_wrong_number_fails_with_the_right_one():
    one = suite(
        {"program": "a paper", "criterion": "REML", "rows": 181, "coefficient": {"Days": DAYS}}
    )
    failed = {t.get("name"): t.find("failure") for t in one.findall("testcase")}
    assert failed["estimate of Days"] is None
    assert failed["standard error of Days"].get("message") == (
        "The standard error of Days is printed as 1.646; right is 1.546."
    )
    assert failed["p of Days"].get("type") == "one-sided"
    assert "The listing says 181 rows; the model has 180" in failed["rows"].text
    assert failed["contradiction 1"].text.startswith(
        "The listing contradicts itself: the t of Days"
    )
    about = {p.get("name"): p.get("value") for p in one.findall("properties/property")}
    assert about["program"] == "a paper"
    assert one.get("timestamp") == "2026-01-02T03:04:05"


def test_a_right_listing_has_no_failure():
    right = {**DAYS, "se": "1.546", "p": "3.26e-06"}
    one = suite({"coefficient": {"Days": right}})
    assert (one.get("tests"), one.get("failures"), one.get("skipped")) == ("4", "0", "0")


def test_the_command_writes_it(lmm_parity, tmp_path):
    path, numbers = tmp_path / "audit.xml", tmp_path / "printed.toml"
    numbers.write_text('[coefficient.Days]\nestimate = "10.467"\nse = "1.646"\n')
    data = str(fixture("data", "sleepstudy.csv"))
    code, _, _ = lmm_parity("audit", data, FORMULA, str(numbers), "--junit", str(path), "--quiet")
    assert code == 1
    (one,) = ElementTree.parse(path).getroot()
    assert (one.get("tests"), one.get("failures")) == ("2", "1")
    code, _, err = lmm_parity("audit", data, FORMULA, str(numbers), "--junit", str(tmp_path))
    assert (code, "is a directory" in err) == (2, True)
