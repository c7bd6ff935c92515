"""The referee as an engine of its own, so that it can stand in the ladder and the report.

It maximises the same likelihood by other means (damped Newton steps with an analytic Hessian, from
many starts) and certifies what it finds as a local optimum, so its answer is the yardstick of the
others with two engines or with one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

import harness
from harness.engines.engine import Coefficient, Failure, Fit, Outcome, RandomTerm, Setting
from harness.model.case import Case
from harness.model.structure import STRUCTURES
from harness.referee.best_point import search_for
from harness.referee.conditional_modes import conditional_modes
from harness.referee.deviance import Likelihood
from harness.referee.optimum import Optimum, OptimumSearch
from harness.referee.residual_likelihood import residual_parameters
from harness.referee.satterthwaite import contrast_tests

Array = NDArray[np.float64]

_LINEAR = {
    "loglik": "full",
    "aic": "2k-variances-counted",
    "bic": "2k-variances-counted",
    "se": "gls",
    "df": "satterthwaite",
    "statistic": "estimate/se",
    "p": "t",
    "residual_variance": "m",
}
_MIXED = _LINEAR | {"variance": "data-units", "variance_se": "not stated"}


class RefereeEngine:
    """Fit cases by the referee's likelihood; both settings are the same."""

    name = "referee"
    residuals = True
    """It takes a residual covariance."""

    structures = tuple(STRUCTURES)
    """Structures of random terms that it takes."""

    sources = (
        "harness.base",
        "harness.engines",
        "harness.model",
        "harness.spelling",
        "harness.referee",
    )

    def versions(self) -> dict[str, str]:
        """Return the version of this program."""
        return {self.name: harness.__version__}

    def unsupported(self, case: Case) -> str | None:  # noqa: ARG002
        """Return None: every model that can be parsed can be evaluated."""
        return None

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit a case; aliased fixed effects and too few rows are refused."""
        started = time.perf_counter()
        try:
            best = self.search(case).best()
        except ValueError as error:
            return Failure(engine=self.name, setting=setting, reason="refused", text=str(error))
        return fit_at(case, setting, best, time.perf_counter() - started)

    def search(self, case: Case) -> OptimumSearch:
        """Return the search whose best point is the fit."""
        return search_for(case)

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Return the fit to be run when it is asked for: it uses this process."""
        return partial(self.fit, case, setting)


def fit_at(case: Case, setting: Setting, best: Optimum, seconds: float) -> Fit:
    """Return the fit at a point, the best one or another: everything follows from its variances."""
    design, point = case.design, best.point
    n, p = design.x.shape
    sigma = point.sigma * point.likelihood.products.basis.y_scale
    tests = contrast_tests(point, np.eye(p))
    effects = conditional_modes(point)
    fitted = design.x @ point.beta
    for term, modes in zip(design.random, effects, strict=True):
        fitted = fitted + (term.z * modes[term.codes]).sum(axis=1)
    parameters = p + len(point.theta) + 1
    loglik = -0.5 * best.deviance
    if case.model.criterion == "OLS":
        # Linear models have their ML log-likelihood stated, as lm and OLS do.
        ml = Likelihood(design, reml=False).at(point.theta)
        loglik = -0.5 * ml.deviance()
    return Fit(
        engine=RefereeEngine.name,
        setting=setting,
        fitter="find_optimum",
        n_obs=n,
        coefficients=tuple(
            Coefficient(name, test.estimate, test.se, test.df, test.statistic, test.p)
            for name, test in zip(design.x_names, tests, strict=True)
        ),
        native_names=design.x_names,
        random=tuple(
            RandomTerm(
                group=term.group,
                names=term.names,
                covariance=_nested(sigma**2 * lower @ lower.T),
                factor=_nested(lower),
                levels=term.levels,
                effects=_nested(modes),
            )
            for term, lower, modes in zip(
                design.random, point.likelihood.factors(point.theta), effects, strict=True
            )
        ),
        residual_variance=sigma**2,
        residual=residual_parameters(point),
        loglik=loglik,
        aic=2.0 * parameters - 2.0 * loglik,
        bic=math.log(n) * parameters - 2.0 * loglik,
        df_residual=float(n - p),
        fitted=tuple(fitted.tolist()),
        residuals=tuple((design.y - fitted).tolist()),
        converged=None if not design.random else not best.optimality.false_boundary,
        singular=None if not design.random else best.optimality.singular,
        definitions=dict(_MIXED if design.random else _LINEAR | {"df": "residual"}),
        settings=(f"damped Newton from {best.starts} starts", "certified"),
        data_checksum=case.table.checksum(),
        seconds=seconds,
    )


def _nested(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))
