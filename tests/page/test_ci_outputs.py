"""Job summary, annotations and badge: within GitHub's limits, and the truth about the run."""

import json
import re

import pytest

from harness.conformance.suite_result import OutcomeStanding, SuiteResult
from harness.page.annotations import annotation_lines
from harness.page.badge import badge
from harness.page.job_summary import LIMIT, job_summary
from tests.page.judgements import HEADER, NASTY, failing, judgement


def summary(judged):
    return job_summary(judged, HEADER)


def test_the_summary_begins_with_the_sentence():
    lines = summary(judgement(unexpected=2, expected=1, holds=5)).splitlines()
    assert lines[0] == "## ❌ Conformance of statsmodels, profile pr"
    assert lines[2] == ("8 checks on 8 cases: 5 hold, 1 fail as expected, 2 fail unexpectedly.")
    assert "| `parity` | 5 | 1 | 2 |  |  |" in lines


def test_the_summary_of_a_run_without_surprises_passes():
    text = summary(judgement(unexpected=0))
    assert text.startswith("## ✅")
    assert "### Unexpected" not in text
    assert "it is known" in text


def test_the_faults_of_another_engine_are_in_a_list_of_their_own():
    judged = judgement(unexpected=0, expected=0, of_another=2)
    text = summary(judged)
    assert text.startswith("## ✅")
    assert "2 failures that are laid to lme4" in text
    assert "### Unexpected" not in text
    assert annotation_lines(judged) == ()


def test_the_summary_escapes_what_markdown_would_take_for_something_else():
    odd = failing(case="a`b|c", sentence="<script>x</script> a|b `c` *d*\n# e")
    text = summary(SuiteResult((OutcomeStanding(odd, "unexpected"),)))
    assert "\\<script\\>x\\</script\\> a\\|b \\`c\\` \\*d\\* \\# e" in text


def test_the_summary_is_below_githubs_limit_however_much_failed():
    many = [
        OutcomeStanding(
            failing(f"p{i}", causes=(), sentence="é" * 5000, notes=("ü" * 20000,) * 3),
            "unexpected",
        )
        for i in range(60)
    ]
    text = summary(SuiteResult(tuple(many)))
    assert len(text.encode()) <= LIMIT
    assert "too long" in text
    assert "60 fail unexpectedly" in text


def test_there_are_at_most_ten_annotations_one_for_each_kind_of_failure():
    alike = [OutcomeStanding(failing(case=str(i)), "unexpected") for i in range(30)]
    (line,) = annotation_lines(SuiteResult(tuple(alike)))
    assert line.startswith("::error title=sm-score-sign%3A statsmodels' gradient")
    assert "::parity of " in line
    assert line.endswith("(and 29 more)")
    kinds = [OutcomeStanding(failing(f"p{i}", causes=()), "unexpected") for i in range(30)]
    lines = annotation_lines(SuiteResult(tuple(kinds)))
    assert len(lines) == 10
    assert "21 more" in lines[-1]


def test_an_annotation_is_one_line_whatever_it_says():
    odd = failing(sentence="50 %\r\nof it::x", case=NASTY)
    (line,) = annotation_lines(SuiteResult((OutcomeStanding(odd, "unexpected"),)))
    assert "\n" not in line
    assert "50 %25%0D%0Aof it::x" in line


@pytest.mark.parametrize(("strict", "kind"), [(False, "warning"), (True, "error")])
def test_stale_expectations_are_annotated(strict, kind):
    judged = judgement(unexpected=0, stale=("entry 2: unmatched",), strict=strict)
    (line,) = annotation_lines(judged)
    assert line == f"::{kind} title=stale expectation::entry 2: unmatched"


def test_nothing_checked_is_an_error():
    (line,) = annotation_lines(SuiteResult(()))
    assert line.startswith("::error title=nothing was checked::")


BADGES = {
    "1 of 3 checks fail": ("red", judgement()),
    "2 of 3 hold, 1 known": ("green", judgement(unexpected=0, holds=2)),
    "1 of 3 hold, 2 laid to lme4": (
        "brightgreen",
        judgement(unexpected=0, expected=0, of_another=2),
    ),
    "1 of 3 hold, 1 known, 1 laid to lme4": ("green", judgement(unexpected=0, of_another=1)),
    "2 checks hold": ("brightgreen", judgement(unexpected=0, expected=0, holds=2)),
    "nothing checked": ("lightgrey", SuiteResult(())),
    "1 stale expectations": (
        "orange",
        judgement(unexpected=0, stale=("entry 1",), strict=True),
    ),
}


@pytest.mark.parametrize("message", BADGES)
def test_the_badge_is_what_shields_reads(message):
    colour, judged = BADGES[message]
    read = json.loads(badge(judged, "statsmodels", "lme4"))
    assert read == {
        "schemaVersion": 1,
        "label": "statsmodels = lme4",
        "message": message,
        "color": colour,
        "isError": not judged.passed,
    }


def test_the_summary_names_what_was_saved():
    saved = OutcomeStanding(failing(), "unexpected", saved="fixtures/regressions/1")
    assert re.search("Saved as `fixtures/regressions/1`", summary(SuiteResult((saved,))))
