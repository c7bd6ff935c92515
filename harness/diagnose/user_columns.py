"""Columns of the user's data in which a statsmodels result can be said again.

Of ``groups=`` and ``vc_formula=`` a result keeps labels and matrices only. What they were is read
off the data: a grouping factor is whatever divides the rows alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.engines.mixedlm_fit import MixedFit
from harness.model.design import RandomDesign

Codes = NDArray[np.int64]

MOST_COLUMNS = 3
"""Columns whose interaction is tried as a grouping factor."""

MOST_TRIED = 12
"""Columns among which those are looked for."""


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
    named = group_name(native)
    own = [name for name in column_names(used) if _same_values(used[name], model.groups)]
    if named in own:
        return (named,)
    return (own[0],) if own else grouping(used, row_groups(native))


def row_groups(native: MixedFit) -> Codes:
    """Return the number of each row's group."""
    model = native.result.model
    codes = np.empty(len(native.design.y), dtype=np.int64)
    for i, label in enumerate(model.group_labels):
        codes[model.row_indices[label]] = i
    return codes


def group_name(native: MixedFit) -> str:
    """Return what ``groups=`` named, "" where that is not known.

    The formula interface calls the intercept among the random effects so, and "Group" where it
    named no column; the array interface keeps a Series as it is.
    """
    model = native.result.model
    if getattr(model, "formula", None) is None:
        name = getattr(model.groups, "name", None)
        return name if isinstance(name, str) else ""
    if not model.k_re:
        return ""
    z = np.asarray(model.exog_re, dtype=np.float64)
    ones = [j for j in range(z.shape[1]) if (z[:, j] == 1.0).all()]
    name = str(model.data.exog_re_names[ones[0]]).removesuffix(" Var") if ones else ""
    return "" if name == "Group" else name


def own_name(native: MixedFit) -> str:
    """Return what to call groups that are no column of the data."""
    return group_name(native) or "group"


def column_names(frame: pd.DataFrame) -> list[str]:
    """Columns that a formula can name."""
    once = ~frame.columns.duplicated(keep=False)
    return [c for c, alone in zip(frame.columns, once, strict=True) if alone and isinstance(c, str)]


def is_label(column: pd.Series) -> bool:
    """Whether a column holds labels, not numbers."""
    numeric = pd.api.types.is_numeric_dtype(column)
    return not numeric or pd.api.types.is_bool_dtype(column)


def _by_kind(frame: pd.DataFrame, first: str = "") -> list[str]:
    """Columns in the order in which they are likely to be labels: decimal numbers last."""
    return sorted(
        column_names(frame),
        key=lambda name: (name != first, bool(pd.api.types.is_float_dtype(frame[name]))),
    )


def _same_values(column: pd.Series, groups: Any) -> bool:
    values, wanted = column.to_numpy(), np.asarray(groups)
    return len(values) == len(wanted) and bool(np.array_equal(values, wanted))


def _codes(frame: pd.DataFrame, names: Sequence[str]) -> Codes | None:
    """Return numbers of the combinations of values; None where one is missing or no label."""
    try:
        if len(names) == 1:
            own = np.asarray(pd.factorize(frame[names[0]])[0], dtype=np.int64)
            return None if own.min(initial=0) < 0 else own
        if frame[list(names)].isna().any(axis=None):
            return None
        groups = frame.groupby(list(names), sort=False, observed=True)
        return np.asarray(groups.ngroup(), dtype=np.int64)
    except TypeError:
        return None


def _pairs(a: Codes, b: Codes) -> int:
    return len(np.unique(a * (int(b.max(initial=0)) + 1) + b))


def divides_alike(a: Codes, b: Codes) -> bool:
    """Whether two numberings divide the rows alike."""
    return len(np.unique(a)) == len(np.unique(b)) == _pairs(a, b)


