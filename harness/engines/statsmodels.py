"""The statsmodels engine: MixedLM through its formula interface, OLS without random effects."""

from __future__ import annotations

import importlib.metadata
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.cases.case import Case
from harness.cases.design import Design
from harness.cases.formula import Name
from harness.cases.model import column_of
from harness.cases.spelling import (
    MixedLMSpelling,
    NotExpressible,
    mixedlm_spelling,
    python_formula,
)
from harness.engines.base import Coefficient, Failure, Fit, Message, Outcome, RandomTerm, Setting
from harness.engines.column_match import match_columns

Array = NDArray[np.float64]

_PACKAGES = ("statsmodels", "patsy", "formulaic", "numpy", "scipy", "pandas")

_SINGULAR_WORDS = ("boundary of the parameter space", "covariance is singular")
"""MixedLM has no flag for a singular fit; these warnings are what it says of it."""


class StatsmodelsEngine:
    """Fit cases with statsmodels.

    A fresh model is built for every fit, since ``MixedLM.fit`` changes its model and an ML fit
    would alter the log-likelihood of an earlier REML result.

    Parameters
    ----------
    method : str, optional
        Optimizer of the default setting, as ``MixedLM.fit(method=...)``; its own chain without it.
    """

    name = "statsmodels"

    def __init__(self, method: str | None = None) -> None:
        self.method = method

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages the numbers depend on."""
        return {package: importlib.metadata.version(package) for package in _PACKAGES}

    def unsupported(self, case: Case) -> str | None:
        """Return why MixedLM cannot express the case, or None."""
        if case.model.criterion == "OLS":
            return None
        try:
            mixedlm_spelling(case.model, case.table, aliased=True)
        except NotExpressible as reason:
            return str(reason)
        return None

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit a case; whatever goes wrong comes back as a Failure."""
        reason = self.unsupported(case)
        if reason is not None:
            return Failure(engine=self.name, setting=setting, reason="unsupported", text=reason)
        messages: list[Message] = []
        started = time.perf_counter()
        try:
            with _recorded(messages):
                if case.model.criterion == "OLS":
                    fit = _ols(case, setting, messages)
                else:
                    fit = _mixed(case, setting, messages, self.method)
        except Exception as error:  # an engine may raise anything; it is a result, not a crash
            return Failure(
                engine=self.name,
                setting=setting,
                reason="error",
                text=f"{type(error).__name__}: {error}",
                messages=tuple(messages),
                seconds=time.perf_counter() - started,
            )
        said = " ".join(message.text for message in messages)
        singular = any(words in said for words in _SINGULAR_WORDS)
        return msgspec.structs.replace(
            fit,
            messages=tuple(messages),
            singular=None if case.model.criterion == "OLS" else singular,
        )

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Return the fit to be run when it is asked for: it uses this process."""
        return partial(self.fit, case, setting)


@contextmanager
def _recorded(messages: list[Message]) -> Iterator[None]:
    """Collect warnings, each text once, so that none reaches stderr."""
    seen: set[str] = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for item in caught:
                text = str(item.message)
                if text not in seen:
                    seen.add(text)
                    messages.append(Message("warning", text, item.category.__name__))


def _ols(case: Case, setting: Setting, messages: list[Message]) -> Fit:
    design, alias = case.design, case.table.alias

    def name(node: Name) -> str:
        return alias[column_of(case.table, node).name]

    started = time.perf_counter()
    result = smf.ols(python_formula(case.model, name), _frame(case)).fit()
    seconds = time.perf_counter() - started
    order, extra = _columns(design, result.model.exog, messages)
    names = tuple(result.model.exog_names)
    rows = [
        Coefficient(
            label,
            float(result.params.iloc[i]),
            float(result.bse.iloc[i]),
            float(result.df_resid),
            float(result.tvalues.iloc[i]),
            float(result.pvalues.iloc[i]),
        )
        for label, i in _labels(design, names, order, extra)
    ]
    return Fit(
        engine=StatsmodelsEngine.name,
        setting=setting,
        fitter="OLS",
        n_obs=int(result.nobs),
        coefficients=tuple(rows),
        native_names=tuple(names[i] for _, i in _labels(design, names, order, extra)),
        residual_variance=float(result.mse_resid),
        loglik=float(result.llf),
        aic=float(result.aic),
        bic=float(result.bic),
        df_residual=float(result.df_resid),
        fitted=tuple(result.fittedvalues.tolist()),
        residuals=tuple(result.resid.tolist()),
        settings=("closed form",),
        data_checksum=case.table.checksum(),
        seconds=seconds,
    )


def _frame(case: Case) -> pd.DataFrame:
    """Complete rows under alias names, factor levels without a row dropped, as R does."""
    used = case.table.rows(case.table.complete).frame(aliased=True)
    for column in used.select_dtypes("category"):
        used[column] = used[column].cat.remove_unused_categories()
    return used


def _columns(
    design: Design, exog: Array, messages: list[Message]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    match = match_columns(design.x, np.asarray(exog, dtype=np.float64))
    if not match.complete:
        messages.append(
            Message("note", "the fixed-effects columns differ from the case's design", "coding")
        )
    return match.engine, match.extra


def _labels(
    design: Design, names: tuple[str, ...], order: tuple[int, ...], extra: tuple[int, ...]
) -> list[tuple[str, int]]:
    """Pairs of canonical name and the engine's column; unmatched columns keep the engine's name."""
    found = [(label, i) for label, i in zip(design.x_names, order, strict=True) if i >= 0]
    return found + [(names[i], i) for i in extra]


def _mixed(case: Case, setting: Setting, messages: list[Message], method: str | None = None) -> Fit:
    spelling = mixedlm_spelling(case.model, case.table, aliased=True)
    frame = _frame(case)
    for i, term in enumerate(case.design.random):
        # Codes as strings: with a categorical MixedLM would make a column for every level of the
        # whole factor in every group.
        frame[f"r{i}"] = term.codes.astype(str)
    if spelling.group_term is None:
        groups = np.ones(len(frame), dtype=np.int32)
    else:
        groups = case.design.random[spelling.group_term].codes

    def build() -> Any:
        return smf.mixedlm(
            spelling.formula,
            frame,
            groups=groups,
            re_formula=spelling.re_formula,
            vc_formula=spelling.vc_formula or None,
        )

    started = time.perf_counter()
    arguments: dict[str, Any] = {"reml": case.model.criterion == "REML"}
    if spelling.diagonal:
        shape = build()
        arguments["free"] = MixedLMParams.from_components(
            fe_params=np.ones(shape.k_fe), cov_re=np.eye(shape.k_re)
        )
    if setting == "default":
        model = build()
        if method is not None:
            arguments["method"] = method
        last = _recorded_points(model)
        result = model.fit(**arguments)
        probes = _score_probe(model, last) | _constraint_probe(spelling, result)
        tried = method or "bfgs, lbfgs, cg in turn"
        settings: tuple[str, ...] = (f"method {tried}", "start at cov_re = I")
    else:
        best, settings = _fit_tight(build, arguments)
        result = best.result
        messages += best.messages
        probes = _constraint_probe(spelling, result)
    seconds = time.perf_counter() - started
    fit = _collect(case, spelling, result, setting, settings, messages, seconds)
    return msgspec.structs.replace(fit, probes=probes)


def _recorded_points(model: Any) -> list[Array]:
    """Keep the last point at which the optimizer asks the model for its gradient."""
    last: list[Array] = []
    score = model.score

    def recording(params: Any, *arguments: Any, **named: Any) -> Any:
        last[:] = [np.array(params, dtype=np.float64, copy=True)]
        return score(params, *arguments, **named)

    model.score = recording
    return last


def _score_probe(model: Any, last: list[Array]) -> dict[str, str]:
    """Compare MixedLM's gradient with central differences where its factor has a negative diagonal.

    ``score_sqrt`` packs the covariance again through a Cholesky factor with a positive diagonal, so
    that the gradient in a column whose diagonal is negative comes out with the wrong sign.
    """
    if not last or model.k_re == 0:
        return {}
    point = last[0]
    rows, columns = np.tril_indices(model.k_re)
    diagonal = point[: model.k_re2][rows == columns]
    if not (diagonal < 0.0).any():
        return {}
    analytic = np.asarray(type(model).score(model, point), dtype=np.float64)
    steps = 1e-6 * np.maximum(np.abs(point), 1e-3)
    differences = np.array(
        [
            (model.loglike(point + h * e) - model.loglike(point - h * e)) / (2.0 * h)
            for h, e in zip(steps, np.eye(len(point)), strict=True)
        ]
    )
    size = np.abs(differences)
    wrong = (np.sign(analytic) != np.sign(differences)) & (size > 1e-3 * (1.0 + size.max()))
    if not wrong.any():
        return {}
    i = int(np.argmax(np.where(wrong, size, 0.0)))
    return {
        "score-sign": f"at the optimizer's last point MixedLM's gradient has element {i + 1} of "
        f"{len(point)} as {analytic[i]:.3g}, by differences it is {differences[i]:.3g}; factor "
        f"diagonal {', '.join(f'{d:.3g}' for d in diagonal)}"
    }


def _constraint_probe(spelling: MixedLMSpelling, result: Any) -> dict[str, str]:
    """Whether ``free=`` was honoured: the covariances it holds at zero are zero."""
    covariance = np.asarray(result.cov_re, dtype=np.float64)
    if not spelling.diagonal:
        return {}
    largest = float(np.abs(covariance - np.diag(np.diag(covariance))).max(initial=0.0))
    if largest <= 1e-10 * float(np.abs(covariance).max(initial=0.0)):
        return {}
    return {"free-ignored": f"a covariance held at 0 by free= came out as {largest:.3g}"}


@dataclass(frozen=True)
class _Run:
    """One optimizer run: its result and what was said during it."""

    result: Any
    messages: tuple[Message, ...]


def _fit_tight(build: Callable[[], Any], arguments: dict[str, Any]) -> tuple[_Run, tuple[str, ...]]:
    """Take the best of several methods and starts.

    MixedLM's gradient has the wrong sign in a column of the Cholesky factor whose diagonal turns
    negative, so a gradient method that meets one stops there, wherever that is. Two starts that end
    at the same log-likelihood are taken for the optimum; otherwise Powell's method, which uses no
    gradient, goes on from the best. It ignores ``free=``, so a model with uncorrelated effects gets
    conjugate gradients and a third start instead.
    """
    unit, small, large = 1.0, 0.1, 10.0
    runs = [
        _run(build, arguments, "bfgs", scale=unit, **_BFGS),
        _run(build, arguments, "bfgs", scale=small, **_BFGS),
    ]
    tried = ["bfgs from cov_re = I and 0.1 I (gtol 1e-10)"]
    if not _agree(runs):
        runs.append(_run(build, arguments, "lbfgs", scale=unit))
        tried.append("lbfgs from I")
    if not _agree(runs):
        if "free" in arguments:
            runs.append(_run(build, arguments, "cg", scale=large, gtol=1e-10, maxiter=500))
            tried.append("cg from 10 I")
        else:
            runs.append(_run(build, arguments, "powell", start=_best(runs), ftol=1e-14))
            tried.append("powell from the best (ftol 1e-14)")
        runs.append(_run(build, arguments, "bfgs", start=_best(runs), **_BFGS))
        tried.append("bfgs from the best")
    best = _best(runs)
    if best is None:
        raise RuntimeError(f"no fit succeeded: {'; '.join(tried)}")
    return best, tuple(tried)


_BFGS: dict[str, Any] = {"gtol": 1e-10, "maxiter": 2000}


def _agree(runs: list[_Run | None]) -> bool:
    """Whether the two best runs end at the same log-likelihood, to 1e-8 and rounding."""
    found = sorted((run.result.llf for run in runs if run is not None), reverse=True)
    return len(found) > 1 and found[0] - found[1] <= 1e-8 + 1e-12 * abs(found[0])


def _best(runs: list[_Run | None]) -> _Run | None:
    done = [run for run in runs if run is not None]
    return max(done, key=lambda run: run.result.llf) if done else None


def _run(
    build: Callable[[], Any],
    arguments: dict[str, Any],
    method: str,
    *,
    scale: float = 1.0,
    start: _Run | None = None,
    **tolerances: Any,
) -> _Run | None:
    """Run one method from a multiple of the identity or from another run's answer.

    None when it ends in an error or, as at an exactly zero covariance, with an infinite likelihood.
    """
    model = build()
    if start is None:
        point = MixedLMParams.from_components(
            fe_params=np.zeros(model.k_fe),
            cov_re=scale * np.eye(model.k_re),
            vcomp=scale * np.ones(model.k_vc),
        )
    else:
        point = MixedLMParams.from_components(
            fe_params=start.result.fe_params,
            cov_re=start.result.cov_re_unscaled,
            vcomp=start.result.vcomp / start.result.scale,
        )
    messages: list[Message] = []
    try:
        with _recorded(messages):
            result = model.fit(start_params=point, method=[method], **tolerances, **arguments)
            finite = bool(np.isfinite(result.llf))
    except (np.linalg.LinAlgError, ValueError, FloatingPointError):
        return None  # a start from which the optimizer leaves the domain; others remain
    return _Run(result, tuple(messages)) if finite else None


def _collect(
    case: Case,
    spelling: MixedLMSpelling,
    result: Any,
    setting: Setting,
    settings: tuple[str, ...],
    messages: list[Message],
    seconds: float,
) -> Fit:
    design, model = case.design, result.model
    order, extra = _columns(design, model.exog, messages)
    names = tuple(model.exog_names)
    estimates = np.asarray(result.fe_params)
    se = np.asarray(result.bse_fe)
    z, p = np.asarray(result.tvalues), np.asarray(result.pvalues)
    labels = _labels(design, names, order, extra)
    effects = _random_effects(case, spelling, result, messages)
    random = tuple(
        RandomTerm(
            group=term.group,
            names=term.names,
            covariance=tuple(map(tuple, _covariance(case, spelling, result, i).tolist())),
            levels=term.levels,
            effects=None if effects is None else tuple(map(tuple, effects[i].tolist())),
        )
        for i, term in enumerate(design.random)
    )
    fitted: tuple[float, ...] = ()
    residuals: tuple[float, ...] = ()
    if effects is not None:
        fitted = tuple(np.asarray(result.fittedvalues).tolist())
        residuals = tuple(np.asarray(result.resid).tolist())
    return Fit(
        engine=StatsmodelsEngine.name,
        setting=setting,
        fitter="MixedLM",
        n_obs=int(result.nobs),
        coefficients=tuple(
            Coefficient(
                label, float(estimates[i]), float(se[i]), float("inf"), float(z[i]), float(p[i])
            )
            for label, i in labels
        ),
        native_names=tuple(names[i] for _, i in labels),
        random=random,
        residual_variance=float(result.scale),
        loglik=float(result.llf),
        aic=float(result.aic),
        bic=float(result.bic),
        df_residual=float(result.df_resid),
        fitted=fitted,
        residuals=residuals,
        converged=bool(result.converged),
        variance_se=_variance_errors(case, spelling, result),
        settings=settings,
        data_checksum=case.table.checksum(),
        seconds=seconds,
    )


def _covariance(case: Case, spelling: MixedLMSpelling, result: Any, i: int) -> Array:
    """Psi of the case's term ``i``, in its order of effects."""
    component = spelling.components[i]
    if component is not None:
        return np.full((1, 1), float(result.vcomp[result.model.exog_vc.names.index(component)]))
    columns = _effect_columns(case, result.model, i)
    return np.asarray(result.cov_re, dtype=np.float64)[np.ix_(columns, columns)]


