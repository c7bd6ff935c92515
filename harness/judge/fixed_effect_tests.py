"""Tests of fixed effects by any rule of degrees of freedom, of a MixedLM result or at the optimum.

``MixedLMResults`` reports z tests with standard errors from the joint Hessian. Here the result's
own estimates are evaluated by the referee: standard errors are those of lme4, (X'V^-1 X)^-1, and
the tests have the degrees of freedom that are asked for.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from harness.base.errors import BadInput
from harness.judge.df_rule import DF_RULES, DfRule
from harness.judge.evaluated_model import Evaluated, gap_of, of_formula, of_result
from harness.judge.named_contrasts import Contrasts, rows_and_labels
from harness.referee.f_tests import (
    FTest,
    f_p,
    satterthwaite_f,
    type3_hypotheses,
    whitened_contrasts,
)
from harness.referee.identifiability import undetermined_rows
from harness.referee.kenward_roger import KenwardRoger
from harness.referee.kenward_roger import kenward_roger as adjust
from harness.referee.optimality import optimality
from harness.referee.satterthwaite import ContrastTest, contrast_tests, two_sided_p

Array = NDArray[np.float64]
_ADJUSTED = ("kenward-roger", "kenward-roger-linear")


class UndeterminedWarning(UserWarning):
    """The data do not determine a variance on which tests of a result depend."""


@dataclass(frozen=True, repr=False)
class Inference:
    """Tests of the fixed effects of a fitted model.

    Attributes
    ----------
    method : str
        The rule of degrees of freedom, ``"Satterthwaite"``, ``"Kenward-Roger"``, ``"containment"``.
    table : DataFrame
        A row per fixed effect, or per contrast: ``estimate`` and ``se`` in the units of the data,
        ``df`` (infinite for z tests), ``t``, ``p`` (two-sided), ``ci_low`` and ``ci_high``.
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
    _fit: Evaluated
    _rule: str
    _adjusted: KenwardRoger | None

    def f_test(self, contrasts: Contrasts) -> FTest:
        """Test several contrasts of the fixed effects jointly.

        Parameters
        ----------
        contrasts : array (r, p), DataFrame, mapping of rows, or text
            As in :func:`satterthwaite`; rows that depend on others do not count.
        """
        rows, _ = rows_and_labels(contrasts, self._fit.names)
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
        hypotheses = type3_hypotheses(self._fit.terms(), self._fit.design.x)
        tests = {term: self._f(rows, term) for term, rows in hypotheses.items() if len(rows)}
        return pd.DataFrame(
            [(t.df_num, t.df_den, t.statistic, t.p) for t in tests.values()],
            index=pd.Index(tests, name="term"),
            columns=["df_num", "df_den", "F", "p"],
        )

    def _f(self, rows: Array, term: str = "") -> FTest:
        fit = self._fit
        if self._adjusted is not None:
            return self._adjusted.f_test(rows, beta=fit.beta)
        if self._rule == "satterthwaite":
            found = satterthwaite_f(fit.point, rows, sigma=fit.sigma, beta=fit.beta)
        else:
            found = self._counted_f(rows, term)
        if undetermined_rows(fit.point, rows).any():
            return replace(found, df_den=math.nan, statistic=math.nan, p=math.nan)
        return found

    def _counted_f(self, rows: Array, term: str) -> FTest:
        """Wald's F with the least df of the columns of a term, or of those that the rows weigh."""
        fit = self._fit
        internal = fit.sigma / fit.point.likelihood.products.basis.y_scale
        covariance: Array = internal**2 * fit.point.to_data(np.asarray(fit.point.c, dtype=float))
        white, _ = whitened_contrasts(rows, covariance)
        statistic = float(np.mean((white @ fit.beta) ** 2))
        own = np.array([_term_of(name) == term for name in fit.names])
        used = own if own.any() else np.abs(rows).max(axis=0) > 0.0
        df = float(fit.counted(self._rule)[used].min())
        return FTest(statistic, len(white), df, f_p(statistic, len(white), df))

    def summary(self) -> Any:
        """Return the table as a ``statsmodels.iolib.summary2.Summary``: text, HTML or LaTeX."""
        from statsmodels.iolib.summary2 import Summary

        out = Summary()
        out.add_title("Mixed Linear Model: t Tests of Fixed Effects")
        out.add_dict(
            {
                **self._fit.facts,
                "No. Observations:": str(len(self._fit.design.y)),
                "Degrees of freedom:": self.method,
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
        for remark in self._fit.remarks:
            out.add_text(remark)
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
    return tested(of_result(result), "satterthwaite", contrasts, alpha, check_optimum)


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
    return tested(of_result(result), "kenward-roger", contrasts, alpha, check_optimum)


def inference(
    model: Any,
    data: pd.DataFrame | None = None,
    *,
    df: DfRule = "satterthwaite",
    contrasts: Contrasts | None = None,
    alpha: float = 0.05,
    ml: bool = False,
    factors: Sequence[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
    residual: str = "",
    check_optimum: bool = True,
) -> Inference:
    """Test the fixed effects of a mixed model by any rule of degrees of freedom.

    Parameters
    ----------
    model : MixedLMResults or str
        A result of statsmodels' ``MixedLM.fit``, tested at its own estimates; or a formula in
        lme4's syntax with ``data``, tested at the optimum that the referee finds.
    data : DataFrame
        With a formula.
    df : str
        ``"none"`` (z tests; MixedLM, glmmTMB); ``"residual"``, n - rank X (PROC MIXED with
        DDFM=RESIDUAL); ``"containment"``, SAS's default with a RANDOM statement, its groups written
        as nested, and ``"residual-xz"``, the same where they are not; ``"containment-levels"``,
        nlme's; ``"between-within"``, SAS's default with a REPEATED statement alone;
        ``"between-within-classic"``, Schluchter and Elashoff's, which mmrm has;
        ``"satterthwaite"``, lmerTest's; ``"kenward-roger"``, pbkrtest's, with its standard errors;
        ``"kenward-roger-linear"``, without second derivatives of V (SAS: FIRSTORDER; mmrm: Linear):
        both are one where V is linear in its parameters, those of PROC MIXED: not with ``ar1`` and
        ``car1`` of the residuals, nor with ``cs``, ``ar1`` and ``hetar1`` of a random term, but
        with all else. Of a residual correlation beside ``het``, and of several ``het``, neither is
        defined: nothing says how these are parametrised together.
    contrasts, alpha, check_optimum
        As in :func:`satterthwaite`. A contrast of several effects has the least df of any of them
        by a rule that counts df from the design.
    ml, factors, levels
        With a formula: maximum likelihood instead of REML; numeric columns to be treated as
        factors; level order of factors, the first is the reference.
    residual : str
        With a formula: covariance of the residuals, ``"ar1(visit | subject)"``,
        ``"us(visit | subject)"``, ``"het(sex)"``; see :mod:`harness.model.residual`. The formula
        may then be without random terms.

    Raises
    ------
    BadInput
        For a formula, column or option that cannot be used.
    TypeError, ValueError
        As :func:`satterthwaite`, and for a rule that is not known.
    DfUndefined
        Where a rule does not apply to a model, as between-within to crossed groups.
    KenwardRogerUndefined
        As :func:`kenward_roger`.

    References
    ----------
    Each rule's source is in :mod:`harness.referee.definitions`; they are set side by side in
    ``docs/degrees-of-freedom.md``.

    Examples
    --------
    >>> harness.inference("Reaction ~ Days + (Days | Subject)", frame,
    ...                   df="containment").table.loc["Days", "df"]         # doctest: +SKIP
    17.0
    """
    if df not in DF_RULES:
        raise ValueError(f"df is one of {', '.join(DF_RULES)}, not {df!r}")
    if not isinstance(model, str):
        if data is not None or ml or factors or levels or residual:
            raise BadInput("a fitted model has its data, criterion, factors and residuals")
        return tested(of_result(model), df, contrasts, alpha, check_optimum)
    if not isinstance(data, pd.DataFrame):
        raise BadInput(f"a formula needs its data, a pandas DataFrame, not {type(data).__name__}")
    found = of_formula(model, data, "ML" if ml else "REML", factors, levels, residual)
    return tested(found, df, contrasts, alpha, check=False)


def tested(
    fit: Evaluated, rule: str, contrasts: Contrasts | None, alpha: float, check: bool
) -> Inference:
    """Test contrasts of a model, or each of its fixed effects, by a rule of df."""
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if contrasts is None:
        rows, labels = np.eye(len(fit.names)), list(fit.names)
    else:
        rows, labels = rows_and_labels(contrasts, fit.names)
    correction = None
    if rule in _ADJUSTED:
        correction = adjust(fit.point, sigma=fit.sigma, linear=rule == _ADJUSTED[1])
    counted = None if rule in ("satterthwaite", *_ADJUSTED) else fit.counted(rule)
    gap = gap_of(fit) if check else math.nan
    if correction is not None:
        tests = correction.contrast_tests(rows, beta=fit.beta)
    else:
        tests = contrast_tests(fit.point, rows, sigma=fit.sigma, beta=fit.beta)
        if counted is not None:
            tests = tuple(
                _with_df(test, float(counted[row != 0.0].min()))
                for test, row in zip(tests, rows, strict=True)
            )
        tests = _determined(tests, undetermined_rows(fit.point, rows), labels)
    return Inference(
        method=_TITLES.get(rule, rule),
        table=_table(tests, labels, alpha),
        alpha=alpha,
        gap=gap,
        singular=optimality(fit.point).singular,
        _fit=fit,
        _rule=rule,
        _adjusted=correction,
    )


_TITLES = {"satterthwaite": "Satterthwaite", "kenward-roger": "Kenward-Roger"}


def _with_df(test: ContrastTest, df: float) -> ContrastTest:
    return replace(test, df=df, p=two_sided_p(test.statistic, df))


def _term_of(name: str) -> str:
    """Return the term of a column: ``f[T.b]:x`` is of ``f:x``."""
    return re.sub(r"\[[^]]*\]", "", name)


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
