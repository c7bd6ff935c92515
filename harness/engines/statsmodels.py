"""The statsmodels engine: MixedLM through its formula interface, OLS without random effects."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import statsmodels.formula
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from statsmodels.regression.mixed_linear_model import MixedLMParams

from harness.base.errors import STOPS
from harness.engines.engine import Coefficient, Failure, Fit, Message, Outcome, Setting
from harness.engines.guard import failure_of
from harness.engines.mixedlm_cost import mixedlm_cost
from harness.engines.mixedlm_evaluations import Evaluations
from harness.engines.mixedlm_fit import MixedFit, unwrapped
from harness.engines.mixedlm_result import read_mixed
from harness.engines.mixedlm_tight import fit_tight
from harness.engines.programs.mixedlm_probes import (
    recorded_points,
    score_probe,
    singular_covariance_probe,
)
from harness.engines.warning_capture import captured
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.formula import Name
from harness.model.model import column_of
from harness.referee.cost import Cost
from harness.spelling.mixedlm_spelling import MixedLMSpelling, mixedlm_spelling, python_formula
from harness.spelling.patsy_language import NotExpressible

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
    evaluations : Evaluations, optional
        What MixedLM has evaluated already, for engines that fit the same cases. A fit's seconds are
        those that it takes by itself.
    """

    name = "statsmodels"
    residuals = True
    """It takes compound symmetry, by a random intercept."""

    sources = ("harness.base", "harness.engines", "harness.model", "harness.spelling")

    def __init__(
        self,
        method: str | None = None,
        *,
        start: Sequence[Array] | None = None,
        tolerances: Mapping[str, float] | None = None,
        evaluations: Evaluations | None = None,
    ) -> None:
        self.evaluations = evaluations
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
            written = case.by_random_intercept.in_columns
            mixedlm_spelling(written.model, written.table, aliased=True)
        except NotExpressible as reason:
            return str(reason)
        return None

    def cost(self, case: Case) -> Cost:
        """Estimate what a fit takes."""
        return Cost(0.0, 0.0) if case.model.criterion == "OLS" else mixedlm_cost(case)

    def fit(self, case: Case, setting: Setting) -> Outcome:
        """Fit a case; whatever goes wrong comes back as a Failure."""
        reason = self.unsupported(case)
        if reason is not None:
            return Failure(engine=self.name, setting=setting, reason="unsupported", text=reason)
        return outcome_of(partial(self._fit, case, setting), case, setting)

    def _fit(self, case: Case, setting: Setting, messages: list[Message]) -> Fit:
        with _formula_engine():
            if case.model.criterion == "OLS":
                return read_ols(run_ols(case), case, setting, messages)
            ran = run_mixed(case.by_random_intercept, setting, messages, self)
            fit = read_mixed(
                ran.native, case, setting, messages, settings=ran.settings, seconds=ran.seconds
            )
            return msgspec.structs.replace(fit, probes=ran.probes | fit.probes)

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        """Return the fit to be run when it is asked for: it uses this process."""
        return partial(self.fit, case, setting)


def outcome_of(fitted: Callable[[list[Message]], Fit], case: Case, setting: Setting) -> Outcome:
    """Run what fits a case by statsmodels, and report its messages or what went wrong.

    Parameters
    ----------
    fitted : callable
        Fits and reads the result; it is given the list that messages are added to.
    """
    messages: list[Message] = []
    started = time.perf_counter()
    try:
        with captured(messages):
            fit = fitted(messages)
    except STOPS:
        raise
    except BaseException as error:  # it may raise anything; that is a result
        return msgspec.structs.replace(
            failure_of(StatsmodelsEngine.name, setting, error),
            messages=tuple(messages),
            probes=singular_covariance_probe(error),
            seconds=time.perf_counter() - started,
        )
    return msgspec.structs.replace(
        fit,
        messages=tuple(messages),
        singular=None if not case.model.random else says_singular(messages),
    )


def says_singular(messages: Sequence[Message]) -> bool:
    """Whether what MixedLM said calls the fit singular; a flag for it there is not."""
    said = " ".join(message.text for message in messages)
    return any(words in said for words in _SINGULAR_WORDS)


@contextlib.contextmanager
def _formula_engine() -> Iterator[None]:
    """Have formulas read by patsy, statsmodels' default, whatever this process has chosen."""
    before = statsmodels.formula.options.formula_engine
    statsmodels.formula.options.formula_engine = "patsy"
    try:
        yield
    finally:
        statsmodels.formula.options.formula_engine = before


@dataclass(frozen=True)
class OLSRun:
    """A least-squares result, and the seconds it took."""

    result: Any
    seconds: float


def run_ols(case: Case) -> OLSRun:
    """Fit a linear model."""
    written = case.in_columns
    alias = written.table.alias

    def name(node: Name) -> str:
        return alias[column_of(written.table, node).name]

    started = time.perf_counter()
    frame, formula = written.complete_frame, python_formula(written.model, name)
    weights = written.model.formula.weights
    if weights is None:
        result = smf.ols(formula, frame).fit()
    else:
        result = smf.wls(formula, frame, weights=frame[name(weights)]).fit()
    return OLSRun(result, time.perf_counter() - started)


