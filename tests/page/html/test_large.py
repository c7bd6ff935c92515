"""Large runs: all of them in numbers, the worst of them one by one, said which is which."""

import html
import json
import re
import subprocess
import sys
import time
from collections import Counter

import pytest

from harness.base.errors import BadInput
from harness.campaign.record_file import RecordWriter
from harness.page import excerpt as excerpt_module
from harness.page.excerpt import read_excerpt
from harness.page.html import parity_report as build
from harness.page.html.parity_report import PAGE_BYTES, render, render_excerpt, report_file
from harness.page.words import times
from tests.page.html import many, sample, sample_runs

pytestmark = pytest.mark.slow

CASES, CHECKS = 1800, 600
COUNTS = Counter(many.which(k) for k in range(CASES))
AGREE, SINGULAR, LATE, WRONG, TRAP, UNKNOWN, CRASH = range(7)


def page(path, *wanted):
    return render_excerpt(read_excerpt(path, wanted), known=sample.KNOWN)


def text_of(source):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).replace("\u202f", "").split())


def section(source, name):
    return source.split(f'<section id="{name}"')[1].split("</section>")[0]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return many.write(tmp_path_factory.mktemp("large") / "run.jsonl", CASES, checks=CHECKS)


@pytest.fixture(scope="module")
def whole(path):
    return page(path)


@pytest.fixture(scope="module")
def shown(whole):
    """The ids of the cases that are shown one by one."""
    return re.findall(r"<dt>case</dt><dd><code>([^<]+)</code>", whole)


def test_it_counts_all_cases_and_says_how_many_are_shown_and_how_to_see_the_others(whole, shown):
    start = text_of(whole.split("<main")[1])
    agree, stopped = COUNTS[AGREE] + COUNTS[SINGULAR] + COUNTS[LATE], COUNTS[WRONG] + COUNTS[TRAP]
    assert (
        f"{CASES} models, {agree} agree; {stopped + COUNTS[UNKNOWN]} differ, {stopped} explained "
        f"(statsmodels stopped short {COUNTS[WRONG]} times, lme4 {times(COUNTS[TRAP])}) and "
        f"{COUNTS[UNKNOWN]} unexplained."
    ) in start
    assert f"{len(shown)} of {CASES} cases are shown one by one" in start
    assert "lmm-parity report --from run.jsonl --case ID" in start
    assert "lmm-parity export run.jsonl --to" in start
    assert 50 < len(shown) < 200


def test_it_is_small_and_its_links_lead_somewhere(whole):
    assert len(whole.encode()) < PAGE_BYTES
    ids = re.findall(r'\sid="([^"]+)"', whole)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', whole)) <= set(ids)


def test_what_is_rare_is_shown_and_the_gravest_comes_first(whole, shown):
    kinds = [many.which(int(case.rpartition("/")[2])) for case in shown]
    assert kinds[:2] == [5, 5]
    assert kinds.count(5) == 2 == sum(many.which(k) == 5 for k in range(CASES))
    assert set(kinds) == set(range(7))
    for table in ('class="ladder"', 'class="heat"'):
        rows = whole.split(table)[1].split("</table>")[0]
        assert rows.count("data-case=") == len(shown)


def test_a_case_that_is_not_shown_has_a_page_of_its_own_when_asked_for(path, shown):
    other = next(f"drawn/{k:06d}" for k in range(CASES) if f"drawn/{k:06d}" not in shown)
    own = page(path, other)
    text = text_of(own.split("<main")[1])
    said = f"1 of the {CASES} cases in the file"
    assert text.index(said) < text.index("1 model: the engines agree")
    assert own.count('<details class="card ') == 1
    assert "<figure" in own
    assert "All cases in numbers" not in text


def test_ids_are_chosen_by_their_beginning_and_what_matches_nothing_is_refused(path):
    assert read_excerpt(path, ["drawn"]).summary.cases == CASES
    assert read_excerpt(path, ["drawn/000001", "drawn/000002"]).summary.cases == 2
    with pytest.raises(BadInput, match="no case 'drawn/00000', and none under it"):
        read_excerpt(path, ["drawn/000001", "drawn/00000"])


