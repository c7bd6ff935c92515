"""The page of a diagnosis: what it says, that it is whole or not there, how a browser has it."""

import re

import msgspec
import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from harness.base.errors import BadInput
from harness.base.json import decode, encode
from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.graphs import Contour
from harness.diagnose.pipeline import diagnose
from harness.diagnose.user_engines import Opened
from harness.engines.referee_engine import RefereeEngine
from harness.engines.statsmodels import StatsmodelsEngine
from harness.page.appearance import HELPED
from harness.page.html import diagnosis_page as page_module
from harness.page.html.diagnosis_contour import contour_figure, level_lines
from harness.page.html.diagnosis_page import render_diagnosis, write_diagnosis
from harness.page.html.diagnosis_pictures import profile_figure
from harness.page.html.svg import LEFT, RIGHT, WIDTH

pytestmark = pytest.mark.slow

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 800}


def of(frame: Dataset, formula: str, engines: tuple[str, ...] = ("statsmodels",)) -> Diagnosis:
    """Diagnose without R: the referee stands in for lme4."""
    pair = StatsmodelsEngine(), RefereeEngine()
    return diagnose(
        own_rung("data.csv", frame, formula, "REML"),
        Opened(engines, pair),
        pictures=True,
        quick=True,
        command="lmm-parity diagnose data.csv 'y ~ x + (x | g)' --out there",
    )


