"""A run on a terminal: a line per case, the sentence that sums up, where things are."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.page.appearance import VERDICTS
from harness.page.excerpt import whole
from harness.page.excerpt_layout import excerpt_page, written
from harness.page.html.parity_report import render_excerpt
from harness.page.terminal_page import print_page
from harness.page.words import headline_of
from tests.page.html import sample, sample_runs


def printed(excerpt, width=120):
    out = io.StringIO()
    files = written(Path("a/records.jsonl"), Path("a/very/long/" * 12 + "page.html"))
    print_page(
        excerpt_page(excerpt, files),
        Console(file=out, width=width, highlight=False),
        answer_last=True,
    )
    return out.getvalue()


def test_every_case_has_its_line_with_the_look_of_its_verdict():
    cases = sample_runs.one_of_each()
    lines = printed(whole(sample.run(cases))).splitlines()[1:]
    for case in cases:
        look = VERDICTS[case.verdict]
        (line,) = [line for line in lines if line.startswith(f"{case.id} ")]
        assert f" {look.sign} {look.label} " in line


def test_the_sentence_comes_after_the_list_and_the_files_last():
    excerpt = whole(sample.run([sample.case("fine/REML")]))
    lines = printed(excerpt).splitlines()
    assert lines[-4:-2] == ["", headline_of(excerpt.summary.blamed).lead]
    assert lines[-1] == "records  a/records.jsonl"


def test_the_name_of_a_file_is_not_broken():
    lines = printed(whole(sample.run([sample.case("fine/REML")])), width=60).splitlines()
    assert lines[-2].startswith("report   a/very")
    assert lines[-2].endswith("page.html")


def test_an_unfinished_run_says_so_on_the_terminal_as_in_the_report():
    excerpt = whole(sample.run([sample.case("fine/REML")], finished=False, planned=40))
    warning = excerpt_page(excerpt).warning
    assert warning.startswith("This run did not finish: 1 of 40 planned cases")
    assert warning in printed(excerpt)
    assert warning in render_excerpt(excerpt, known=sample.KNOWN)


def test_what_was_asked_for_is_not_taken_for_the_whole_file():
    excerpt = replace(whole(sample.run([sample.case("fine/REML")])), chosen=True, cases=7)
    about = excerpt_page(excerpt).about
    assert about == "Only what was asked for is shown: 1 of the 7 cases in the file."
    assert about in printed(excerpt)
    assert about in render_excerpt(excerpt, known=sample.KNOWN)


def test_the_provenance_is_kept_in_the_report_and_not_printed():
    excerpt = whole(sample.run([sample.case("fine/REML")]))
    assert "OPENBLAS_CORETYPE" in render_excerpt(excerpt, known=sample.KNOWN)
    assert "OPENBLAS_CORETYPE" not in printed(excerpt)