def test_the_numbers_are_those_of_all_cases(whole):
    rows = {
        text_of(cells[0]): [text_of(c) for c in cells[1:]]
        for row in re.findall(r"<tr>(.*?)</tr>", section(whole, "numbers"), re.S)
        if (cells := re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S))
    }
    agree = COUNTS[AGREE] + COUNTS[SINGULAR]
    assert rows["AGREE"][:2] == [str(agree), f"{100 * agree / CASES:.1f}%"]
    assert rows["UNEXPLAINED"][:2] == [str(COUNTS[UNKNOWN]), "0.11%"]
    assert rows["no-such-cause"] == [str(COUNTS[LATE]), ""]
    assert rows["A gradient with the wrong sign"] == [str(COUNTS[WRONG]), ""]
    assert rows["A z test printed where lmerTest prints a t test"] == [
        "",
        str(CASES - COUNTS[CRASH]),
    ]
    assert rows["no fit: crashed"][0] == str(COUNTS[CRASH])
    assert rows["boundary optimum (singular)"][0] == str(COUNTS[SINGULAR])
    assert rows["variance"][0] == str(CASES - COUNTS[CRASH])


def test_what_was_drawn_is_counted_by_shape_and_size_with_verdicts_in_words(whole):
    drawn = text_of(section(whole, "drawn"))
    for shape in many.SHAPES:
        assert re.search(rf"{shape} {CASES // 6} 16.7% 12 3 100% [\d.]+% \d+ AGREE", drawn)
    assert f"8–15 {CASES} 100%" in drawn


def test_properties_are_a_table_and_failures_a_list_with_sentence_and_evidence(whole):
    checks = [many.check(k) for k in range(CHECKS)]
    worst = max(c.discrepancy for c in checks if c.property == "property-3" and c.sentence)
    properties = text_of(section(whole, "properties"))
    assert f"UNEXPLAINED: property-3 100 10 10 – {worst:.0f} drawn/000109" in properties
    assert "NOT APPLICABLE: property-4 – – – 120 –" in properties
    failures = properties.split("Where a property does not hold")[1]
    assert "property-3: 10 unexplained, 10 for a named cause UNEXPLAINED" in failures
    broken = [c for c in checks if c.status == "unexplained"]
    for c in broken:
        assert c.sentence in failures
        assert c.notes[0] in failures
    assert f"And {20 - len(broken)} less far from holding" in failures
    start = text_of(whole.split("<main")[1])
    assert "480 checks of 5 properties" not in start
    assert "20 fail, 10 for a named cause and 10 unexplained." in start


def test_a_cause_is_counted_in_all_cases_and_shown_in_a_few(whole):
    causes = section(whole, "causes")
    sign = causes.split('id="cause-sm-score-sign"')[1].split("</article>")[0]
    assert f"Named by the verdicts of {COUNTS[WRONG]} cases." in text_of(sign)
    assert "Named as the cause of 10 failed checks." in text_of(sign)
    assert sign.count('href="#case-') == 6


def test_equal_files_give_equal_pages(path, whole):
    assert page(path) == whole


def test_a_small_file_gives_the_page_that_its_run_gives(tmp_path):
    run = sample.run(sample_runs.everything())
    source = tmp_path / "parity.jsonl"
    with RecordWriter(source) as writer:
        for record in (run.header, *run.cases):
            writer.write(record)
        writer.finish("2026-11-22T15:05:02Z", 51.3)
    excerpt = report_file(source, tmp_path / "parity.html", known=sample.KNOWN)
    assert (excerpt.large, excerpt.cases) == (False, len(run.cases))
    assert (tmp_path / "parity.html").read_text() == render(run, known=sample.KNOWN)


@pytest.mark.parametrize("cases", [5, 30], ids=["small", "large"])
def test_an_unfinished_file_says_so_in_its_first_lines_and_a_torn_line_too(
    tmp_path, monkeypatch, cases
):
    monkeypatch.setattr(excerpt_module, "LARGE_CASES", 20)
    source = many.write(tmp_path / "run.jsonl.partial", cases, finished=False, planned=9000)
    start = text_of(page(source).split("<main")[1])
    assert start.index("This run did not finish:") < start.index("models, ")
    assert f"{cases} of 9000 planned cases are" in start
    assert "broke off" not in start
    source.write_bytes(source.read_bytes()[:-50])
    start = text_of(page(source).split("<main")[1])
    assert start.index(f"{cases - 1} of 9000 planned cases") < start.index("models, ")
    assert start.index("The last line broke off and is not counted.") < start.index("models, ")


