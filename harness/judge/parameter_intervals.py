"""Confidence intervals of every parameter: by the profile of the likelihood, or Wald's.

What a profile is, of fixed effects by REML too, is in :mod:`harness.referee.likelihood_profile`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from harness.base.errors import BadInput
from harness.judge import residual_intervals
from harness.judge.df_rule import DfRule
from harness.judge.evaluated_model import Evaluated, gap_of, of_formula, of_result
from harness.judge.fixed_effect_tests import tested
from harness.judge.residual_intervals import ResidualInterval
from harness.model.design import Design
from harness.referee.best_point import find_optimum
from harness.referee.deviance import Point
from harness.referee.likelihood_profile import FixedProfile, of_parameter
from harness.referee.optimum import Optimum
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.structured_likelihood import StructuredPoint
from harness.referee.structured_profile import (
    UNSTRUCTURED,
    StructuredProfile,
    has_profile,
    lower_end,
)
from harness.referee.variance_errors import scaled_errors
from harness.referee.variance_parameter import Parameter, parameters

Kind = Literal["profile", "wald"]
Ends = tuple[float, float]


@dataclass(frozen=True, repr=False)
class Intervals:
    """Confidence intervals of a model's parameters.

    Attributes
    ----------
    table : DataFrame
        A row for each fixed effect, standard deviation, correlation and variance, and for each
        parameter of a residual covariance: ``quantity`` (``"fixed effect"``, ``"sd"``,
        ``"correlation"``, ``"ratio"`` of residual standard deviations, ``"variance"``),
        ``estimate``, ``low`` and ``high``. An end on the boundary of the parameter space is 0 of a
        standard deviation or variance and -1 or 1 of a correlation; NaN stands where there is none.
    kind, df : str
        ``"profile"`` or ``"wald"``; the rule of df of Wald intervals, empty of profiles.
    criterion : str
        Of the likelihood, ``"REML"`` or ``"ML"``.
    notes : tuple of str
        Which intervals do not exist, or end on the boundary.
    """

    table: pd.DataFrame
    kind: str
    criterion: str
    level: float
    notes: tuple[str, ...]
    df: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, a row of the table as a dict."""
        rows = self.table.reset_index().to_dict(orient="records")
        about = {"kind": self.kind, "df": self.df, "criterion": self.criterion, "level": self.level}
        return {"record": "intervals", **about, "intervals": rows, "notes": list(self.notes)}

    def __repr__(self) -> str:
        title = f"{100 * self.level:g} % intervals, {self.kind}, {self.criterion}"
        return "\n".join([title, self.table.to_string(float_format="{:.6g}".format), *self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{note}</p>" for note in self.notes)
        return str(self.table.to_html(float_format="{:.6g}".format)) + notes


def intervals(
    model: Any,
    data: pd.DataFrame | None = None,
    *,
    kind: Kind = "profile",
    df: DfRule = "satterthwaite",
    level: float = 0.95,
    ml: bool = False,
    factors: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    residual: str = "",
    check_optimum: bool = True,
) -> Intervals:
    """Return confidence intervals of fixed effects, standard deviations, correlations, variances.

    Parameters
    ----------
    model : MixedLMResults or str
        A result of statsmodels' ``MixedLM.fit``; or a formula in lme4's syntax with ``data``.
    data : DataFrame
        With a formula.
    kind : str
        ``"profile"``: where the deviance, lowest over all other parameters, has risen by the
        quantile of chi-square(1); by ML these are lme4's ``confint``. ``"wald"``: of fixed effects
        the t intervals by the rule ``df``, of standard deviations symmetric in the logarithm and of
        correlations in Fisher's z, the scales of ``nlme::intervals`` (which differences the Hessian
        numerically and has two digits of it).
    df : str
        Rule of degrees of freedom of Wald intervals, as :func:`harness.inference` takes it.
    level : float
        Confidence level.
    ml : bool
        Maximum likelihood; of a result fitted by REML, too, whose model is then fitted again by ML,
        as lme4's ``confint`` does.
    factors, levels
        With a formula: numeric columns to be treated as factors; level order of factors.
    residual : str
        With a formula: the covariance of the residuals, ``"ar1(visit | subject)"``.
    check_optimum : bool
        Wald intervals of a result: look for the best point of its likelihood, and warn where the
        result is not there. A profile is always about the best point.

    Raises
    ------
    BadInput
        For a formula, column or option that cannot be used.
    TypeError, ValueError
        As :func:`harness.satterthwaite`.
    DfUndefined
        Where a rule of df does not apply to the model.

    Warns
    -----
    NotAtOptimumWarning
        When a result is not at the optimum of its likelihood.

    References
    ----------
    Venzon and Moolgavkar 1988, Appl. Statist. 37, 87-94; for fixed effects by REML, Welham and
    Thompson 1997, JRSS B 59, 701-714; Pinheiro and Bates 2000, section 2.4.3, for the scales of
    Wald intervals.

    Examples
    --------
    >>> harness.intervals("Reaction ~ Days + (Days | Subject)", frame, ml=True)     # doctest: +SKIP
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is profile or wald, not {kind!r}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    given = not isinstance(model, str)
    if given:
        if data is not None or factors or levels or residual:
            raise BadInput("a fitted model has its data, factors and residual covariance")
        fit = of_result(model)
    else:
        if not isinstance(data, pd.DataFrame):
            raise BadInput(
                f"a formula needs its data, a pandas DataFrame, not {type(data).__name__}"
            )
        fit = of_formula(model, data, "ML" if ml else "REML", factors, levels, residual)
    anew = ml and fit.criterion == "REML"
    if given and not anew and (check_optimum or kind == "profile"):
        _checked(fit)
    if anew:
        fit = _by_ml(fit)
    rows, notes = _profiled(fit, level) if kind == "profile" else _wald(fit, df, level)
    table = pd.DataFrame(
        [(quantity, estimate, *ends) for _, quantity, estimate, ends in rows],
        index=pd.Index([label for label, *_ in rows], name="parameter"),
        columns=["quantity", "estimate", "low", "high"],
    )
    return Intervals(table, kind, fit.criterion, level, notes, df if kind == "wald" else "")


Row = tuple[str, str, float, Ends]
NONE = (math.nan, math.nan)


def _checked(fit: Evaluated) -> None:
    gap_of(fit)


def _by_ml(fit: Evaluated) -> Evaluated:
    """Return a model at its ML optimum."""
    best = find_optimum(likelihood_of(fit.design, reml=False), [fit.point.theta])
    return fit.at(best, "ML")


def _best(fit: Evaluated) -> Optimum:
    likelihood = likelihood_of(fit.design, reml=fit.criterion == "REML")
    return find_optimum(likelihood, [fit.point.theta])


def _profiled(fit: Evaluated, level: float) -> tuple[list[Row], tuple[str, ...]]:
    best = _best(fit)
    rows: list[Row] = []
    notes = []
    for j, (name, estimate) in enumerate(zip(fit.names, best.point.beta, strict=True)):
        low, high = FixedProfile(best, j).interval(level)
        ends = (-math.inf if low is None else low, math.inf if high is None else high)
        rows.append((name, "fixed effect", float(estimate), ends))
    spreads = []
    sigma, relative = _state(best)
    for parameter, label, value in _variances(fit.design, relative, sigma):
        ends = profile_ends(parameter, fit.design, best, level)
        if math.isnan(value):
            notes.append(f"no interval of the {label}: a variance is 0, and so it is any")
        elif math.isnan(ends[0]):
            notes.append(f"no profile of the {label}: {UNSTRUCTURED}; Wald has it")
        elif parameter.scale != "sigma" and ends[0] == least_of(parameter, best.point):
            notes.append(f"the interval of the {label} starts on the boundary, {ends[0]:g}")
        if ends[1] == parameter.bounds[1] == 1.0:
            notes.append(f"the interval of the {label} ends on the boundary, 1")
        spreads.append((parameter, label, value, ends))
    return _joined(rows, spreads, residual_intervals.profiled(best, level), notes)


def _joined(
    rows: Sequence[Row],
    spreads: Sequence[tuple[Parameter, str, float, Ends]],
    residual: Iterable[ResidualInterval],
    notes: Sequence[str],
) -> tuple[list[Row], tuple[str, ...]]:
    """Put fixed effects, SDs and correlations, residual parameters and variances together."""
    found = tuple(residual)
    own: list[Row] = [(one.label, one.quantity, one.estimate, one.ends) for one in found]
    first, squares = _with_variances(spreads)
    said = (note for one in found for note in one.notes)
    return [*rows, *first, *own, *squares], (*notes, *said)


def profile_ends(parameter: Parameter, design: Design, best: Optimum, level: float) -> Ends:
    """Return the ends of the profile interval of a variance parameter, at the boundary if there.

    NaN for a correlation with an effect that has no variance at the best point, and where
    :func:`harness.referee.structured_profile.has_profile` says that there is none.
    """
    sigma, relative = _state(best)
    value = parameter.value([sigma**2 * psi for psi in relative], sigma)
    if math.isnan(value):
        return NONE
    if isinstance(best.point, StructuredPoint):
        if not has_profile(best.point.likelihood, parameter):
            return NONE
        own = StructuredProfile(best, parameter)
        found = own.curve(design, level=level, furthest=0.0)
        least, most = own.ends
        return (
            least if found.low is None else found.low,
            most if found.high is None else found.high,
        )
    curve = of_parameter(
        parameter,
        design,
        relative,
        sigma,
        best.deviance,
        reml=best.point.likelihood.reml,
        phi=best.phi,
        level=level,
        furthest=0.0,
    )
    low, high = parameter.bounds
    return (low if curve.low is None else curve.low), (high if curve.high is None else curve.high)


def least_of(parameter: Parameter, point: Point) -> float:
    """Return the lower end of the parameter space: a structure may have its own."""
    if isinstance(point, StructuredPoint) and has_profile(point.likelihood, parameter):
        return lower_end(point.likelihood, parameter)
    return parameter.bounds[0]


def _state(best: Optimum) -> tuple[float, list[np.ndarray[Any, np.dtype[np.float64]]]]:
    likelihood = best.point.likelihood
    sigma = best.point.sigma * likelihood.products.basis.y_scale
    return sigma, [f @ f.T for f in likelihood.factors(best.point.theta)]


def _variances(
    design: Design, relative: Sequence[np.ndarray[Any, np.dtype[np.float64]]], sigma: float
) -> Iterator[tuple[Parameter, str, float]]:
    covariances = [sigma**2 * psi for psi in relative]
    for parameter in parameters(design):
        yield parameter, parameter.label(design), parameter.value(covariances, sigma)


def _with_variances(
    spreads: Sequence[tuple[Parameter, str, float, Ends]],
) -> tuple[list[Row], list[Row]]:
    """Return rows of standard deviations and correlations, and of the variances."""
    first: list[Row] = []
    squares: list[Row] = []
    for parameter, label, value, ends in spreads:
        if parameter.scale == "correlation":
            first.append((label, "correlation", value, ends))
            continue
        first.append((label, "sd", value, ends))
        name = label.replace("SD", "variance")
        squares.append((name, "variance", value**2, (ends[0] ** 2, ends[1] ** 2)))
    return first, squares


def _wald(fit: Evaluated, df: DfRule, level: float) -> tuple[list[Row], tuple[str, ...]]:
    found = tested(fit, df, None, 1.0 - level, check=False).table
    rows: list[Row] = [
        (str(name), "fixed effect", float(row.estimate), (float(row.ci_low), float(row.ci_high)))
        for name, row in found.iterrows()
    ]
    relative = [f @ f.T for f in fit.point.likelihood.factors(fit.point.theta)]
    spreads, notes = [], []
    for parameter, label, value in _variances(fit.design, relative, fit.sigma):
        ends = wald_ends(parameter, fit.point, fit.sigma, level)
        if math.isnan(ends[0]):
            notes.append(f"no Wald interval of the {label}: it is on the boundary")
        spreads.append((parameter, label, value, ends))
    own = residual_intervals.wald(fit.point, fit.sigma, level)
    return _joined(rows, spreads, own, notes)


def wald_ends(parameter: Parameter, point: Point, sigma: float, level: float) -> Ends:
    """Return the ends of the Wald interval of a variance parameter, on nlme's scales.

    NaN on the boundary.
    """
    relative = [f @ f.T for f in point.likelihood.factors(point.theta)]
    value = parameter.value([sigma**2 * psi for psi in relative], sigma)
    (error,) = scaled_errors(point, sigma, (parameter,))
    half = float(stats.norm.isf(0.5 * (1.0 - level))) * error
    if not math.isfinite(half) or math.isnan(value):
        return NONE
    if parameter.scale == "correlation":
        z = math.atanh(value)
        return math.tanh(z - half), math.tanh(z + half)
    # Beyond what a float holds, the interval has no upper end.
    return value * math.exp(-half), value * math.exp(min(half, 700.0))
