"""Kept cases: what is written is read back bit for bit, whatever the names and labels."""

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.conformance.regressions import DATA, FILE, keep, kept_cases
from harness.data.recipes.shapes import Recipe, build
from harness.data.recipes.strategies import collect
from tests.judge.planted import rung_of
from tests.page.judgements import failing


def read_back(folder, rung, outcome=None, recipe=None):
    keep(folder, rung, outcome or failing(), recipe)
    (kept,) = kept_cases(folder)
    return kept.rung()


@pytest.mark.parametrize("number", range(0, 60, 4))
def test_generated_cases_come_back_bit_for_bit(tmp_path, number):
    recipe = collect(60, 11, max_groups=20, max_rows=100)[number]
    rung = build(recipe)
    back = read_back(tmp_path, rung, recipe=recipe)
    assert back.case.table.checksum() == rung.case.table.checksum()
    assert back.case.table.names == rung.case.table.names
    assert back.case.model.criterion == rung.case.model.criterion
    np.testing.assert_array_equal(back.case.design.x, rung.case.design.x)
    assert back.case.design.x_names == rung.case.design.x_names


def test_labels_that_look_like_numbers_or_are_empty_come_back(tmp_path):
    frame = pd.DataFrame(
        {
            "y": [1.5, 2.0, np.nan, 4.25, 1e-300, 0.1 + 0.2],
            "g": ["01", "1", "", None, "NA", "1.0"],
            "x": [0.0, 1.0, 2.0, 3.0, 4.0, 1 / 3],
        }
    )
    rung = rung_of(frame, "y ~ x + (1 | g)")
    back = read_back(tmp_path, rung)
    assert back.case.table.checksum() == rung.case.table.checksum()


def test_what_was_found_can_be_read(tmp_path):
    rung = build(Recipe(shape="intercept", sizes=(2, 2)))
    kept = keep(tmp_path, rung, failing(sentence='He said "no" \\ é\n'))
    assert kept.name.startswith("parity-sm-score-sign-")
    text = (kept.folder / FILE).read_text()
    assert 'property = "parity"' in text
    assert 'causes = ["sm-score-sign"]' in text
    assert 'formula = "y ~ x + (1 | g)"' in text
    assert (kept.folder / DATA).read_text().startswith("y,x,g\n")
    assert kept.rung().case.id == f"kept/{kept.name}"


def test_the_same_data_are_kept_once(tmp_path):
    rung = build(Recipe(shape="intercept", sizes=(2, 2)))
    first = keep(tmp_path, rung, failing())
    assert keep(tmp_path, rung, failing("honesty.loglik")) == first
    ml = build(Recipe(shape="intercept", sizes=(2, 2), criterion="ML"))
    keep(tmp_path, ml, failing())
    assert len(kept_cases(tmp_path)) == 2


def test_no_folder_is_no_case_and_a_file_is_refused(tmp_path):
    assert kept_cases(tmp_path / "no") == ()
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is not a folder"):
        kept_cases(tmp_path / "file")


DAMAGE = {
    "no data": (DATA, None, "data.csv: cannot be read"),
    "ragged": (DATA, "y,x,g\n1,2\n", "data.csv: not a table"),
    "header only": (DATA, "y,x,g\n", "data.csv: not a table"),
    "empty": (DATA, "", "data.csv: not a table"),
    "a word": (DATA, "y,x,g\nlots,0,g1\n2,1,g2\n", "data.csv: column 'y'"),
    "another level": (DATA, "y,x,g\n1,0,g1\n2,1,g9\n", "'g9' is none of its levels"),
    "no column": (DATA, "y,g\n1,g1\n2,g2\n", "data.csv: no column 'x'"),
    "no toml": (FILE, "[model\n", "case.toml: not TOML"),
    "no model": (FILE, "title = 'x'\n", "case.toml: Object missing required field `model`"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_case_is_refused_in_one_line(tmp_path, what):
    name, content, message = DAMAGE[what]
    kept = keep(tmp_path, build(Recipe(shape="intercept", sizes=(2, 2))), failing())
    path = kept.folder / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(BadInput) as caught:
        kept.rung()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
