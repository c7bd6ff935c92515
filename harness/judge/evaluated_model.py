"""A mixed model at the variances where it is tested: those of a MixedLM result, or the best.

Nothing is fitted again where a result is given, but the best point of the same likelihood can be
looked for, and a result that is not there is said to be so. Of a formula and a table the point is
the optimum that the referee finds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.own_table import frame_rung
from harness.engines.mixedlm_fit import MixedFit, unwrapped
from harness.engines.mixedlm_terms import formula_terms
from harness.judge.design_optimum import best_of
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.best_point import find_optimum
from harness.referee.definitions import definition
from harness.referee.deviance import Point
from harness.referee.f_tests import FixedTerms, fixed_terms
from harness.referee.optimum import Optimum
from harness.referee.satterthwaite import contrast_tests
from harness.referee.standpoint import Standpoint

Array = NDArray[np.float64]


class DfUndefined(ValueError):
    """A rule of degrees of freedom does not apply to a model; the text says why."""


class NotAtOptimumWarning(UserWarning):
    """A result is not at the optimum of its likelihood, so its tests are those of another point."""


class OtherModelWarning(UserWarning):
    """A result is of another model than its call asked for."""


@dataclass(frozen=True)
class Evaluated:
    """A model at the variances where its fixed effects are tested."""

    design: Design
    criterion: Criterion
    names: tuple[str, ...]
    beta: Array
    point: Point
    sigma: float
    terms: Callable[[], FixedTerms]
    facts: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def at(self, best: Optimum, criterion: Criterion) -> Evaluated:
        """Return the model at the best point of a criterion."""
        return replace(
            self,
            criterion=criterion,
            beta=best.point.beta,
            point=best.point,
            sigma=best.point.sigma * best.point.likelihood.products.basis.y_scale,
            facts={**self.facts, "Method:": criterion},
        )

    def counted(self, rule: str) -> Array:
        """Return df of each coefficient by a rule that does not depend on a contrast's variance."""
        found = definition("df", rule)
        assert found is not None
        standing = Standpoint(self.design, self.criterion, self.point, self.sigma)
        values = found.value(standing, (), math.nan)
        if values is None:
            why = _REFUSALS[rule] if self.design.random else _REFUSALS_WITHOUT.get(rule)
            raise DfUndefined(f"{why or _REFUSALS[rule]}; choose another rule")
        return np.asarray(values, dtype=np.float64)


_CROSSED = "the groups of this model cross, and this rule is for nested ones"
_REFUSALS_WITHOUT = {
    "containment-levels": "without random effects there are no levels, and nlme's gls has the "
    "residual df",
    "between-within": "there are no subjects, or more than one factor changes within them, where "
    "SAS divides the df once more",
    "between-within-classic": "there are no subjects",
}
"""Of a model without random effects."""

_REFUSALS = {
    "containment": "this design is too large for the ranks that SAS's containment counts",
    "residual-xz": "this design is too large for the rank of [X Z]",
    "containment-levels": _CROSSED,
    "between-within": f"{_CROSSED}, or more than one factor changes within subjects, where SAS "
    "divides the df once more",
    "between-within-classic": _CROSSED,
}


def of_result(result: Any) -> Evaluated:
    """Read a result of ``MixedLM.fit``, at its own estimates; warn of one of another model."""
    inner = unwrapped(result)
    fit = MixedFit(inner)
    _warn_if_not_asked_for(fit)
    heeded = fit.as_its_call_says
    return Evaluated(
        design=fit.design,
        criterion=fit.criterion,
        names=fit.names,
        beta=fit.beta,
        point=fit.point,
        sigma=fit.sigma,
        terms=lambda: formula_terms(inner),
        facts={
            "Dependent Variable:": str(inner.model.endog_names),
            "Method:": inner.method,
            "No. Groups:": str(inner.model.n_groups),
        },
        remarks=() if heeded else ("The fit ignored free=: the random effects are correlated.",),
    )


def of_formula(
    formula: str,
    frame: pd.DataFrame,
    criterion: Criterion,
    factors: Sequence[str],
    levels: Mapping[str, Sequence[str]] | None,
    residual: str,
) -> Evaluated:
    """Find the best point of a formula in a table.

    Raises
    ------
    BadInput
        For a formula, column or option that cannot be used.
    """
    rung = frame_rung(frame, formula, criterion, factors=factors, levels=levels, residual=residual)
    case = rung.case
    if not case.design.random and case.design.residual is None:
        raise BadInput("the formula has no random term; the t and F tests of lm and OLS are exact")
    best = best_of(case.design, criterion)
    return Evaluated(
        design=case.design,
        criterion=criterion,
        names=case.design.x_names,
        beta=best.point.beta,
        point=best.point,
        sigma=best.point.sigma * best.point.likelihood.products.basis.y_scale,
        terms=lambda: fixed_terms(case.model, case.table),
        facts={
            "Model:": formula,
            "Method:": criterion,
            "No. Groups:": ", ".join(f"{len(t.levels)} {t.group}" for t in case.design.random),
            **({"Residuals:": residual} if residual else {}),
        },
    )


def _warn_if_not_asked_for(fit: MixedFit) -> None:
    """Warn of a result whose ``free=`` was ignored."""
    if not fit.as_its_call_says:
        one, other = fit.held_effects
        warnings.warn(
            f"this is not the model asked for: free= holds the covariance of {one} and {other} at "
            f"0, and it came out as {fit.held:.3g}, since methods powell and nm ignore free=. The "
            "tests are those of the model with that covariance; fit again with bfgs, lbfgs or cg",
            OtherModelWarning,
            stacklevel=4,
        )


def gap_of(fit: Evaluated) -> float:
    """Return how far the log-likelihood is below the best point's; warn when that is too far."""
    likelihood = fit.point.likelihood
    best = find_optimum(likelihood, [fit.point.theta])
    own, top = -0.5 * fit.point.deviance(fit.sigma), -0.5 * best.deviance
    tolerances = load_tolerances()
    gap = max(top - own, 0.0)
    if gap > tolerances["loglik"].default:
        warnings.warn(
            f"the result is not at the optimum: its {fit.criterion} log-likelihood is "
            f"{gap:.3g} below the best found ({own:.4f} against {top:.4f}), so the tests are those "
            "of another model; fit again with other start_params or method",
            NotAtOptimumWarning,
            stacklevel=4,
        )
    # What statsmodels returns when it takes a covariance matrix near zero for an infinite inverse.
    tests = contrast_tests(fit.point, np.eye(len(fit.names)), sigma=fit.sigma)
    distance = max(abs(own - t.estimate) / t.se for own, t in zip(fit.beta, tests, strict=True))
    if distance > tolerances["estimate"].default:
        warnings.warn(
            f"the fixed effects are not those of the estimated variances: {distance:.3g} standard "
            "errors off the generalised least squares estimates",
            NotAtOptimumWarning,
            stacklevel=4,
        )
    return gap
