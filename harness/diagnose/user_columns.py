"""The model of a statsmodels result, written in the columns of the user's data.

A result keeps its formula, but of ``groups=`` and ``vc_formula=`` only labels, matrices and the
names of their columns. What they were is read from those names where it can be, else from the data:
a grouping factor is whatever divides the rows alike. What is found is used only when it gives the
very design of the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.base.text import count, listed
from harness.data.datasets import Dataset
from harness.data.own_table import own_rung
from harness.data.rungs import Rung
from harness.engines.mixedlm_result import MixedFit
from harness.model.column_match import match_columns
from harness.model.design import Design, RandomDesign
from harness.model.model import Criterion
from harness.model.term_match import match_terms
from harness.spelling.calls import lme4_formula
from harness.spelling.mixedlm_call import MixedLMCall
from harness.spelling.translation import NotInLme4, model_of_call

Codes = NDArray[np.int64]

MOST_COLUMNS = 3
"""Columns whose interaction is tried as a grouping factor."""

CODE = "In the code `data` is the table of this diagnosis, its .data"


@dataclass(frozen=True)
class UserColumns:
    """Rows and groups of a result in a data frame.

    Attributes
    ----------
    frame : DataFrame
        The user's.
    rows : (n,) array
        Position in it of each row of the result.
    groups : tuple of str or None
        Columns whose interaction divides the rows as ``groups=`` does; empty for one group of all
        rows, None where there are none.
    """

    frame: pd.DataFrame
    rows: NDArray[np.intp]
    groups: tuple[str, ...] | None

    @property
    def used(self) -> pd.DataFrame:
        """The rows of the result, in its order."""
        return self.frame.iloc[self.rows]


def user_frame(native: MixedFit, data: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the data frame that was given, or that the result keeps."""
    if data is not None:
        return data
    kept = getattr(native.result.model.data, "frame", None)
    if isinstance(kept, pd.DataFrame):
        return kept
    try:
        return pd.DataFrame(kept) if isinstance(kept, dict) else None
    except ValueError:
        return None


def placements(native: MixedFit, frame: pd.DataFrame) -> Iterator[UserColumns]:
    """Yield the ways in which the rows of a result may lie in a data frame, the likely ones first.

    They do as they stand; by the labels of the index; or as the rows without a missing value.
    """
    n = len(native.design.y)
    ways: list[NDArray[np.intp]] = [np.arange(n)] if len(frame) == n else []
    labels = getattr(native.result.model.data, "row_labels", None)
    if labels is not None and frame.index.is_unique:
        ways.append(frame.index.get_indexer(pd.Index(labels)))
    kept = getattr(native.result.model.data, "frame", None)
    if isinstance(kept, pd.DataFrame):
        known = [name for name in kept.columns if name in frame.columns]
        ways.append(np.flatnonzero(frame[known].notna().all(axis=1)))
    seen: list[NDArray[np.intp]] = []
    for rows in ways:
        if len(rows) == n and (rows >= 0).all() and not any(np.array_equal(rows, s) for s in seen):
            seen.append(rows)
            yield UserColumns(frame, rows, _groups(native, frame.iloc[rows]))


def _groups(native: MixedFit, used: pd.DataFrame) -> tuple[str, ...] | None:
    model = native.result.model
    if model.n_groups == 1:
        return ()
    codes = row_groups(native)
    named = group_name(native)
    own = [name for name in _texts(used) if _same_values(used[name], model.groups)]
    if named in own:
        return (named,)
    return (own[0],) if own else grouping(used, codes)


def row_groups(native: MixedFit) -> Codes:
    """Return the number of each row's group."""
    model = native.result.model
    codes = np.empty(len(native.design.y), dtype=np.int64)
    for i, label in enumerate(model.group_labels):
        codes[model.row_indices[label]] = i
    return codes


