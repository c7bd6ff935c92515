"""What an answer advises: of the remedies that were tried, or of the engines that are right."""

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from harness.data.datasets import Dataset, load_dataset
from harness.data.own_table import own_rung
from harness.diagnose.examples import example_rung
from harness.diagnose.pipeline import diagnose
from harness.diagnose.user_engines import Opened
from harness.engines.engine_wrapper import EngineWrapper
from harness.engines.referee_engine import RefereeEngine
from tests.diagnose.far_predictors import generated

pytestmark = [pytest.mark.r, pytest.mark.slow]


def diagnosed(ready, frame, formula):
    return diagnose(
        own_rung("case", Dataset("data", frame, ""), formula, "REML"), ready(), quick=True
    )


@pytest.fixture(scope="module")
def two_slopes():
    """A slope by plant and by pot, both large and correlated: no smaller model fits."""
    rng = np.random.default_rng(4)
    plant, pot, x = (a.ravel() for a in np.meshgrid(range(8), range(5), range(6), indexing="ij"))
    pots = 5 * plant + pot
    of_plants = rng.multivariate_normal([0, 0], [[4, 3], [3, 4]], 8)
    of_pots = rng.multivariate_normal([0, 0], [[4, 3], [3, 4]], 40)
    mean, slope = (of_plants[plant] + of_pots[pots]).T
    y = (mean + slope * x + rng.normal(0, 0.5, len(x))).round(2)
    return pd.DataFrame({"y": y, "x": x, "plant": plant, "pot": [f"p{i}" for i in pots]})


def test_where_nothing_helps_the_engine_that_is_right_is_kept(ready, two_slopes):
    found = diagnosed(ready, two_slopes, "y ~ x + (x | plant) + (x | pot)")
    tried = [r for cause in found.causes for r in cause.remedies]
    assert len(tried) > 1
    assert not any(r.helped for r in tried)
    assert found.case.judgement("lme4").verdict == "RIGHT"
    assert found.answer[-1] == (
        f"Keep lme4's fit, which is right: of {len(tried)} remedies tried none helped; "
        "what each did is below."
    )


class OwnErrors(EngineWrapper):
    """The referee with standard errors that are false for no known reason."""

    same_answers = False

    def begin(self, case, setting):
        fit = super().begin(case, setting)

        def wrong():
            outcome = fit()
            rows = tuple(replace(c, se=1.3 * c.se, p=None) for c in outcome.coefficients)
            return replace(outcome, engine="liar", coefficients=rows)

        return wrong


def test_that_an_optimum_is_on_the_boundary_is_no_reason_for_a_false_number():
    frame = load_dataset("Dyestuff2").frame
    rung = own_rung("case", Dataset("d", frame, ""), "Yield ~ 1 + (1 | Batch)", "REML")
    liar = OwnErrors(RefereeEngine(), "liar")
    found = diagnose(rung, Opened(("liar", "referee"), (liar, RefereeEngine())), quick=True)
    assert found.case.judgement("liar").verdict == "FALSE_STATEMENT"
    assert [cause.key for cause in found.causes] == ["true-boundary"]
    assert not any(sentence.startswith("Why") for sentence in found.answer)


def test_missing_rows_are_not_advised_on_beside_what_mends(ready):
    frame = generated("year", "y ~ x + (x | g)", 1)
    frame.loc[[3, 17], "y"] = np.nan
    found = diagnosed(ready, frame, "y ~ x + (x | g)")
    assert any(r.kind == "rows" and r.helped for c in found.causes for r in c.remedies)
    (advice,) = found.advice
    assert advice.startswith("centre x at")
    (code,) = (r.python_code for c in found.causes for r in c.remedies if r.kind == "centre")
    assert "dropna" in code


def test_that_the_data_do_not_determine_a_variance_is_a_reason(ready):
    rung = example_rung("same-groups-twice")
    found = diagnose(rung, ready(), quick=True)
    assert "Why: the data do not determine a variance." in found.answer
