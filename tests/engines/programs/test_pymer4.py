"""pymer4 beside the lme4 that it calls."""

import pytest

from harness.engines import environments
from harness.engines.command_engine import CommandEngine
from harness.engines.lme4 import Lme4Engine
from tests.judge.fact_cases import case_of, six_groups_of_five

pytestmark = pytest.mark.r


def test_a_correlation_that_is_not_there_beside_a_variance_of_zero_is_no_failure(r):
    """lme4 holds the intercept's variance at zero here; pymer4's table has no correlation then."""
    if not environments.installed("pymer4"):
        pytest.skip("pymer4 is not installed here")
    case = case_of(six_groups_of_five(44), "y ~ x + (x | g)")
    with CommandEngine("pymer4", environments.command("pymer4")) as engine:
        found = engine.fit(case, "default")
    beside = Lme4Engine(r).fit(case, "default")
    assert beside.random[0].covariance[0][0] == 0.0
    for own, other in zip(found.random[0].covariance, beside.random[0].covariance, strict=True):
        assert own == pytest.approx(other)
    assert found.fitter == beside.fitter
