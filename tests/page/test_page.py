"""One page, shown on a terminal and as HTML: the same in the same order."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from harness.page.appearance import CERTIFICATES, LEVELS, VERDICTS
from harness.page.html.html_page import render_page
from harness.page.html.svg import Figure
from harness.page.numbers import pair
from harness.page.page import (
    Box,
    Details,
    Facts,
    Heading,
    Items,
    Listing,
    Note,
    Notes,
    Page,
    Paragraph,
    Pictures,
    Quote,
    Section,
)
from harness.page.page_line import Code, EngineName
from harness.page.page_table import Column, Row, Table, one_group
from harness.page.terminal_page import print_page

ONE, TWO = pair([-12.345678, -12.345999], 6)
TABLE = Table(
    "what was fitted",
    (
        Column("engine"),
        Column("spared", spare=True),
        Column("log-lik."),
        Column("it is at", text=True),
    ),
    one_group(
        [
            Row(EngineName("one", 0), ("s" * 40, ONE, CERTIFICATES["boundary optimum"])),
            Row("like for like", ("", TWO, ""), under=True),
            Row(EngineName("two", 1), instead="no <fit> at all"),
        ]
    ),
)
PAGE = Page(
    kind="Trial",
    title="A trial",
    made_by="program 1",
    made="today",
    look=VERDICTS["AGREE"],
    subject="y ~ <x>",
    about="12 rows",
    answer=("First sentence.", "Second sentence."),
    sections=(
        Section("a", "Alpha", (Paragraph("words of alpha"), TABLE), "A"),
        Section(
            "b",
            "Beta",
            (
                Box((Heading(("In a box", Code("key"))), Paragraph("boxed words")), main=True),
                Notes([Note(LEVELS["warning"], "a note", "and advice")]),
                Facts([("a fact", "is this")]),
                Quote("a quote"),
                Items(["an item"]),
                Listing("code(1)", "Python"),
                Details("Opened", (Paragraph("shown inside"),), opened=True),
                Details("Closed", (Paragraph("hidden inside"),)),
                Pictures([Figure("a picture", "<svg></svg>", "seen with 3 lines")]),
            ),
        ),
        Section("z", "Zeta", (Paragraph("for those who keep it"),), kept=True),
    ),
    warning="something is missing",
)
ORDER = [
    "First sentence.", "Second sentence.", "something is missing", "Alpha", "words of alpha", "one",
    "like for like", "no <fit> at all", "Beta", "In a box", "key", "boxed words", "a note",
    "and advice", "a fact", "is this", "a quote", "an item", "code(1)", "shown inside",
]  # fmt: skip


def terminal(page: Page, width: int = 100) -> str:
    out = io.StringIO()
    print_page(page, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def text_of(html: str) -> str:
    main = html[html.index("<main") : html.index("</main>")]
    return (
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", main)).replace("&lt;", "<").replace("&gt;", ">")
    )


@pytest.mark.parametrize(
    "shown", [terminal(PAGE), text_of(render_page(PAGE))], ids=["text", "html"]
)
def test_both_show_all_of_it_in_the_same_order(shown):
    at = 0
    for words in ORDER:
        at = shown.index(words, at) + len(words)


def test_pictures_closed_details_and_what_is_kept_are_in_html_only():
    text, html = terminal(PAGE), render_page(PAGE)
    for words in ("seen with 3 lines", "hidden inside", "for those who keep it"):
        assert words not in text
        assert words in html


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_terminal_is_never_too_narrow(width):
    assert max(map(len, terminal(PAGE, width).splitlines())) <= width


def test_a_spare_column_goes_first_where_room_is_short():
    assert "spared" in terminal(PAGE, 100)
    # What is left out is said, and stands in no row.
    assert terminal(PAGE, 60).count("spared") == 1
    assert "(no room for spared)" in terminal(PAGE, 60)
    assert "log-lik." in terminal(PAGE, 60)


def test_digits_in_which_numbers_differ_are_marked():
    assert [ONE.text, TWO.text] == ["-12.3457", "-12.3460"]
    html = render_page(PAGE)
    assert "-12.34<u>57</u>" in html
    assert "-12.34<u>60</u>" in html


def test_text_is_never_markup():
    html = render_page(PAGE)
    assert "y ~ &lt;x&gt;" in html
    assert "no &lt;fit&gt; at all" in html
    assert "[bold]" in terminal(replace(PAGE, subject="[bold]x"))


def test_a_section_without_anything_to_show_has_no_title_on_a_terminal():
    only = Section("p", "Pictures", PAGE.sections[1].blocks[-1:])
    assert "Pictures" not in terminal(replace(PAGE, sections=(only,)))
