"""The residual variance of a linear model by n is another definition where that is declared."""

import math

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge_outcomes
from harness.model.case import Case
from harness.model.model import bind, parse_model
from harness.referee.satterthwaite import two_sided_p


@pytest.fixture(scope="module")
def case():
    draw = np.random.default_rng(4)
    frame = pd.DataFrame({"x": draw.normal(size=20)})
    frame["y"] = 1.0 + frame["x"] + draw.normal(size=20)
    model = parse_model("y ~ x", "OLS")
    return Case("linear", model, bind(model, frame))


def by_n(case, **declared):
    """The referee's fit as a program of maximum likelihood states it: sigma^2, SE, t and p by n."""
    fit = RefereeEngine().fit(case, "default")
    share = 18 / 20
    rows = [
        replace(
            c,
            se=c.se * math.sqrt(share),
            statistic=c.statistic / math.sqrt(share),
            p=two_sided_p(c.statistic / math.sqrt(share), c.df),
        )
        for c in fit.coefficients
    ]
    return replace(
        fit,
        engine="mine",
        coefficients=tuple(rows),
        residual_variance=fit.residual_variance * share,
        definitions=fit.definitions | declared,
    )


def verdicts(case, fit):
    judged = judge_outcomes(case, [fit, RefereeEngine().fit(case, "default")])
    (comparison,) = judged.comparisons
    return judged.judgement("mine").verdict, comparison.verdict


def test_declared_it_is_right_and_compared_like_for_like(case):
    assert verdicts(case, by_n(case, residual_variance="n")) == ("RIGHT", "AGREE")


def test_taken_for_the_usual_one_it_is_a_false_statement(case):
    assert verdicts(case, by_n(case))[0] == "FALSE_STATEMENT"
