"""The report of a run is one page: a terminal says what the HTML file says, in the same order."""

import html
import io
import re

import pytest
from rich.console import Console

from harness.page.excerpt import whole
from harness.page.html.parity_report import render
from harness.page.page import Card, Table
from harness.page.page_table import unspanned
from harness.page.report.report_page import report_page
from harness.page.terminal_page import print_page
from tests.page.html import sample, sample_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run():
    return sample.run(sample_runs.one_of_each())


@pytest.fixture(scope="module")
def page(run):
    return report_page(whole(run), sample.KNOWN)


def words(text):
    return re.sub(r"[\s\u2007\u2008]+", " ", text)


@pytest.fixture(scope="module")
def on_a_terminal(page):
    out = io.StringIO()
    print_page(page, Console(file=out, width=400, highlight=False))
    return words(out.getvalue())


@pytest.fixture(scope="module")
def in_html(run):
    main = render(run, known=sample.KNOWN).partition("<main")[2].partition("</main>")[0]
    # What is there only for who sees no icons is a sign on the terminal.
    seen = re.sub(r'<span class="sr">.*?</span>', "", main)
    return words(html.unescape(re.sub(r"<[^>]+>", " ", seen)))


def test_both_have_every_section_and_every_card_in_the_same_order(page, on_a_terminal, in_html):
    titles = [s.title for s in page.sections if s.title and not s.kept]
    cards = [b for s in page.sections for b in s.blocks if isinstance(b, Card)]
    assert len(cards) == len(sample_runs.one_of_each())
    for shown in (on_a_terminal, in_html):
        at = 0
        for said in (*titles[: titles.index("Every model") + 1], *(c.sentence for c in cards)):
            at = shown.index(words(said), at)


def test_both_have_every_number_of_the_ladder_and_of_the_heat_map(page, on_a_terminal, in_html):
    tables = [b for s in page.sections for b in s.blocks if isinstance(b, Table)]
    ladder, heat, certified = (
        next(t for t in tables if t.kind == kind) for kind in ("ladder", "heat", "heat certified")
    )
    texts = {
        getattr(unspanned(cell), "text", "")
        for table in (ladder, heat, certified)
        for group in table.groups
        for row in group.rows
        for cell in row.cells
    } - {""}
    assert len(texts) > 30
    for shown in (on_a_terminal, in_html):
        # In HTML a number is cut where it parts from the other.
        joined = shown.replace(" ", "")
        assert [text for text in texts if text.replace(" ", "") not in joined] == []


def test_what_is_outside_tolerance_has_a_sign_on_a_terminal_too(on_a_terminal):
    assert re.search(r"! \d\.\d", on_a_terminal)
    assert "x says converged" in on_a_terminal
