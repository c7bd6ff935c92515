"""What is to be said of a statsmodels result beside the data it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from harness.base.errors import BadInput
from harness.base.text import count, listed
from harness.data.rungs import Rung
from harness.diagnose.result_formula import drops_missing
from harness.diagnose.user_columns import (
    UserColumns,
    alike_columns,
    divides_alike,
    group_name,
    number_column,
    row_groups,
)
from harness.engines.mixedlm_fit import MixedFit
from harness.judge.records import CaseRecord
from harness.model.case import Case
from harness.model.column_match import match_columns
from harness.model.design import RandomDesign

SHOWN = 5
"""Columns that a sentence names."""

CODE = "In the code `data` is the table of this diagnosis, its .data"


def path_unknown(record: CaseRecord) -> tuple[str, ...]:
    """Say of a result that is not at the optimum what cannot be known of how it came there."""
    audit = record.audit("statsmodels")
    if audit is None or audit.certificate not in ("stopped short", "false boundary"):
        return ()
    return (
        "A result does not keep the path of its optimizer: whether MixedLM's gradient had the "
        "wrong sign where it stopped (sm-score-sign) is not known; `lmm-parity diagnose` fits the "
        "model anew and says it.",
    )


def foreign_groups(place: UserColumns, *, given: bool) -> str:
    """Say that groups= is no column of the data that were given, or that the result keeps."""
    (name,) = place.groups or ("",)
    where = "" if given else " that the result keeps (diagnose(result, data) looks in other data)"
    return (
        f"No column of the data{where} is what groups= was; here it is the column {name!r}. {CODE}."
    )


def ambiguous_groups(native: MixedFit, place: UserColumns) -> Iterator[str]:
    """Say which columns divide the rows as the groups do, where groups= named none of them."""
    if not place.groups or (group_name(native),) == place.groups:
        return
    alike = [n for n in alike_columns(place.used, row_groups(native)) if n not in place.groups]
    if alike:
        group = ":".join(place.groups)
        more = [f"{len(alike) - SHOWN} more"] if len(alike) > SHOWN else []
        yield (
            f"groups= divides the rows as each of {listed([group, *alike[:SHOWN], *more])} does: "
            f"it is called {group} here."
        )


def aliased_terms(case: Case) -> Iterator[str]:
    """Say which terms are of one grouping factor under two names, with an effect in common."""
    for one, other in combinations(case.design.random, 2):
        shared = _shared_effects(one, other)
        if shared:
            yield (
                f"{one.group} and {other.group} are one grouping factor under two names: they "
                f"divide the rows alike. {shared} varies by it twice, and the data determine the "
                "sum of the two variances only. Take one of the terms out."
            )


def _shared_effects(one: RandomDesign, other: RandomDesign) -> str:
    if not divides_alike(one.codes.astype(np.int64), other.codes.astype(np.int64)):
        return ""
    match = match_columns(one.z, other.z)
    shared = [name for name, hit in zip(one.names, match.engine, strict=True) if hit >= 0]
    return listed(["The intercept" if n == "Intercept" else f"The slope of {n}" for n in shared])


def other_rows(place: UserColumns, rung: Rung) -> Iterator[str]:
    """Say that a result uses fewer rows than the data have complete ones."""
    if rung.data.frame is not place.frame and len(place.rows) < len(place.frame):
        yield (
            f"The result uses {len(place.rows)} of the {count(len(place.frame), 'row')} of the "
            f"data, which are not just the complete ones. {CODE}, which has those rows only."
        )


def why_matrices(native: MixedFit, case: Case, place: UserColumns | None, *, given: bool) -> str:
    """Say why the model is written in the columns of its design matrices.

    Parameters
    ----------
    given : bool
        Whether the data were given, and are not what the result keeps.

    Raises
    ------
    BadInput
        Where the data that were given are not those of the fit.
    """
    model = native.result.model
    arrays = getattr(model, "formula", None) is None
    if any(aliased_terms(case)) and not arrays:
        return f"The second of two terms for one grouping factor has a column of its own. {CODE}."
    if given and _others(native, place):
        what = "outcome" if arrays else f"columns of {str(model.formula)!r}"
        raise BadInput(
            "the data that were given are not those of the fit: no "
            f"{count(len(native.design.y), 'row')} of them, as they stand or by label, have its "
            f"{what}"
        )
    if arrays and given:
        return (
            "The result was made from arrays, and not all of their columns are columns of the data "
            f"that were given. {CODE}."
        )
    if arrays:
        return (
            "The result was made from arrays, whose columns stand for the data; diagnose(result, "
            f"data) finds them among the columns of a data frame. {CODE}."
        )
    if _changed(native, place):
        return (
            "The data frame of the result was changed after the fit: it does not give the model "
            "that was fitted any more. The columns of its design matrices stand for the data as "
            f"they were. {CODE}."
        )
    return (
        "The model cannot be written with the columns of the data in lme4's formula language, so "
        f"the columns of its design matrices stand for them. {CODE}."
    )


def _others(native: MixedFit, place: UserColumns | None) -> bool:
    """Whether the data are not those of the fit."""
    if getattr(native.result.model, "formula", None) is not None:
        return _changed(native, place)
    return place is None or number_column(native.design.y, place.used) is None


def _changed(native: MixedFit, place: UserColumns | None) -> bool:
    """Whether the fixed part of the formula, evaluated again, gives other columns."""
    import statsmodels.formula.api as smf

    if place is None:
        return True
    formula = str(native.result.model.formula)
    try:
        again = smf.ols(formula, place.used)
    except Exception:
        # Columns of the design that are columns of the data as they are.
        plain = [n for n in (str(native.result.model.endog_names), *native.names) if n in formula]
        return not all(name in place.frame.columns for name in plain)
    if not np.array_equal(again.endog, native.design.y):
        return True
    return not match_columns(native.design.x, np.asarray(again.exog, dtype=np.float64)).complete


def require_groups(native: MixedFit) -> None:
    """Refuse where the data that a result keeps lack the column that ``groups=`` named.

    Raises
    ------
    BadInput
        In one line that asks for the data: ``missing="drop"`` keeps the columns of formulas only.
    """
    kept, named = native.result.model.data.frame, group_name(native)
    lost = named != "" and named not in kept.columns
    # Without a random intercept nothing says that groups= named a column.
    bare = not named and not _has_intercept(native) and drops_missing(native)
    if lost or bare:
        what = f"the column {named!r} of groups=" if lost else "the column of groups="
        raise BadInput(
            f"the data frame that the result keeps lacks {what} (missing='drop' leaves only the "
            "columns of the formulas): give the data as well, diagnose(result, data)"
        )


def _has_intercept(native: MixedFit) -> bool:
    z = np.asarray(native.result.model.exog_re, dtype=np.float64) if native.blocks else None
    return z is not None and bool((z == 1.0).all(axis=0).any())
