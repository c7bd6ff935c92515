"""A statsmodels result beside the model that it is meant to be, written as a formula.

``groups=``, ``vc_formula=`` and ``free=`` can say another model than their writer meant. The case
is then the model meant, and the fit is the result as it is, term by term under the names of the
model meant; what it is a fit of is for the verdict to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.diagnose.given import Given, of_statsmodels
from harness.diagnose.phrases import count
from harness.diagnose.remodel import uncorrelated
from harness.engines.engine import Coefficient, Fit, RandomTerm
from harness.engines.mixedlm_result import MixedFit, unwrapped
from harness.model.column_match import match_columns
from harness.model.design import Design, RandomDesign
from harness.spelling.calls import lme4_formula

Array = NDArray[np.float64]


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
    own = of_statsmodels(result)
    fit = MixedFit(unwrapped(result))
    frame = data if data is not None else getattr(fit.result.model.data, "frame", None)
    if not isinstance(frame, pd.DataFrame):
        raise BadInput(
            "the result was not made from a data frame: give the data as well, "
            "diagnose(result, data, formula=...)"
        )
    rung = own_rung(
        "data",
        Dataset("data", frame, "the data of a statsmodels result"),
        formula,
        "REML" if fit.result.reml else "ML",
    )
    design = rung.case.design
    same_rows = len(design.y) == len(fit.design.y) and bool(np.array_equal(design.y, fit.design.y))
    outcome = msgspec.structs.replace(
        own.fit,
        coefficients=_coefficients(own.fit, fit, design, same_rows=same_rows),
        random=tuple(_terms(fit, design) if same_rows else _by_place(fit, design)),
        # Rows of another order or number cannot be laid beside those of the case.
        fitted=tuple(np.asarray(fit.result.fittedvalues).tolist()) if same_rows else (),
        residuals=(),
        probes=_mask_ignored(fit.result),
        data_checksum=rung.case.table.checksum() if same_rows else "other rows",
    )
    return Given(rung, outcome, () if same_rows else _other_rows(fit, frame, rung))


SHOWN = 12
"""Row labels that a sentence names."""


def _other_rows(fit: MixedFit, frame: pd.DataFrame, rung: Rung) -> tuple[str, ...]:
    """Name the rows that only the result or only the data have, by the labels of the data frame."""
    labels = getattr(fit.result.model.data, "row_labels", None)
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


def as_asked(result: Any) -> Given:
    """Read a result of ``MixedLM.fit`` as a fit of the model that its own call asked for.

    That is the model fitted, unless ``free=`` asked for uncorrelated effects and was ignored.

    Raises
    ------
    BadInput
        As :func:`harness.diagnose.given.of_statsmodels`.
    """
    given = of_statsmodels(result)
    inner = unwrapped(result)
    if not mask_ignored(inner) or len(given.rung.case.design.random) > 1:
        return given
    joined = np.asarray(inner.freepat.cov_re) != 0
    if not np.array_equal(joined, np.eye(len(joined), dtype=bool)):
        return given
    asked = uncorrelated(given.rung, 0)
    return as_meant(result, lme4_formula(asked.case.model), asked.data.frame)


def mask_ignored(result: Any) -> bool:
    """Whether covariances that ``free=`` holds at zero are not zero."""
    inner = unwrapped(result)
    pattern = getattr(inner, "freepat", None)
    return pattern is not None and bool(_held(inner).max(initial=0.0) > 0.0)


def _held(inner: Any) -> Array:
    """Absolute covariances that the mask holds at zero."""
    covariance = np.asarray(inner.cov_re, dtype=np.float64)
    joined = np.asarray(inner.freepat.cov_re) != 0
    return np.asarray(np.abs(covariance[~joined]), dtype=np.float64)


def _mask_ignored(inner: Any) -> dict[str, str]:
    if not mask_ignored(inner):
        return {}
    largest = float(_held(inner).max())
    return {"free-ignored": f"a covariance held at 0 by free= came out as {largest:.3g}"}


def _coefficients(
    own: Fit, fit: MixedFit, design: Design, *, same_rows: bool
) -> tuple[Coefficient, ...]:
    """Name the fixed effects as the case does, where they are the case's columns."""
    native = dict(zip(own.native_names, own.coefficients, strict=True))
    rows = [native[name] for name in fit.names]
    if same_rows:
        match = match_columns(design.x, fit.design.x)
        if match.complete:
            return tuple(
                msgspec.structs.replace(rows[i], name=name)
                for name, i in zip(design.x_names, match.engine, strict=True)
            )
    elif len(rows) == len(design.x_names):
        return tuple(
            msgspec.structs.replace(row, name=name)
            for name, row in zip(design.x_names, rows, strict=True)
        )
    return tuple(
        msgspec.structs.replace(row, name=name) for name, row in zip(fit.names, rows, strict=True)
    )


def _terms(fit: MixedFit, design: Design) -> list[RandomTerm]:
    """Lay the terms of the result beside those of the case.

    A term of the case is the result's when rows and effects are the same, or when the result's
    levels are finer, as those of a factor read as nested are. A term whose effects the result has
    correlated with those of another is shown without that correlation where ``free=`` asked for
    that; the rest keep what they are.
    """
    split = mask_ignored(fit.result)
    free = list(range(len(fit.design.random)))
    hits: dict[int, tuple[int, Sequence[int]]] = {}
    # Terms of the same groups first, so that none of them is taken for another.
    for same in (_same_levels, _finer_levels):
        for t, term in enumerate(design.random):
            for i in () if t in hits else tuple(free):
                columns = _columns(fit.design.random[i], term, part=split)
                if columns is not None and same(fit.design.random[i], term):
                    hits[t] = (i, columns)
                    if not split:
                        free.remove(i)
                    break
    psi = [np.asarray(covariance, dtype=np.float64) for covariance in fit.covariances]
    out = [
        _term(term, psi[hits[t][0]][np.ix_(hits[t][1], hits[t][1])])
        for t, term in enumerate(design.random)
        if t in hits
    ]
    return out if split else [*out, *(_term(fit.design.random[i], psi[i]) for i in free)]


def _by_place(fit: MixedFit, design: Design) -> list[RandomTerm]:
    """Terms in the order in which they come, where the rows are others."""
    ours = [replace(t, levels=()) for t in design.random]
    if [len(t.names) for t in ours] != [len(c) for c in fit.covariances]:
        ours = [replace(t, levels=()) for t in fit.design.random]
    return [
        _term(term, np.asarray(psi, dtype=np.float64))
        for term, psi in zip(ours, fit.covariances, strict=True)
    ]


def _term(term: RandomDesign, psi: Array) -> RandomTerm:
    return RandomTerm(
        group=term.group,
        names=term.names,
        covariance=tuple(map(tuple, psi.tolist())),
        levels=term.levels,
    )


def _columns(own: RandomDesign, term: RandomDesign, *, part: bool) -> Sequence[int] | None:
    """Which effects of the result's term those of the case are; None where they are others."""
    match = match_columns(term.z, own.z)
    return match.engine if -1 not in match.engine and (part or match.complete) else None


def _same_levels(own: RandomDesign, term: RandomDesign) -> bool:
    pairs = np.unique(np.column_stack([own.codes, term.codes]), axis=0)
    return len(pairs) == len(np.unique(own.codes)) == len(np.unique(term.codes))


def _finer_levels(own: RandomDesign, term: RandomDesign) -> bool:
    pairs = np.unique(np.column_stack([own.codes, term.codes]), axis=0)
    return len(pairs) == len(np.unique(own.codes)) > len(np.unique(term.codes))
