"""A run on a terminal: a line per case, the sentence that sums up, where things are."""

import io
from pathlib import Path

from rich.console import Console

from harness.page.appearance import VERDICTS
from harness.page.excerpt import whole
from harness.page.excerpt_layout import excerpt_page, written
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
