"""Tests of fixed effects by any rule of degrees of freedom, of a MixedLM result or at the optimum.

``MixedLMResults`` reports z tests with standard errors from the joint Hessian. Here the result's
own estimates are evaluated by the referee: standard errors are those of lme4, (X'V^-1 X)^-1, and
the tests have the degrees of freedom that are asked for. Nothing is fitted again, but the best
point of the same likelihood is looked for, and a result that is not there is said to be so. Of a
formula and a table the tests are at the optimum that the referee finds.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.engines.mixedlm_fit import MixedFit, unwrapped
from harness.engines.mixedlm_terms import formula_terms
from harness.judge.tolerances import load_tolerances
from harness.model.design import Design
from harness.model.model import Criterion
from harness.referee.best_point import find_optimum
from harness.referee.crossproducts import aliased_columns
from harness.referee.definitions import definition
from harness.referee.deviance import Point
from harness.referee.f_tests import (
    FixedTerms,
    FTest,
    contrast_rows,
    f_p,
    fixed_terms,
    satterthwaite_f,
    type3_hypotheses,
    whitened_contrasts,
)
from harness.referee.identifiability import undetermined_rows
from harness.referee.kenward_roger import KenwardRoger
from harness.referee.kenward_roger import kenward_roger as adjust
from harness.referee.optimality import optimality
from harness.referee.residual_likelihood import likelihood_of
from harness.referee.satterthwaite import ContrastTest, contrast_tests, two_sided_p
from harness.referee.standpoint import Standpoint

Array = NDArray[np.float64]
Contrasts: TypeAlias = "Array | Sequence[Any] | Mapping[str, Any] | str"
DfRule = Literal[
    "none",
    "residual",
    "containment",
    "containment-levels",
    "residual-xz",
    "between-within",
    "between-within-classic",
    "satterthwaite",
    "kenward-roger",
    "kenward-roger-linear",
]
"""Rules of degrees of freedom; their sources are in :mod:`harness.referee.definitions`."""

_ADJUSTED = ("kenward-roger", "kenward-roger-linear")


class DfUndefined(ValueError):
    """A rule of degrees of freedom does not apply to a model; the text says why."""


class NotAtOptimumWarning(UserWarning):
    """A result is not at the optimum of its likelihood, so its tests are those of another point."""


class OtherModelWarning(UserWarning):
    """A result is of another model than its call asked for."""


class UndeterminedWarning(UserWarning):
    """The data do not determine a variance on which tests of a result depend."""


@dataclass(frozen=True)
class _Evaluated:
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

    def counted(self, rule: str) -> Array:
        """Return df of each coefficient by a rule that does not depend on a contrast's variance."""
        found = definition("df", rule)
        assert found is not None
        uncounted = rule not in ("none", "residual")
        if self.design.residual is not None and uncounted:
            raise DfUndefined(
                f"{rule} df are not counted with a residual covariance; choose satterthwaite, "
                "kenward-roger, residual or none"
            )
        standing = Standpoint(self.design, self.criterion, self.point, self.sigma)
        values = found.value(standing, (), math.nan)
        if values is None:
            raise DfUndefined(f"{_REFUSALS[rule]}; choose another rule")
        return np.asarray(values, dtype=np.float64)


_CROSSED = "the groups of this model cross, and this rule is for nested ones"
_REFUSALS = {
    "containment": "this design is too large for the ranks that SAS's containment counts",
    "residual-xz": "this design is too large for the rank of [X Z]",
    "containment-levels": _CROSSED,
    "between-within": f"{_CROSSED}, or more than one factor changes within subjects, where SAS "
    "divides the df once more",
    "between-within-classic": _CROSSED,
}


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
    _fit: _Evaluated
    _rule: str
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
    return _tested(_of_result(result), "satterthwaite", contrasts, alpha, check_optimum)


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
    return _tested(_of_result(result), "kenward-roger", contrasts, alpha, check_optimum)


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
        V of random effects is linear in its parameters, as are all residual covariances but
        ``ar1`` and ``car1``; both are one then.
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
    if df not in get_args(DfRule):
        raise ValueError(f"df is one of {', '.join(get_args(DfRule))}, not {df!r}")
    if not isinstance(model, str):
        if data is not None or ml or factors or levels or residual:
            raise BadInput("a fitted model has its data, criterion, factors and residuals")
        return _tested(_of_result(model), df, contrasts, alpha, check_optimum)
    if not isinstance(data, pd.DataFrame):
        raise BadInput(f"a formula needs its data, a pandas DataFrame, not {type(data).__name__}")
    found = _of_formula(model, data, "ML" if ml else "REML", factors, levels, residual)
    return _tested(found, df, contrasts, alpha, check=False)


def _of_result(result: Any) -> _Evaluated:
    inner = unwrapped(result)
    fit = MixedFit(inner)
    _warn_if_not_asked_for(fit)
    heeded = fit.as_its_call_says
    return _Evaluated(
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


def _of_formula(
    formula: str,
    frame: pd.DataFrame,
    criterion: Criterion,
    factors: Sequence[str],
    levels: Mapping[str, Sequence[str]] | None,
    residual: str,
) -> _Evaluated:
    rung = own_rung(
        "data",
        Dataset("data", frame, "a data frame"),
        formula,
        criterion,
        factors=[factors] if isinstance(factors, str) else factors,
        levels={column: tuple(map(str, order)) for column, order in (levels or {}).items()},
        residual=residual,
    )
    case = rung.case
    if not case.design.random and case.design.residual is None:
        raise BadInput("the formula has no random term; the t and F tests of lm and OLS are exact")
    aliased = aliased_columns(case.design.x)
    if len(aliased):
        names = ", ".join(case.design.x_names[j] for j in aliased)
        raise BadInput(f"these columns depend on those before them: {names}; leave them out")
    best = find_optimum(likelihood_of(case.design, reml=criterion == "REML"))
    return _Evaluated(
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


def _tested(
    fit: _Evaluated, rule: str, contrasts: Contrasts | None, alpha: float, check: bool
) -> Inference:
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if contrasts is None:
        rows, labels = np.eye(len(fit.names)), list(fit.names)
    else:
        rows, labels = _contrasts(contrasts, fit.names)
    correction = None
    if rule in _ADJUSTED:
        correction = adjust(fit.point, sigma=fit.sigma, linear=rule == _ADJUSTED[1])
    counted = None if rule in ("satterthwaite", *_ADJUSTED) else fit.counted(rule)
    gap = _gap(fit) if check else math.nan
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


def _gap(fit: _Evaluated) -> float:
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
