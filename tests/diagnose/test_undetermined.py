"""Where as good a point as the best has other variances, no number that follows from them is right.

The groups have fixed effects of their own besides: their variance is free, and the effects inside
the groups are tested as by least squares.
"""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from rich.console import Console

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.diagnose.pipeline import diagnose
from harness.page.diagnosis_layout import diagnosis_page
from harness.page.terminal_page import print_page

pytestmark = [pytest.mark.r, pytest.mark.slow]

DESIGNS = {
    "two sites": ("y ~ site + x + (1 | site)", {"Intercept", "site[T.b]"}),
    "a number that tells the sites apart": ("y ~ dose + x + (1 | site)", {"Intercept", "dose"}),
    "five clinics": (
        "y ~ clinic + x + (1 | clinic)",
        {"Intercept", *(f"clinic[T.c{i}]" for i in range(1, 5))},
    ),
}


def table(seed):
    rng = np.random.default_rng(seed)
    site, clinic = np.repeat(["a", "b"], 20), np.tile([f"c{i}" for i in range(5)], 8)
    x = rng.normal(size=40).round(2)
    mean = 5 + 0.5 * x + 1.2 * (site == "b") + rng.normal(0, 1, 5)[np.tile(range(5), 8)]
    y = (mean + rng.normal(0, 1, 40)).round(2)
    dose = np.where(site == "a", 2.5, 10.0)
    return pd.DataFrame({"y": y, "x": x, "site": site, "dose": dose, "clinic": clinic})


def diagnosed(engines, frame, formula):
    rung = own_rung("case", Dataset("data", frame, ""), formula, "REML")
    return diagnose(rung, engines, quick=True)


@pytest.mark.parametrize(("formula", "moved"), DESIGNS.values(), ids=DESIGNS)
def test_no_p_value_of_an_undetermined_effect_is_called_right(ready, formula, moved):
    frame = table(sum(map(ord, formula)))
    found = diagnosed(ready(), frame, formula)
    assert found.case.comparison("statsmodels").verdict == "UNDETERMINED"
    # Nor is any fit called the optimum, of which there are many.
    shown = StringIO()
    print_page(diagnosis_page(found), Console(file=shown, width=120, highlight=False))
    assert "one of many as good" in shown.getvalue()
    assert "interior optimum" not in shown.getvalue()
    by_name = {c.name: c for c in found.conclusions}
    assert {name for name, c in by_name.items() if c.right is None} == moved
    assert {name for name, c in by_name.items() if c.because == "undetermined"} == moved
    assert not any("best point" in text for text in found.answer)
    group = formula[formula.index("|") + 2 : -1]
    assert f"the data do not determine the variance of {group}: Intercept" in found.answer[0]


def test_profiles_of_an_undetermined_variance_end(ready):
    # R: set.seed(101); g <- rep(1:6, each = 6); y <- rnorm(6)[g] + rnorm(36); x <- rnorm(36).
    y = [0.29, -0.44, 0.59, -0.55, 0.2, -1.12, 1.98, -0.91, 0.32, 0.36, -0.3, 0.61, -1.49, -2.73]
    y += [-0.84, 0.03, -0.94, -2.14, 0.96, -1.2, 0.68, 0.1, 0.68, 0.71, 1.21, 0.59, 1.32, -1.76]
    y += [1.5, -0.41, 1.34, 2.09, -0.5, 1.62, 1.66, 1.93]
    x = [-2.32, -0.46, -1.11, 0.4, 0.57, -0.71, -0.29, -1.48, -1.15, -0.27, 0.58, -1.4, 0.75]
    x += [-1.05, 0.17, 1.13, 1.17, -0.43, -0.26, -1.41, -0.64, 0.11, 0.42, 0.39, -0.69, 0.15]
    x += [-0.06, -0.07, 1.51, 1.62, 1.15, -0.08, -1.82, -1.04, 0.3, -1.28]
    frame = pd.DataFrame({"y": y, "x": x, "f": [f"f{i % 4}" for i in range(36)]})
    rung = own_rung("case", Dataset("data", frame, ""), "y ~ x + f + (1 | f)", "REML")
    found = diagnose(rung, ready(), quick=True, pictures=True)
    assert found.case.comparison("statsmodels").verdict == "UNDETERMINED"
    open_, residual = found.profiles
    # Nothing bounds what the data do not determine, and what they do is bounded on both sides.
    assert (open_.low, open_.high) == (None, None)
    assert 0.0 < residual.low < residual.best < residual.high


def test_many_p_values_that_are_not_determined_are_named_in_one_sentence(ready):
    found = diagnosed(ready(), table(16), DESIGNS["five clinics"][0])
    assert found.answer[1:3] == (
        "The data do not determine p of Intercept, clinic[T.c1], clinic[T.c2], clinic[T.c3] and "
        "clinic[T.c4].",
        "No other conclusion changes: p of x is on one side of 0.05 for everyone.",
    )


@pytest.mark.parametrize(("formula", "moved"), DESIGNS.values(), ids=DESIGNS)
def test_effects_inside_the_groups_are_tested_as_by_least_squares(ready, formula, moved):
    """Dummies of all groups leave the same contrasts inside them, whatever the variance is."""
    frame = table(sum(map(ord, formula)))
    found = diagnosed(ready(), frame, formula)
    group = formula[formula.index("|") + 2 : -1]
    by_hand = smf.ols(f"y ~ x + {group}", frame).fit()
    (right,) = (c.right for c in found.conclusions if c.name == "x")
    assert right == pytest.approx(by_hand.pvalues["x"], rel=1e-6)  # referee's search, 1e-8
    truth = {(s.quantity, s.item): s.truth for s in found.case.judgement("lme4").statements}
    assert truth["se", "x"] == truth["p", "x"] == "true"
    assert {truth["se", name] for name in moved} == {"not determined"}


def test_a_variance_that_the_likelihood_does_not_see_is_not_tested_by_it(ready):
    found = diagnosed(ready(), table(1), DESIGNS["two sites"][0])
    (remedy,) = (r for c in found.causes for r in c.remedies if r.helped)
    assert remedy.title == (
        "take (1 | site) out of the model; "
        "what is said of Intercept and site[T.b] then holds for these groups only"
    )
    assert remedy.price is not None
    assert remedy.price.loglik == 0.0
    assert remedy.price.p_low is None
    assert remedy.before.focus.p is None  # of site[T.b]
    assert [s.name for s in remedy.price.shifts] == ["x"]


def test_one_engine_alone_is_said_to_be_at_one_of_many_points(ready):
    found = diagnosed(ready(["statsmodels"]), table(2), DESIGNS["two sites"][0])
    assert found.answer[0] == (
        "statsmodels is at one of many points that are equally good: the data do not determine the "
        "variance of site: Intercept, nor the standard error and p of Intercept and site[T.b]."
    )


def test_statsmodels_split_of_one_row_per_group_is_not_determined(ready):
    """Only the sum of both variances is; the fixed effects are those of least squares."""
    frame = table(3).assign(row=[f"r{i}" for i in range(40)])
    found = diagnosed(ready(), frame, "y ~ x + (1 | row)")
    own = found.case.judgement("statsmodels")
    assert own.verdict == "UNDETERMINED"
    (evidence,) = (e for e in own.evidence if e.cause == "undetermined-variance")
    assert evidence.lists["directions"] == ("row: Intercept +1, residual variance -1",)
    (x,) = (c for c in own.audit.coefficients if c.name == "x")
    assert x.p == pytest.approx(smf.ols("y ~ x", frame).fit().pvalues["x"], rel=1e-6)
