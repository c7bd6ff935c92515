"""The statsmodels engine: MixedLM through its formula interface, OLS without random effects."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import statsmodels.formula
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.engines.engine import Coefficient, Failure, Fit, Message, Outcome, RandomTerm, Setting
from harness.engines.mixedlm_probes import (
    constraint_probe,
    recorded_points,
    score_probe,
    singular_covariance_probe,
)
from harness.engines.mixedlm_tight import fit_tight
from harness.engines.warning_capture import captured
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import Design
from harness.model.formula import Name
from harness.model.model import column_of
from harness.spelling.calls import (
    MixedLMSpelling,
    NotExpressible,
    mixedlm_spelling,
    python_formula,
)

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
    start : sequence of (q, q) arrays, optional
        Where the default setting starts: the covariance matrix of each term relative to the
        residual variance, positive definite; the identity without it.
    tolerances : mapping, optional
        More arguments of ``MixedLM.fit``, ``{"gtol": 1e-10}``.
    """

    name = "statsmodels"

    def __init__(
        self,
        method: str | None = None,
        *,
        start: Sequence[Array] | None = None,
        tolerances: Mapping[str, float] | None = None,
    ) -> None:
        self.method = method
        self.start = start
        self.tolerances = dict(tolerances or {})

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
            with captured(messages), _formula_engine():
                if case.model.criterion == "OLS":
                    fit = _ols(case, setting, messages)
                else:
                    fit = _mixed(case, setting, messages, self)
        except Exception as error:  # an engine may raise anything; it is a result, not a crash
            return Failure(
                engine=self.name,
                setting=setting,
                reason="error",
                text=f"{type(error).__name__}: {error}",
                messages=tuple(messages),
                probes=singular_covariance_probe(error),
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
def _formula_engine() -> Iterator[None]:
    """Have formulas read by patsy, statsmodels' default, whatever this process has chosen."""
    before = statsmodels.formula.options.formula_engine
    statsmodels.formula.options.formula_engine = "patsy"
    try:
        yield
    finally:
        statsmodels.formula.options.formula_engine = before


def _ols(case: Case, setting: Setting, messages: list[Message]) -> Fit:
    design, alias = case.design, case.table.alias

    def name(node: Name) -> str:
        return alias[column_of(case.table, node).name]

    started = time.perf_counter()
    result = smf.ols(python_formula(case.model, name), case.complete_frame).fit()
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


def _mixed(case: Case, setting: Setting, messages: list[Message], engine: StatsmodelsEngine) -> Fit:
    spelling = mixedlm_spelling(case.model, case.table, aliased=True)
    frame = case.complete_frame.copy(deep=False)
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
            fe_params=np.ones(shape.k_fe), cov_re=np.eye(shape.k_re), vcomp=np.ones(shape.k_vc)
        )
    last: list[Array] = []
    if setting == "default":
        model = build()
        if engine.method is not None:
            arguments["method"] = engine.method
        if engine.start is not None:
            arguments["start_params"] = _start(case, spelling, model, engine.start)
        last = recorded_points(model)
        result = model.fit(**arguments, **engine.tolerances)
        tried = engine.method or "bfgs, lbfgs, cg in turn"
        begun = "cov_re = I" if engine.start is None else "a given covariance"
        settings: tuple[str, ...] = (f"method {tried}", f"start at {begun}")
    else:
        best, settings = fit_tight(build, arguments)
        result = best.result
        messages += best.messages
    read = _read(result, messages)
    seconds = time.perf_counter() - started
    # What is probed is ours: its warnings are no words of the engine, its time is not the fit's.
    with captured([]):
        probes = score_probe(result.model, last) | constraint_probe(spelling, result)
    fit = _collect(case, spelling, read, setting, settings, messages, seconds)
    return msgspec.structs.replace(fit, probes=probes)


def _start(
    case: Case, spelling: MixedLMSpelling, model: Any, relative: Sequence[Array]
) -> MixedLMParams:
    """Return starting values of covariance matrices given term by term, relative to s2."""
    covariance, components = np.eye(model.k_re), np.ones(model.k_vc)
    for i, component in enumerate(spelling.components):
        psi = np.asarray(relative[i], dtype=np.float64)
        if component is not None:
            components[model.exog_vc.names.index(component)] = psi[0, 0]
        else:
            columns = _effect_columns(case, model, i)
            covariance[np.ix_(columns, columns)] = psi
    return MixedLMParams.from_components(
        fe_params=np.zeros(model.k_fe), cov_re=covariance, vcomp=components
    )


@dataclass(frozen=True)
class _Read:
    """What MixedLM computes when it is asked for, which takes time.

    ``effects`` holds the conditional modes of each group; None, with nothing fitted, when MixedLM
    refuses to compute them.
    """

    result: Any
    se: Array
    statistic: Array
    p: Array
    loglik: float
    effects: list[Array] | None
    fitted: tuple[float, ...]
    residuals: tuple[float, ...]


def _read(result: Any, messages: list[Message]) -> _Read:
    effects, fitted, residuals = None, (), ()
    try:
        by_group = result.random_effects
    except (ValueError, np.linalg.LinAlgError) as error:
        messages.append(Message("error", f"random_effects: {error}", type(error).__name__))
    else:
        effects = [np.asarray(by_group[g], dtype=np.float64) for g in result.model.group_labels]
        fitted = tuple(np.asarray(result.fittedvalues).tolist())
        residuals = tuple(np.asarray(result.resid).tolist())
    return _Read(
        result,
        se=np.asarray(result.bse_fe),
        statistic=np.asarray(result.tvalues),
        p=np.asarray(result.pvalues),
        loglik=float(result.llf),
        effects=effects,
        fitted=fitted,
        residuals=residuals,
    )


def _collect(
    case: Case,
    spelling: MixedLMSpelling,
    read: _Read,
    setting: Setting,
    settings: tuple[str, ...],
    messages: list[Message],
    seconds: float,
) -> Fit:
    result, design, model = read.result, case.design, read.result.model
    order, extra = _columns(design, model.exog, messages)
    names = tuple(model.exog_names)
    estimates = np.asarray(result.fe_params)
    labels = _labels(design, names, order, extra)
    effects = None if read.effects is None else _by_term(case, spelling, model, read.effects)
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
    return Fit(
        engine=StatsmodelsEngine.name,
        setting=setting,
        fitter="MixedLM",
        n_obs=int(result.nobs),
        coefficients=tuple(
            Coefficient(
                label,
                float(estimates[i]),
                float(read.se[i]),
                float("inf"),
                float(read.statistic[i]),
                float(read.p[i]),
            )
            for label, i in labels
        ),
        native_names=tuple(names[i] for _, i in labels),
        random=random,
        residual_variance=float(result.scale),
        loglik=read.loglik,
        aic=float(result.aic),
        bic=float(result.bic),
        df_residual=float(result.df_resid),
        fitted=read.fitted,
        residuals=read.residuals,
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


def _by_term(
    case: Case, spelling: MixedLMSpelling, model: Any, by_group: list[Array]
) -> list[Array]:
    """Conditional modes by term, (k, q) each."""
    effects = [np.full((len(t.levels), len(t.names)), np.nan) for t in case.design.random]
    components = spelling.components
    columns = {
        i: _effect_columns(case, model, i) for i, name in enumerate(components) if name is None
    }
    for group_index, group in enumerate(model.group_labels):
        values = by_group[group_index]
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