def _variance_errors(
    case: Case, spelling: MixedLMSpelling, result: Any
) -> tuple[tuple[str, float], ...]:
    """Return what MixedLM prints as standard errors of variances, in the case's order."""
    # The wrapped attribute fails for models with variance components.
    packed = np.asarray(result._results.bse_re, dtype=np.float64)
    model, out = result.model, []
    for i, (term, component) in enumerate(
        zip(case.design.random, spelling.components, strict=True)
    ):
        if component is not None:
            places = [model.k_re2 + model.exog_vc.names.index(component)]
        else:
            # Lower triangle by rows: element (j, j) is number j (j + 3) / 2.
            places = [j * (j + 3) // 2 for j in _effect_columns(case, model, i)]
        out += [
            (f"{term.group}: {name}", float(packed[place]))
            for name, place in zip(term.names, places, strict=True)
        ]
    return tuple(out)


def _effect_columns(case: Case, model: Any, i: int) -> list[int]:
    """Which columns of ``exog_re`` are the effects of term ``i``: patsy may reorder them."""
    match = match_columns(case.design.random[i].z, np.asarray(model.exog_re, dtype=np.float64))
    if -1 in match.engine:
        raise ValueError("the random-effects columns differ from the case's design")
    return list(match.engine)


def _random_effects(
    case: Case, spelling: MixedLMSpelling, result: Any, messages: list[Message]
) -> list[Array] | None:
    """Conditional modes by term, (k, q) each; None when MixedLM refuses to compute them."""
    try:
        by_group = result.random_effects
    except (ValueError, np.linalg.LinAlgError) as error:
        messages.append(Message("error", f"random_effects: {error}", type(error).__name__))
        return None
    model = result.model
    effects = [np.full((len(t.levels), len(t.names)), np.nan) for t in case.design.random]
    components = spelling.components
    columns = {
        i: _effect_columns(case, model, i) for i, name in enumerate(components) if name is None
    }
    for group_index, group in enumerate(model.group_labels):
        values = np.asarray(by_group[group], dtype=np.float64)
        for i, own in columns.items():
            effects[i][int(group)] = values[own]
        at = model.k_re
        for name, by_group_columns in zip(model.exog_vc.names, model.exog_vc.colnames, strict=True):
            i = components.index(name)
            for column in by_group_columns[group_index]:
                # "C(r1)[17]" or "C(r1)[17]:v2"; a component on the top group has no brackets.
                level = column.partition("[")[2].partition("]")[0].removeprefix("T.")
                effects[i][int(level) if level else int(group)] = values[at]
                at += 1
    return effects
