"""Two nested models compared: likelihood ratio with its own null distribution, AIC and BIC.

The spaces of both models are compared, not their formulas, so that a model is known to be smaller
in whatever way it is written (:mod:`harness.referee.nested_models`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.own_table import frame_rung
from harness.judge.design_optimum import best_of
from harness.judge.evaluated_model import Evaluated, gap_of, of_result
from harness.judge.likelihood_ratio import FittedModel, log_ratio, ratio_of, same_rows
from harness.model.model import Criterion
from harness.referee.best_point import find_optimum
from harness.referee.information_criteria import CONVENTIONS
from harness.referee.nested_models import Nesting
from harness.referee.residual_likelihood import ResidualLikelihood, likelihood_of
from harness.spelling.formula_options import as_asked

Array = NDArray[np.float64]

_SIZES = ("small", "large")

DRAWS = 400
"""Outcomes drawn where the null distribution is not known and no number of them is asked for."""


@dataclass(frozen=True)
class Simulated:
    """p of a likelihood ratio by the parametric bootstrap.

    Attributes
    ----------
    p : float
        (1 + draws with a ratio as large) / (1 + draws) (Davison and Hinkley 1997, section 4.2.3).
    error : float
        Its Monte Carlo standard error.
    draws, seed : int
    """

    p: float
    error: float
    draws: int
    seed: int


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two nested models, compared.

    Attributes
    ----------
    criterion : str
        Of both likelihoods, ``"REML"`` or ``"ML"``.
    statistic : float
        Twice the difference of the log-likelihoods.
    parameters : int
        How many more the larger model has.
    p : float
        By the null distribution; where that is not known by simulation, or the upper bound where
        that is smaller than any p that is simulated; NaN where it was not simulated either.
    p_bounds : tuple of float
        Between which p lies; equal where the distribution is known.
    null : str
        The null distribution in words.
    p_chi_square : float
        As ``anova`` of R prints it: by chi-square on all parameters, too large where a variance is
        tested.
    simulated : Simulated or None
    table : DataFrame
        A row for each model: ``parameters``, ``loglik``, ``deviance``.
    criteria : DataFrame
        AIC and BIC of each model by each program's convention.
    """

    criterion: str
    statistic: float
    parameters: int
    p: float
    p_bounds: tuple[float, float]
    null: str
    p_chi_square: float
    simulated: Simulated | None
    table: pd.DataFrame
    criteria: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, a row of a table as a dict."""
        criteria = [
            {
                "programs": programs,
                **{name: [float(row[name, size]) for size in _SIZES] for name in ("AIC", "BIC")},
            }
            for programs, row in self.criteria.iterrows()
        ]
        return {
            "record": "comparison",
            "criterion": self.criterion,
            "statistic": self.statistic,
            "parameters": self.parameters,
            "p": self.p,
            "p_bounds": list(self.p_bounds),
            "null": self.null,
            "p_chi_square": self.p_chi_square,
            "simulated": None if self.simulated is None else asdict(self.simulated),
            "models": self.table.reset_index().to_dict(orient="records"),
            "criteria": criteria,
        }

    def __repr__(self) -> str:
        drawn = self.simulated
        lines = [
            self.table.to_string(float_format="{:.4f}".format),
            f"likelihood ratio ({self.criterion}) {self.statistic:.4f}, {self.parameters} more "
            f"{'parameter' if self.parameters == 1 else 'parameters'}",
        ]
        low, high = self.p_bounds
        if low == high:
            lines.append(f"p = {self.p:.4g} by {self.null}")
        else:
            lines.append(f"p between {low:.4g} and {high:.4g} by {self.null}")
        if drawn is not None:
            lines.append(
                f"p = {drawn.p:.4g} by simulation, Monte Carlo error {drawn.error:.2g} "
                f"({drawn.draws} draws, seed {drawn.seed})"
            )
        if self.p_chi_square != self.p:
            lines.append(
                f"by chi-square({self.parameters}), as anova has it: {self.p_chi_square:.4g}"
            )
        lines += ["", self.criteria.to_string(float_format="{:.4f}".format)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self!r}</pre>"


def compare(
    small: Any,
    large: Any,
    data: pd.DataFrame | None = None,
    *,
    ml: bool = False,
    factors: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    residual: str | tuple[str, str] = "",
    simulations: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Test a mixed model against a larger one that holds it.

    Parameters
    ----------
    small, large : str or MixedLMResults
        Formulas in lme4's syntax with ``data``, the smaller one without random terms if need be; or
        two results of statsmodels' ``MixedLM.fit`` by one criterion. Each is taken at the best
        point of its likelihood.
    data : DataFrame
        With formulas. Both models are of the rows that the larger one uses.
    ml : bool
        With formulas: maximum likelihood instead of REML, which models with other fixed effects
        have to be compared by. R's ``anova`` fits again by ML whatever is compared.
    factors, levels
        With formulas: numeric columns to be treated as factors; level order of factors.
    residual : str or pair of str
        With formulas: the covariance of the residuals of both, ``"ar1(visit | subject)"``, or that
        of the smaller and that of the larger one, empty for none. One is that of the larger only
        where the formulas are the same.
    simulations : int, optional
        Outcomes to draw from the smaller model, both models being fitted to each. Without it 400
        where the null distribution is not known, else none.
    seed : int
        Of the draws.

    Raises
    ------
    BadInput
        In one line, for models of which neither is the smaller, other rows or outcomes, REML with
        other fixed effects, and formulas that cannot be used.
    TypeError, ValueError
        As :func:`harness.satterthwaite`.

    Warns
    -----
    NotAtOptimumWarning
        When a result is not at the optimum of its likelihood.

    Notes
    -----
    The null distribution is chi-square where no variance is zero under the null hypothesis; for one
    random effect more, with its covariances, equal parts of two (Self and Liang 1987, JASA 82,
    605-610; Stram and Lee 1994, Biometrics 50, 1171-1177), provided that the smaller model is not
    singular. For more of them the weights depend on the data; p lies between the bounds of Kodde
    and Palm (1986, Econometrica 54, 1243-1248), and is simulated. Correlations of the residuals,
    and ratios of their standard deviations, are inside their range where they are none, so that
    they are tested by chi-square; in continuous time (``car1``) a correlation is not below 0, and
    is tested as a variance is.

    Examples
    --------
    >>> harness.compare("Reaction ~ Days + (1 | Subject)",
    ...                 "Reaction ~ Days + (Days | Subject)", frame)        # doctest: +SKIP
    """
    criterion: Criterion = "ML" if ml else "REML"
    if isinstance(small, str) != isinstance(large, str):
        raise BadInput("compare two formulas, or two results")
    if isinstance(small, str):
        both = residual
        if isinstance(both, str):
            both = ("" if small.split() == large.split() else both, both)
        one, two = _of_formulas((small, large), data, criterion, factors, levels, both)
    elif data is not None or factors or levels or ml or residual:
        raise BadInput("results have their data, criterion, factors and residual covariance")
    else:
        one, two = _of_results(of_result(small), of_result(large))
    found = ratio_of(one, two)
    low, high = found.p_bounds
    nesting = found.nesting
    # Bounds that are smaller than any p that so few draws give say more than these would.
    known = low == high or high < 1.0 / (1 + DRAWS)
    draws = simulations if simulations is not None else 0 if known else DRAWS
    if draws < 0:
        raise BadInput(f"simulations is a number of draws, not {draws}")
    simulated = _simulated(one, two, found.statistic, draws, seed) if draws else None
    p = high if known else math.nan if simulated is None else simulated.p
    return Comparison(
        criterion=one.criterion,
        statistic=found.statistic,
        parameters=nesting.parameters,
        p=p,
        p_bounds=(low, high),
        null=found.null,
        p_chi_square=found.p_chi_square,
        simulated=simulated,
        table=_table(one, two, nesting),
        criteria=_criteria(one, two),
    )


