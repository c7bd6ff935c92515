"""What is said of a remedy: whose numbers, of which columns, and how far it goes."""

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.diagnose.diagnosis import Remedy, Snapshot
from harness.diagnose.other_columns import candidates, far_means, written
from harness.diagnose.singular import direction_of, in_words
from harness.page.remedy_layout import _before_after, _came


def rung(formula):
    rng = np.random.default_rng(3)
    n = 48
    frame = pd.DataFrame(
        {
            "year": 1990 + np.arange(n) % 12,
            "w": rng.normal(size=n),
            "f": np.array(["a", "b"])[np.arange(n) % 2],
            "g": [f"g{i}" for i in np.arange(n) // 6],
            "y": rng.normal(size=n),
        }
    )
    return own_rung("words", Dataset("made", frame, "made"), formula, "REML")


@pytest.mark.parametrize(
    "formula",
    ["y ~ f:year + (1 | g)", "y ~ w:year + (1 | g)", "y ~ year + w:year + (1 | g)"],
)
def test_an_interaction_without_its_main_effects_is_not_centred(formula):
    """Less its mean the predictor brings f or w in alone: that is another model."""
    assert far_means(rung(formula)) == {}
    assert all("centre" not in writing.steps for writing in candidates(rung(formula)))


def test_centring_beside_an_interaction_says_what_the_other_effects_are_then():
    writing = written(rung("y ~ year * f + (1 | g)"), {"year": 1995.0}, {})
    assert writing.meaning == (
        "the intercept and f are then at year = 1995 and no longer at zero, with other p values "
        "than those of the columns as they are"
    )
    assert written(rung("y ~ year + f + (1 | g)"), {"year": 1995.0}, {}).meaning == ""
    assert written(rung("y ~ year * f + (1 | g)"), {}, {"year": 10.0}).meaning == ""


def test_lines_meet_only_where_that_helps():
    term = rung("y ~ year + (year | g)").case.design.random[0]
    near = np.outer([1995.0, -1.0], [1995.0, -1.0])
    assert "meet at year = 1995" in in_words(direction_of(near, term.z), term)
    far = np.outer([21599.0, -1.0], [21599.0, -1.0])
    said = in_words(direction_of(far, term.z), term)
    assert "no two groups cross in the data (year from 1990 to 2001)" in said
    assert "21599" not in said


def remedy(**of):
    before, after = (Snapshot(engine="statsmodels", formula="y ~ x") for _ in range(2))
    own = {"kind": "rows", "title": "", "helped": True, "sentence": "", "engine": "statsmodels"}
    return Remedy(**(own | {"before": before, "after": after} | of))


def test_a_fit_that_is_still_short_is_not_called_help():
    short = Snapshot(engine="statsmodels", formula="y ~ x", gap=0.2, verdict="WRONG_OPTIMUM")
    assert _came(remedy(after=short)).label == "gives a fit, not yet a right one"
    assert _came(remedy()).label == "helped statsmodels"
    assert _came(remedy(kind="centre", engine="", after=short)).label == "helped"
    assert _came(remedy(helped=False, after=short)).label == "no help"


def test_one_engine_run_by_itself_has_no_verdict_to_show():
    judged = Snapshot(engine="statsmodels", formula="y ~ x", verdict="WRONG_OPTIMUM")
    alone = replace(judged, verdict="")

    def labels(before, after):
        return [row.head for row in _before_after(before, after) if row is not None]

    assert "verdict" not in labels(judged, alone)
    assert "verdict" in labels(judged, replace(judged, verdict="AGREE"))
