"""The joint Hessian of one model, written in two ways, is one."""

import numpy as np
import pytest

from harness.model.design import build_design
from harness.model.model import bind, parse_model
from harness.referee.joint_hessian import joint_inverse
from harness.referee.residual_likelihood import likelihood_of
from tests.referee.structured_cases import repeats


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("sds", [(0.8, 0.0), (0.0, 0.3), (0.7, 0.4), (0.0, 0.0)])
def test_uncorrelated_effects_have_it_at_a_variance_of_zero_too(sds, reml):
    found = []
    for text in ("y ~ x + diag(1 + x | s)", "y ~ x + (x || s)"):
        model = parse_model(text)
        design = build_design(model, bind(model, repeats(2)))
        likelihood = likelihood_of(design, reml=reml)
        point = likelihood.at(np.array(sds))
        found.append(joint_inverse(point, 0.9))
    one, other = found
    # The same matrix in another basis of the same effects.
    assert one.fixed == pytest.approx(other.fixed, rel=1e-9)
    assert one.errors == pytest.approx(other.errors, rel=1e-9, nan_ok=True)
    assert one.variances == pytest.approx(other.variances, rel=1e-8)
    assert one.determined == other.determined
