"""The report in a real browser: nothing loaded, nothing cut off, nothing hidden without scripts."""

import pytest

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
LAPTOP = {"width": 1200, "height": 800}


@pytest.fixture
def visit(browser, report_file):
    """Open the report; returns the page with what it said and asked for attached."""
    contexts = []

    def go(viewport=WIDE, *, file=report_file, fragment="", **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        opened = context.new_page()
        opened.complaints, opened.requests = [], []
        opened.on(
            "console",
            lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.on("request", lambda request: opened.requests.append(request.url))
        opened.goto(file.as_uri() + fragment)
        return opened

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_no_complaint_no_request_no_overflow(visit, report_file, viewport, scheme):
    page = visit(viewport, color_scheme=scheme)
    page.click("#expand")
    assert page.complaints == []
    assert page.requests == [report_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")],
    ids=["light", "dark", "narrow"],
)
def test_accessible(visit, violations, small_report_file, viewport, scheme):
    # The page's own policy would forbid the checker's script.
    page = visit(viewport, file=small_report_file, color_scheme=scheme, bypass_csp=True)
    assert violations(page, colours=viewport is WIDE) == []


def test_everything_is_there_without_scripts(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("#controls").is_hidden()
    assert page.locator("#expand").is_hidden()
    assert page.locator("h1").is_visible()
    assert page.locator("tbody.case").count() == 31
    assert page.locator("tbody.case:visible").count() == 31
    assert page.locator("details.card > summary:visible").count() == 31
    page.locator("details.card:not([open]) > summary").first.click()
    assert page.locator("details.card[open] figure svg").first.is_visible()


def test_the_first_screen_holds_the_sentence_the_bar_and_the_start_of_the_ladder(visit):
    page = visit()
    for selector in ("h1", "svg.bar", ".tally", "#summary .note-list", "table.ladder thead"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= WIDE["height"], selector
    box = page.locator("table.ladder").bounding_box()
    assert box["width"] <= page.locator("#ladder").bounding_box()["width"]


def test_filter_sort_and_expand(visit):
    page = visit()
    page.fill("#filter", "dietox slope")
    assert page.locator("tbody.case:visible").count() == 2
    assert page.locator("details.card:visible").count() == 2
    assert page.locator("#shown").inner_text() == "2 of 31 shown"
    page.fill("#filter", "")
    page.click("button.chip[data-verdict='AGREE']")
    assert page.locator("tbody.case:visible").count() == 11
    page.click("button.chip[data-verdict='AGREE']")
    page.click("th[data-sort='digits'] button")
    first = page.locator("tbody.case:visible").first
    assert "NaN" in first.locator("td.digits").inner_text()
    page.click("#expand")
    assert page.locator("details.card:not([open])").count() == 0


def test_hints_show_the_two_numbers_and_the_certified_value(visit):
    page = visit(fragment="#case-sleepstudy-reml")
    page.locator("#case-sleepstudy-reml table.scored td[data-hint]").first.hover()
    assert "certified -871.8141" in page.locator("#tip").inner_text()
    page.locator("table.heat td.out").first.hover()
    assert "tolerance" in page.locator("#tip").inner_text()
    assert page.locator("#tip").is_visible()


def test_a_link_opens_its_card_and_the_certificate_opens_without_scripts(visit):
    page = visit(NARROW, java_script_enabled=False, fragment="#case-sleepstudy-reml")
    assert page.locator("#case-sleepstudy-reml h4").first.is_visible()
    details = page.locator("#case-sleepstudy-reml details:has(table.certificate)")
    assert not details.locator("table").is_visible()
    details.locator("summary").click()
    assert details.locator("table").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def wider_than_their_places(page):
    """Open everything and return the labels of the tables that have to be scrolled."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    return page.evaluate(
        """[...document.querySelectorAll('.scroll')]
        .filter(one => one.scrollWidth > one.clientWidth)
        .map(one => one.getAttribute('aria-label'))"""
    )


def test_at_1200_pixels_no_table_is_wider_than_its_place(visit):
    assert wider_than_their_places(visit(LAPTOP)) == []


def test_at_1200_pixels_three_engines_have_room_too(visit, three_engines_file):
    """Only numbers that agree in 14 digits, under two definitions in two engines, have not."""
    wider = wider_than_their_places(visit(LAPTOP, file=three_engines_file))
    assert set(wider) <= {"Side by side, tight setting"}


def test_prints_on_white_from_a_dark_screen(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(28, 30, 33)"
    )