def _of_results(small: Evaluated, large: Evaluated) -> tuple[FittedModel, FittedModel]:
    if small.criterion != large.criterion:
        raise BadInput("one result is by REML, the other by ML: fit both by one criterion")
    found = []
    for fit, name in ((small, "small"), (large, "large")):
        gap_of(fit)
        likelihood = likelihood_of(fit.design, reml=fit.criterion == "REML")
        best = find_optimum(likelihood, [fit.point.theta])
        found.append(FittedModel(name, fit.design, best, fit.criterion))
    same_rows(*found)
    return found[0], found[1]


def _of_formulas(
    formulas: tuple[str, str],
    data: Any,
    criterion: Criterion,
    factors: Sequence[str],
    levels: Mapping[str, Sequence[str]] | None,
    residuals: tuple[str, str],
) -> tuple[FittedModel, FittedModel]:
    if not isinstance(data, pd.DataFrame):
        raise BadInput(f"formulas need their data, a pandas DataFrame, not {type(data).__name__}")
    one, two = (
        _of_formula(text, data, criterion, factors, levels, residual)
        for text, residual in zip(formulas, residuals, strict=True)
    )
    same_rows(one, two)
    return one, two


def _of_formula(
    formula: str,
    frame: pd.DataFrame,
    criterion: Criterion,
    factors: Sequence[str],
    levels: Mapping[str, Sequence[str]] | None,
    residual: str,
) -> FittedModel:
    rung = frame_rung(frame, formula, criterion, factors=factors, levels=levels, residual=residual)
    design = rung.case.design
    try:
        best = best_of(design, criterion)
    except BadInput as error:
        raise BadInput(f"{formula}: {error}") from error
    return FittedModel(as_asked(formula, residual=residual), design, best, criterion)


