"""``lmm-parity report --published``: a table, a page, and JSON lines of the same."""

import json

import pytest

NAMES = ("jtools/slope", "ucla-hsb/anova", "statsmodels-tests/pastes")


@pytest.fixture
def shown(run):
    """Return what is shown of some cases, with further options."""

    def show(*options, names=NAMES):
        cases = [word for name in names for word in ("--case", name)]
        return run("report", "--published", *cases, "--out", "out", *options)

    return show


def test_a_table_says_who_printed_how_many_right_digits(shown):
    code, out, err = shown()
    assert (code, err) == (0, "")
    assert "27 of 32 printed numbers are right to their last digit: 3 cases from 3 sources." in out
    assert "4 more are right but for the last digits" in out
    assert "1 are wrong." not in out
    assert "1 is wrong." in out
    for name in NAMES:
        assert name in out
    assert "SAS PROC MIXED" in out
    assert out.rstrip().endswith("written: out/published.html")


def test_what_is_not_right_is_named_with_its_source(shown):
    _, out, _ = shown(names=("statsmodels-tests/pastes",))
    flat = " ".join(out.split())
    assert "log-likelihood -123.49 -123.4954 4 of 5 x cut, not rounded" in flat
    assert "test_pastes_vcomp, REML" in flat
    assert "which was cut to -123.49; rounded it is -123.50" in flat


def test_the_page_has_every_number_that_is_not_right_and_the_address(shown, tmp_path):
    shown("--quiet")
    text = (tmp_path / "out" / "published.html").read_text("utf-8")
    assert "8.6097" in text
    assert 'href="https://stats.oarc.ucla.edu/sas/examples/' in text
    assert "cut, not rounded" in text


def test_json_has_a_line_for_each_case(shown):
    code, out, _ = shown("--json")
    assert code == 0
    found = {line["id"]: line for line in map(json.loads, out.splitlines())}
    assert list(found) == sorted(NAMES, key=list(found).index)
    assert set(found) == set(NAMES)
    sas = found["ucla-hsb/anova"]
    assert sas["program"] == "SAS PROC MIXED"
    assert sas["why"].startswith("PROC MIXED stopped")
    number = next(n for n in sas["numbers"] if n["text"] == "8.6097")
    assert (number["digits"], number["right_digits"]) == (5, 3)
    assert number["found"] == "last digits"
