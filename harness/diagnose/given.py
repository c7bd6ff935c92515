"""Fits that somebody has already: a statsmodels result or an lme4 model as a case and its fit.

The model is read back into a formula and a table, and these are used only when they give the very
design matrices of the fit; else the matrices themselves are the data, under the names of their
columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.engines.engine import Coefficient, Engine, Fit, Message, Outcome, RandomTerm, Setting
from harness.engines.lme4 import random_terms
from harness.engines.mixedlm_result import MixedFit, unwrapped
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import Design, RandomDesign
from harness.model.model import Criterion
from harness.rbridge import Reply
from harness.spelling.calls import lme4_formula, quote_name
from harness.spelling.mixedlm_call import MixedLMCall
from harness.spelling.translation import NotInLme4, model_of_call

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Given:
    """A case and the fit of it that was given; ``notes`` are sentences for the diagnosis."""

    rung: Rung
    fit: Fit
    notes: tuple[str, ...] = ()

    def engine(self, usual: Engine) -> Engine:
        """Return an engine that answers this case with the given fit, and any other as usual."""
        return _GivenEngine(self, usual)


class _GivenEngine:
    def __init__(self, given: Given, usual: Engine) -> None:
        self.name = usual.name
        self._given = given
        self._usual = usual

    def versions(self) -> dict[str, str]:
        return self._usual.versions()

    def unsupported(self, case: Case) -> str | None:
        return None if case is self._given.rung.case else self._usual.unsupported(case)

    def fit(self, case: Case, setting: Setting) -> Outcome:
        if case is self._given.rung.case and setting == "default":
            return self._given.fit
        return self._usual.fit(case, setting)

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        if case is self._given.rung.case and setting == "default":
            return partial(self.fit, case, setting)
        return self._usual.begin(case, setting)


def of_statsmodels(result: Any) -> Given:
    """Read a result of ``MixedLM.fit``.

    Raises
    ------
    BadInput
        For anything else, penalised fits, and models that have no formula here.
    """
    try:
        fit = MixedFit(unwrapped(result))
    except (TypeError, ValueError) as error:
        raise BadInput(str(error)) from error
    design = _renamed(fit)
    outcome = str(fit.result.model.endog_names)
    criterion: Criterion = "REML" if fit.result.reml else "ML"
    rung = _by_formula(fit, design, criterion) or _by_matrices(
        design, outcome, criterion, "a statsmodels result"
    )
    return Given(rung, _statsmodels_fit(fit, design, rung.case))


def _renamed(fit: MixedFit) -> Design:
    """Return the design with the names that the model has for its random effects."""
    model = fit.result.model
    names = [str(n) for n in getattr(model.data, "exog_re_names", None) or []]
    terms = []
    for term in fit.design.random:
        own = tuple(names[int(n)] if n.isdigit() and int(n) < len(names) else n for n in term.names)
        terms.append(RandomDesign(term.group, own, term.z, term.codes, term.levels))
    return Design(fit.design.y, fit.design.x, fit.design.x_names, tuple(terms), fit.design.rows)


def _by_formula(fit: MixedFit, design: Design, criterion: Criterion) -> Rung | None:
    """Return the case in the user's own columns, or None where that is not the model fitted."""
    model = fit.result.model
    formula = getattr(model, "formula", None)
    frame = getattr(model.data, "frame", None)
    if formula is None or not isinstance(frame, pd.DataFrame) or model.k_vc:
        return None
    group = next((c for c in frame.columns if _same_values(frame[c], model.groups)), None)
    if group is None:
        return None
    z = np.asarray(model.exog_re, dtype=np.float64)
    names = [str(n) for n in model.data.exog_re_names]
    effects = ["1" if (z[:, j] == 1.0).all() else names[j] for j in range(z.shape[1])]
    call = MixedLMCall(
        formula=str(formula),
        groups=(str(group),),
        re_formula=" + ".join([*([] if "1" in effects else ["0"]), *effects]),
        free="diagonal" if len(design.random) > 1 else "all",
        reml=criterion == "REML",
    )
    texts = {str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])}
    texts |= {str(c) for c in frame.columns if pd.api.types.is_bool_dtype(frame[c])}
    try:
        text = lme4_formula(model_of_call(call, texts, frame))
        rung = own_rung("data", Dataset("data", frame, "a statsmodels result"), text, criterion)
    except (BadInput, NotInLme4):
        return None
    return rung if _same_design(rung.case.design, design) else None


