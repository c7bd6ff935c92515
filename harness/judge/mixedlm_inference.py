"""Degrees of freedom for statsmodels: t and F tests of a fitted ``MixedLM`` as lmerTest has them.

``MixedLMResults`` reports z tests with standard errors from the joint Hessian. Here the result's
own estimates are evaluated by the referee: standard errors are those of lme4, (X'V^-1 X)^-1, and
the tests have Satterthwaite's or Kenward and Roger's degrees of freedom. Nothing is fitted again,
but the best point of the same likelihood is looked for, and a result that is not there is said to
be so.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from harness.engines.mixedlm_fit import MixedFit, unwrapped
from harness.engines.mixedlm_terms import formula_terms
from harness.judge.tolerances import load_tolerances
from harness.referee.f_tests import (
    FTest,
    contrast_rows,
    satterthwaite_f,
    type3_hypotheses,
)
from harness.referee.identifiability import undetermined_rows
from harness.referee.kenward_roger import KenwardRoger
from harness.referee.kenward_roger import kenward_roger as adjust
from harness.referee.optimality import optimality
from harness.referee.optimum import find_optimum
from harness.referee.satterthwaite import ContrastTest, contrast_tests

Array = NDArray[np.float64]
Contrasts: TypeAlias = "Array | Sequence[Any] | Mapping[str, Any] | str"


class NotAtOptimumWarning(UserWarning):
    """A result is not at the optimum of its likelihood, so its tests are those of another point."""


class OtherModelWarning(UserWarning):
    """A result is of another model than its call asked for."""


class UndeterminedWarning(UserWarning):
    """The data do not determine a variance on which tests of a result depend."""


@dataclass(frozen=True, repr=False)
class Inference:
    """Tests of the fixed effects of a fitted model.

    Attributes
    ----------
    method : {"Satterthwaite", "Kenward-Roger"}
    table : DataFrame
        A row per fixed effect, or per contrast: ``estimate`` and ``se`` in the units of the data,
        ``df``, ``t``, ``p`` (two-sided), ``ci_low`` and ``ci_high``.
    gap : float
        Log-likelihood of the best point found less that of the result; nan when not looked for.
    singular : bool
        Whether a covariance matrix of random effects lacks rank.
    """

    method: str
    table: pd.DataFrame
    alpha: float
    gap: float
    singular: bool
    _fit: MixedFit
    _adjusted: KenwardRoger | None

    def f_test(self, contrasts: Contrasts) -> FTest:
        """Test several contrasts of the fixed effects jointly.

        Parameters
        ----------
        contrasts : array (r, p), DataFrame, mapping of rows, or text
            As in :func:`satterthwaite`; rows that depend on others do not count.
        """
        rows, _ = _contrasts(contrasts, self._fit.names)
        return self._f(rows)

    def type3(self) -> pd.DataFrame:
        """F test of the type III hypotheses of each term, as ``lmerTest::anova`` has them.

        Returns
        -------
        DataFrame
            A row per term: ``df_num``, ``df_den``, ``F``, ``p``.

        Raises
        ------
        ValueError
            For a model that was built from arrays: it does not know its terms.
        """
        hypotheses = type3_hypotheses(formula_terms(self._fit.result), self._fit.design.x)
        tests = {term: self._f(rows) for term, rows in hypotheses.items() if len(rows)}
        return pd.DataFrame(
            [(t.df_num, t.df_den, t.statistic, t.p) for t in tests.values()],
            index=pd.Index(tests, name="term"),
            columns=["df_num", "df_den", "F", "p"],
        )

    def _f(self, rows: Array) -> FTest:
        fit = self._fit
        if self._adjusted is not None:
            return self._adjusted.f_test(rows, beta=fit.beta)
        found = satterthwaite_f(fit.point, rows, sigma=fit.sigma, beta=fit.beta)
        if undetermined_rows(fit.point, rows).any():
            return replace(found, df_den=math.nan, statistic=math.nan, p=math.nan)
        return found

    def summary(self) -> Any:
        """Return the table as a ``statsmodels.iolib.summary2.Summary``: text, HTML or LaTeX."""
        from statsmodels.iolib.summary2 import Summary

        out = Summary()
        out.add_title("Mixed Linear Model: t Tests of Fixed Effects")
        result = self._fit.result
        out.add_dict(
            {
                "Dependent Variable:": str(result.model.endog_names),
                "Method:": result.method,
                "No. Observations:": str(len(self._fit.design.y)),
                "Degrees of freedom:": self.method,
                "No. Groups:": str(result.model.n_groups),
                "Below the optimum:": "not checked" if math.isnan(self.gap) else f"{self.gap:.2g}",
            }
        )
        shown = self.table.copy()
        shown.columns = pd.Index(
            [
                "Coef.",
                "Std.Err.",
                "df",
                "t",
                "P>|t|",
                f"[{self.alpha / 2:g}",
                f"{1 - self.alpha / 2:g}]",
            ]
        )
        shown["df"] = [f"{v:.2f}" for v in shown["df"]]
        for name in shown.columns.difference(["df"]):
            shown[name] = [f"{v:.3f}" for v in shown[name]]
        out.add_df(shown, align="r")
        if self.singular:
            out.add_text("A random-effects covariance matrix is singular: some variance is zero.")
        if not self._fit.as_its_call_says:
            out.add_text("The fit ignored free=: the random effects are correlated.")
        return out

    def __str__(self) -> str:
        return str(self.summary())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())


def satterthwaite(
    result: Any,
    contrasts: Contrasts | None = None,
    *,
    alpha: float = 0.05,
    check_optimum: bool = True,
) -> Inference:
    """Test the fixed effects of a fitted ``MixedLM`` with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    result : MixedLMResults
        REML or ML.
    contrasts : optional
        Rows of coefficients: an (r, p) array, a DataFrame (its columns may be names of fixed
        effects), a mapping of names to rows, or text as in ``result.t_test``
        (``"x - z = 0"``). Every fixed effect without it.
    alpha : float
        One less the level of the confidence intervals.
    check_optimum : bool
        Look for the best point of the likelihood; takes a few times as long as the tests.

    Raises
    ------
    TypeError
        For anything but a fitted ``MixedLM``.
    ValueError
        For penalised fits, held parameters, estimates that are no covariance matrices, and
        variance components with several effects in one row.

    Warns
    -----
    NotAtOptimumWarning
        When the result is not at the optimum of its likelihood.
    OtherModelWarning
        When ``free=`` held covariances at zero and the fit ignored it, as methods powell and nm do:
        the tests are those of the model that was fitted.
    UndeterminedWarning
        When the data do not determine a variance that a contrast's standard error depends on; it
        has an estimate then, and NaN for all else.

    Examples
    --------
    >>> result = smf.mixedlm("Reaction ~ Days", data, groups="Subject",
    ...                      re_formula="~Days").fit()                      # doctest: +SKIP
    >>> harness.satterthwaite(result).table.loc["Days", "df"]               # doctest: +SKIP
    17.0
    """
    return _inference(result, contrasts, alpha, check_optimum, adjusted=False)


def kenward_roger(
    result: Any,
    contrasts: Contrasts | None = None,
    *,
    alpha: float = 0.05,
    check_optimum: bool = True,
) -> Inference:
    """Test the fixed effects of a fitted ``MixedLM`` after Kenward and Roger (1997).

    Standard errors are those of the adjusted covariance matrix. Parameters and warnings are those
    of :func:`satterthwaite`.

    Raises
    ------
    TypeError, ValueError
        As :func:`satterthwaite`.
    KenwardRogerUndefined
        For an ML fit, and when the variance parameters cannot be told apart.
    """
    return _inference(result, contrasts, alpha, check_optimum, adjusted=True)


def _inference(
    result: Any, contrasts: Contrasts | None, alpha: float, check: bool, *, adjusted: bool
) -> Inference:
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    fit = MixedFit(unwrapped(result))
    if contrasts is None:
        rows, labels = np.eye(len(fit.names)), list(fit.names)
    else:
        rows, labels = _contrasts(contrasts, fit.names)
    _warn_if_not_asked_for(fit)
    correction = adjust(fit.point, sigma=fit.sigma) if adjusted else None
    gap = _gap(fit) if check else math.nan
    if correction is None:
        tests = _determined(
            contrast_tests(fit.point, rows, sigma=fit.sigma, beta=fit.beta),
            undetermined_rows(fit.point, rows),
            labels,
        )
    else:
        tests = correction.contrast_tests(rows, beta=fit.beta)
    return Inference(
        method="Kenward-Roger" if adjusted else "Satterthwaite",
        table=_table(tests, labels, alpha),
        alpha=alpha,
        gap=gap,
        singular=optimality(fit.point).singular,
        _fit=fit,
        _adjusted=correction,
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


def _determined(
    tests: Sequence[ContrastTest], open_: NDArray[np.bool_], labels: Sequence[str]
) -> tuple[ContrastTest, ...]:
    """Leave out, and warn of, what another point of the same likelihood has otherwise."""
    if not open_.any():
        return tuple(tests)
    names = ", ".join(label for label, one in zip(labels, open_, strict=True) if one)
    warnings.warn(
        f"the data do not determine a variance of this model, and with it the standard errors and "
        f"tests of: {names}; leave out a random effect, or the fixed effects of its groups",
        UndeterminedWarning,
        stacklevel=4,
    )
    nan = math.nan
    return tuple(
        ContrastTest(test.estimate, nan, nan, nan, nan) if one else test
        for test, one in zip(tests, open_, strict=True)
    )


def _table(tests: Sequence[ContrastTest], labels: list[str], alpha: float) -> pd.DataFrame:
    rows = []
    for test in tests:
        quantile = stats.norm if math.isinf(test.df) else stats.t(test.df)
        half = float(quantile.isf(alpha / 2)) * test.se
        low, high = test.estimate - half, test.estimate + half
        rows.append((test.estimate, test.se, test.df, test.statistic, test.p, low, high))
    columns = ["estimate", "se", "df", "t", "p", "ci_low", "ci_high"]
    return pd.DataFrame(rows, index=pd.Index(labels), columns=columns)


def _gap(fit: MixedFit) -> float:
    """Return how far the log-likelihood is below the best point's; warn when that is too far."""
    likelihood = fit.point.likelihood
    best = find_optimum(likelihood, [fit.point.theta])
    own, top = -0.5 * fit.point.deviance(fit.sigma), -0.5 * best.deviance
    tolerances = load_tolerances()
    gap = max(top - own, 0.0)
    if gap > tolerances["loglik"].default:
        warnings.warn(
            f"the result is not at the optimum: its {fit.result.method} log-likelihood is "
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


def _contrasts(contrasts: Any, names: tuple[str, ...]) -> tuple[Array, list[str]]:
    """Rows over the fixed effects, and a label for each."""
    p = len(names)
    if isinstance(contrasts, pd.DataFrame):
        if set(contrasts.columns) <= set(names):  # effects that are not named have weight zero
            contrasts = contrasts.reindex(columns=list(names), fill_value=0.0)
        return contrast_rows(contrasts.to_numpy(dtype=np.float64), p), list(
            map(str, contrasts.index)
        )
    if isinstance(contrasts, Mapping):
        values = np.array([np.asarray(row, dtype=np.float64) for row in contrasts.values()])
        return contrast_rows(values, p), list(map(str, contrasts))
    texts = [contrasts] if isinstance(contrasts, str) else list(contrasts)
    if texts and all(isinstance(text, str) for text in texts):
        from patsy.design_info import DesignInfo

        # patsy reads names and arithmetic as result.t_test does.
        found = DesignInfo(list(names)).linear_constraint(texts)
        if np.abs(found.constants).max() > 0.0:
            raise ValueError("contrasts are tested against zero; subtract the constant yourself")
        rows = contrast_rows(found.coefs, p)
        return rows, texts if len(texts) == len(rows) else _numbered(rows)
    rows = contrast_rows(np.asarray(contrasts, dtype=np.float64), p)
    return rows, _numbered(rows)


def _numbered(rows: Array) -> list[str]:
    return [f"c{i}" for i in range(len(rows))]