def group_name(native: MixedFit) -> str:
    """Return what ``groups=`` named, as the intercept among the random effects is called.

    MixedLM calls it "Group" where it named no column; "" where there is no intercept.
    """
    model = native.result.model
    if getattr(model, "formula", None) is None or not model.k_re:
        return ""
    z = np.asarray(model.exog_re, dtype=np.float64)
    ones = [j for j in range(z.shape[1]) if (z[:, j] == 1.0).all()]
    return str(model.data.exog_re_names[ones[0]]).removesuffix(" Var") if ones else ""


def _texts(frame: pd.DataFrame) -> list[str]:
    """Columns that a formula can name."""
    once = ~frame.columns.duplicated(keep=False)
    return [c for c, alone in zip(frame.columns, once, strict=True) if alone and isinstance(c, str)]


def _same_values(column: pd.Series, groups: Any) -> bool:
    values, wanted = column.to_numpy(), np.asarray(groups)
    return len(values) == len(wanted) and bool(np.array_equal(values, wanted))


def _codes(frame: pd.DataFrame, names: Sequence[str]) -> Codes | None:
    """Return numbers of the combinations of values; None where one is missing or no label."""
    try:
        if frame[list(names)].isna().any(axis=None):
            return None
        groups = frame.groupby(list(names), sort=False, observed=True)
        return np.asarray(groups.ngroup(), dtype=np.int64)
    except TypeError:
        return None


def _pairs(a: Codes, b: Codes) -> int:
    return len(np.unique(a * (int(b.max(initial=0)) + 1) + b))


def _alike(a: Codes, b: Codes) -> bool:
    """Whether two numberings divide the rows alike."""
    return len(np.unique(a)) == len(np.unique(b)) == _pairs(a, b)


def grouping(
    used: pd.DataFrame, codes: Codes, within: tuple[str, ...] = ()
) -> tuple[str, ...] | None:
    """Find the fewest columns whose interaction divides the rows as ``codes`` do.

    Parameters
    ----------
    within : tuple of str
        Columns that the interaction begins with, and that do not count.
    """
    groups = len(np.unique(codes))
    coarse: list[str] = []
    for name in _by_kind(used):
        own = _codes(used, [name]) if name not in within else None
        if own is not None and _pairs(own, codes) == groups:
            coarse.append(name)
    for size in range(0 if within else 1, MOST_COLUMNS + 1):
        for names in combinations(coarse, size):
            own = _codes(used, [*within, *names])
            if own is not None and _alike(own, codes):
                return (*within, *names)
    return None


def _by_kind(frame: pd.DataFrame) -> list[str]:
    """Columns in the order in which they are likely to be labels: decimal numbers last."""
    names = _texts(frame)
    return sorted(names, key=lambda name: bool(pd.api.types.is_float_dtype(frame[name])))


def in_user_columns(native: MixedFit, place: UserColumns) -> Rung | None:
    """Return the case in the user's own columns, or None where that is not the model fitted."""
    model = native.result.model
    if getattr(model, "formula", None) is None or place.groups is None:
        return None
    effects = _effects(native)
    if len(native.blocks) > 1 and len(native.blocks) < len(effects):
        return None
    texts = {c for c in _texts(place.frame) if _is_label(place.frame[c])}
    for components in (_named_components(native), _found_components(native, place)):
        if components is None:
            continue
        call = MixedLMCall(
            formula=str(model.formula),
            groups=place.groups,
            re_formula=" + ".join([*([] if "1" in effects else ["0"]), *effects])
            if effects
            else None,
            vc_formula=components,
            free="diagonal" if len(native.blocks) > 1 else "all",
            reml=native.criterion == "REML",
        )
        try:
            text = lme4_formula(model_of_call(call, texts, place.used))
        except (BadInput, NotInLme4):
            continue
        rung = bound(place, text, native.criterion, native.design)
        if rung is not None:
            return rung
    return None