def _same_values(column: pd.Series, groups: Any) -> bool:
    values, wanted = column.to_numpy(), np.asarray(groups)
    return len(values) == len(wanted) and bool(np.array_equal(values, wanted))


def _same_design(one: Design, other: Design) -> bool:
    """Whether two designs are of the same rows, columns and groups, in any order of columns."""
    if len(one.y) != len(other.y) or not np.array_equal(one.y, other.y):
        return False
    if not match_columns(one.x, other.x).complete or len(one.random) != len(other.random):
        return False
    return all(place >= 0 for place in _places(one, other))


def _places(one: Design, other: Design) -> list[int]:
    """Which term of the other design each term is: the same groups of rows, the same effects."""
    free = list(range(len(other.random)))
    out = []
    for term in one.random:
        hit = next((i for i in free if _same_term(term, other.random[i])), -1)
        if hit >= 0:
            free.remove(hit)
        out.append(hit)
    return out


def _same_term(one: RandomDesign, other: RandomDesign) -> bool:
    pairs = np.unique(np.column_stack([one.codes, other.codes]), axis=0)
    same = len(pairs) == len(np.unique(one.codes)) == len(np.unique(other.codes))
    return same and match_columns(one.z, other.z).complete


def _by_matrices(design: Design, outcome: str, criterion: Criterion, origin: str) -> Rung:
    """Return the case whose columns are those of the design matrices."""
    columns: dict[str, Any] = {outcome: design.y}

    def column(name: str, values: Any) -> str:
        while name in columns:
            name += "_"
        columns[name] = values
        return quote_name(name)

    named: list[tuple[str, Array]] = []

    def effect(name: str, values: Array) -> str:
        known = next((text for text, own in named if np.array_equal(own, values)), None)
        if known is None:
            known = "1" if (values == 1.0).all() else column(name, values)
            named.append((known, values))
        return known

    fixed = [effect(n, v) for n, v in zip(design.x_names, design.x.T, strict=True)]
    bars: list[str] = []
    groups: list[tuple[str, NDArray[np.int32]]] = []
    for term in design.random:
        effects = [effect(n, v) for n, v in zip(term.names, term.z.T, strict=True)]
        group = next((text for text, codes in groups if np.array_equal(codes, term.codes)), None)
        if group is None:
            labels = pd.Categorical.from_codes(term.codes, categories=list(term.levels))
            group = column(term.group, labels)
            groups.append((group, term.codes))
        bars.append(f"({_sum(effects)} | {group})")
    text = f"{quote_name(outcome)} ~ {' + '.join([_sum(fixed), *bars])}"
    return own_rung("data", Dataset("data", pd.DataFrame(columns), origin), text, criterion)


def _sum(terms: Sequence[str]) -> str:
    return " + ".join(terms if "1" in terms else ["0", *terms])


def _statsmodels_fit(fit: MixedFit, given: Design, case: Case) -> Fit:
    design, checksum = case.design, case.table.checksum()
    result = fit.result
    order = match_columns(design.x, given.x).engine
    random = []
    for term, place in zip(design.random, _places(design, given), strict=True):
        columns = list(match_columns(term.z, given.random[place].z).engine)
        psi = np.asarray(fit.covariances[place])[np.ix_(columns, columns)]
        random.append(
            RandomTerm(
                group=term.group,
                names=term.names,
                covariance=tuple(map(tuple, psi.tolist())),
                levels=term.levels,
            )
        )
    se, statistics, p = (np.asarray(getattr(result, n)) for n in ("bse_fe", "tvalues", "pvalues"))
    try:
        fitted, residuals = (
            tuple(np.asarray(getattr(result, n), dtype=np.float64).tolist())
            for n in ("fittedvalues", "resid")
        )
    except (ValueError, np.linalg.LinAlgError):
        fitted, residuals = (), ()
    rows = [
        Coefficient(
            name,
            float(fit.beta[i]),
            float(se[i]),
            math.inf,
            float(statistics[i]),
            float(p[i]),
        )
        for name, i in zip(design.x_names, order, strict=True)
    ]
    return Fit(
        engine="statsmodels",
        setting="default",
        fitter="MixedLM",
        n_obs=int(result.nobs),
        coefficients=tuple(rows),
        native_names=tuple(fit.names[i] for i in order),
        random=tuple(random),
        residual_variance=float(result.scale),
        loglik=float(result.llf),
        fitted=fitted,
        residuals=residuals,
        converged=bool(result.converged),
        settings=("a result that was given",),
        # The designs have been found equal, number by number.
        data_checksum=checksum,
    )


