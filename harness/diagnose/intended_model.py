"""A statsmodels result beside the model that it is meant to be, written as a formula.

``groups=``, ``vc_formula=`` and ``free=`` can say another model than their writer meant. The case
is then the model meant, and the fit is the result as it is, term by term under the names of the
model meant; what it is a fit of is for the verdict to find out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.base.text import count
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.given import (
    Given,
    fitted_formula,
    habits_of,
    mixed_fit,
    of_statsmodels,
    read_given,
)
from harness.diagnose.next_questions import next_questions
from harness.diagnose.remodel import uncorrelated
from harness.diagnose.user_columns import user_frame
from harness.engines.mixedlm_fit import MixedFit
from harness.engines.mixedlm_result import own_model
from harness.model.model import parse_model
from harness.spelling.lme4_spelling import lme4_formula


def as_meant(result: Any, formula: str, data: pd.DataFrame | None = None) -> Given:
    """Read a result of ``MixedLM.fit`` as a fit of the model that ``formula`` says.

    Parameters
    ----------
    formula : str
        In lme4's syntax.
    data : DataFrame, optional
        Where the result was not made from a formula and a data frame, or from other rows.

    Raises
    ------
    BadInput
        For anything that is no such result, a formula that cannot be used, and where the data are
        needed.
    """
    native = mixed_fit(result)
    frame = user_frame(native, data)
    if frame is None:
        raise BadInput(
            "the result was not made from a data frame: give the data as well, "
            "diagnose(result, data, formula=...)"
        )
    try:
        rung = own_rung(
            "data",
            Dataset("data", frame, "the data of a statsmodels result"),
            formula,
            native.criterion,
        )
    except BadInput as error:
        used = [n.name for n in parse_model(formula, native.criterion).names()]
        if data is None and not set(used) <= set(frame.columns):
            raise BadInput(
                f"{error}: give the data as well, diagnose(result, data, formula=...)"
            ) from error
        raise
    fit = read_given(native, rung.case)
    own = own_model(native, rung.case)
    if own is not None:
        own = replace(own, formula=fitted_formula(native, data))
    same_rows = own is None or np.array_equal(own.design.y, rung.case.design.y)
    notes = () if same_rows else _other_rows(native, frame, rung)
    return Given(rung, fit, own, notes, next_questions(result, native), habits_of(native))


SHOWN = 12
"""Row labels that a sentence names."""


def _other_rows(native: MixedFit, frame: pd.DataFrame, rung: Rung) -> tuple[str, ...]:
    """Name the rows that only the result or only the data have, by the labels of the data frame."""
    labels = getattr(native.result.model.data, "row_labels", None)
    if labels is None or not frame.index.is_unique:
        return ()
    complete = frame.index[rung.case.table.complete]
    left_out, more = complete.difference(labels), pd.Index(labels).difference(complete)
    out = []
    for rows, what in ((left_out, "does not use"), (more, "alone uses")):
        if len(rows):
            named = ", ".join(map(str, rows[:SHOWN])) + (", ..." if len(rows) > SHOWN else "")
            out.append(
                f"The result {what} {count(len(rows), 'row')} of the data, by label: {named}."
            )
    if not out:
        out.append(f"The result has the same {count(len(complete), 'row')} in another order.")
    return tuple(out)


def as_asked(result: Any, data: pd.DataFrame | None = None) -> Given:
    """Read a result of ``MixedLM.fit`` as a fit of the model that its own call asked for.

    That is the model fitted, unless ``free=`` asked for uncorrelated effects and was ignored.

    Parameters
    ----------
    data : DataFrame, optional
        That of the fit, where the result has not kept all of it.

    Raises
    ------
    BadInput
        As :func:`harness.diagnose.given.of_statsmodels`.
    """
    given, native = of_statsmodels(result, data), mixed_fit(result)
    if native.as_its_call_says:
        return given
    joined = np.asarray(native.result.freepat.cov_re) != 0
    if not np.array_equal(joined, np.eye(len(joined), dtype=bool)):
        return given
    terms = given.rung.case.design.random
    whole = next(i for i, term in enumerate(terms) if len(term.names) == len(joined))
    asked = uncorrelated(given.rung, whole)
    meant = as_meant(result, lme4_formula(asked.case.model), asked.data.frame)
    return replace(meant, notes=(*given.notes, *meant.notes), habits=given.habits)