def _is_label(column: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(column)
    return not numeric or pd.api.types.is_bool_dtype(column)


def bound(place: UserColumns, text: str, criterion: Criterion, design: Design) -> Rung | None:
    """Bind a formula to all rows of the data where those used are the complete ones.

    None where that does not give the design.
    """
    origin = "a statsmodels result"
    for frame in (place.frame, place.used):
        try:
            rung = own_rung("data", Dataset("data", frame, origin), text, criterion)
        except BadInput:
            continue
        if same_design(rung.case.design, design):
            return rung
    return None


def same_design(one: Design, other: Design) -> bool:
    """Whether two designs are of the same rows, columns and groups, in any order of columns."""
    if len(one.y) != len(other.y) or not np.array_equal(one.y, other.y):
        return False
    if not match_columns(one.x, other.x).complete or len(one.random) != len(other.random):
        return False
    return None not in match_terms(one.random, other.random)


_LEVEL = re.compile(r"\[[^\]]*\]")


def _effects(native: MixedFit) -> list[str]:
    """Terms of re_formula, from the names of its columns."""
    model = native.result.model
    if not model.k_re:
        return []
    z = np.asarray(model.exog_re, dtype=np.float64)
    names = [str(n) for n in model.data.exog_re_names]
    found = ["1" if (z[:, j] == 1.0).all() else names[j] for j in range(z.shape[1])]
    return list(dict.fromkeys(_LEVEL.sub("", name) for name in found))


def _named_components(native: MixedFit) -> dict[str, str] | None:
    """Return the formula of each variance component, from the names of its columns."""
    parts = native.result.model.exog_vc
    out = {}
    for name, by_group in zip(parts.names, parts.colnames, strict=True):
        terms = {_LEVEL.sub("", str(column)) for columns in by_group for column in columns}
        if len(terms) != 1:
            return None
        (term,) = terms
        out[str(name)] = "1" if term == "Intercept" else f"0 + {term}"
    return out


def _found_components(native: MixedFit, place: UserColumns) -> dict[str, str] | None:
    """Return the formula of each variance component, from how it divides the rows."""
    out = {}
    for name, term in zip(native.result.model.exog_vc.names, vc_terms(native), strict=True):
        columns = grouping_of(term, place)
        slope = _slope(term, place.used)
        if columns is None or slope is None:
            return None
        inner = [f"C(Q({c!r}))" for c in columns if c not in (place.groups or ())]
        pieces = [*inner, *([slope] if slope else [])]
        out[str(name)] = f"0 + {':'.join(pieces)}" if pieces else "1"
    return out


def vc_terms(native: MixedFit) -> tuple[RandomDesign, ...]:
    """Return the terms that are variance components."""
    return native.design.random[len(native.blocks) :]


def grouping_of(term: RandomDesign, place: UserColumns) -> tuple[str, ...] | None:
    """Return the columns whose interaction is the grouping factor of a term."""
    rows = term.z.any(axis=1)
    codes = term.codes[rows].astype(np.int64)
    used = place.used[rows]
    return grouping(used, codes, place.groups or ()) or grouping(used, codes)


def _slope(term: RandomDesign, used: pd.DataFrame) -> str | None:
    """Name the column whose slope varies; "" for an intercept, None where there is none."""
    z = term.z[:, 0]
    if (z == 1.0).all():
        return ""
    for name in _texts(used):
        column = used[name]
        if not _is_label(column) and np.array_equal(column.to_numpy(dtype=np.float64), z):
            return f"Q({name!r})"
    return None


def with_groups(native: MixedFit, place: UserColumns) -> UserColumns:
    """Return the data with a column for groups that none of its columns are."""
    name = own_name(native)
    while name in place.frame.columns:
        name += "_"
    whole = len(place.rows) == len(place.frame)
    frame = place.frame if whole else place.used
    rows = place.rows if whole else np.arange(len(frame))
    labels = np.empty(len(frame), dtype=object)
    labels[rows] = np.asarray(native.result.model.groups)
    frame = frame.assign(**{name: pd.Series(labels, index=frame.index).infer_objects()})
    return replace(place, frame=frame, rows=rows, groups=(name,))


def own_name(native: MixedFit) -> str:
    """Return what to call groups that are no column of the data."""
    named = group_name(native)
    return "group" if named in ("", "Group") else named


def foreign_groups(place: UserColumns) -> str:
    """Say that groups= is no column of the data."""
    (name,) = place.groups or ("",)
    return f"No column of the data is what groups= was; here it is the column {name!r}. {CODE}."


def ambiguous_groups(native: MixedFit, place: UserColumns) -> Iterator[str]:
    """Say which columns divide the rows as the groups do, where groups= named none of them."""
    if not place.groups or (group_name(native),) == place.groups:
        return
    used, codes = place.used, row_groups(native)
    alike = [
        name
        for name in _by_kind(used)
        if name not in place.groups
        and (own := _codes(used, [name])) is not None
        and _alike(own, codes)
    ]
    if alike:
        group = ":".join(place.groups)
        yield (
            f"groups= divides the rows as each of {listed([group, *alike])} does: it is called "
            f"{group} here."
        )


def other_rows(place: UserColumns, rung: Rung) -> Iterator[str]:
    """Say that a result uses fewer rows than the data have complete ones."""
    if rung.data.frame is not place.frame and len(place.rows) < len(place.frame):
        yield (
            f"The result uses {len(place.rows)} of the {count(len(place.frame), 'row')} of the "
            f"data, which are not just the complete ones. {CODE}, which has those rows only."
        )


def why_not(native: MixedFit, place: UserColumns | None, *, given: bool) -> str:
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
    if getattr(model, "formula", None) is None:
        return f"The result was made from arrays, whose columns stand for the data. {CODE}."
    if _changed(str(model.formula), native, place):
        if given:
            n = count(len(native.design.y), "row")
            raise BadInput(
                f"the data that were given are not those of the fit: no {n} of them give the "
                f"columns of {str(model.formula)!r} that were fitted"
            )
        return (
            "The data frame of the result was changed after the fit: it does not give the model "
            "that was fitted any more. The columns of its design matrices stand for the data as "
            f"they were. {CODE}."
        )
    return (
        "The model cannot be written with the columns of the data in lme4's formula language, so "
        f"the columns of its design matrices stand for them. {CODE}."
    )


def _changed(formula: str, native: MixedFit, place: UserColumns | None) -> bool:
    """Whether the fixed part of the formula, evaluated again, gives other columns."""
    import statsmodels.formula.api as smf

    if place is None:
        return True
    try:
        again = smf.ols(formula, place.used)
    except Exception:
        return not all(name in place.frame.columns for name in _words(formula, native))
    if not np.array_equal(again.endog, native.design.y):
        return True
    return not match_columns(native.design.x, np.asarray(again.exog, dtype=np.float64)).complete


def _words(formula: str, native: MixedFit) -> list[str]:
    """Names of columns that are columns of the design as they are."""
    return [n for n in (str(native.result.model.endog_names), *native.names) if n in formula]


def require_groups(native: MixedFit, frame: pd.DataFrame) -> None:
    """Refuse where the data that a result keeps lack the column that ``groups=`` named.

    Raises
    ------
    BadInput
        In one line that asks for the data: ``missing="drop"`` keeps the columns of formulas only.
    """
    named = group_name(native)
    lost = named not in ("", "Group") and named not in frame.columns
    # Else nothing says that groups= named a column, but that only those of formulas are left.
    bare = named == "" and drops_missing(native)
    if lost or bare:
        what = f"the column {named!r} of groups=" if lost else "the column of groups="
        raise BadInput(
            f"the data frame that the result keeps has not {what} (missing='drop' leaves only the "
            "columns of the formulas): give the data as well, diagnose(result, data)"
        )


def drops_missing(native: MixedFit) -> bool:
    """Whether a result looks as if fitted with ``missing="drop"``: only such columns are left."""
    kept = getattr(native.result.model.data, "frame", None)
    if getattr(native.result.model, "formula", None) is None or not isinstance(kept, pd.DataFrame):
        return False
    return bool(list(kept.columns) == sorted(_tokens(native) & set(kept.columns)))


def _tokens(native: MixedFit) -> set[str]:
    model = native.result.model
    texts = [str(model.formula), *(_effects(native))]
    texts += (_named_components(native) or {}).values()
    return set(re.findall(r"\w+", " ".join(texts)))