OLS_DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "loglik": "full",
        "aic": "scale-not-counted",
        "bic": "scale-not-counted",
        "se": "gls",
        "df": "residual",
        "statistic": "estimate/se",
        "p": "t",
        "residual_variance": "m",
    }
)
"""What OLS means by what it states."""


def read_ols(ran: OLSRun, case: Case, setting: Setting, messages: list[Message]) -> Fit:
    """Read a least-squares result; columns that the case has not keep the engine's names."""
    design, result = case.design, ran.result
    match = match_columns(design.x, np.asarray(result.model.exog, dtype=np.float64))
    if not match.complete:
        messages.append(
            Message("note", "the fixed-effects columns differ from the case's design", "coding")
        )
    names = tuple(result.model.exog_names)
    columns = [(n, i) for n, i in zip(design.x_names, match.engine, strict=True) if i >= 0]
    columns += [(names[i], i) for i in match.extra]
    return Fit(
        engine=StatsmodelsEngine.name,
        setting=setting,
        fitter="OLS",
        n_obs=int(result.nobs),
        coefficients=tuple(
            Coefficient(
                label,
                float(result.params.iloc[i]),
                float(result.bse.iloc[i]),
                float(result.df_resid),
                float(result.tvalues.iloc[i]),
                float(result.pvalues.iloc[i]),
            )
            for label, i in columns
        ),
        native_names=tuple(names[i] for _, i in columns),
        residual_variance=float(result.mse_resid),
        loglik=float(result.llf),
        aic=float(result.aic),
        bic=float(result.bic),
        df_residual=float(result.df_resid),
        fitted=tuple(result.fittedvalues.tolist()),
        residuals=tuple(result.resid.tolist()),
        settings=("closed form",),
        definitions=dict(OLS_DEFINITIONS),
        data_checksum=case.table.checksum(),
        seconds=ran.seconds,
    )


@dataclass(frozen=True, eq=False)
class MixedRun:
    """A MixedLM result, how it was come by, and the seconds it took."""

    native: MixedFit
    settings: tuple[str, ...]
    probes: dict[str, str]
    seconds: float


def run_mixed(
    case: Case, setting: Setting, messages: list[Message], engine: StatsmodelsEngine
) -> MixedRun:
    """Fit a mixed model, and have it compute all that it is asked for afterwards."""
    written = case.in_columns
    spelling = mixedlm_spelling(written.model, written.table, aliased=True)
    frame = written.complete_frame.copy(deep=False)
    for i, term in enumerate(case.design.random):
        # Codes as strings: with a categorical MixedLM would make a column for every level of the
        # whole factor in every group.
        frame[f"r{i}"] = term.codes.astype(str)
    if spelling.group_term is None:
        groups = np.ones(len(frame), dtype=np.int32)
    else:
        groups = case.design.random[spelling.group_term].codes

    known = engine.evaluations

    def build() -> Any:
        model = smf.mixedlm(
            spelling.formula,
            frame,
            groups=groups,
            re_formula=spelling.re_formula,
            vc_formula=spelling.vc_formula or None,
        )
        if known is not None:
            known.attach(model, case)
        return model

    started, saved = time.perf_counter(), 0.0 if known is None else known.saved
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
        if engine.start:
            arguments["start_params"] = _start(case, spelling, model, engine.start)
        last = recorded_points(model)
        result = model.fit(**arguments, **engine.tolerances)
        tried = engine.method or "bfgs, lbfgs, cg in turn"
        begun = "cov_re = I" if not engine.start else "a given covariance"
        settings: tuple[str, ...] = (f"method {tried}", f"start at {begun}")
    else:
        best, settings = fit_tight(build, arguments)
        result = best.result
        messages += best.messages
    result = unwrapped(result)
    _ask(result)
    seconds = time.perf_counter() - started + (0.0 if known is None else known.saved - saved)
    # What is probed is ours: its warnings are no words of the engine, its time is not the fit's.
    with captured([]):
        probes = score_probe(result.model, last)
    return MixedRun(MixedFit(result), settings, probes, seconds)


def _ask(result: Any) -> None:
    """Have MixedLM compute what takes time; it keeps the answers, and refuses again if it does."""
    for name in ("bse_fe", "tvalues", "pvalues", "llf", "random_effects", "fittedvalues"):
        with contextlib.suppress(ValueError, np.linalg.LinAlgError):
            getattr(result, name)


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
            exog = np.asarray(model.exog_re, dtype=np.float64)
            columns = list(match_columns(case.design.random[i].z, exog).engine)
            covariance[np.ix_(columns, columns)] = psi
    return MixedLMParams.from_components(
        fe_params=np.zeros(model.k_fe), cov_re=covariance, vcomp=components
    )
