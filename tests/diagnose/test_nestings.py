"""Crossed factors are tried as nested every way round, and what cannot be built is skipped."""

import random

import pandas as pd
import pytest

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.diagnose.examples import example_rung
from harness.diagnose.pipeline import diagnose

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def schools():
    """Students are numbered anew in every school, tests are given in each."""
    random.seed(2)
    tests = [random.gauss(0, 4) for _ in range(6)]
    both, rows = {}, []
    for school in range(5):
        for student in range(6):
            own = random.gauss(0, 5)
            for test in random.sample(range(6), 4):
                joint = both.setdefault((test, school), random.gauss(0, 3))
                score = 60 + tests[test] + joint + own + random.gauss(0, 3)
                rows.append((round(score, 1), test + 1, school + 1, student + 1))
    return pd.DataFrame(rows, columns=["score", "test", "school", "student"])


def test_the_best_of_several_nestings_is_named_and_all_are_shown(schools, ready):
    formula = "score ~ 1 + (1|test) + (1|school) + (1|student)"
    rung = own_rung("schools", Dataset("schools", schools, "a test"), formula, "REML")
    found = diagnose(rung, ready(), quick=True)
    (cause,) = (c for c in found.causes if c.key == "reused-labels")
    assert cause.remedies[0].title == "nest student in school: (1 | school/student)"
    # Restricted log-likelihoods by lme4: -395.1822 as given, -385.8212 and -387.1058 nested.
    for shown in ("student in school +9.36", "school in test +8.08", "student in test -4.04"):
        assert shown in cause.evidence
    # 0.01 in log-likelihood decides nothing: by what it was decided is said.
    assert "do not tell student in school from school in student" in cause.evidence
    assert cause.evidence.endswith("the factor with fewer labels is taken for the outer one.")
    assert cause.remedies[0].after.loglik == pytest.approx(-385.8212, abs=1e-3)


def test_a_gauge_study_is_diagnosed_and_no_term_is_taken_twice(diagnosed):
    found = diagnosed("gauge-study")
    assert found.agreement == "agree"
    assert "reused-labels" not in {cause.key for cause in found.causes}
    # Balanced data: REML variances are those of the classic table of mean squares.
    fit = found.case.fit("lme4")
    frame = example_rung("gauge-study").data.frame
    cells = frame.groupby(["part", "operator"])["measured"]
    within = float((cells.var()).mean())
    means = cells.mean().unstack()
    left = means.sub(means.mean(axis=1), axis=0) - means.mean(axis=0) + means.to_numpy().mean()
    interaction = 2.0 * float((left.to_numpy() ** 2).sum()) / 6.0
    operators = 8.0 * float(means.mean(axis=0).var())
    variances = {term.group: term.covariance[0][0] for term in fit.random}
    assert fit.residual_variance == pytest.approx(within, rel=1e-4)
    assert variances["part:operator"] == pytest.approx((interaction - within) / 2.0, rel=1e-4)
    assert variances["operator"] == pytest.approx((operators - interaction) / 8.0, rel=1e-3)