@pytest.fixture(scope="module")
def short():
    """A singular case in which statsmodels stops short, with odd names and missing values."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(8), 6)
    x = np.tile(np.arange(6.0), 8)
    w = rng.normal(size=48)
    y = x + 0.5 * w + rng.normal(size=48) + rng.normal(size=8)[g] * (1 + 0.3 * x)
    names = {"y": "out <come> & more", "x": 'days "of" it', "w": "w", "g": "Sub ject"}
    frame = pd.DataFrame({"y": y, "x": x, "w": w, "g": g.astype(str)}).rename(columns=names)
    frame.loc[48:49] = [[np.nan, 1.0, 1.0, "0"], [1.0, 1.0, np.nan, "1"]]
    a, b, c = (f"`{names[n]}`" for n in "yxg")
    return of(Dataset("odd.csv", frame, "odd.csv"), f"{a} ~ {b} + w + ({b} | {c})")


@pytest.fixture(scope="module")
def sleep():
    return of(load_dataset("sleepstudy"), "Reaction ~ Days + (Days | Subject)")


@pytest.fixture(scope="module")
def files(short, sleep, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosis")
    return {n: write_diagnosis(d, folder / n) for n, d in (("short", short), ("sleep", sleep))}


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_answer_comes_first_then_remedies_then_evidence_then_provenance(short):
    page = render_diagnosis(short)
    order = ["headline", "causes-title", "checks-title", "singular-title", "pictures-title"]
    places = [page.index(f'id="{name}"') for name in [*order, "provenance-title"]]
    assert places == sorted(places)
    main = page[page.index("<main") :]
    heading = main[main.index("<h1") : main.index("</h1>")]
    assert "is not right: statsmodels stopped" in heading
    assert "lmm-parity diagnose data.csv &#39;y ~ x + (x | g)&#39; --out there" in page


def test_every_remedy_stands_with_its_numbers_before_and_after(short):
    page = render_diagnosis(short)
    remedies = [r for c in short.causes for r in c.remedies]
    assert remedies
    assert page.count('<div class="inner-box">') == len(remedies)
    for remedy in remedies:
        assert str(HELPED[remedy.helped].label) in page
        assert text_of(str(Markup.escape(remedy.title))).strip() in text_of(page)


def test_names_of_the_data_are_text_and_never_markup(short):
    page = render_diagnosis(short)
    assert "out &lt;come&gt; &amp; more" in page
    assert "<come>" not in page


def test_there_is_a_profile_for_each_variance_parameter_and_a_caption_with_its_numbers(sleep):
    page = render_diagnosis(sleep)
    assert page.count('<p class="figure-title">Deviance profile: ') == 4
    said = text_of(page)
    assert re.search(
        r"SD of Days by Subject is 5\.92 at the best point; its 95.% likelihood-ratio interval "
        r"goes from 3\.93 to 9\.15; statsmodels has 5\.92",
        said,
    )
    for title in (
        "Deviance over SD of Days by Subject and correlation of Intercept and Days by Subject",
        "Data and fitted lines",
        "Residuals against fitted values",
        "Normal quantiles of residuals",
        "Random effects: Intercept by Subject",
        "Random effects: Days by Subject",
    ):
        assert f'<p class="figure-title">{title}</p>' in page


def test_at_the_boundary_the_caption_says_so(short):
    assert "interval goes from -1, the boundary, to 1, the boundary" in text_of(
        render_diagnosis(short)
    )


def test_every_number_that_a_picture_needs_is_in_the_diagnosis(short, tmp_path):
    page = write_diagnosis(short, tmp_path)
    kept = decode((tmp_path / "diagnosis.json").read_bytes(), Diagnosis)
    assert encode(kept) == encode(short)  # a NaN is not equal to itself
    assert render_diagnosis(kept) == page.read_text(encoding="utf-8")


def test_nothing_half_written_is_left(short, tmp_path, monkeypatch):
    write_diagnosis(short, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert sorted(before) == ["diagnosis.html", "diagnosis.json"]

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(page_module, "render_diagnosis", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_diagnosis(msgspec.structs.replace(short), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_one_line(short, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BadInput, match="cannot be written"):
        write_diagnosis(short, tmp_path / "taken")


def test_a_diagnosis_without_fit_runs_or_pictures_has_a_page(sleep):
    bare = msgspec.structs.replace(
        sleep, runs=(), profiles=(), contours=(), effects=(), causes=(), checks=(), conclusions=(),
        translations=(), conditioning=None, versions={}, command="", agreement="no fit",
        case=msgspec.structs.replace(sleep.case, fits=(), judgements=(), best_loglik=None),
    )  # fmt: skip
    page = render_diagnosis(bare)
    assert "NO FIT" in page
    assert 'id="pictures"' in page, "the data themselves are drawn"


def test_level_lines_of_a_cone_are_circles():
    x, y = np.linspace(-2, 2, 41), np.linspace(-3, 3, 61)
    heights = np.hypot(*np.meshgrid(x, y))
    (line,) = level_lines(x, y, heights, 1.5)
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose(np.hypot(line[:, 0], line[:, 1]), 1.5, atol=0.005)
    # Cut by the edge it is open: two arcs.
    arcs = level_lines(x, y, heights, 2.5)
    assert len(arcs) == 2
    assert all(not np.array_equal(arc[0], arc[-1]) for arc in arcs)


def test_a_contour_beside_the_grid_is_drawn_without_complaint(sleep):
    far: Contour = msgspec.structs.replace(
        sleep.contours[0], engines=(("statsmodels", 1e9, float("nan"), 1e9),)
    )
    page = render_diagnosis(msgspec.structs.replace(sleep, contours=(far,)))
    assert "likelihood-ratio regions" in page


def test_a_contour_without_a_line_is_left_out_with_a_word(sleep):
    x, y = np.linspace(0.0, 1.0, 9), np.linspace(-1.0, 1.0, 9)
    heights = 50.0 * (x[None, :] - 0.5) ** 2 + 20.0 * y[:, None] ** 2
    near = Contour(
        x_name="SD of a by g",
        y_name="correlation of a and b by g",
        x=tuple(x.tolist()),
        y=tuple(y.tolist()),
        deviance=tuple(map(tuple, heights.tolist())),
        minimum=0.0,
        best=(0.5, 0.0),
    )
    assert contour_figure("c", near, ()).svg
    far = msgspec.structs.replace(near, minimum=-1e4)
    assert not contour_figure("c", far, ()).svg
    page = render_diagnosis(msgspec.structs.replace(sleep, contours=(far,)))
    assert "Left out: no border" in page


def test_a_profile_ends_at_its_axes(sleep):
    profile = sleep.profiles[-1]
    # A point far beyond the others, to which the curve leads.
    grid, rise = [*profile.grid, 3.0 * profile.grid[-1]], [*profile.deviance, profile.minimum + 99]
    far = msgspec.structs.replace(profile, grid=tuple(grid), deviance=tuple(rise))
    svg = str(profile_figure("p", far, ("statsmodels", "lme4")).svg)
    curve = re.search(r'class="curve" d="([^"]*)"', svg).group(1)
    across = [float(part.split()[0]) for part in re.split("[ML]", curve) if part]
    assert min(across) >= LEFT
    assert max(across) <= WIDTH - RIGHT


@pytest.fixture
def visit(browser):
    contexts = []

    def go(file, viewport=WIDE, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        opened = context.new_page()
        opened.complaints, opened.requests = [], []
        opened.on("console", lambda m: opened.complaints.append(m.text))
        opened.on("request", lambda request: opened.requests.append(request.url))
        opened.goto(file.as_uri())
        return opened

    yield go
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["short", "sleep"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_complaint_no_request_no_overflow_without_scripts(visit, files, name, viewport):
    page = visit(files[name], viewport, java_script_enabled=True)
    assert page.complaints == []
    assert page.requests == [files[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.locator("script").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")],
    ids=["light", "dark", "narrow"],
)
def test_accessible(visit, violations, files, viewport, scheme):
    page = visit(files["short"], viewport, color_scheme=scheme, bypass_csp=True)
    assert violations(page, colours=viewport is WIDE) == []


@pytest.mark.browser
def test_the_answer_is_on_the_first_screen(visit, files):
    page = visit(files["short"])
    for selector in ("h1", ".model-line", ".answer"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= WIDE["height"], selector


@pytest.mark.browser
def test_prints_on_white_from_a_dark_screen(visit, files):
    page = visit(files["sleep"], color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.browser
def test_in_a_notebook_the_page_keeps_to_its_frame(browser, short, tmp_path):
    outer = tmp_path / "notebook.html"
    cell = page_module.notebook_html(short)
    outer.write_text(f"<!DOCTYPE html><h1>outside</h1>{cell}", encoding="utf-8")
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.goto(outer.as_uri())
    frame = page.frame_locator("iframe")
    assert "stopped" in frame.locator("h1").inner_text()
    assert page.locator("h1").inner_text() == "outside"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "32px"
    context.close()
