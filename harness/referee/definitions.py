"""Definitions: what a number that a program prints may mean, and its value at any point.

"The standard error of x" is sqrt diag (X'V^-1 X)^-1 in lme4 and comes from the joint Hessian in
statsmodels; both are right, under their own definition. The table below has a row for each: the
quantity, the key by which an engine declares it, how it is computed at a fit's own variances, where
it comes from and which programs print it. A number is judged under the definition its engine
declares; where none is declared, all rows of its quantity are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.containment import containment_df
from harness.referee.counted_df import (
    between_within_classic_df,
    between_within_df,
    containment_rank_df,
    group_equations_df,
    residual_df,
    residual_xz_df,
)
from harness.referee.information_criteria import CONVENTIONS, Convention
from harness.referee.sandwich import sandwich_errors
from harness.referee.satterthwaite import two_sided_p
from harness.referee.standpoint import Row, Standpoint
from harness.referee.variance_errors import variance_errors

NOT_STATED = "not stated"
"""What an engine declares for a quantity that it does not print, or prints by a definition that it
does not state; such a number is judged only where a known definition gives it."""


@dataclass(frozen=True)
class Definition:
    """One meaning of a quantity.

    Attributes
    ----------
    quantity : str
        ``"se"``, ``"df"``, ``"statistic"``, ``"p"``, ``"loglik"``, ``"aic"``, ``"bic"``,
        ``"variance"`` or ``"variance_se"``.
    key : str
        What an engine writes to declare it.
    title : str
        For a reader, ``"from the joint Hessian"``.
    source : str
        Paper, equation, or the program whose behaviour is matched.
    programs : tuple of str
        Which programs print it.
    value : callable
        Value for each item at a standpoint, given what was printed of each coefficient and the
        log-likelihood that was; None where it does not exist. Items are coefficients for se, df,
        statistic and p, variances (the diagonals of each Psi in turn) for variance and variance_se,
        and one for the rest.
    """

    quantity: str
    key: str
    title: str
    source: str
    programs: tuple[str, ...]
    value: Callable[[Standpoint, tuple[Row, ...], float], tuple[float, ...] | None]


def of_quantity(quantity: str) -> tuple[Definition, ...]:
    """Return every definition of a quantity.

    The first is the one that a number is held to which has no declared definition and fits none.
    """
    return tuple(d for d in DEFINITIONS if d.quantity == quantity)


def definition(quantity: str, key: str) -> Definition | None:
    """Return the definition that an engine declares by ``key``, or None for an unknown one."""
    return next((d for d in DEFINITIONS if d.quantity == quantity and d.key == key), None)


def _root(value: float) -> float:
    return math.sqrt(value) if value > 0.0 else math.nan


def _gls_se(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return tuple(test.se for test in at.tests)


def _joint_se(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...] | None:
    if at.joint is None:
        return None
    return at.joint.errors


def _times(share: Callable[[int, int], float], criterion: Criterion) -> Callable[..., object]:
    """Make gls standard errors times a function of n and p; only under one criterion."""

    def value(at: Standpoint, rows: tuple[Row, ...], loglik: float) -> tuple[float, ...] | None:
        if at.criterion != criterion:
            return None
        factor = math.sqrt(share(*at.design.x.shape))
        return tuple(factor * se for se in _gls_se(at, rows, loglik))

    return value


def _adjusted_se(
    at: Standpoint, _rows: tuple[Row, ...], _loglik: float
) -> tuple[float, ...] | None:
    return None if at.kenward_roger is None else tuple(test.se for test in at.kenward_roger)


def _linear_se(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...] | None:
    found = at.kenward_roger_linear
    return None if found is None else tuple(test.se for test in found)


def _sandwich_se(
    at: Standpoint, _rows: tuple[Row, ...], _loglik: float
) -> tuple[float, ...] | None:
    return None if at.criterion == "OLS" else sandwich_errors(at.design, at.point, at.sigma)


def _no_df(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return tuple(math.inf for _ in range(at.design.x.shape[1]))


def _counted(count: Callable[[Design], tuple[float, ...] | None]) -> Callable[..., object]:
    """Make df that are counted from the design; a linear model has none by groups."""

    def value(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...] | None:
        return None if at.criterion == "OLS" else count(at.design)

    return value


def _residual_df(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return residual_df(at.design)


def _satterthwaite_df(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return tuple(test.df for test in at.tests)


def _satterthwaite_n_p_df(
    at: Standpoint, _rows: tuple[Row, ...], _loglik: float
) -> tuple[float, ...] | None:
    if at.criterion != "ML":
        return None
    n, p = at.design.x.shape
    return tuple(1.0 / (1.0 / test.df - 1.0 / n + 1.0 / (n - p)) for test in at.tests)


def _kenward_roger_df(
    at: Standpoint, _rows: tuple[Row, ...], _loglik: float
) -> tuple[float, ...] | None:
    return None if at.kenward_roger is None else tuple(test.df for test in at.kenward_roger)


def _linear_df(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...] | None:
    found = at.kenward_roger_linear
    return None if found is None else tuple(test.df for test in found)


def _statistic(_at: Standpoint, rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return tuple(row.estimate / row.se if row.se else math.nan for row in rows)


def _ratio(row: Row) -> float:
    """Return the statistic as printed, or what it would be of the estimate and error printed."""
    if not math.isnan(row.statistic):
        return row.statistic
    return row.estimate / row.se if row.se else math.nan


def _t_p(_at: Standpoint, rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...] | None:
    # By which df is not known where none are printed.
    if any(math.isnan(row.df) for row in rows):
        return None
    return tuple(two_sided_p(_ratio(row), row.df) for row in rows)


def _normal_p(_at: Standpoint, rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return tuple(two_sided_p(_ratio(row), math.inf) for row in rows)


def _loglik(at: Standpoint, _rows: tuple[Row, ...], _stated: float) -> tuple[float, ...]:
    return (at.loglik,)


def _log_gram(at: Standpoint) -> float:
    size, value = np.linalg.slogdet(at.design.x.T @ at.design.x)
    return float(value) if size > 0.0 else math.nan


def _off_by(constant: Callable[[Standpoint], float], sign: float) -> Callable[..., object]:
    """Make the log-likelihood plus or minus a constant."""

    def value(at: Standpoint, _rows: tuple[Row, ...], _stated: float) -> tuple[float, ...]:
        return (at.loglik + sign * constant(at),)

    return value


def _all_pi(at: Standpoint) -> float:
    n, p = at.design.x.shape
    m: int = n - p if at.criterion == "REML" else n
    return 0.5 * m * math.log(2.0 * math.pi)


def _fixed_pi(at: Standpoint) -> float:
    reml = at.criterion == "REML"
    return 0.5 * at.design.x.shape[1] * math.log(2.0 * math.pi) if reml else math.nan


def _half_gram(at: Standpoint) -> float:
    return 0.5 * _log_gram(at) if at.criterion == "REML" else math.nan


_CONSTANTS: dict[str, Callable[[Standpoint], float]] = {
    "m/2 log 2 pi": _all_pi,
    "p/2 log 2 pi": _fixed_pi,
    "1/2 log|X'X|": _half_gram,
    "p/2 log 2 pi and 1/2 log|X'X|": lambda at: _fixed_pi(at) + _half_gram(at),
    "p/2 log 2 pi less 1/2 log|X'X|": lambda at: _fixed_pi(at) - _half_gram(at),
}
"""Constants of the (restricted) likelihood that programs leave out or have twice; m is n - p under
REML and n under ML."""


def _constants() -> Iterator[Definition]:
    for name, constant in _CONSTANTS.items():
        for key, sign in ((f"plus {name}", 1.0), (f"minus {name}", -1.0)):
            yield Definition(
                "loglik",
                key,
                f"with {key}",
                "Harville 1974, Biometrika 61, 383-385; LaMotte 2007, Stat. Papers 48, 321-327",
                (),
                _off_by(constant, sign),  # type: ignore[arg-type]
            )


def _criterion(convention: Convention, quantity: str) -> Callable[..., object]:
    made = convention.aic if quantity == "aic" else convention.bic

    def value(at: Standpoint, _rows: tuple[Row, ...], stated: float) -> tuple[float, ...]:
        return (made(at, stated),)

    return value


def _criteria() -> Iterator[Definition]:
    for quantity in ("aic", "bic"):
        for one in CONVENTIONS:
            yield Definition(
                quantity,
                one.key,
                one.title,
                one.source,
                one.programs,
                _criterion(one, quantity),  # type: ignore[arg-type]
            )


def _variances(at: Standpoint) -> tuple[float, ...]:
    factors = at.point.likelihood.factors(at.point.theta)
    return tuple(float(at.sigma**2 * v) for f in factors for v in (f**2).sum(axis=1))


def _data_units(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return _variances(at)


def _scaled(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return tuple(v / at.sigma**2 for v in _variances(at))


def _asymptotic(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...]:
    return variance_errors(at.point, at.sigma)


def _packed(at: Standpoint, _rows: tuple[Row, ...], _loglik: float) -> tuple[float, ...] | None:
    if at.joint is None:
        return None
    return tuple(at.sigma * _root(v) for v in at.joint.variances)


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "se",
        "gls",
        "sqrt diag (X'V^-1 X)^-1",
        "Laird and Ware 1982, Biometrics 38, 963-974",
        ("lme4", "lmerTest", "nlme under REML", "PROC MIXED", "lm", "OLS"),
        _gls_se,
    ),
    Definition(
        "se",
        "joint-hessian",
        "from the inverse joint Hessian of fixed effects and variances",
        "statsmodels MixedLM, MixedLMResults.bse_fe; glmmTMB",
        ("MixedLM", "glmmTMB"),
        _joint_se,
    ),
    Definition(
        "se",
        "gls-n/(n-p)",
        "ML standard errors times sqrt(n / (n - p))",
        "nlme::lme, adjustSigma",
        ("nlme under ML",),
        _times(lambda n, p: n / (n - p), "ML"),  # type: ignore[arg-type]
    ),
    Definition(
        "se",
        "gls-(n-p)/n",
        "REML standard errors times sqrt((n - p) / n)",
        "a residual variance divided by n",
        (),
        _times(lambda n, p: (n - p) / n, "REML"),  # type: ignore[arg-type]
    ),
    Definition(
        "se",
        "kenward-roger",
        "adjusted by Kenward and Roger",
        "Kenward and Roger 1997, Biometrics 53, 983-997",
        ("pbkrtest", "PROC MIXED with DDFM=KR"),
        _adjusted_se,
    ),
    Definition(
        "se",
        "kenward-roger-linear",
        "adjusted by Kenward and Roger, without second derivatives of V",
        "SAS/STAT User's Guide, PROC MIXED, DDFM=KR(FIRSTORDER)",
        ("mmrm with method = Kenward-Roger-Linear", "PROC MIXED with DDFM=KR(FIRSTORDER)"),
        _linear_se,
    ),
    Definition(
        "se",
        "sandwich",
        "robust: the sandwich, residuals summed by the outermost group",
        "Liang and Zeger 1986, Biometrika 73, 13-22",
        ("PROC MIXED with EMPIRICAL",),
        _sandwich_se,
    ),
    Definition(
        "df",
        "satterthwaite",
        "Satterthwaite's",
        "Giesbrecht and Burns 1985, Biometrics 41, 477-486",
        ("lmerTest", "PROC MIXED with DDFM=SATTERTH"),
        _satterthwaite_df,
    ),
    Definition(
        "df",
        "satterthwaite-n-p",
        "Satterthwaite's, with n - p for the residual variance of an ML fit",
        "1/df = 1/(n - p) + what the uncertainty of the variance ratios adds",
        ("mixedlm under ML",),
        _satterthwaite_n_p_df,
    ),
    Definition(
        "df",
        "none",
        "none: the normal distribution",
        "a z test",
        ("MixedLM", "glmmTMB"),
        _no_df,
    ),
    Definition(
        "df",
        "residual",
        "n - rank X",
        "the linear model; PROC MIXED with DDFM=RESIDUAL",
        ("lm", "OLS"),
        _residual_df,
    ),
    Definition(
        "df",
        "containment-levels",
        "by the level of nested groups at which a column changes",
        "Pinheiro and Bates 2000, section 2.4.2",
        ("nlme",),
        _counted(containment_df),  # type: ignore[arg-type]
    ),
    Definition(
        "df",
        "containment",
        "by containment: the rank that the smallest random effect containing it adds to [X Z]",
        "SAS/STAT User's Guide, PROC MIXED, DDFM=CONTAIN",
        ("PROC MIXED with a RANDOM statement",),
        _counted(containment_rank_df),  # type: ignore[arg-type]
    ),
    Definition(
        "df",
        "residual-xz",
        "n - rank [X Z]: by containment, where no random effect is written to contain it",
        "SAS/STAT User's Guide, PROC MIXED, DDFM=CONTAIN",
        ("PROC MIXED with a RANDOM statement",),
        _counted(residual_xz_df),  # type: ignore[arg-type]
    ),
    Definition(
        "df",
        "between-within",
        "between subjects or within them, n - rank X divided",
        "SAS/STAT User's Guide, PROC MIXED, DDFM=BETWITHIN",
        ("PROC MIXED with a REPEATED statement and no RANDOM",),
        _counted(between_within_df),  # type: ignore[arg-type]
    ),
    Definition(
        "df",
        "between-within-classic",
        "between subjects or within them, the intercept within",
        "Schluchter and Elashoff 1990, J. Stat. Comput. Simul. 37, 69-87",
        ("mmrm with method = Between-Within",),
        _counted(between_within_classic_df),  # type: ignore[arg-type]
    ),
    Definition(
        "df",
        "group-equations",
        "the groups less the effects in a random coefficient's equation, else n - p",
        "Raudenbush and Bryk 2002, Hierarchical Linear Models, chapter 3; n - p: HLM 5 and 6",
        ("HLM 5 and 6",),
        _counted(group_equations_df),  # type: ignore[arg-type]
    ),
    Definition(
        "df",
        "kenward-roger",
        "Kenward and Roger's",
        "Kenward and Roger 1997, Biometrics 53, 983-997",
        ("pbkrtest", "PROC MIXED with DDFM=KR"),
        _kenward_roger_df,
    ),
    Definition(
        "df",
        "kenward-roger-linear",
        "Kenward and Roger's, without second derivatives of V",
        "SAS/STAT User's Guide, PROC MIXED, DDFM=KR(FIRSTORDER)",
        ("mmrm with method = Kenward-Roger-Linear", "PROC MIXED with DDFM=KR(FIRSTORDER)"),
        _linear_df,
    ),
    Definition(
        "statistic",
        "estimate/se",
        "the estimate divided by its printed standard error",
        "Wald",
        ("lmerTest", "MixedLM", "lm", "OLS"),
        _statistic,
    ),
    Definition(
        "p",
        "t",
        "two-sided, t distribution with the printed df",
        "Student",
        ("lmerTest", "lm", "OLS"),
        _t_p,
    ),
    Definition(
        "p",
        "normal",
        "two-sided, normal distribution",
        "a z test",
        ("MixedLM", "glmmTMB"),
        _normal_p,
    ),
    Definition(
        "variance",
        "data-units",
        "in squared units of the outcome",
        "lme4 VarCorr; MixedLM cov_re and vcomp",
        ("lme4", "nlme", "MixedLM"),
        _data_units,
    ),
    Definition(
        "variance",
        "scaled",
        "divided by the residual variance",
        "statsmodels MixedLM, params",
        ("MixedLM params",),
        _scaled,
    ),
    Definition(
        "variance_se",
        "asymptotic",
        "by the delta method from the Hessian",
        "Var(theta, sigma) = 2 Hess^-1 of the deviance",
        (),
        _asymptotic,
    ),
    Definition(
        "variance_se",
        "packed-hessian",
        "the standard error of the scaled variance, times sigma and not sigma^2",
        "statsmodels MixedLM, MixedLMResults.bse_re",
        ("MixedLM",),
        _packed,
    ),
    Definition(
        "loglik",
        "full",
        "with all constants",
        "Harville 1974, Biometrika 61, 383-385",
        ("lme4", "nlme", "MixedLM", "PROC MIXED"),
        _loglik,
    ),
    *_constants(),
    *_criteria(),
)
"""Every definition that is known. A program that prints something else under one of these names
needs a row here."""