def grouping(
    used: pd.DataFrame, codes: Codes, within: tuple[str, ...] = (), first: str = ""
) -> tuple[str, ...] | None:
    """Find the fewest columns whose interaction divides the rows as ``codes`` do.

    Parameters
    ----------
    within : tuple of str
        Columns that the interaction begins with, and that do not count.
    first : str
        The column to try first.
    """
    groups = len(np.unique(codes))
    # One column for each way to divide the rows; those that split a group are of no use.
    coarse: dict[bytes, str] = {}
    for name in _by_kind(used, first):
        own = _codes(used, [name]) if name not in within else None
        if own is not None and own.any() and _pairs(own, codes) == groups:
            coarse.setdefault(own.tobytes(), name)
    for size in range(0 if within else 1, MOST_COLUMNS + 1):
        for names in combinations(list(coarse.values())[:MOST_TRIED], size):
            own = _codes(used, [*within, *names])
            if own is not None and divides_alike(own, codes):
                return (*within, *names)
    return None


def alike_columns(used: pd.DataFrame, codes: Codes) -> list[str]:
    """Return every column that divides the rows as ``codes`` do, but for decimal numbers."""
    out = []
    for name in column_names(used):
        if pd.api.types.is_float_dtype(used[name]):
            continue
        own = _codes(used, [name])
        if own is not None and divides_alike(own, codes):
            out.append(name)
    return out


def grouping_of(term: RandomDesign, place: UserColumns) -> tuple[str, ...] | None:
    """Return the columns whose interaction is the grouping factor of a term.

    A variance component divides the groups, so those come first.
    """
    rows = term.z.any(axis=1)
    codes, used = term.codes[rows].astype(np.int64), place.used[rows]
    within = grouping(used, codes, place.groups or (), term.group)
    return within or grouping(used, codes, first=term.group)


def groupings(native: MixedFit, place: UserColumns | None) -> list[Mapping[str, Any]]:
    """Return for each term of a result the columns whose interaction is its grouping factor.

    They are the user's where those divide the rows alike. Else the column of a variance component
    is within a group what its name says, and the groups are the other one.
    """
    model = native.result.model
    labels = [str(label) for label in model.group_labels]
    if len(set(labels)) < len(labels):  # 1 and "1", say
        labels = [str(i) for i in range(len(labels))]
    whole: Mapping[str, Any] = {own_name(native): _labels(row_groups(native), labels)}
    if place is not None and place.groups:
        whole = {name: place.used[name].to_numpy() for name in place.groups}
    out: list[Mapping[str, Any]] = [whole for _ in native.blocks]
    for j, term in enumerate(vc_terms(native)):
        known = grouping_of(term, place) if place is not None else None
        if known:
            assert place is not None
            out.append({name: place.used[name].to_numpy() for name in known})
        elif len(term.levels) == model.n_groups > 1:
            out.append(whole)
        else:
            inner = {_apart(term.group, whole): _inside(native, j, term)}
            out.append(inner if model.n_groups == 1 else {**whole, **inner})
    return out


def vc_terms(native: MixedFit) -> tuple[RandomDesign, ...]:
    """Return the terms that are variance components."""
    return native.design.random[len(native.blocks) :]


def _apart(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def _inside(native: MixedFit, component: int, term: RandomDesign) -> Any:
    """Return for each row the column of a variance component in its group, by name."""
    names = native.result.model.exog_vc.colnames[component]
    # A level is "group:column", see mixedlm_result.
    places = [tuple(map(int, level.split(":"))) for level in term.levels]
    told = [str(names[g][c]) if c < len(names[g]) else str(c) for g, c in places]
    if len({(g, name) for (g, _), name in zip(places, told, strict=True)}) < len(places):
        told = [str(c) for _, c in places]
    return _labels(term.codes, told)


def _labels(codes: NDArray[Any], names: Sequence[str]) -> Any:
    return np.array(names, dtype=object)[codes]


def number_column(z: NDArray[np.float64], used: pd.DataFrame) -> str | None:
    """Name the column of numbers that has these values."""
    for name in column_names(used):
        column = used[name]
        if not is_label(column) and np.array_equal(column.to_numpy(np.float64, na_value=np.nan), z):
            return name
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
