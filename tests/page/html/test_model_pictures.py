"""Pictures for a notebook: whole SVG, every group and engine drawn, bad columns named."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.diagnose.ladder_fits import ladder
from harness.page.html.model_pictures import picture
from harness.page.html.picture import beside
from harness.referee.exploration import explore

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def pupils():
    return load_dataset("score_parentedu_byclass").frame


@pytest.fixture(scope="module")
def seven(pupils):
    return ladder(pupils, "score", "edu", "classroom", engines=("statsmodels", "referee"))


def texts(drawn):
    return [e.text for e in ET.fromstring(drawn.svg).iter() if e.tag.endswith("text")]


def test_an_exploration_is_drawn_whole(pupils):
    drawn = picture(explore("score ~ edu + (edu | classroom)", pupils))
    root = ET.fromstring(drawn.svg)
    assert len(root.findall(f".//{SVG}g/{SVG}svg")) == len(drawn.figures) == 5
    assert {"c0", "c1", "c2"} <= set(texts(drawn))
    assert drawn._repr_svg_() == drawn.svg
    assert "Residuals against fitted values" in repr(drawn)


def test_a_model_without_groups_and_one_with_many(pupils):
    assert len(picture(explore("score ~ edu", pupils)).figures) == 3
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": np.repeat(np.arange(80), 4), "x": rng.normal(size=320)})
    frame["y"] = frame["x"] + rng.normal(size=80)[frame["g"]] + rng.normal(size=320)
    drawn = picture(explore("y ~ x + (1 | g)", frame))
    assert "80 groups" in drawn.figures[0].caption
    ET.fromstring(drawn.svg)


@pytest.mark.slow
def test_a_ladder_is_drawn_in_two_levels(seven):
    drawn = picture(seven)
    assert [f.title for f in drawn.figures] == [
        "Level 1: means within groups",
        "Level 2: regression between groups",
        "Level 1: regressions within groups",
        "Level 2: slopes between groups",
    ]
    assert "mean 0.12, p 0.076" in drawn.figures[3].caption
    assert drawn.figures[0].svg.count("<circle") == 3
    ET.fromstring(drawn.svg)


@pytest.mark.slow
def test_a_rung_has_the_lines_of_every_engine_and_any_columns_groups(seven):
    drawn = picture(seven["LMM-Inter"])
    assert "Broad pale: referee; thin dark: statsmodels." in drawn.figures[0].caption
    bare = picture(seven["LM-Global"])
    by_class = picture(seven["LM-Global"], group="classroom")
    assert "c1" not in texts(bare)
    assert "c1" in texts(by_class)
    with pytest.raises(BadInput, match="no column 'school'"):
        picture(seven["LM-Global"], group="school")


@pytest.mark.slow
def test_two_pictures_on_a_page_share_no_id(seven):
    both = beside(picture(seven["LMM-Inter"]), picture(seven["LMM-Inter"]), picture(seven))
    ids = [e.get("id") for e in ET.fromstring(both.svg).iter() if e.get("id")]
    assert len(ids) == len(set(ids)) > 0


def test_a_table_is_drawn_by_its_columns(pupils):
    by_group = picture(pupils, x="edu", y="score", group="classroom")
    assert {"c0", "c1", "c2", "edu", "score"} <= set(texts(by_group))
    assert by_group.captions == ("score against edu by classroom.",)
    lined = picture(pupils.assign(m=pupils["score"].mean()), x="edu", y="score", line="m")
    assert lined.captions == ("score against edu with fitted lines. Lines: m.",)
    strips = picture(pupils, y="score", group="classroom")
    assert strips.figures[0].title == "score by classroom"


@pytest.mark.parametrize(
    ("what", "columns", "words"),
    [
        ("text", {}, "not of str"),
        (None, {}, "name the column"),
        (None, {"y": "marks"}, "no column 'marks'"),
        (None, {"y": "score", "line": "fit"}, "no column 'fit'"),
    ],
)
def test_what_cannot_be_drawn_is_said(pupils, what, columns, words):
    with pytest.raises(BadInput, match=words):
        picture(pupils if what is None else what, **columns)


def test_names_are_escaped():
    frame = pd.DataFrame({"a<b": [1.0, 2.0, 3.0], "x&y": [1.0, 2.0, 4.0], "g": ["<1>", "&", "'"]})
    drawn = picture(frame, x="a<b", y="x&y", group="g", line="x&y")
    assert "<1>" in texts(drawn)
    ET.fromstring(drawn.svg)


def test_the_package_offers_it():
    assert harness.picture is picture
