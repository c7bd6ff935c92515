"""AIC and BIC by each program's convention: what counts as a parameter, and what n is.

All are -2 log L plus a price for each parameter, 2 or log n. Programs do not agree on whether fixed
effects count under REML, on whether a variance that came out as zero does, and on whether n is of
rows, of rows less fixed effects, or of subjects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.model.design import Design
from harness.referee.containment import nested_codes
from harness.referee.standpoint import Standpoint

NO_VARIANCE = 1e-8
"""Share of the residual variance, by effects of unit root mean square, that is none."""


@dataclass(frozen=True)
class Convention:
    """How a program makes AIC and BIC of a log-likelihood.

    Attributes
    ----------
    key : str
        What an engine writes to declare it.
    title, source : str
    programs : tuple of str
    count : callable
        Parameters at a standpoint.
    size : callable
        n of BIC, at a standpoint.
    under_reml : bool
        Whether there are any under REML.
    """

    key: str
    title: str
    source: str
    programs: tuple[str, ...]
    count: Callable[[Standpoint], int]
    size: Callable[[Standpoint], int]
    under_reml: bool = True

    def aic(self, at: Standpoint, loglik: float) -> float:
        """Return AIC; NaN where the program gives none."""
        return self._priced(at, loglik, 2.0)

    def bic(self, at: Standpoint, loglik: float) -> float:
        """Return BIC; NaN where the program gives none."""
        return self._priced(at, loglik, math.log(self.size(at)))

    def _priced(self, at: Standpoint, loglik: float, price: float) -> float:
        if at.criterion == "REML" and not self.under_reml:
            return math.nan
        return -2.0 * loglik + price * self.count(at)


def _all(at: Standpoint) -> int:
    count: int = at.design.x.shape[1] + at.variance_parameters + 1
    return count


def _without_scale(at: Standpoint) -> int:
    return _all(at) - 1


def _variances(at: Standpoint) -> int:
    """Count variance parameters with the residual's; fixed effects too unless by REML."""
    fixed = 0 if at.criterion == "REML" else at.design.x.shape[1]
    return fixed + at.variance_parameters + 1


def _free_variances(at: Standpoint) -> int:
    """Count the same without variances that are zero, and their covariances."""
    gone = 0
    factors = at.point.likelihood.factors(at.point.theta)
    for term, lower in zip(at.design.random, factors, strict=True):
        widths = np.sqrt((term.z**2).mean(axis=0))
        zero = int(((lower**2).sum(axis=1) * widths**2 <= NO_VARIANCE).sum())
        q = len(lower)
        gone += (q * (q + 1) - (q - zero) * (q - zero + 1)) // 2
    return _variances(at) - gone


def _rows(at: Standpoint) -> int:
    return len(at.design.y)


def _rows_less_fixed(at: Standpoint) -> int:
    reml = at.criterion == "REML"
    return len(at.design.y) - (at.design.x.shape[1] if reml else 0)


def _subjects(at: Standpoint) -> int:
    return subjects(at.design) or _rows_less_fixed(at)


def subjects(design: Design) -> int:
    """Return how many subjects SAS counts: the levels of the outermost of nested groups.

    Where groups cross there is one subject, and SAS takes the levels of the first random effect
    instead. 0 without random effects.
    """
    if not design.random:
        return 0
    nested = nested_codes(design)
    return len(design.random[0].levels) if nested is None else len(np.unique(nested[0]))


CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "2k-variances-counted",
        "fixed effects and every variance counted, n of rows",
        "-2 log L + penalty x parameters, as the programs print it",
        ("lme4", "glmmTMB", "lm"),
        _all,
        _rows,
    ),
    Convention(
        "n-p-under-reml",
        "fixed effects and every variance counted, n less the fixed effects under REML",
        "nlme, logLik.lme and logLik.gls: their nobs",
        ("nlme",),
        _all,
        _rows_less_fixed,
    ),
    Convention(
        "subjects",
        "under REML variances only, those that are zero not counted; n of subjects",
        "SAS/STAT User's Guide, PROC MIXED, table of information criteria",
        ("PROC MIXED",),
        _free_variances,
        _subjects,
    ),
    Convention(
        "variances-under-reml",
        "under REML variances only; n less the fixed effects",
        "SPSS Statistics Algorithms, MIXED; Genstat, VAIC",
        ("SPSS MIXED", "Genstat"),
        _variances,
        _rows_less_fixed,
    ),
    Convention(
        "scale-not-counted",
        "the residual variance not counted",
        "statsmodels OLS, RegressionResults.aic",
        ("OLS",),
        _without_scale,
        _rows,
    ),
    Convention(
        "nan-under-reml",
        "ML only, NaN under REML",
        "statsmodels MixedLM, MixedLMResults.aic",
        ("MixedLM",),
        _all,
        _rows,
        under_reml=False,
    ),
)
