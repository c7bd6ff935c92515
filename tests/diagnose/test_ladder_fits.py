"""``harness.ladder``: the tutorial's final table, from both engines, with verdicts."""

import pytest

import harness
from harness.base.errors import BadInput
from harness.data.datasets import load_dataset
from harness.data.printed_numbers import rounds_to, tutorial_numbers
from harness.diagnose.ladder_fits import COLUMNS, ladder
from tests.tutorial_models import MODELS


@pytest.fixture(scope="module")
def pupils():
    return load_dataset("score_parentedu_byclass").frame


@pytest.mark.r
@pytest.mark.slow
def test_the_table_is_the_tutorials(pupils):
    seven = ladder(pupils, "score", "edu", "classroom")
    assert seven.absent == ""
    table = seven.table
    assert list(table.index) == [(m, e) for m in MODELS for e in ("statsmodels", "lme4")]
    assert table["verdict"].str.startswith("RIGHT").all()
    for model in MODELS:
        printed = {p.quantity: p for p in tutorial_numbers(model) if p.engine == "statsmodels"}
        for column in COLUMNS:
            text = printed[f"table.{column}"].text
            # Beyond the fourth digit a default run of LMM-Full is the run's, not the data's.
            if model != "LMM-Full":
                assert rounds_to(table.loc[(model, "statsmodels"), column], text), (model, column)
    assert len(seven.within()) == 3
    assert seven["LMM-Full"].rung.case.model.criterion == "REML"
    assert seven["LMM-Inter"].fit("lme4").coefficient("edu").df == pytest.approx(56.0, abs=0.2)
    assert "RMSE" in repr(seven)
    assert "<table" in seven._repr_html_()


@pytest.mark.slow
def test_another_table_leaves_out_what_it_does_not_allow(pupils):
    two = pupils[pupils["classroom"] != "c2"]
    seven = ladder(two, "score", "edu", "classroom", engines=("statsmodels", "referee"))
    assert any("Aggregation" in why for why in seven.left_out)
    with pytest.raises(KeyError, match="no model of this ladder"):
        seven["Aggregation"]
    with pytest.raises(BadInput, match="no analysis in two levels"):
        harness.picture(seven)


def test_bad_input_is_said(pupils):
    with pytest.raises(BadInput, match="DataFrame, not list"):
        ladder([1], "score", "edu", "classroom")
    with pytest.raises(BadInput, match="three different columns"):
        ladder(pupils, "score", "score", "classroom")


def test_the_package_offers_it():
    assert harness.ladder is ladder
