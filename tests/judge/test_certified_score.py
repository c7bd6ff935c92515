"""Digits against certified values."""

import math

import msgspec
import pytest

from harness.data.certified_values import load_certified
from harness.data.ladder import full_ladder
from harness.engines.referee_engine import RefereeEngine
from harness.judge.certified_score import score
from harness.judge.examination import examine

RUNGS = {rung.case.id: rung.case for rung in full_ladder()}


def scored(case, fit):
    (audit,) = examine(case, [fit]).audits
    values = load_certified(case.id, case.design)
    assert values is not None
    return {s.quantity: s for s in score(values, [(fit, audit)])}


@pytest.mark.parametrize("rung", ["sleepstudy/slope/REML", "pastes/ML", "tutorial/lmm-full/REML"])
def test_the_referee_has_ten_digits_of_everything(rung):
    case = RUNGS[rung]
    found = scored(case, RefereeEngine().fit(case, "default"))
    assert set(found) == {"loglik", "estimate", "se", "df", "variance", "residual_variance"}
    # Double precision loses digits to the condition of the problem, about five of sixteen here.
    assert min(s.digits for s in found.values()) > 9.5


def test_the_worst_item_of_a_quantity_is_kept():
    case = RUNGS["sleepstudy/slope/REML"]
    fit = RefereeEngine().fit(case, "default")
    first, second = fit.coefficients
    off = msgspec.structs.replace(second, estimate=second.estimate * (1 + 1e-4))
    found = scored(case, msgspec.structs.replace(fit, coefficients=(first, off)))
    assert found["estimate"].item == "Days"
    assert found["estimate"].digits == pytest.approx(4.0, abs=0.01)
    assert found["estimate"].certified.startswith("10.46728595959595")


def test_a_nan_is_the_worst_of_all():
    case = RUNGS["sleepstudy/slope/REML"]
    fit = RefereeEngine().fit(case, "default")
    found = scored(case, msgspec.structs.replace(fit, loglik=math.nan))
    assert math.isnan(found["loglik"].digits)


def test_variances_certified_as_zero_have_no_relative_error_and_are_left_out():
    case = RUNGS["dyestuff2/REML"]
    assert "variance" not in scored(case, RefereeEngine().fit(case, "default"))
