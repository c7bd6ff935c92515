"""Fits that somebody has already: a statsmodels result or an lme4 model as a case and its fit.

The model is read back into a formula and a table, and these are used only when they give the very
design matrices of the fit; else the matrices themselves are the data, under the names of their
columns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
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
from harness.diagnose.design_table import by_matrices
from harness.diagnose.diagnosis import Question
from harness.diagnose.next_questions import next_questions
from harness.diagnose.remedy_code import AS_IT_COMES, Habits, Writing, python_code, r_code
from harness.diagnose.result_formula import bound, drops_missing, in_user_columns, same_design
from harness.diagnose.result_remarks import (
    aliased_terms,
    ambiguous_groups,
    foreign_groups,
    other_rows,
    require_groups,
    why_matrices,
)
from harness.diagnose.user_columns import (
    UserColumns,
    groupings,
    placements,
    user_frame,
    with_groups,
)
from harness.engines.engine import Engine, Fit, Message, Outcome, OwnModel, Setting
from harness.engines.engine_wrapper import EngineWrapper
from harness.engines.lme4_reply import native_terms, read_reply
from harness.engines.mixedlm_fit import MixedFit, unwrapped
from harness.engines.mixedlm_result import read_mixed
from harness.engines.warning_capture import captured
from harness.model.case import Case
from harness.model.design import Design, RandomDesign
from harness.model.model import Criterion
from harness.rbridge.worker import Reply
from harness.referee.cost import Cost
from harness.spelling.patsy_language import NotExpressible

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
    questions : tuple of Question
        What is asked next about the fit.
    habits : Habits
        How it was fitted, as far as the fit tells.
    """

    rung: Rung
    fit: Fit
    own: OwnModel | None = None
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    habits: Habits = AS_IT_COMES

    def spelling(self) -> dict[str, str]:
        """Write the model in both languages, fitted as the fit was."""
        writing = Writing(self.rung)
        try:
            python = python_code(writing, habits=self.habits)
        except NotExpressible as reason:
            python = f"# not expressible: {reason}"
        return {"statsmodels": python, "lme4": r_code(writing, habits=self.habits)}

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


def of_statsmodels(result: Any, data: pd.DataFrame | None = None) -> Given:
    """Read a result of ``MixedLM.fit``.

    Parameters
    ----------
    data : DataFrame, optional
        That of the fit, where the result has not kept all of it.

    Raises
    ------
    BadInput
        For anything else, penalised fits, models that have no formula here, and where the data are
        needed.
    """
    native = mixed_fit(result)
    model = native.result.model
    if model.n_groups == 1 and model.k_re:
        raise BadInput(
            "groups= puts all rows into one group, so nothing determines the variance of its "
            "random effects: leave re_formula (or exog_re) out, with variance components only"
        )
    rung, notes = _read_back(native, data)
    fit = read_given(native, rung.case)
    notes = (*notes, *aliased_terms(rung.case))
    questions = next_questions(result, native)
    return Given(rung, fit, notes=notes, questions=questions, habits=habits_of(native))


def fitted_formula(native: MixedFit, data: pd.DataFrame | None) -> str:
    """Return the formula that a result is a fit of, "" where none can be told."""
    try:
        rung, _ = _read_back(native, data)
    except BadInput:
        return ""
    return rung.case.model.formula.text if native.as_its_call_says else ""


def _read_back(native: MixedFit, data: pd.DataFrame | None) -> tuple[Rung, tuple[str, ...]]:
    """Return the case, in the user's columns where that is the model fitted, and notes on it."""
    frame, given = user_frame(native, data), data is not None
    places = [] if frame is None else list(placements(native, frame))
    for place in places:
        rung = in_user_columns(native, place)
        if rung is not None:
            return rung, (*ambiguous_groups(native, place), *other_rows(place, rung))
    if getattr(native.result.model, "formula", None) is not None and places:
        if not given and all(place.groups is None for place in places):
            require_groups(native)
        for place in (with_groups(native, p) for p in places if p.groups is None):
            rung = in_user_columns(native, place)
            if rung is not None:
                return rung, (foreign_groups(place, given=given),)
    tables = []
    for place in places:
        table = _by_matrices(native, place)
        own = _on_user_data(table, place)
        if own is not None:
            return own, (*ambiguous_groups(native, place), *other_rows(place, own))
        tables.append(table)
    near = places[0] if places else None
    table = tables[0] if tables else _by_matrices(native, None)
    return table, (why_matrices(native, table.case, near, given=given),)


def _by_matrices(native: MixedFit, place: UserColumns | None) -> Rung:
    return by_matrices(
        native.design,
        str(native.result.model.endog_names),
        native.criterion,
        "a statsmodels result",
        groupings=groupings(native, place),
        used=None if place is None else place.used,
    )


def _on_user_data(rung: Rung, place: UserColumns) -> Rung | None:
    """Return the case on the user's data where those have its columns under their names."""
    for name, values in rung.data.frame.items():
        if name not in place.used or not np.array_equal(place.used[name], np.asarray(values)):
            return None
    return bound(place, rung.case.model.formula.text, rung.case.model.criterion, rung.case.design)


METHODS = ("lbfgs", "bfgs", "cg", "powell", "nm")
"""Values of ``method=`` that a result is looked for among."""


def habits_of(native: MixedFit) -> Habits:
    """Return how a result was fitted, as far as that can be told."""
    return Habits(
        method=method_of(native),
        use_sqrt=bool(native.result.model.use_sqrt),
        drops_missing=drops_missing(native),
    )


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
        if not same_design(rung.case.design, design):
            rung = None
    except BadInput:
        rung = None
    rung = rung or by_matrices(design, reply.texts("outcome")[0], criterion, origin)
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