def of_r(reply: Reply) -> Given:
    """Read a model of lme4 that R has taken apart, see ``r_scripts/take_apart.R``.

    Raises
    ------
    BadInput
        When its design cannot be used.
    """
    n = len(reply.numbers("y"))
    names = reply.texts("x_names")
    x = np.asarray(reply.numbers("x"), dtype=np.float64).reshape(len(names), n).T
    design = Design(
        np.asarray(reply.numbers("y"), dtype=np.float64),
        x,
        tuple("Intercept" if name == "(Intercept)" else name for name in names),
        tuple(_r_terms(reply, n)),
        np.arange(n),
    )
    criterion: Criterion = "REML" if reply.texts("criterion")[0] == "REML" else "ML"
    origin = "an R model"
    try:
        rung: Rung | None = own_rung(
            "data", Dataset("data", _r_frame(reply), origin), reply.texts("formula")[0], criterion
        )
        assert rung is not None
        if not _same_design(rung.case.design, design):
            rung = None
    except BadInput:
        rung = None
    rung = rung or _by_matrices(design, reply.texts("outcome")[0], criterion, origin)
    return Given(rung, _r_fit(reply, design, rung.case))


def _r_terms(reply: Reply, n: int) -> Iterable[RandomDesign]:
    from harness.engines.lme4 import native_terms

    for term in native_terms(reply, n):
        names = tuple("Intercept" if e == "(Intercept)" else str(e) for e in term.effects)
        codes = term.codes.astype(np.int32)
        yield RandomDesign(term.group, names, np.array(term.z), codes, tuple(map(str, term.levels)))


def _r_frame(reply: Reply) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for i, name in enumerate(reply.texts("column_names"), 1):
        values = reply.numbers(f"column_{i}")
        if reply.numbers("column_factor")[i - 1]:
            levels = list(reply.texts(f"levels_{i}"))
            columns[name] = pd.Categorical.from_codes(values.astype(int) - 1, categories=levels)
        else:
            columns[name] = values
    return pd.DataFrame(columns)


def _r_fit(reply: Reply, given: Design, case: Case) -> Fit:
    design, checksum = case.design, case.table.checksum()
    order = match_columns(design.x, given.x).engine
    sigma = float(reply.numbers("sigma")[0])
    columns = {n: reply.numbers(n) for n in ("estimate", "se", "df", "t", "p")}

    def value(name: str, i: int) -> float | None:
        found = float(columns[name][i])
        return None if math.isnan(found) else found

    terms, _ = random_terms(reply, design, str)
    return Fit(
        engine="lme4",
        setting="default",
        fitter=reply.texts("fitter")[0],
        n_obs=len(design.y),
        coefficients=tuple(
            Coefficient(
                name,
                float(columns["estimate"][i]),
                value("se", i),
                value("df", i),
                value("t", i),
                value("p", i),
            )
            for name, i in zip(design.x_names, order, strict=True)
        ),
        native_names=tuple(reply.texts("x_names")[i] for i in order),
        random=terms,
        residual_variance=sigma * sigma,
        loglik=float(reply.numbers("loglik")[0]),
        fitted=tuple(reply.numbers("fitted").tolist()),
        residuals=tuple(reply.numbers("residuals").tolist()),
        converged=bool(reply.numbers("converged")[0]),
        singular=bool(reply.numbers("singular")[0]),
        settings=("a model that was given",),
        data_checksum=checksum,  # as above
        messages=tuple(Message("warning", text) for text in reply.texts("messages")),
    )