def _simulated(
    one: FittedModel, two: FittedModel, ratio: float, draws: int, seed: int
) -> Simulated:
    rng = np.random.default_rng(seed)
    as_large = 0
    done = 0
    for _ in range(draws):
        y = _draw(one, rng)
        try:
            new = [_again(model, y) for model in (one, two)]
        except (ValueError, np.linalg.LinAlgError):
            continue
        done += 1
        as_large += log_ratio(*new) >= ratio - 1e-9
    p = (1.0 + as_large) / (1.0 + done)
    return Simulated(p, math.sqrt(p * (1.0 - p) / max(done, 1)), done, seed)


def _again(model: FittedModel, y: Array) -> FittedModel:
    design = replace(model.design, y=y)
    likelihood = likelihood_of(design, reml=model.criterion == "REML")
    return replace(model, design=design, best=find_optimum(likelihood, [model.best.point.theta]))


def _draw(model: FittedModel, rng: np.random.Generator) -> Array:
    """Return an outcome that the model at its best point makes."""
    design, sigma = model.design, model.best.sigma
    likelihood = model.best.point.likelihood
    noise = sigma * rng.standard_normal(len(design.y))
    if isinstance(likelihood, ResidualLikelihood):
        noise = likelihood.correlated(noise)
    if design.weights is not None:
        noise /= np.sqrt(design.weights)
    y = design.x @ model.best.point.beta + noise
    for term, lower in zip(design.random, likelihood.factors(model.best.point.theta), strict=True):
        effects = sigma * rng.standard_normal((len(term.levels), len(lower))) @ lower.T
        y += (term.z * effects[term.codes]).sum(axis=1)
    return np.asarray(y)


def _table(one: FittedModel, two: FittedModel, nesting: Nesting) -> pd.DataFrame:
    less = _size(one)
    rows = [
        (less, -0.5 * one.best.deviance, one.best.deviance),
        (less + nesting.parameters, -0.5 * two.best.deviance, two.best.deviance),
    ]
    return pd.DataFrame(
        rows,
        index=pd.Index([one.name, two.name], name="model"),
        columns=["parameters", "loglik", "deviance"],
    )


def _size(model: FittedModel) -> int:
    count: int = model.design.x.shape[1] + model.standpoint.variance_parameters + 1
    return count


def _criteria(one: FittedModel, two: FittedModel) -> pd.DataFrame:
    rows, index = [], []
    at = [model.standpoint for model in (one, two)]
    for convention in CONVENTIONS:
        if convention.programs == ("OLS",):
            continue
        values = [
            getattr(convention, name)(standing, standing.loglik)
            for name in ("aic", "bic")
            for standing in at
        ]
        rows.append(values)
        index.append(", ".join(convention.programs))
    columns = pd.MultiIndex.from_product([["AIC", "BIC"], _SIZES])
    return pd.DataFrame(rows, index=pd.Index(index, name="program"), columns=columns)
