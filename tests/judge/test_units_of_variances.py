"""Whether two variances are one does not depend on the units of the slope's column."""

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.engines.referee_engine import RefereeEngine
from harness.judge.judge import judge_outcomes


def compared(unit, one, other):
    """The comparison of two fits whose slope variances are so many, in a column of this unit."""
    r = np.random.default_rng(8)
    g = np.repeat(np.arange(30), 8)
    x = r.normal(size=240)
    frame = pd.DataFrame({"y": r.normal(size=240), "x": x * unit, "g": [f"g{i}" for i in g]})
    data = Dataset("drawn", frame, "")
    case = own_rung("case", data, "y ~ x + (0 + x | g)", "REML").case
    fit = RefereeEngine().fit(case, "default")
    fits = []
    for name, variance in (("one", one), ("other", other)):
        value = variance * fit.residual_variance / unit**2
        (term,) = fit.random
        fits.append(
            replace(fit, engine=name, random=(replace(term, covariance=((value,),), effects=None),))
        )
    judged = judge_outcomes(
        case, tuple(fits), engines=("one", "other"), reference="other", settings=("default",)
    )
    (comparison,) = judged.comparisons
    return next(d for d in comparison.differences if d.quantity == "variance")


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_two_variances_that_are_as_good_as_zero_are_one_in_any_unit(unit):
    # The floor is a hundredth of the residual variance: 1e-5 is a thousandth of it, and 0.005 half.
    assert compared(unit, 1e-5, 1e-12).within
    assert not compared(unit, 5e-3, 1e-5).within


def test_the_difference_is_the_same_number_in_any_unit():
    found = [compared(unit, 3e-3, 1e-3).difference for unit in (1e-6, 1.0, 1e6)]
    assert found == pytest.approx([found[1]] * 3, rel=1e-6)