def test_cases_that_do_not_fit_are_left_out_from_the_end(path, whole, shown, monkeypatch):
    monkeypatch.setattr(build, "PAGE_BYTES", 1_500_000)
    less = page(path)
    assert len(less.encode()) < 1_500_000
    fewer = re.findall(r"<dt>case</dt><dd><code>([^<]+)</code>", less)
    assert 5 < len(fewer) < len(shown)
    assert set(fewer) < set(shown)
    assert {many.which(int(c.rpartition("/")[2])) for c in fewer} == set(range(7))
    assert f"{len(fewer)} of {CASES} cases are shown" in text_of(less)


def test_a_run_of_few_generated_cases_says_what_was_drawn(tmp_path):
    source = many.write(tmp_path / "run.jsonl", 30, checks=100)
    shown = page(source)
    assert "What was drawn" in shown
    assert shown.count('<details class="card ') == 30
    assert "All cases in numbers" not in shown
    other = many.write(tmp_path / "other.jsonl", 30, options={})
    assert "What was drawn" not in page(other)


def test_a_run_of_properties_only_speaks_of_nothing_else(tmp_path):
    path = tmp_path / "run.jsonl"
    with RecordWriter(path) as writer:
        writer.write(sample.header(options={"profile": "pr"}))
        for k in range(100):
            writer.write(many.check(k))
        writer.finish("2026-11-22T15:05:02Z", 51.3)
    shown = page(path)
    text = text_of(shown.split("<main")[1])
    counts = Counter(many.check(k).status for k in range(100))
    checked = 100 - counts["not applicable"]
    assert f"{checked} checks of 5 properties, {counts['holds']} hold; " in text
    assert "No model was compared" not in shown
    assert "Every model" not in shown
    assert "Checks by shape" in shown
    assert 'href="#ladder"' not in shown


@pytest.fixture(scope="module")
def small_large(tmp_path_factory):
    """A large page with few cases: every part of it, quick to examine."""
    folder = tmp_path_factory.mktemp("page")
    source = many.write(folder / "run.jsonl", 60, checks=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(excerpt_module, "LARGE_CASES", 20)
        excerpt = read_excerpt(source)
    assert excerpt.large
    path = folder / "run.html"
    path.write_text(render_excerpt(excerpt.fewer(8), known=sample.KNOWN))
    return path


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_and_asks_for_nothing(browser, small_large, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened, asked, said = context.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(small_large.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert (asked, said) == ([small_large.as_uri()], [])
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (360, "light")])
def test_what_only_large_runs_have_is_accessible(browser, violations, small_large, width, scheme):
    # The page's own policy would forbid the checker's script.
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
    )
    opened = context.new_page()
    opened.goto(small_large.as_uri())
    # The other parts are examined on the page of a small run.
    parts = {"include": [["#summary"], ["#properties"], ["#numbers"], ["#drawn"]]}
    assert violations(opened, parts, colours=scheme == "dark") == []
    context.close()


@pytest.mark.browser
def test_verdicts_are_there_without_scripts(browser, small_large):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(small_large.as_uri())
    for name in ("summary", "properties", "numbers", "drawn", "ladder"):
        words = opened.locator(f"#{name} .word:visible").all_inner_texts()
        assert {"UNEXPLAINED", "HOLDS", "AGREE", "WRONG OPTIMUM"} & set(words), name
    context.close()


STUDY = """
import json, resource, sys, time
from pathlib import Path
from harness.page.html.parity_report import report_file
started = time.perf_counter()
report_file(Path(sys.argv[1]), Path(sys.argv[2]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - started, "peak": peak}))
"""


@pytest.mark.study
@pytest.mark.browser
def test_a_hundred_thousand_cases_make_a_page_under_ten_megabytes_that_opens_in_three_seconds(
    browser, tmp_path
):
    def measured(cases):
        source, target = many.write(tmp_path / f"{cases}.jsonl", cases), tmp_path / f"{cases}.html"
        command = [sys.executable, "-c", STUDY, source, target]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        source.unlink()  # two gigabytes
        return target, json.loads(ran.stdout)

    def seconds_to_open(page):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        opened = context.new_page()
        started = time.perf_counter()
        opened.goto(page.as_uri())
        opened.evaluate("new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))")
        took = time.perf_counter() - started
        context.close()
        return took

    _, little = measured(10_000)
    page, much = measured(100_000)
    took = min(seconds_to_open(page) for _ in range(3))
    print(f"{page.stat().st_size / 1e6:.1f} MB, open in {took:.1f} s; made in {much}")
    assert page.stat().st_size < 10_000_000
    assert much["peak"] < 1.1 * little["peak"]
    assert took < 3.0
