"""What a suite found, on a terminal."""

import io
from pathlib import Path

from rich.console import Console

from harness.page.suite_layout import suite_page
from harness.page.terminal_page import print_page
from tests.page.judgements import HEADER, judgement


def printed(judged, page=None):
    out = io.StringIO()
    console = Console(file=out, width=120, highlight=False)
    print_page(suite_page(judged, HEADER, Path("a.jsonl"), page), console, answer_last=True)
    return out.getvalue()


def test_a_property_has_its_counts_and_the_causes_of_its_failures():
    lines = printed(judgement(unexpected=2, expected=1, holds=4)).splitlines()
    assert lines[0].split() == [
        "property",
        "holds",
        "expected",
        "fails",
        "another's",
        "n/a",
        "why",
        "it",
        "fails",
    ]
    assert lines[1].split() == ["parity", "4", "1", "2", "sm-score-sign", "3"]


def test_a_failure_is_told_with_its_worst_case_and_an_expected_one_with_its_reason():
    text = printed(judgement(unexpected=2, expected=1))
    assert "fails sm-score-sign: statsmodels' gradient has the wrong sign" in text
    assert "parity, unexpected/0" in text
    assert "  gap 0.2" in text
    assert "expected  sm-score-sign, 1 times: it is known" in text


def test_a_fault_of_another_engine_is_counted_and_named_apart():
    text = printed(judgement(unexpected=0, expected=0, holds=3, of_another=2))
    assert "laid to lme4  lmertest-units, 2 times" in text
    assert "fails lmertest-units" not in text
    headline = "5 checks on 5 cases: 3 hold, 2 fail for a fault of lme4, nothing unexpected."
    assert headline in text


def test_the_sentence_comes_after_what_it_sums_up_and_the_files_last():
    judged = judgement(stale=("entry 2: unmatched",), strict=True)
    lines = [line.rstrip() for line in printed(judged, Path("a.html")).splitlines()]
    at = lines.index(judged.headline)
    assert lines.index("stale     entry 2: unmatched") < at
    assert lines[at + 1 :] == ["report   a.html", "records  a.jsonl"]


def test_without_a_report_none_is_named():
    assert "report" not in printed(judgement())
