"""Fits that somebody has already: a statsmodels result or an lme4 model as a case and its fit.

The model is read back into a formula and a table, and these are used only when they give the very
design matrices of the fit; else the matrices themselves are the data, under the names of their
columns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.remedy_code import AS_IT_COMES, Habits
from harness.engines.engine import Engine, Fit, Message, Outcome, OwnModel, Setting
from harness.engines.engine_wrapper import EngineWrapper
from harness.engines.lme4_reply import native_terms, read_reply
from harness.engines.mixedlm_result import MixedFit, read_mixed, unwrapped
from harness.engines.warning_capture import captured
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import Design, RandomDesign
from harness.model.model import Criterion
from harness.model.term_match import match_terms
from harness.rbridge.worker import Reply
from harness.referee.cost import Cost
from harness.spelling.calls import lme4_formula, quote_name
from harness.spelling.mixedlm_call import MixedLMCall
from harness.spelling.translation import NotInLme4, model_of_call

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Given:
    """A case and the fit of it that was given.

    Attributes
    ----------
    own : OwnModel or None
        The model that the fit is of, where that is not the case's.
    notes : tuple of str
        Sentences for the diagnosis.
    habits : Habits
        How it was fitted, as far as the fit tells.
    """

    rung: Rung
    fit: Fit
    own: OwnModel | None = None
    notes: tuple[str, ...] = ()
    habits: Habits = AS_IT_COMES

    def engine(self, usual: Engine) -> Engine:
        """Return an engine that answers this case with the given fit, and any other as usual."""
        return _GivenEngine(self, usual)


class _GivenEngine(EngineWrapper):
    same_answers = False

    def __init__(self, given: Given, usual: Engine) -> None:
        super().__init__(usual)
        self._given = given

    def unsupported(self, case: Case) -> str | None:
        return None if case is self._given.rung.case else super().unsupported(case)

    def cost(self, case: Case) -> Cost:
        return Cost(0.0, 0.0) if case is self._given.rung.case else super().cost(case)

    def begin(self, case: Case, setting: Setting) -> Callable[[], Outcome]:
        if case is self._given.rung.case and setting == "default":
            return lambda: self._given.fit
        return super().begin(case, setting)


def of_statsmodels(result: Any) -> Given:
    """Read a result of ``MixedLM.fit``.

    Raises
    ------
    BadInput
        For anything else, penalised fits, and models that have no formula here.
    """
    native = mixed_fit(result)
    rung = _by_formula(native) or _by_matrices(
        native.design,
        str(native.result.model.endog_names),
        native.criterion,
        "a statsmodels result",
    )
    fit = read_given(native, rung.case)
    return Given(rung, fit, habits=Habits(method=method_of(native)))


METHODS = ("lbfgs", "bfgs", "cg", "powell", "nm")
"""Values of ``method=`` that a result is looked for among."""


def method_of(native: MixedFit) -> str:
    """Return the ``method=`` by which a result was fitted, "" for MixedLM's own chain.

    A result does not keep it. Fits repeat bit for bit, so the method is the one that gives the
    result's numbers again; "" also where none does.
    """
    result = native.result
    wanted = np.asarray(result.params)
    for method in ("", *METHODS):
        arguments: dict[str, Any] = {"reml": bool(result.reml), "free": result.freepat}
        try:
            with captured([]):
                again = copy.copy(result.model).fit(
                    **arguments, **({"method": method} if method else {})
                )
        except Exception:
            continue
        # What MixedLM solves for on the way rounds by where memory lies.
        if np.allclose(np.asarray(again.params), wanted, rtol=1e-9, atol=0.0, equal_nan=True):
            return method
    return ""


def mixed_fit(result: Any) -> MixedFit:
    """Return the result with its design.

    Raises
    ------
    BadInput
        For anything but a result of ``MixedLM.fit``, and for penalised fits.
    """
    try:
        return MixedFit(unwrapped(result))
    except (TypeError, ValueError) as error:
        raise BadInput(str(error)) from error


def read_given(native: MixedFit, case: Case) -> Fit:
    """Read a result as a fit of a case."""
    messages: list[Message] = []
    # What statsmodels says while it is read is not what it said to whoever made the fit.
    with captured([]):
        fit = read_mixed(native, case, "default", messages, settings=("a result that was given",))
    return msgspec.structs.replace(fit, messages=tuple(messages))


def _by_formula(native: MixedFit) -> Rung | None:
    """Return the case in the user's own columns, or None where that is not the model fitted."""
    model, design = native.result.model, native.design
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
        reml=native.criterion == "REML",
    )
    texts = {str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])}
    texts |= {str(c) for c in frame.columns if pd.api.types.is_bool_dtype(frame[c])}
    try:
        text = lme4_formula(model_of_call(call, texts, frame))
        data = Dataset("data", frame, "a statsmodels result")
        rung = own_rung("data", data, text, native.criterion)
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
    return None not in match_terms(one.random, other.random)


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
        tuple(_INTERCEPT.get(name, name) for name in names),
        tuple(_renamed(term.design) for term in native_terms(reply, n)),
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
    settings = ("a model that was given",)
    fit = read_reply(reply, rung.case, "default", settings=settings, aliased=False)
    assert isinstance(fit, Fit)
    control = next(iter(reply.texts("control")), "") if "control" in reply else ""
    return Given(rung, fit, habits=Habits(control=control))


def _renamed(term: RandomDesign) -> RandomDesign:
    names = tuple(_INTERCEPT.get(name, name) for name in term.names)
    return replace(term, names=names)


_INTERCEPT = {"(Intercept)": "Intercept"}


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
